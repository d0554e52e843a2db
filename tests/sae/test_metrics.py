import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.metrics import DENSITY_EDGES, QUANTILES, Evaluator, evaluate, evaluate_blocks, unexplained
from narrative_dag.sae.standard import StandardConfig


def linear_sae(encoder, decoder, encoder_bias=None, decoder_bias=None):
    """ReLU between the given matrices [d, k] and [k, d]."""
    d, k = np.shape(encoder)
    arrays = [
        encoder,
        decoder,
        np.zeros(k) if encoder_bias is None else encoder_bias,
        np.zeros(d) if decoder_bias is None else decoder_bias,
    ]
    return FoldedSae(StandardConfig(k_features=k), *(np.asarray(a, dtype=np.float32) for a in arrays))


def exact_sae(d, silent=0):
    """Pairs of features at +-e_i reconstruct everything; `silent` more features never fire."""
    decoder = np.concatenate([np.eye(d), -np.eye(d), np.zeros((silent, d))])
    return linear_sae(decoder.T, decoder)


def random_sae(d, k, seed, bias=-0.5):
    rng = np.random.default_rng(seed)
    return linear_sae(rng.normal(size=(d, k)), rng.normal(size=(k, d)) / k, np.full(k, bias), rng.normal(size=d))


def test_fvu_is_0_for_the_state_1_for_the_mean_and_4_for_its_mirror():
    states = np.random.default_rng(0).normal(3, 2, (500, 5))
    mean = states.mean(axis=0)
    assert unexplained(states, states, mean) == 0
    assert unexplained(states, np.broadcast_to(mean, states.shape), mean) == pytest.approx(1)
    assert unexplained(states, 2 * mean - states, mean) == pytest.approx(4)
    with pytest.raises(SaeError, match="do not vary"):
        unexplained(np.ones((3, 2)), np.ones((3, 2)), np.ones(2))


def test_variance_is_about_the_mean_and_not_about_zero():
    """A decoder that gives the mean alone explains nothing, however far the mean is from zero."""
    states = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32) + 100
    sae = linear_sae(np.zeros((4, 2)), np.zeros((2, 4)), decoder_bias=states[:400].mean(axis=0))
    metrics = evaluate(sae, states[:400], states[400:])
    assert metrics.fvu == pytest.approx(1, abs=1e-4)
    assert metrics.fvu_scaled == pytest.approx(1, abs=1e-4)


def test_the_mean_is_that_of_training_and_not_of_the_held_out_states():
    """Held-out states about 3: their own mean, seen from the training mean 0, explains nine tenths of their energy."""
    train = np.random.default_rng(0).normal(size=(5000, 3))
    test = train + 3
    sae = linear_sae(np.zeros((3, 2)), np.zeros((2, 3)), decoder_bias=np.full(3, 3.0))
    assert evaluate(sae, train, test).fvu == pytest.approx(0.1, abs=0.01)


def test_fvu_is_a_ratio_of_sums_and_not_a_mean_of_ratios():
    """One state far out weighs what it has in energy; a mean over rows or dimensions would say a half."""
    test = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 10.0], [0.0, -10.0]])
    sae = linear_sae([[0.0, 0.0], [1.0, -1.0]], [[0.0, 1.0], [0.0, -1.0]])
    assert evaluate(sae, test, test).fvu == pytest.approx(2 / 202, rel=1e-5)
    assert evaluate(sae, test, test).fvu_scaled == pytest.approx(1 / 2, rel=1e-5)


def test_scaled_fvu_weighs_dimensions_equally_and_leaves_constant_ones_out():
    rng = np.random.default_rng(0)
    scale = np.array([1.0, 100.0, 0.0])
    states = rng.normal(size=(2000, 3)) * scale
    assert unexplained(states[:, :2], states[:, :2] * [0.0, 1.0], np.zeros(2)) < 1e-3
    assert unexplained(states[:, :2], states[:, :2] * [0, 1], np.zeros(2), scale[:2]) == pytest.approx(0.5, abs=0.05)
    rows = np.array([[0, 1.0, 0], [0, -1.0, 0]])
    metrics = evaluate(linear_sae(rows.T, rows, decoder_bias=[0, 0, 5]), states[:1000], states[1000:])
    assert metrics.fvu_scaled == pytest.approx(0.5, abs=0.05)


def test_evaluation_of_a_known_autoencoder():
    """ReLU pairs +-e_i reconstruct exactly with L0 = d; one feature never fires."""
    states = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    metrics = evaluate(exact_sae(3, silent=1), states[:800], states[800:])
    assert metrics.rows == 200
    assert metrics.fvu == pytest.approx(0, abs=1e-12)
    assert metrics.reconstruction_bias == pytest.approx(1)
    assert metrics.l0 == 3
    assert metrics.l0_quantiles == (3, 3, 3, 3, 3)
    assert metrics.dead_share == pytest.approx(1 / 7)
    assert metrics.fvu_pca == pytest.approx(0, abs=1e-12)
    # each of the six fires on about half of the states: between 10 ** -0.5 and 1
    assert metrics.density_histogram == (*[0] * 10, 6)


def test_reconstruction_bias_tells_shrinkage():
    states = np.random.default_rng(0).normal(size=(900, 4)).astype(np.float32)
    exact = exact_sae(4)
    shrunk = linear_sae(exact.W_enc, 0.7 * exact.W_dec)
    assert evaluate(shrunk, states[:450], states[450:]).reconstruction_bias == pytest.approx(0.7, abs=0.01)


def test_a_feature_that_fires_in_training_alone_is_rare_and_not_dead():
    train, test = np.array([[1.0], [-1.0], [5.0]]), np.array([[1.0], [-1.0]])
    # features: above 4, above 0, below 0, above 9
    sae = linear_sae([[1, 1, -1, 1]], [[1], [1], [-1], [1]], [-4, 0, 0, -9])
    [found] = evaluate_blocks([sae], [train], [test])
    np.testing.assert_array_equal(found.live, [True, True, True, False])
    np.testing.assert_array_equal(found.density, [0, 0.5, 0.5, 0])
    assert found.metrics.dead_share == 0.25
    assert sum(found.metrics.density_histogram) == 2


@pytest.mark.parametrize(("firing", "filled"), [(1, 4), (2, 5), (10, 6), (100, 8), (101, 9), (1000, 10)])
def test_bins_of_the_density_histogram_hold_their_upper_ends(firing, filled):
    """Of 1,000 states, 1 is a density of 1e-3: with two bins a decade from 1e-5 that is the fifth."""
    states = np.where(np.arange(1000) < firing, 1.0, -1.0)[:, None]
    metrics = evaluate(linear_sae([[1.0]], [[1.0]]), np.array([[1.0], [-1.0]]), states)
    assert [i for i, count in enumerate(metrics.density_histogram) if count] == [filled]
    assert len(metrics.density_histogram) == len(DENSITY_EDGES)


def test_quantiles_of_l0_are_those_of_the_counts():
    states = np.random.default_rng(1).normal(size=(1234, 6)).astype(np.float32)
    sae = random_sae(6, 40, seed=2)
    counts = (sae.encode(states[600:]) > 0).sum(axis=1)
    metrics = evaluate(sae, states[:600], states[600:])
    np.testing.assert_allclose(metrics.l0_quantiles, np.quantile(counts, QUANTILES), atol=1e-9)
    assert metrics.l0 == pytest.approx(counts.mean())


@settings(max_examples=30, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 700), max_size=5),
    test_cuts=st.lists(st.integers(0, 300), max_size=5),
    offset=st.sampled_from([0.0, 1.0, 1000.0]),
)
def test_blocks_of_any_sizes_give_what_one_block_gives(cuts, test_cuts, offset):
    states = np.random.default_rng(3).normal(size=(1000, 6)).astype(np.float32) + np.float32(offset)
    saes = [random_sae(6, 24, seed=1, bias=-offset), random_sae(6, 9, seed=2)]
    whole = evaluate_blocks(saes, [states[:700]], [states[700:]])
    pieces = evaluate_blocks(saes, np.split(states[:700], sorted(cuts)), np.split(states[700:], sorted(test_cuts)))
    for one, many in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(one.density, many.density)
        np.testing.assert_array_equal(one.live, many.live)
        for name, value in one.metrics.model_dump().items():
            assert getattr(many.metrics, name) == pytest.approx(value, rel=1e-6, abs=1e-12), name
    assert whole[1].metrics == evaluate(saes[1], states[:700], states[700:])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), shift=st.floats(-5, 5), factor=st.floats(0.1, 10))
def test_metrics_do_not_depend_on_origin_and_unit_of_the_states(seed, shift, factor):
    """States moved and stretched, and the autoencoder with them: the same figures."""
    states = np.random.default_rng(seed).normal(size=(400, 5))
    sae = random_sae(5, 12, seed)
    moved = FoldedSae.fold(
        sae.config,
        {name: getattr(sae, name) for name in ("W_enc", "W_dec", "b_enc", "b_dec")},
        np.full(5, shift),
        np.full(5, factor),
    )
    states_moved = states * factor + shift
    first, second = evaluate(sae, states[:200], states[200:]), evaluate(moved, states_moved[:200], states_moved[200:])
    assert second.fvu == pytest.approx(first.fvu, rel=1e-3)
    assert second.fvu_scaled == pytest.approx(first.fvu_scaled, rel=1e-3)
    assert second.fvu_pca == pytest.approx(first.fvu_pca, rel=1e-3, abs=1e-9)
    assert second.l0 == pytest.approx(first.l0, abs=0.02)


def test_unusable_states_are_refused():
    sae, good = exact_sae(2), np.random.default_rng(0).normal(size=(10, 2))
    broken = good.copy()
    broken[7, 1] = np.nan
    with pytest.raises(SaeError, match=r"row 7.*not finite"):
        evaluate(sae, broken, good)
    with pytest.raises(SaeError, match=r"row 7.*not finite"):
        evaluate(sae, good, broken)
    with pytest.raises(SaeError, match="training and held-out"):
        evaluate(sae, good, good[:0])
    with pytest.raises(SaeError, match="do not vary"):
        evaluate(sae, np.ones((5, 2)), np.ones((5, 2)))
    with pytest.raises(SaeError, match=r"\[n, 2\]"):
        evaluate(sae, good[:, :1], good[:, :1])
    with pytest.raises(SaeError, match=r"dimensions"):
        Evaluator([exact_sae(2), exact_sae(3)])


def test_training_blocks_come_before_held_out_ones():
    states = np.random.default_rng(0).normal(size=(10, 2))
    evaluator = Evaluator([exact_sae(2)])
    with pytest.raises(SaeError, match="training states before"):
        evaluator.add(states)
    evaluator.add_training(states)
    with pytest.raises(SaeError, match="needs training and held-out"):
        evaluator.results()
    evaluator.add(states)
    with pytest.raises(SaeError, match="after held-out"):
        evaluator.add_training(states)


def test_memory_does_not_grow_with_the_number_of_blocks():
    saes = [random_sae(16, 512, seed=1), random_sae(16, 64, seed=2)]

    def blocks(count):
        return (np.random.default_rng(i).normal(size=(8192, 16)).astype(np.float32) for i in range(count))

    def peak(count):
        tracemalloc.start()
        evaluate_blocks(saes, blocks(count), blocks(count))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(6) < 1.1 * peak(2)
    # one block's codes of the larger autoencoder alone, all at once, take as much
    assert peak(2) < 2 * 8192 * 512 * 4
