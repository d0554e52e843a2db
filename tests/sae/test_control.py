"""The controller of a penalty's coefficient: its law, and that it settles where a plain integrator swings."""

import math

import numpy as np
import pytest
import torch

from narrative_dag.sae.control import GAIN, control, controlled


def test_a_steady_excess_moves_the_coefficient_by_the_gain():
    buffers, pace = controlled(1.0), 1e-3
    for _ in range(100):
        control(buffers, torch.tensor(20.0 * math.exp(0.5)), 20.0, pace)
    # no trend: half an e too many, for a tenth of the training
    assert float(buffers["l1"]) == pytest.approx(math.exp(0.5 * GAIN * 0.1), rel=1e-4)
    control(buffers, 1e9, 20.0, 0.5)
    assert float(buffers["l1"]) == pytest.approx(math.exp(0.5 * GAIN * 0.1 + 0.05), rel=1e-4)


@pytest.mark.parametrize("lag", [0.01, 0.03, 0.06])
def test_features_that_answer_late_come_to_the_target_and_stay(lag):
    steps = 2000
    buffers, level, course = controlled(8e-3), math.log(128), []
    for _ in range(steps):
        # more penalty, fewer features, a part of the way each step
        level += (math.log(20) - 0.8 * math.log(float(buffers["l1"]) / 3e-2) - level) / (lag * steps)
        control(buffers, math.exp(level), 20.0, 1 / steps)
        course.append(math.exp(level))
    np.testing.assert_allclose(course[steps // 2 :], 20, rtol=0.1)
    assert min(course) > 19
