"""Quality holds where the two naive forms are hacked: blank, blown-up, noisy and dense states do not score."""

import numpy as np
import pytest
import torch

from narrative_dag.reward.quality import (
    Calibration,
    QualityError,
    calibrate,
    feature_quality,
    storyworld_quality,
    trapezoid,
)
from narrative_dag.sae.config import RunConfig, SaeConfig
from narrative_dag.sae.standard import StandardConfig
from narrative_dag.sae.synthetic import synthetic_states
from narrative_dag.sae.topk import TopKConfig
from narrative_dag.sae.trainer import train

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def world():
    """Structured states, half for training; three autoencoders of them, and their calibrations."""
    states = synthetic_states(6000, 24, 32, 3, seed=0, noise=0.02, offset=0.5).states
    topk, standard = TopKConfig(k_features=48, k=5), StandardConfig(k_features=48, l1=0.02)
    runs = tuple(
        RunConfig(architecture=architecture, lr=1e-2, seed=seed)
        for architecture, seed in [(topk, 0), (topk, 1), (standard, 2)]
    )
    config = SaeConfig(runs=runs, epochs=25, batch_size=128, device="cpu")
    saes = train(states[:3000], config, seed=0).saes
    return states, saes, [calibrate(sae, states[:3000]) for sae in saes]


def test_unseen_real_states_score_high(world):
    states, saes, calibrations = world
    assert feature_quality(states[3000:], saes, calibrations).q.mean() > 0.5


def test_the_blank_mean_state_scores_nothing(world):
    states, saes, calibrations = world
    assert storyworld_quality(states[:3000].mean(axis=0, keepdims=True), saes, calibrations) == pytest.approx(
        0, abs=0.01
    )


def test_naive_hacks_do_not_score(world):
    states, saes, calibrations = world
    real = storyworld_quality(states[3000:], saes, calibrations)
    mean = states[:3000].mean(axis=0)
    rng = np.random.default_rng(1)
    energy = np.sqrt(((states - mean) ** 2).sum(axis=1).mean())
    noise = rng.normal(size=(500, 24))
    hacks = {
        "blown up": mean + 6 * (states[3000:3500] - mean),
        "nearly blank": mean + 0.05 * (states[3000:3500] - mean),
        "noise of typical energy": mean + energy * noise / np.linalg.norm(noise, axis=1, keepdims=True),
        "everything at once": np.full((1, 24), 3.0) + mean,
        "one atom, far out": mean + 8 * saes[0].W_dec[:5],
    }
    for name, attempt in hacks.items():
        assert storyworld_quality(attempt.astype(np.float32), saes, calibrations) < real / 2, name


def test_q_is_the_mean_minus_the_spread_of_the_products(world):
    states, saes, calibrations = world
    sample = states[3000:3050]
    alone = [feature_quality(sample, [s] * 3, [c] * 3) for s, c in zip(saes, calibrations, strict=True)]
    for one in alone:
        np.testing.assert_allclose(one.spread, 0, atol=1e-12)
        np.testing.assert_allclose(one.q, one.explained * one.sparsity * one.typicality, atol=1e-12)
    products = np.stack([one.q for one in alone])
    together = feature_quality(sample, saes, calibrations)
    np.testing.assert_allclose(together.q, np.clip(products.mean(axis=0) - products.std(axis=0), 0, 1), atol=1e-12)
    assert ((together.q >= 0) & (together.q <= 1)).all()


def test_trapezoid_is_two_sided():
    np.testing.assert_allclose(trapezoid(np.array([0, 1, 2, 4, 5, 8, 9.0]), 2, 4), [0, 0.5, 1, 1, 0.75, 0, 0])
    np.testing.assert_allclose(trapezoid(np.array([0, 1.0]), 0, 0), [1, 0])


def test_calibration_holds_the_quantiles_and_survives_json(world):
    states, saes, calibrations = world
    energy = ((states[:3000] - states[:3000].mean(axis=0)) ** 2).sum(axis=1)
    assert calibrations[0].variance == pytest.approx(energy.mean(), rel=1e-4)
    assert calibrations[0].energy == pytest.approx(np.quantile(energy, [0.02, 0.98]), rel=1e-3)
    codes = saes[0].encode(states[:3000])
    assert calibrations[0].l0 == tuple(np.quantile((codes > 0).sum(axis=1), [0.05, 0.95]))
    feature = int((codes > 0).sum(axis=0).argmax())
    column = codes[:, feature]
    assert calibrations[0].peak[feature] == pytest.approx(np.quantile(column[column > 0], 0.99))
    assert Calibration.model_validate_json(calibrations[0].model_dump_json()) == calibrations[0]


def test_wrong_sets_are_refused(world):
    states, saes, calibrations = world
    with pytest.raises(QualityError, match="2 autoencoders"):
        feature_quality(states[:5], saes[:2], calibrations[:2])
    with pytest.raises(QualityError, match="the calibration is for"):
        feature_quality(states[:5], saes, [calibrations[0].model_copy(update={"mean": (0.0,)})] * 3)
    with pytest.raises(QualityError, match="differ"):
        calibrate(saes[0], np.ones((5, 24), np.float32))
    assert storyworld_quality(states[:0], saes, calibrations) == 0
