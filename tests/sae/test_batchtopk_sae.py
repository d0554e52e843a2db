import numpy as np
import pytest
import torch
from gradient_checks import ROWS, arrays_of, differences, gradients_of, parameters_and_batch
from threshold_checks import (
    assert_folding_changes_nothing_but_the_input,
    assert_learns,
    assert_sparse_kernels_give_what_dense_products_give,
    assert_the_scale_of_raw_states_changes_nothing,
)

from narrative_dag.sae.batchtopk import WINDOW, BatchTopKConfig
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.registry import build, parse_architecture

CONFIGS = [BatchTopKConfig(k_features=20, k=3, tied=tied) for tied in (True, False)]
tied_or_not = pytest.mark.parametrize("config", CONFIGS, ids=["tied", "untied"])


def codes_of(config, parameters, x):
    pre = x @ parameters.get("W_enc", parameters["W_dec"]).T + parameters["b_enc"]
    least = np.sort(pre, axis=None)[-config.k * len(x)]
    return pre * ((pre >= least) & (pre > 0))


def loss_of(config, parameters, x):
    return np.mean((codes_of(config, parameters, x) @ parameters["W_dec"] + parameters["b_dec"] - x) ** 2)


@tied_or_not
def test_gradients_are_those_of_the_mean_squared_error(config):
    parameters, buffers, batch = parameters_and_batch(config)
    gradients, step = gradients_of(config, parameters, buffers, batch)
    arrays, x = arrays_of(parameters), batch.x.numpy()
    assert float(step.loss) == pytest.approx(loss_of(config, arrays, x), rel=1e-10)
    expected = differences(lambda p: loss_of(config, p, x), arrays)
    assert expected.keys() == gradients.keys()
    for name, gradient in expected.items():
        np.testing.assert_allclose(gradients[name], gradient, atol=2e-8, err_msg=name)
    np.testing.assert_array_equal(step.fired.numpy(), (codes_of(config, arrays, x) > 0).any(axis=0))


@tied_or_not
def test_sparse_kernels_give_what_dense_products_give(config):
    assert_sparse_kernels_give_what_dense_products_give(config)


def test_a_batch_shares_its_active_features():
    rule = build(BatchTopKConfig(k_features=4, k=2))
    pre = np.array([[5.0, 4.0, 3.0, 1.0], [-1.0, 2.0, 0.5, -3.0]], dtype=np.float32)
    expected = [[5, 4, 3, 0], [0, 2, 0, 0]]
    np.testing.assert_array_equal(rule.activate(torch.from_numpy(pre), {}).numpy(), expected)
    np.testing.assert_array_equal(rule.floors(pre, {}), [2, 2])


def test_negative_pre_activations_never_fire():
    rule = build(BatchTopKConfig(k_features=3, k=2))
    pre = torch.tensor([[1.0, -1.0, -2.0], [-1.0, -2.0, -3.0]])
    np.testing.assert_array_equal(rule.activate(pre, {}).numpy(), [[1, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("k", [2, 15], ids=["sparse", "dense"])
def test_the_threshold_is_the_running_mean_of_the_smallest_active_pre_activation(k):
    config = BatchTopKConfig(k_features=20, k=k)
    parameters, buffers, batch = parameters_and_batch(config)
    parameters = {name: value.float() for name, value in parameters.items()}
    buffers = {name: value.float() for name, value in buffers.items()}
    batch = batch._replace(x=batch.x.float(), pace=1e-3)
    codes = codes_of(config, arrays_of(parameters), batch.x.numpy())
    smallest, expected = codes[codes > 0].min(), 0.0
    for _ in range(3):
        gradients_of(config, parameters, buffers, batch)
        expected += (smallest - expected) * 1e-3 / WINDOW
        assert float(buffers["threshold"]) == pytest.approx(expected, rel=1e-5)


def test_a_batch_in_which_nothing_fires_leaves_the_threshold():
    config = BatchTopKConfig(k_features=20, k=3)
    parameters, buffers, batch = parameters_and_batch(config)
    parameters["b_enc"].fill_(-100.0)
    for wide in (True, False):
        if not wide:
            parameters = {name: value.float() for name, value in parameters.items()}
            buffers = {name: value.float() for name, value in buffers.items()}
            batch = batch._replace(x=batch.x.float())
        buffers["threshold"].fill_(0.25)
        gradients, step = gradients_of(config, parameters, buffers, batch)
        assert float(buffers["threshold"]) == 0.25
        assert not step.fired.any()
        assert all(np.isfinite(gradient).all() for gradient in gradients.values())


def test_inference_with_a_threshold_just_below_a_batch_s_smallest_code_is_training_s_rule():
    rule = build(BatchTopKConfig(k_features=20, k=3))
    pre = np.random.default_rng(1).normal(size=(ROWS, 20)).astype(np.float32)
    codes = rule.activate(torch.from_numpy(pre), {}).numpy()
    threshold = np.full(20, np.nextafter(codes[codes > 0].min(), np.float32(0)))
    np.testing.assert_array_equal(rule.infer(pre, {"threshold": threshold}), codes)


@tied_or_not
def test_folding_changes_nothing_but_the_input(config, tmp_path):
    assert_folding_changes_nothing_but_the_input(config, tmp_path)


def test_the_scale_of_raw_states_changes_nothing():
    assert_the_scale_of_raw_states_changes_nothing(CONFIGS[0])


@pytest.mark.parametrize("k", [4, 8])
def test_it_learns_a_planted_dictionary_at_the_configured_l0(k):
    assert_learns(BatchTopKConfig(k_features=64, k=k, tied=False), l0=k, fvu=0.12, share=0.8)


def test_more_active_features_than_there_are_is_refused():
    with pytest.raises(SaeError, match="above k_features"):
        parse_architecture({"architecture": "batchtopk", "k_features": 4, "k": 5})
