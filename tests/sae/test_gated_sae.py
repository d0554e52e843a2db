import json

import folding_checks
import gradient_checks as checks
import numpy as np
import pytest
from safetensors.numpy import load_file

from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.gated import GatedConfig
from narrative_dag.sae.metrics import evaluate
from narrative_dag.sae.standard import StandardConfig
from narrative_dag.sae.synthetic import GroundTruth, SyntheticConfig, recovery

K, L1 = 12, 0.03


def test_gradients_are_those_of_the_documented_loss():
    config = GatedConfig(k_features=K, l1=L1)
    parameters, buffers, batch = checks.parameters_and_batch(config)
    gradients, step = checks.gradients_of(config, parameters, buffers, batch)
    x, arrays = batch.x.numpy(), checks.arrays_of(parameters)
    frozen = {name: arrays[name].copy() for name in ("W_dec", "b_dec")}

    def codes(p):
        linear = x @ p["W_enc"].T
        gate = linear + p["b_enc"]
        return gate, (gate > 0) * np.maximum(np.exp(p["r_mag"]) * linear + p["b_mag"], 0)

    def loss(p):
        gate, code = codes(p)
        error = code @ p["W_dec"] + p["b_dec"] - x
        auxiliary = np.maximum(gate, 0) @ frozen["W_dec"] + frozen["b_dec"] - x
        return np.mean(error**2) + L1 * np.maximum(gate, 0).sum(axis=1).mean() + np.mean(auxiliary**2)

    assert float(step.loss) == pytest.approx(loss(arrays), rel=1e-10)
    expected = checks.differences(loss, arrays)
    assert set(expected) == {"W_enc", "W_dec", "b_enc", "b_dec", "r_mag", "b_mag"}
    for name, gradient in expected.items():
        np.testing.assert_allclose(gradients[name], gradient, atol=2e-8, err_msg=name)
    np.testing.assert_array_equal(step.fired.numpy(), (codes(arrays)[1] > 0).any(axis=0))


def test_sparse_kernels_and_dense_products_agree(monkeypatch):
    folding_checks.assert_sparse_is_dense(GatedConfig(k_features=24, target_l0=4), monkeypatch=monkeypatch)


@pytest.fixture(scope="module")
def uneven():
    states = folding_checks.uneven_states()
    return states, *checks.trained(GatedConfig(k_features=24), states, epochs=10)


def test_folding_and_files_change_nothing(uneven, tmp_path):
    states, trainer, sae = uneven
    # the paths differ: the magnitude's bias and scale have been learnt
    assert np.abs(sae.extras["shift_mag"]).max() > 0.01
    assert np.abs(sae.extras["r_mag"]).max() > 0.01
    folding_checks.assert_folding_changes_nothing(trainer, sae, states)
    folding_checks.assert_saved_and_loaded(sae, states, tmp_path)


def test_scale_of_the_data_changes_nothing():
    folding_checks.assert_scale_changes_nothing(GatedConfig(k_features=24), folding_checks.uneven_states())


def test_file_has_the_names_and_the_meaning_that_saelens_gives_them(uneven, tmp_path):
    states, _, sae = uneven
    sae.save(tmp_path)
    tensors = load_file(tmp_path / "sae_weights.safetensors")
    assert set(tensors) == {"W_enc", "W_dec", "b_dec", "b_gate", "r_mag", "b_mag"}
    assert json.loads((tmp_path / "cfg.json").read_text())["architecture"] == "gated"
    wide = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    gate = states @ wide["W_enc"] + wide["b_gate"]
    magnitude = states @ (wide["W_enc"] * np.exp(wide["r_mag"])) + wide["b_mag"]
    np.testing.assert_allclose(sae.encode(states), (gate > 0) * np.maximum(magnitude, 0), atol=1e-4)
    # a tool that knows nothing of our second file may have written this one
    (tmp_path / "extras.safetensors").unlink()
    np.testing.assert_allclose(FoldedSae.load(tmp_path).encode(states), sae.encode(states), atol=1e-5)


def test_atoms_are_found_at_the_l0_asked_for_and_without_shrinkage():
    truth = GroundTruth.create(SyntheticConfig(d=32, atoms=48, active=3), 0)
    states, fresh = truth.draw(5000).states, truth.draw(1000, part=1).states
    gated, standard = (
        checks.trained(config, states, lr=1e-2, epochs=15)[1]
        for config in (GatedConfig(k_features=64, target_l0=6), StandardConfig(k_features=64, target_l0=6))
    )
    ours, theirs = evaluate(gated, states, fresh), evaluate(standard, states, fresh)
    assert ours.l0 == pytest.approx(6, rel=0.1)
    assert ours.fvu < min(theirs.fvu, ours.fvu_pca / 3)
    assert abs(1 - ours.reconstruction_bias) < abs(1 - theirs.reconstruction_bias) / 2
    assert recovery(gated.W_dec, truth.dictionary).recovered > 0.7


def test_dead_features_start_anew_with_equal_paths():
    states = folding_checks.uneven_states()
    trainer, _ = checks.trained(GatedConfig(k_features=24), states, epochs=2)
    run = trainer.runs[0]
    import torch

    run.parameters["b_enc"][3], run.parameters["r_mag"][3], run.parameters["b_mag"][3] = -50.0, 1.0, -2.0
    run.silent[:] = torch.arange(24) == 3
    run.find_dead()
    run.resample(trainer.normalization.apply(states.copy()), np.random.default_rng(0))
    for name in ("b_enc", "r_mag", "b_mag"):
        assert float(run.parameters[name][3]) == 0
    assert float(run.parameters["W_dec"][3].norm()) == pytest.approx(1, rel=1e-5)
