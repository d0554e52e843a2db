import numpy as np
import pytest

from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.stability import mcc_matrix, mean_correlation, pairwise_mcc, stability
from narrative_dag.sae.standard import StandardConfig


def dictionary_sae(decoder):
    """An autoencoder whose decoder is given and whose encoder is its transpose."""
    decoder = np.asarray(decoder, dtype=np.float32)
    k, d = decoder.shape
    return FoldedSae(
        StandardConfig(k_features=k), decoder.T.copy(), decoder, np.zeros(k, np.float32), np.zeros(d, np.float32)
    )


def test_mcc_is_1_for_a_permuted_dictionary_and_small_for_an_unrelated_one():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 64))
    first, shuffled = dictionary_sae(rows), dictionary_sae(3 * rows[rng.permutation(40)])
    other = dictionary_sae(rng.normal(size=(40, 64)))
    assert mean_correlation(first, shuffled) == pytest.approx(1)
    assert mean_correlation(first, other) < 0.4
    matrix = mcc_matrix([first, shuffled, other])
    np.testing.assert_allclose(matrix, matrix.T)
    np.testing.assert_allclose(np.diagonal(matrix), 1)
    assert matrix[0, 1] == pytest.approx(1)
    assert pairwise_mcc([first, shuffled, other]) == [matrix[0, 1], matrix[0, 2], matrix[1, 2]]
    assert pairwise_mcc([first]) == []


def test_mcc_matches_one_to_one():
    """Two copies of one direction cannot both claim the same partner."""
    first = dictionary_sae([[1, 0, 0], [1, 0, 0]])
    second = dictionary_sae([[1, 0, 0], [0, 1, 0]])
    assert mean_correlation(first, second) == pytest.approx(0.5)


def test_opposite_directions_do_not_match():
    assert mean_correlation(dictionary_sae([[1, 0]]), dictionary_sae([[-1, 0]])) == pytest.approx(-1)


def test_cosines_are_in_the_given_units():
    first, second = dictionary_sae([[1.0, 10.0]]), dictionary_sae([[1.0, -10.0]])
    assert mean_correlation(first, second) == pytest.approx(-99 / 101)
    assert mean_correlation(first, second, np.array([1.0, 10.0])) == pytest.approx(0, abs=1e-9)


def test_dead_features_need_not_agree():
    eye = np.eye(4)
    first, second = dictionary_sae(eye[[0, 1, 2]]), dictionary_sae(eye[[1, 0, 3]])
    assert mcc_matrix([first, second])[0, 1] == pytest.approx(2 / 3)
    live = [np.array([True, True, False])] * 2
    assert mcc_matrix([first, second], live=live)[0, 1] == pytest.approx(1)
    assert mcc_matrix([first, second], live=[live[0], np.zeros(3, dtype=bool)])[0, 1] == 0
    with pytest.raises(SaeError, match="masks"):
        mcc_matrix([first, second], live=live[:1])


def test_the_smaller_dictionary_decides_how_many_pairs_there_are():
    eye = np.eye(5)
    assert mcc_matrix([dictionary_sae(eye[:2]), dictionary_sae(eye)])[0, 1] == pytest.approx(1)


def test_stability_is_the_best_match_elsewhere():
    eye = np.eye(3)
    saes = [dictionary_sae(eye[[0, 1]]), dictionary_sae(eye[[0, 2]]), dictionary_sae(eye[[2, 2]])]
    np.testing.assert_allclose(stability(saes, 0), [1, 0])
    np.testing.assert_allclose(stability(saes[:1], 0), [0, 0])
