import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.linear_model import orthogonal_mp

from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.oracles import (
    CoMoments,
    kmeans_unexplained,
    matching_pursuit,
    moments,
    pca_curve,
    pca_unexplained,
    pursuit_unexplained,
)
from narrative_dag.sae.synthetic import GroundTruth, SyntheticConfig, synthetic_states


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 300), max_size=6), offset=st.sampled_from([0.0, 1e6]))
def test_moments_of_blocks_are_those_of_the_whole(cuts, offset):
    states = np.random.default_rng(0).normal(size=(300, 4)) * [1, 2, 3, 0] + offset
    found = CoMoments(4)
    for block in np.split(states, sorted(cuts)):
        found.add(block)
    assert found.rows == 300
    np.testing.assert_allclose(found.mean, states.mean(axis=0))
    np.testing.assert_allclose(found.deviation(), states.std(axis=0), rtol=1e-7, atol=1e-12)
    centred = states - states.mean(axis=0)
    np.testing.assert_allclose(found.products, centred.T @ centred, rtol=1e-6, atol=1e-6)
    moved = centred - 1
    np.testing.assert_allclose(found.about(states.mean(axis=0) + 1), moved.T @ moved, rtol=1e-6, atol=1e-6)


def test_pca_explains_everything_with_as_many_components_as_the_rank():
    rng = np.random.default_rng(0)
    states = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 10)) + 5
    assert pca_unexplained(states[:200], states[200:], 3) < 1e-12
    assert pca_unexplained(states[:200], states[200:], 2) > 0.01
    assert pca_unexplained(states[:200], states[:200], 0) == pytest.approx(1)


def test_pca_agrees_with_scikit_learn():
    rng = np.random.default_rng(1)
    states = rng.normal(size=(500, 8)) @ rng.normal(size=(8, 8)) + 3
    train, test = states[:300], states[300:]
    curve = pca_curve(moments(train), moments(test), range(9))
    total = ((test - train.mean(axis=0)) ** 2).sum()
    for components in range(1, 9):
        pca = PCA(components).fit(train)
        left = ((test - pca.inverse_transform(pca.transform(test))) ** 2).sum()
        assert curve[components] == pytest.approx(left / total, abs=1e-12)


def test_kmeans_with_one_stage_finds_the_clusters():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(5, 6)) * 10
    states = centres[rng.integers(0, 5, 600)] + 0.1 * rng.normal(size=(600, 6))
    noise = 0.1**2 * 6 * 200 / ((states[400:] - states[:400].mean(axis=0)) ** 2).sum()
    assert kmeans_unexplained(states[:400], states[400:], 5, 1, seed=0) == pytest.approx(noise, rel=0.1)


def test_kmeans_stages_divide_the_centroids_among_them():
    """Two independent fair coins: two stages of two words name them both, as one stage of four does."""
    states = np.random.default_rng(0).choice([-1.0, 1.0], size=(400, 2)) * [1.0, 3.0]
    assert kmeans_unexplained(states[:200], states[200:], 4, 2, seed=0) < 0.01
    assert kmeans_unexplained(states[:200], states[200:], 4, 1, seed=0) < 0.01
    # one stage of two words tells the larger coin alone
    assert kmeans_unexplained(states[:200], states[200:], 2, 1, seed=0) == pytest.approx(0.1, abs=0.01)
    assert kmeans_unexplained(states[:200], states[:200], 4, 0, seed=0) == pytest.approx(1)


def test_kmeans_is_seeded_and_refuses_an_impossible_budget():
    states = synthetic_states(600, 8, 16, 3, seed=0).states
    first = kmeans_unexplained(states[:400], states[400:], 24, 3, seed=1)
    assert first == kmeans_unexplained(states[:400], states[400:], 24, 3, seed=1)
    assert first != kmeans_unexplained(states[:400], states[400:], 24, 3, seed=2)
    with pytest.raises(SaeError, match="cannot deal"):
        kmeans_unexplained(states[:400], states[400:], 3, 4, seed=0)
    with pytest.raises(SaeError, match="cannot deal"):
        kmeans_unexplained(states[:5], states[400:], 24, 3, seed=0)


@pytest.mark.parametrize("active", [1, 3, 8])
def test_pursuit_agrees_with_scikit_learn(active):
    truth = synthetic_states(50, 16, 40, 5, seed=0, noise=0.2)
    expected = orthogonal_mp(truth.dictionary.T.astype(float), truth.states.T.astype(float), n_nonzero_coefs=active).T
    np.testing.assert_allclose(
        matching_pursuit(truth.states, truth.dictionary, active, nonnegative=False), expected, atol=1e-8
    )


def test_pursuit_finds_sparse_codes_exactly():
    truth = synthetic_states(300, 64, 96, 4, seed=1)
    codes = matching_pursuit(truth.states, truth.dictionary, 4)
    np.testing.assert_allclose(codes, truth.codes, atol=1e-5)
    assert pursuit_unexplained(truth.states, truth.states.mean(axis=0), truth.dictionary, 4) < 1e-10


def test_nonnegative_pursuit_is_least_squares_with_nonnegative_weights():
    rng = np.random.default_rng(2)
    dictionary = np.abs(rng.normal(size=(20, 8)))
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    states = rng.normal(size=(200, 8))
    codes = matching_pursuit(states, dictionary, 6)
    assert (codes >= 0).all()
    sizes = (codes > 0).sum(axis=1)
    assert sizes.max() > 3
    assert sizes.min() == 0
    # optimal on the atoms it uses: what is left over is orthogonal to them
    slopes = (states - codes @ dictionary) @ dictionary.T
    assert np.abs(slopes[codes > 0]).max() < 1e-6
    # and where it stopped short nothing is left that an atom could take up
    assert slopes[sizes < 6].max() < 1e-6


def test_more_atoms_leave_less():
    truth = synthetic_states(200, 16, 40, 6, seed=3, noise=0.1)
    mean = truth.states.mean(axis=0)
    left = [pursuit_unexplained(truth.states, mean, truth.dictionary, active) for active in range(1, 9)]
    assert left == sorted(left, reverse=True)


def test_pursuit_starts_at_the_offset():
    truth = GroundTruth.create(SyntheticConfig(d=32, atoms=48, active=3, offset=10.0), seed=0).draw(200)
    mean = truth.states.mean(axis=0)
    assert pursuit_unexplained(truth.states, mean, truth.dictionary, 3, origin=truth.offset) < 1e-6
    assert pursuit_unexplained(truth.states, mean, truth.dictionary, 3) > 1


def test_pursuit_refuses_more_atoms_than_there_are():
    with pytest.raises(SaeError, match="cannot code"):
        matching_pursuit(np.ones((2, 4)), np.eye(4), 5)
    with pytest.raises(SaeError, match="cannot code"):
        matching_pursuit(np.ones((2, 3)), np.eye(4), 1)
