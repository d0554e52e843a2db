"""What the tests of every architecture that infers by thresholds ask."""

import numpy as np
import torch
from gradient_checks import gradients_of, parameters_and_batch, trained

from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.metrics import evaluate
from narrative_dag.sae.registry import build
from narrative_dag.sae.synthetic import GroundTruth, SyntheticConfig, recovered

# products this small lose more to waiting than they gain from a second thread
torch.set_num_threads(1)

TRUTH = GroundTruth.create(SyntheticConfig(d=32, atoms=48, active=3), seed=0)


def uneven_states():
    rng = np.random.default_rng(5)
    truth = GroundTruth.create(SyntheticConfig(d=12, atoms=20, active=3, noise=0.05, offset=1.0), seed=1)
    return (truth.draw(800).states * rng.uniform(0.1, 10, 12)).astype(np.float32)


def assert_folding_changes_nothing_but_the_input(config, tmp_path):
    states = uneven_states()
    trainer, sae = trained(config, states, epochs=6, batch_size=50)
    weights = {name: value.astype(np.float64) for name, value in trainer.runs[0].weights().items()}
    mean, scale = trainer.normalization
    pre = (states - mean) / scale @ weights["W_enc"] + weights["b_enc"]
    codes = np.where(pre > weights["threshold"], pre, 0.0)
    # where a pre-activation all but ties with its threshold, float32 may choose otherwise
    clear = (np.abs(pre - weights["threshold"]) > 1e-4).all(axis=1)
    assert clear.mean() > 0.9
    assert 0.02 < (codes > 0).mean() < 0.8
    np.testing.assert_allclose(sae.encode(states)[clear], codes[clear], atol=1e-4)
    unfolded = (codes @ weights["W_dec"] + weights["b_dec"]) * scale + mean
    np.testing.assert_allclose(sae.decode(sae.encode(states))[clear], unfolded[clear], rtol=1e-5, atol=1e-3)
    sae.save(tmp_path)
    read = FoldedSae.load(tmp_path)
    assert read.config == config
    np.testing.assert_array_equal(read.encode(states), sae.encode(states))
    # SAELens refuses tensors that it does not know
    assert {name: value.shape for name, value in read.extras.items()} == {"threshold": (config.k_features,)}


def assert_the_scale_of_raw_states_changes_nothing(config):
    states = uneven_states()
    # powers of two scale without rounding
    _, sae = trained(config, states, epochs=3)
    _, large = trained(config, states * 1024, epochs=3)
    np.testing.assert_array_equal(large.encode(states * 1024), sae.encode(states))


def assert_learns(config, *, l0, fvu, share):
    """Held out: L0 within 5 %, FVU below `fvu` and half of PCA's, `share` of the atoms recovered, none before."""
    states, fresh = TRUTH.draw(5000).states, TRUTH.draw(2000, part=1).states
    _, before = trained(config, states[:200], lr=1e-9, epochs=1)
    assert recovered(before.W_dec, TRUTH.dictionary) == 0
    _, sae = trained(config, states, epochs=25)
    metrics = evaluate(sae, states, fresh)
    assert abs(metrics.l0 / l0 - 1) < 0.05
    assert metrics.fvu < min(fvu, metrics.fvu_pca / 2)
    assert recovered(sae.W_dec, TRUTH.dictionary) > share
    return sae


def assert_sparse_kernels_give_what_dense_products_give(config):
    """Float64 takes the dense way, float32 on a CPU the sparse one; the buffers must move alike, too."""
    config = config.model_copy(update={"k": 2})
    parameters, buffers, batch = parameters_and_batch(config)
    narrow = {name: value.float() for name, value in parameters.items()}
    narrow_buffers = {name: value.float() for name, value in buffers.items()}
    batch = batch._replace(pace=1e-3)
    narrow_batch = batch._replace(x=batch.x.float())
    rule = build(config)
    pre = torch.addmm(narrow["b_enc"], narrow_batch.x, rule.encoder(narrow).T)
    assert rule._sparse_codes(pre, narrow_buffers, narrow_batch) is not None
    expected, step = gradients_of(config, parameters, buffers, batch)
    found, narrow_step = gradients_of(config, narrow, narrow_buffers, narrow_batch)
    np.testing.assert_allclose(float(narrow_step.loss), float(step.loss), rtol=1e-5)
    np.testing.assert_array_equal(narrow_step.fired.numpy(), step.fired.numpy())
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, atol=2e-6, err_msg=name)
    for name, value in buffers.items():
        assert float(value) != 0
        np.testing.assert_allclose(float(narrow_buffers[name]), float(value), rtol=1e-5)
