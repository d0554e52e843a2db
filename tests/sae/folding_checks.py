"""What holds of every architecture's autoencoder once it is folded, and of its files."""

import gradient_checks as checks
import numpy as np
import torch

from narrative_dag.sae import linear
from narrative_dag.sae.architecture import Batch
from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.registry import build
from narrative_dag.sae.synthetic import synthetic_states

torch.set_num_threads(1)


def uneven_states(n=600, d=12):
    """Sparse states whose dimensions differ in size a hundredfold, off centre."""
    scale = np.random.default_rng(5).uniform(0.1, 10, d)
    return (synthetic_states(n, d, 20, 3, seed=1, noise=0.05, offset=1.0).states * scale).astype(np.float32)


def assert_folding_changes_nothing(trainer, sae, states):
    """Raw states through the folded weights = normalised states through the trained ones, unscaled again."""
    weights = {name: value.astype(np.float64) for name, value in trainer.runs[0].weights().items()}
    mean, scale = trainer.normalization
    pre = (states - mean) / scale @ weights["W_enc"] + weights["b_enc"]
    codes = build(sae.config).infer(pre, weights)
    k = getattr(sae.config, "k", None)
    clear = np.ones(len(states), dtype=bool)
    if k is not None:
        # where the k-th and the next pre-activation all but tie, float32 may choose the other
        order = np.sort(pre, axis=1)
        clear = order[:, -k] - order[:, -k - 1] > 1e-4
        assert clear.mean() > 0.98
    assert (codes > 0).sum() > len(states)
    np.testing.assert_allclose(sae.encode(states)[clear], codes[clear], atol=5e-5)
    unfolded = (codes @ weights["W_dec"] + weights["b_dec"]) * scale + mean
    np.testing.assert_allclose(sae.decode(sae.encode(states))[clear], unfolded[clear], rtol=1e-5, atol=2e-3)


def assert_saved_and_loaded(sae, states, folder):
    """Equal arrays and codes after a round trip through files, and equal files after another."""
    sae.save(folder / "a")
    loaded = FoldedSae.load(folder / "a")
    assert loaded.config == sae.config
    assert set(loaded.extras) == set(sae.extras)
    for name in sae.extras:
        np.testing.assert_array_equal(loaded.extras[name], sae.extras[name])
    np.testing.assert_array_equal(loaded.encode(states), sae.encode(states))
    np.testing.assert_array_equal(loaded.decode(loaded.encode(states)), sae.decode(sae.encode(states)))
    loaded.save(folder / "b")
    for path in (folder / "a").iterdir():
        assert path.read_bytes() == (folder / "b" / path.name).read_bytes()


def assert_scale_changes_nothing(config, states, labels=None):
    """States 1,024 times as large, to the last bit: a power of two is exact in binary numbers."""
    _, sae = checks.trained(config, states, epochs=3, labels=labels)
    _, large = checks.trained(config, 1024 * states, epochs=3, labels=labels)
    np.testing.assert_array_equal(sae.encode(states), large.encode(1024 * states))
    np.testing.assert_array_equal(1024 * sae.decode(sae.encode(states)), large.decode(large.encode(1024 * states)))


def assert_sparse_is_dense(config, d=16, rows=40, label_width=0, bias=-0.6, monkeypatch=None):
    """The sparse kernels and the dense products give the same loss, gradients and buffers."""
    rng = np.random.default_rng(2)
    labels = torch.from_numpy(rng.integers(0, 2, (rows, label_width)).astype(np.float32)) if label_width else None
    batch = Batch(torch.from_numpy(rng.normal(size=(rows, d)).astype(np.float32)), labels, seed=5)
    found = []
    for crossover in (1.0, 0.0):
        monkeypatch.setattr(linear, "CROSSOVER", crossover)
        parameters = build(config).initial(d, 0, label_width)
        jitter = torch.Generator().manual_seed(1)
        for value in parameters.values():
            value += 0.1 * torch.randn(value.shape, generator=jitter)
        parameters["b_enc"] += bias
        buffers = build(config).buffers(d)
        gradients, step = checks.gradients_of(config, parameters, buffers, batch)
        found.append((gradients, step, buffers))
    (sparse, first, some), (dense, second, others) = found
    np.testing.assert_allclose(float(first.loss), float(second.loss), rtol=1e-5)
    assert bool((first.fired == second.fired).all())
    assert bool(first.fired.any())
    for name, gradient in dense.items():
        np.testing.assert_allclose(sparse[name], gradient, atol=2e-6, err_msg=name)
    for name, value in others.items():
        np.testing.assert_allclose(float(some[name]), float(value), rtol=1e-6)
