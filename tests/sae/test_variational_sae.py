import folding_checks
import gradient_checks as checks
import numpy as np
import pytest
import torch

from narrative_dag.sae.metrics import evaluate
from narrative_dag.sae.registry import build
from narrative_dag.sae.synthetic import GroundTruth, SyntheticConfig, recovery
from narrative_dag.sae.topk import TopKConfig
from narrative_dag.sae.variational import VariationalConfig

K, ACTIVE, NOISE = 12, 4, 0.3


@pytest.mark.parametrize("tied", [True, False])
def test_gradients_are_those_of_the_documented_loss_with_the_noise_held_fixed(tied):
    config = VariationalConfig(k_features=K, k=ACTIVE, noise_variance=NOISE, tied=tied)
    parameters, buffers, batch = checks.parameters_and_batch(config)
    gradients, step = checks.gradients_of(config, parameters, buffers, batch)
    x, arrays = batch.x.numpy(), checks.arrays_of(parameters)
    # the noise is the standard normal stream of the batch's seed
    generator = torch.Generator().manual_seed(batch.seed)
    noise = torch.randn(len(x), K, generator=generator, dtype=torch.float64).numpy()

    def parts(p):
        mean = x @ p.get("W_enc", p["W_dec"]).T + p["b_enc"]
        sample = mean + np.exp(p["log_deviation"]) * noise
        kept = (sample > 0) & (sample >= np.sort(sample, axis=1)[:, -ACTIVE][:, None])
        divergence = (mean**2 + np.exp(2 * p["log_deviation"]) - 1) / 2 - p["log_deviation"]
        return sample * kept, divergence * kept

    def loss(p):
        codes, divergence = parts(p)
        error = codes @ p["W_dec"] + p["b_dec"] - x
        return np.mean(error**2) + 2 * NOISE / x.shape[1] * divergence.sum(axis=1).mean()

    assert float(step.loss) == pytest.approx(loss(arrays), rel=1e-10)
    expected = checks.differences(loss, arrays)
    assert set(gradients) == set(expected)
    for name, gradient in expected.items():
        np.testing.assert_allclose(gradients[name], gradient, atol=2e-8, err_msg=name)
    np.testing.assert_array_equal(step.fired.numpy(), (parts(arrays)[0] > 0).any(axis=0))


@pytest.mark.parametrize("tied", [True, False])
def test_sparse_kernels_and_dense_products_agree(tied, monkeypatch):
    config = VariationalConfig(k_features=24, k=5, tied=tied)
    folding_checks.assert_sparse_is_dense(config, bias=0.0, monkeypatch=monkeypatch)


def test_noise_is_that_of_the_seed():
    config = VariationalConfig(k_features=K, k=ACTIVE)
    parameters, buffers, batch = checks.parameters_and_batch(config)
    losses = [
        float(checks.gradients_of(config, parameters, buffers, batch._replace(seed=seed))[1].loss) for seed in (1, 1, 2)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_inference_takes_the_mean_as_topk_does():
    pre = np.random.default_rng(0).normal(size=(20, K)).astype(np.float32)
    ours = build(VariationalConfig(k_features=K, k=ACTIVE)).infer(pre, {"log_deviation": np.zeros(K)})
    np.testing.assert_array_equal(ours, build(TopKConfig(k_features=K, k=ACTIVE)).infer(pre, {}))


def test_folding_files_and_scale_change_nothing(tmp_path):
    states = folding_checks.uneven_states()
    config = VariationalConfig(k_features=24, k=4)
    trainer, sae = checks.trained(config, states, epochs=10)
    folding_checks.assert_folding_changes_nothing(trainer, sae, states)
    folding_checks.assert_saved_and_loaded(sae, states, tmp_path)
    folding_checks.assert_scale_changes_nothing(config, states)


def test_atoms_are_found_and_the_posterior_is_as_wide_as_the_bound_asks():
    truth = GroundTruth.create(SyntheticConfig(d=32, atoms=48, active=3), 0)
    states, fresh = truth.draw(5000).states, truth.draw(1000, part=1).states
    config = VariationalConfig(k_features=64, k=6, noise_variance=0.04)
    _, sae = checks.trained(config, states, lr=1e-2, epochs=20)
    metrics = evaluate(sae, states, fresh)
    assert metrics.l0 == pytest.approx(6, rel=0.02)
    assert metrics.fvu < metrics.fvu_pca / 3
    assert recovery(sae.W_dec, truth.dictionary).recovered > 0.7
    # 1 + v - v / s^2 = 0 for a unit decoder row, where selection is clear
    assert np.median(np.exp(2 * sae.extras["log_deviation"])) == pytest.approx(0.04 / 1.04, rel=0.25)
