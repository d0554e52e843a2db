import numpy as np
import pytest

from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.metrics import evaluate, mean_correlation, pairwise_mcc, pca_unexplained, stability, unexplained
from narrative_dag.sae.standard import StandardConfig


def dictionary_sae(decoder, bias=None):
    """An autoencoder whose decoder is given and whose encoder is its transpose."""
    decoder = np.asarray(decoder, dtype=np.float32)
    k, d = decoder.shape
    return FoldedSae(
        StandardConfig(k_features=k),
        decoder.T.copy(),
        decoder,
        np.zeros(k, np.float32),
        np.zeros(d, np.float32) if bias is None else np.asarray(bias, dtype=np.float32),
    )


def test_fvu_is_0_for_the_state_1_for_the_mean_and_4_for_its_mirror():
    states = np.random.default_rng(0).normal(3, 2, (500, 5))
    mean = states.mean(axis=0)
    assert unexplained(states, states, mean) == 0
    assert unexplained(states, np.broadcast_to(mean, states.shape), mean) == pytest.approx(1)
    assert unexplained(states, 2 * mean - states, mean) == pytest.approx(4)
    # about the mean, not about zero: a large offset must not make it look explained
    assert unexplained(states + 1e3, np.broadcast_to(mean + 1e3, states.shape), mean + 1e3) == pytest.approx(1)
    with pytest.raises(SaeError, match="do not vary"):
        unexplained(np.ones((3, 2)), np.ones((3, 2)), np.ones(2))


def test_scaled_fvu_weighs_dimensions_equally():
    rng = np.random.default_rng(0)
    scale = np.array([1.0, 100.0])
    states = rng.normal(size=(2000, 2)) * scale
    reconstruction = states * [0.0, 1.0]
    assert unexplained(states, reconstruction, np.zeros(2)) < 1e-3
    assert unexplained(states, reconstruction, np.zeros(2), scale) == pytest.approx(0.5, abs=0.05)


def test_pca_explains_everything_with_as_many_components_as_the_rank():
    rng = np.random.default_rng(0)
    states = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 10)) + 5
    assert pca_unexplained(states[:200], states[200:], 3) < 1e-12
    assert pca_unexplained(states[:200], states[200:], 0) == pytest.approx(1)
    assert 0.01 < pca_unexplained(states[:200], states[200:], 2) < 0.9


def test_evaluation_of_a_known_autoencoder():
    """ReLU pairs +-e_i reconstruct exactly with L0 = d; one feature never fires."""
    rng = np.random.default_rng(0)
    states = rng.normal(size=(1000, 3)).astype(np.float32)
    eye = np.eye(3)
    sae = dictionary_sae(np.concatenate([eye, -eye, np.zeros((1, 3))]))
    metrics = evaluate(sae, states[:800], states[800:])
    assert metrics.fvu == pytest.approx(0, abs=1e-12)
    assert metrics.l0 == 3
    assert metrics.l0_quantiles == (3, 3, 3, 3, 3)
    assert metrics.dead_share == pytest.approx(1 / 7)
    assert metrics.fvu_pca == pytest.approx(0, abs=1e-12)
    assert metrics.density_histogram == (0, 0, 0, 0, 0, 0, 6) or sum(metrics.density_histogram) == 6


def test_mcc_is_1_for_a_permuted_dictionary_and_small_for_an_unrelated_one():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 64))
    first, shuffled = dictionary_sae(rows), dictionary_sae(3 * rows[rng.permutation(40)])
    other = dictionary_sae(rng.normal(size=(40, 64)))
    assert mean_correlation(first, shuffled) == pytest.approx(1)
    assert mean_correlation(first, other) < 0.4
    assert pairwise_mcc([first, shuffled, other])[0] == pytest.approx(1)
    assert len(pairwise_mcc([first, shuffled, other])) == 3
    assert pairwise_mcc([first]) == []


def test_mcc_matches_one_to_one():
    """Two copies of one direction cannot both claim the same partner."""
    first = dictionary_sae([[1, 0, 0], [1, 0, 0]])
    second = dictionary_sae([[1, 0, 0], [0, 1, 0]])
    assert mean_correlation(first, second) == pytest.approx(0.5)


def test_stability_is_the_best_match_elsewhere():
    eye = np.eye(3)
    saes = [dictionary_sae(eye[[0, 1]]), dictionary_sae(eye[[0, 2]]), dictionary_sae(eye[[2, 2]])]
    np.testing.assert_allclose(stability(saes, 0), [1, 0])
    np.testing.assert_allclose(stability(saes[:1], 0), [0, 0])
