import numpy as np
import pytest
import torch
from gradient_checks import arrays_of, differences, gradients_of, parameters_and_batch, trained
from threshold_checks import (
    TRUTH,
    assert_folding_changes_nothing_but_the_input,
    assert_learns,
    assert_the_scale_of_raw_states_changes_nothing,
)

from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.jumprelu import FLOOR, MULTIPLIER_RATE, STIFFNESS, JumpReLUConfig
from narrative_dag.sae.registry import build, parse_architecture

FREE = JumpReLUConfig(k_features=12, l0=0.03, target_l0=None)
HELD = JumpReLUConfig(k_features=12, l0=0.03, target_l0=2.0)
free_or_held = pytest.mark.parametrize("config", [FREE, HELD], ids=["free", "held"])


def with_multiplier(config, buffers, value=0.02):
    return {name: torch.full_like(buffer, value) for name, buffer in buffers.items()}


def codes_of(parameters, x):
    pre = x @ parameters["W_enc"].T + parameters["b_enc"]
    return pre, pre * (pre > np.exp(parameters["log_threshold"]))


def squares_of(parameters, x):
    return np.mean((codes_of(parameters, x)[1] @ parameters["W_dec"] + parameters["b_dec"] - x) ** 2)


@free_or_held
def test_encoder_and_decoder_have_the_gradients_of_the_mean_squared_error(config):
    parameters, buffers, batch = parameters_and_batch(config)
    gradients, step = gradients_of(config, parameters, with_multiplier(config, buffers), batch)
    arrays, x = arrays_of(parameters), batch.x.numpy()
    expected = differences(lambda p: squares_of(p, x), arrays)
    # almost everywhere a threshold changes nothing: that is why its gradient is estimated
    assert not expected.pop("log_threshold").any()
    for name, gradient in expected.items():
        np.testing.assert_allclose(gradients[name], gradient, atol=2e-8, err_msg=name)
    codes = codes_of(arrays, x)[1]
    np.testing.assert_array_equal(step.fired.numpy(), (codes > 0).any(axis=0))
    active = (codes > 0).sum() / len(x)
    penalty = 0.03 * active if config is FREE else STIFFNESS * 0.03 * 2 * (active / 2 - 1) ** 2 + 0.02 * (active - 2)
    assert float(step.loss) == pytest.approx(squares_of(arrays, x) + penalty, rel=1e-6)


@free_or_held
def test_thresholds_have_the_gradient_of_the_rectangle_estimator(config):
    """Kernel K(u) = 1 for |u| < 1/2; d JumpReLU / dt = -(t / w) K((z - t) / w), d H / dt = -(1 / w) K((z - t) / w)."""
    parameters, buffers, batch = parameters_and_batch(config)
    gradients, _ = gradients_of(config, parameters, with_multiplier(config, buffers), batch)
    arrays, x = arrays_of(parameters), batch.x.numpy()
    pre, codes = codes_of(arrays, x)
    t, w = np.exp(arrays["log_threshold"]), config.bandwidth
    kernel = np.abs((pre - t) / w) < 0.5
    below = kernel & (codes == 0)
    assert below.sum() > 5
    assert (kernel & (codes > 0)).sum() > 5
    by_code = 2 / x.size * (codes @ arrays["W_dec"] + arrays["b_dec"] - x) @ arrays["W_dec"].T
    active = (codes > 0).sum() / len(x)
    by_l0 = 0.03 if config is FREE else 2 * STIFFNESS * 0.03 * np.clip(active / 2 - 1, -1, 1) + 0.02
    by_threshold = (by_code * (-t / w) * kernel).sum(axis=0) + by_l0 / len(x) * (-1 / w * kernel).sum(axis=0)
    np.testing.assert_allclose(gradients["log_threshold"], by_threshold * t, rtol=1e-6, atol=1e-12)


def test_the_multiplier_moves_by_the_pull_of_the_quadratic_penalty():
    parameters, buffers, batch = parameters_and_batch(HELD)
    gradients_of(HELD, parameters, buffers, batch._replace(pace=1e-3))
    active = (codes_of(arrays_of(parameters), batch.x.numpy())[1] > 0).sum() / len(batch.x)
    pull = 2 * STIFFNESS * 0.03 * np.clip(active / 2 - 1, -1, 1)
    assert pull > 0
    assert float(buffers["multiplier"]) == pytest.approx(MULTIPLIER_RATE * 1e-3 * pull)
    buffers["multiplier"].zero_()
    parameters["b_enc"].fill_(-100.0)
    gradients_of(HELD, parameters, buffers, batch)
    assert float(buffers["multiplier"]) == 0


def test_thresholds_do_not_fall_out_of_reach():
    parameters, buffers, batch = parameters_and_batch(HELD)
    parameters["log_threshold"].fill_(-30.0)
    gradients_of(HELD, parameters, buffers, batch)
    np.testing.assert_allclose(parameters["log_threshold"].exp().numpy(), FLOOR * HELD.bandwidth)


@free_or_held
def test_training_and_inference_rules_agree_and_apply_the_threshold_once(config):
    rule = build(config)
    pre = np.random.default_rng(1).normal(size=(50, 12)).astype(np.float32)
    threshold = np.linspace(0.1, 1.2, 12, dtype=np.float32)
    trained_rule = rule.activate(torch.from_numpy(pre), {"threshold": torch.from_numpy(threshold)}).numpy()
    np.testing.assert_array_equal(rule.infer(pre, {"threshold": threshold}), trained_rule)
    # a code is its pre-activation, not what is above the threshold; at the threshold there is none
    codes = rule.infer(np.full((1, 12), 0.5, np.float32), {"threshold": np.array([0.2, 0.5, 0.8] * 4, np.float32)})
    np.testing.assert_array_equal(codes, [[0.5, 0, 0] * 4])


@free_or_held
def test_folding_changes_nothing_but_the_input(config, tmp_path):
    assert_folding_changes_nothing_but_the_input(config, tmp_path)


def test_the_scale_of_raw_states_changes_nothing():
    assert_the_scale_of_raw_states_changes_nothing(HELD)


@pytest.mark.parametrize("target", [4.0, 6.0])
def test_it_learns_a_planted_dictionary_at_the_target_l0(target):
    sae = assert_learns(JumpReLUConfig(k_features=64, target_l0=target), l0=target, fvu=0.12, share=0.8)
    assert sae.extras["threshold"].std() > 0.01


def test_a_larger_penalty_leaves_fewer_active_features():
    states = TRUTH.draw(1000).states
    l0s = []
    for l0 in (0.002, 0.02, 0.2):
        _, sae = trained(JumpReLUConfig(k_features=64, l0=l0, target_l0=None), states)
        l0s.append(np.count_nonzero(sae.encode(states)) / len(states))
    assert l0s[0] > l0s[1] > l0s[2]


def test_resampled_features_start_with_a_threshold_they_can_pass():
    rule = build(FREE)
    parameters = rule.initial(7, 0)
    parameters["log_threshold"][:] = 3.0
    rule.reset(parameters, torch.tensor([2, 5]), torch.eye(7)[:2], 0.2)
    thresholds = parameters["log_threshold"].exp().numpy()
    np.testing.assert_allclose(thresholds[[2, 5]], 0.2 * FREE.threshold, rtol=1e-6)
    np.testing.assert_allclose(np.delete(thresholds, [2, 5]), np.exp(3), rtol=1e-6)


def test_a_target_above_the_dictionary_is_refused():
    with pytest.raises(SaeError, match="above k_features"):
        parse_architecture({"architecture": "jumprelu", "k_features": 4, "target_l0": 5})
