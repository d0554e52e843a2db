"""The written-out gradients are those of the loss that the configuration documents: central differences, float64."""

import gradient_checks as checks
import numpy as np
import pytest
import torch

from narrative_dag.sae import linear
from narrative_dag.sae.adam import EPSILON, Adam
from narrative_dag.sae.architecture import Batch
from narrative_dag.sae.registry import build
from narrative_dag.sae.standard import StandardConfig
from narrative_dag.sae.topk import TopKConfig

K = 12
CONFIGS = [
    StandardConfig(k_features=K, l1=0.03, l2=0.02),
    TopKConfig(k_features=K, k=4, tied=False),
    TopKConfig(k_features=K, k=4, tied=True),
]


def encoder(parameters):
    return parameters.get("W_enc", parameters["W_dec"])


def numpy_codes(config, parameters, x):
    pre = x @ encoder(parameters).T + parameters["b_enc"]
    codes = np.maximum(pre, 0)
    if isinstance(config, TopKConfig):
        codes = codes * (pre >= np.sort(pre, axis=1)[:, -config.k][:, None])
    return codes


def main_loss(config, parameters, x):
    codes = numpy_codes(config, parameters, x)
    loss = np.mean((codes @ parameters["W_dec"] + parameters["b_dec"] - x) ** 2)
    if isinstance(config, StandardConfig):
        loss += config.l1 * np.abs(codes).sum(axis=1).mean()
        loss += config.l2 * ((parameters["W_enc"] ** 2).sum() + (parameters["W_dec"] ** 2).sum())
    return loss


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
def test_gradients_match_finite_differences(config):
    parameters, buffers, batch = checks.parameters_and_batch(config)
    gradients, step = checks.gradients_of(config, parameters, buffers, batch)
    arrays, x = checks.arrays_of(parameters), batch.x.numpy()
    expected = checks.differences(lambda p: main_loss(config, p, x), arrays)
    assert float(step.loss) == pytest.approx(main_loss(config, arrays, x), rel=1e-10)
    assert set(gradients) == set(expected)
    for name, gradient in expected.items():
        np.testing.assert_allclose(gradients[name], gradient, atol=2e-8, err_msg=name)
    np.testing.assert_array_equal(step.fired.numpy(), (numpy_codes(config, arrays, x) > 0).any(axis=0))


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
def test_auxiliary_gradients_match_finite_differences_with_the_residual_held_fixed(config):
    parameters, buffers, batch = checks.parameters_and_batch(config, seed=3)
    dead, weight = torch.tensor([1, 4, 5, 8, 10]), 0.7
    with_aux, loss = checks.gradients_of(config, parameters, buffers, batch._replace(dead=dead, aux_weight=weight))
    without, plain = checks.gradients_of(config, parameters, buffers, batch)
    arrays, x = checks.arrays_of(parameters), batch.x.numpy()
    residual = x - numpy_codes(config, arrays, x) @ arrays["W_dec"] - arrays["b_dec"]
    most = checks.D // 2
    shift = (x @ encoder(arrays)[dead].T + arrays["b_enc"][dead.numpy()]).max(axis=0)

    def auxiliary(p):
        pre = x @ encoder(p)[dead].T + p["b_enc"][dead]
        revived = np.exp(pre - shift) if isinstance(config, StandardConfig) else np.maximum(pre, 0)
        revived = revived * (revived >= np.sort(revived, axis=1)[:, -most][:, None])
        return weight * np.mean((revived @ p["W_dec"][dead] - residual) ** 2)

    expected = checks.differences(auxiliary, arrays)
    assert float(loss.loss - plain.loss) == pytest.approx(auxiliary(arrays), rel=1e-9)
    for name, gradient in expected.items():
        np.testing.assert_allclose(with_aux[name] - without[name], gradient, atol=2e-8, err_msg=name)


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
@pytest.mark.parametrize("dead", [None, torch.tensor([0, 7, 90])])
def test_sparse_kernels_compute_what_dense_products_do(config, dead, monkeypatch):
    config = config.model_copy(update={"k_features": 96})
    rng = np.random.default_rng(1)
    parameters = build(config).initial(20, 2)
    parameters["b_enc"] -= 1.3 + torch.rand(96)
    # a row without any active feature
    states = np.concatenate([rng.normal(size=(60, 20)), np.zeros((1, 20))]).astype(np.float32)
    batch = Batch(torch.from_numpy(states), None, dead, 0.5)
    calls = []
    sparse = linear.Linear._sparse
    monkeypatch.setattr(linear.Linear, "_sparse", lambda *args: calls.append(1) or sparse(*args))
    few, step = checks.gradients_of(config, parameters, {}, batch)
    monkeypatch.setattr(linear, "CROSSOVER", 0.0)
    many, dense_step = checks.gradients_of(config, parameters, {}, batch)
    assert calls == [1]
    assert float(step.loss) == pytest.approx(float(dense_step.loss), rel=1e-5)
    np.testing.assert_array_equal(step.fired, dense_step.fired)
    for name, gradient in many.items():
        np.testing.assert_allclose(few[name], gradient, atol=1e-6, err_msg=name)


def test_products_in_bfloat16_are_close_to_those_in_float32():
    config = TopKConfig(k_features=64, k=6)
    parameters = build(config).initial(20, 2)
    batch = Batch(torch.from_numpy(np.random.default_rng(1).normal(size=(60, 20)).astype(np.float32)))
    exact, _ = checks.gradients_of(config, parameters, {}, batch)
    narrow, _ = checks.gradients_of(config, parameters, {}, batch._replace(dtype=torch.bfloat16))
    for name, gradient in exact.items():
        assert narrow[name].dtype == np.float32
        distance = np.linalg.norm(narrow[name] - gradient) / np.linalg.norm(gradient)
        assert 0 < distance < 0.1


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
def test_training_and_inference_rules_agree(config):
    pre = np.random.default_rng(1).normal(size=(50, K)).astype(np.float32)
    rule = build(config)
    codes = rule.infer(pre, {})
    np.testing.assert_array_equal(rule.activate(torch.from_numpy(pre), {}).numpy(), codes)
    floors = rule.floors(pre, {})
    np.testing.assert_array_equal(
        np.where((pre > 0) & (pre >= (0 if floors is None else floors[:, None])), pre, 0), codes
    )


def test_topk_keeps_the_k_largest_positive_ones():
    pre = np.array([[3.0, -1.0, 2.0, 1.0], [-3.0, -1.0, -2.0, 0.5]], dtype=np.float32)
    codes = build(TopKConfig(k_features=4, k=2)).infer(pre, {})
    np.testing.assert_array_equal(codes, [[3, 0, 2, 0], [0, 0, 0, 0.5]])


@pytest.mark.parametrize("device", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def test_adam_is_torch_s_with_the_gradient_along_unit_rows_dropped(device):
    generator = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(*shape, generator=generator).to(device)

    parameters = {"W": random(6, 5), "V": random(6, 5), "b": random(5)}
    parameters["W"] /= parameters["W"].norm(dim=1, keepdim=True)
    gradients = {name: torch.zeros_like(value) for name, value in parameters.items()}
    twins = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    ours = Adam(parameters, gradients, ("W",), 0.9, 0.99)
    torchs = torch.optim.Adam(twins.values(), lr=0.1, betas=(0.9, 0.99), eps=EPSILON)
    for _ in range(12):
        for name, gradient in gradients.items():
            gradient.copy_(random(*gradient.shape))
            twins[name].grad = gradient.clone()
        along = (twins["W"].grad * twins["W"]).sum(1, keepdim=True).detach()
        twins["W"].grad -= along * twins["W"].detach()
        ours.step(0.1)
        torchs.step()
        with torch.no_grad():
            twins["W"].div_(twins["W"].norm(dim=1, keepdim=True))
        for name, value in parameters.items():
            torch.testing.assert_close(value, twins[name].detach(), rtol=1e-4, atol=1e-5)
