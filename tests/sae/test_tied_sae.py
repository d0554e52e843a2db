import folding_checks
import gradient_checks as checks
import numpy as np
import pytest

from narrative_dag.sae.metrics import evaluate
from narrative_dag.sae.synthetic import GroundTruth, SyntheticConfig, recovery
from narrative_dag.sae.tied import TiedConfig


def test_gradients_are_those_of_the_documented_loss():
    config = TiedConfig(k_features=12, l1=0.03)
    parameters, buffers, batch = checks.parameters_and_batch(config)
    gradients, step = checks.gradients_of(config, parameters, buffers, batch)
    x = batch.x.numpy()

    def loss(p):
        codes = np.maximum(x @ p["W_dec"].T + p["b_enc"], 0)
        return np.mean((codes @ p["W_dec"] + p["b_dec"] - x) ** 2) + 0.03 * codes.sum(axis=1).mean()

    arrays = checks.arrays_of(parameters)
    assert set(arrays) == {"W_dec", "b_enc", "b_dec"}
    assert float(step.loss) == pytest.approx(loss(arrays), rel=1e-10)
    for name, gradient in checks.differences(loss, arrays).items():
        np.testing.assert_allclose(gradients[name], gradient, atol=2e-8, err_msg=name)


def test_sparse_kernels_and_dense_products_agree(monkeypatch):
    folding_checks.assert_sparse_is_dense(TiedConfig(k_features=24, target_l0=4), monkeypatch=monkeypatch)


def test_folding_files_and_scale_change_nothing(tmp_path):
    states = folding_checks.uneven_states()
    config = TiedConfig(k_features=24)
    trainer, sae = checks.trained(config, states, epochs=10)
    folding_checks.assert_folding_changes_nothing(trainer, sae, states)
    folding_checks.assert_saved_and_loaded(sae, states, tmp_path)
    folding_checks.assert_scale_changes_nothing(config, states)
    scale = trainer.normalization.scale
    # unit rows in scaled units, and the encoder their transpose
    np.testing.assert_allclose(np.linalg.norm(sae.W_dec / scale, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(sae.W_enc * scale[:, None], (sae.W_dec / scale).T, rtol=1e-5, atol=1e-7)


def test_planted_atoms_are_found_at_the_l0_asked_for():
    truth = GroundTruth.create(SyntheticConfig(d=32, atoms=48, active=3), 0)
    states, fresh = truth.draw(5000).states, truth.draw(1000, part=1).states
    config = TiedConfig(k_features=64, target_l0=6)
    _, sae = checks.trained(config, states, lr=1e-2, epochs=20)
    metrics = evaluate(sae, states, fresh)
    assert metrics.l0 == pytest.approx(6, rel=0.1)
    assert metrics.fvu < metrics.fvu_pca / 3
    assert recovery(sae.W_dec, truth.dictionary).recovered > 0.7
