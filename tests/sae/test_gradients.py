"""The written-out gradients are those of the loss that the configuration documents: central differences, float64."""

import numpy as np
import pytest
import torch

from narrative_dag.sae.registry import build
from narrative_dag.sae.standard import StandardConfig
from narrative_dag.sae.topk import TopKConfig

D, K, ROWS = 7, 12, 9
CONFIGS = [StandardConfig(k_features=K, l1=0.03, l2=0.02), TopKConfig(k_features=K, k=4)]


def parameters_and_batch(config, seed=0):
    rng = np.random.default_rng(seed)
    parameters = build(config).initial(D, seed)
    parameters = {name: value.double() for name, value in parameters.items()}
    # an encoder of its own and biases away from 0, so that no term vanishes by symmetry
    parameters = {
        name: value + 0.3 * torch.from_numpy(rng.normal(size=value.shape)) for name, value in parameters.items()
    }
    return parameters, torch.from_numpy(rng.normal(size=(ROWS, D)))


def numpy_codes(config, parameters, x):
    pre = x @ parameters["W_enc"] + parameters["b_enc"]
    codes = np.maximum(pre, 0)
    if isinstance(config, TopKConfig):
        codes = codes * (pre >= np.sort(pre, axis=1)[:, -config.k][:, None])
    return pre, codes


def main_loss(config, parameters, x):
    _, codes = numpy_codes(config, parameters, x)
    loss = np.mean((codes @ parameters["W_dec"] + parameters["b_dec"] - x) ** 2)
    if isinstance(config, StandardConfig):
        loss += config.l1 * np.abs(codes).sum(axis=1).mean()
        loss += config.l2 * ((parameters["W_enc"] ** 2).sum() + (parameters["W_dec"] ** 2).sum())
    return loss


def differences(loss, parameters, step=1e-6):
    result = {}
    for name, value in parameters.items():
        gradient = np.zeros_like(value)
        for index in np.ndindex(value.shape):
            kept = value[index]
            value[index] = kept + step
            up = loss(parameters)
            value[index] = kept - step
            gradient[index] = (up - loss(parameters)) / (2 * step)
            value[index] = kept
        result[name] = gradient
    return result


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.architecture)
def test_gradients_match_finite_differences(config):
    parameters, x = parameters_and_batch(config)
    step = build(config).gradients(parameters, x)
    arrays = {name: value.numpy().copy() for name, value in parameters.items()}
    expected = differences(lambda p: main_loss(config, p, x.numpy()), arrays)
    assert float(step.loss) == pytest.approx(main_loss(config, arrays, x.numpy()), rel=1e-10)
    for name, gradient in expected.items():
        np.testing.assert_allclose(step.gradients[name].numpy(), gradient, atol=2e-8, err_msg=name)
    _, codes = numpy_codes(config, arrays, x.numpy())
    np.testing.assert_array_equal(step.fired.numpy(), (codes > 0).any(axis=0))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.architecture)
def test_auxiliary_gradients_match_finite_differences_with_the_residual_held_fixed(config):
    parameters, x = parameters_and_batch(config, seed=3)
    dead, weight = torch.tensor([1, 4, 5, 8, 10]), 0.7
    rule = build(config)
    with_aux = rule.gradients(parameters, x, dead, weight)
    without = rule.gradients(parameters, x)
    arrays = {name: value.numpy().copy() for name, value in parameters.items()}
    _, codes = numpy_codes(config, arrays, x.numpy())
    residual = x.numpy() - codes @ arrays["W_dec"] - arrays["b_dec"]
    most = D // 2
    shift = (x.numpy() @ arrays["W_enc"][:, dead] + arrays["b_enc"][dead.numpy()]).max(axis=0)

    def auxiliary(p):
        pre = x.numpy() @ p["W_enc"][:, dead] + p["b_enc"][dead]
        revived = np.exp(pre - shift) if isinstance(config, StandardConfig) else np.maximum(pre, 0)
        revived = revived * (revived >= np.sort(revived, axis=1)[:, -most][:, None])
        return weight * np.mean((revived @ p["W_dec"][dead] - residual) ** 2)

    expected = differences(auxiliary, arrays)
    assert float(with_aux.loss - without.loss) == pytest.approx(auxiliary(arrays), rel=1e-9)
    for name, gradient in expected.items():
        added = (with_aux.gradients[name] - without.gradients[name]).numpy()
        np.testing.assert_allclose(added, gradient, atol=2e-8, err_msg=name)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.architecture)
def test_projected_decoder_gradients_are_orthogonal_to_the_rows(config):
    parameters, x = parameters_and_batch(config)
    rule = build(config)
    rule.constrain(parameters)
    gradients = rule.gradients(parameters, x).gradients
    rule.project(parameters, gradients)
    np.testing.assert_allclose((gradients["W_dec"] * parameters["W_dec"]).sum(1).numpy(), 0, atol=1e-12)
    np.testing.assert_allclose(parameters["W_dec"].norm(dim=1).numpy(), 1, atol=1e-12)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.architecture)
def test_training_and_inference_rules_agree(config):
    pre = np.random.default_rng(1).normal(size=(50, K)).astype(np.float32)
    rule = build(config)
    np.testing.assert_array_equal(rule.activate(torch.from_numpy(pre)).numpy(), rule.infer(pre, {}))


def test_topk_keeps_the_k_largest_positive_ones():
    pre = np.array([[3.0, -1.0, 2.0, 1.0], [-3.0, -1.0, -2.0, 0.5]], dtype=np.float32)
    codes = build(TopKConfig(k_features=4, k=2)).infer(pre, {})
    np.testing.assert_array_equal(codes, [[3, 0, 2, 0], [0, 0, 0, 0.5]])
