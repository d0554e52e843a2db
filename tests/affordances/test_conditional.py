"""Known answers, the null, and an independent implementation of I(Z; A | C)."""

import infomeasure
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narrative_dag.affordances.conditional import benjamini_hochberg, conditional_information
from narrative_dag.affordances.contexts import merge_small_contexts
from narrative_dag.affordances.errors import AffordanceError
from narrative_dag.affordances.levels import positive_levels, quantile_levels
from narrative_dag.affordances.permutation import playthrough_permutations


def estimate(z, a, c, playthroughs=None, **options):
    z, a, c = (np.asarray(v) for v in (z, a, c))
    n = len(z)
    playthroughs = np.arange(n) if playthroughs is None else playthroughs
    result = conditional_information(
        z.reshape(n, -1).astype(np.int8), a.reshape(n, -1).astype(bool), c.astype(np.int64), playthroughs, **options
    )
    return result


# every combination of two fair coins, 100 times
Z, C = np.tile([0, 0, 1, 1], 100), np.tile([0, 1, 0, 1], 100)
NONE = np.zeros(400, dtype=np.int64)


def test_a_copy_of_a_fair_coin_has_one_bit():
    result = estimate(Z, Z, NONE, permutations=200)
    assert result.plug_in[0, 0] == pytest.approx(1)
    assert result.entropy[0] == pytest.approx(1)
    assert result.bits[0, 0] == pytest.approx(1, abs=0.01)
    assert result.u[0, 0] == result.bits[0, 0]
    assert result.p[0, 0] == pytest.approx(1 / 201)


def test_exclusive_or_is_seen_only_through_the_context():
    assert estimate(Z, Z ^ C, C).plug_in[0, 0] == pytest.approx(1)
    assert estimate(Z, Z ^ C, NONE).plug_in[0, 0] == pytest.approx(0, abs=1e-12)


def test_a_feature_that_is_the_context_tells_nothing():
    a = np.random.default_rng(0).random(400) < 0.2 + 0.6 * C
    result = estimate(C, a, C)
    assert result.plug_in[0, 0] == result.bits[0, 0] == 0
    assert result.p[0, 0] == 1


def test_a_confounded_feature_tells_nothing_given_the_context():
    rng = np.random.default_rng(1)
    c = rng.integers(0, 5, 5000)
    z = rng.random(5000) < 0.1 + 0.18 * c
    a = rng.random(5000) < 0.9 - 0.18 * c
    unconditional = estimate(z, a, np.zeros(5000))
    assert unconditional.bits[0, 0] > 0.04
    assert unconditional.p[0, 0] < 0.01
    conditional = estimate(z, a, c)
    assert abs(conditional.bits[0, 0]) < 2e-3
    assert conditional.p[0, 0] > 0.02


def test_bits_are_the_exact_value_of_a_noisy_gate():
    """A gate flipped with probability 1/10 carries 1 - h(1/10) bits."""
    rng = np.random.default_rng(0)
    z = rng.integers(0, 2, 100_000)
    a = z ^ (rng.random(100_000) < 0.1)
    h = -(0.1 * np.log2(0.1) + 0.9 * np.log2(0.9))
    result = estimate(z, a, np.zeros(100_000), permutations=20)
    assert result.bits[0, 0] == pytest.approx(1 - h, abs=0.01)
    assert result.miller_madow[0, 0] == pytest.approx(1 - h, abs=0.01)


def test_independent_implementation_agrees():
    rng = np.random.default_rng(2)
    n = 700
    c = rng.integers(0, 4, n)
    levels = rng.integers(0, 4, (n, 3)) * (rng.random((n, 3)) < 0.6)
    availability = np.stack([rng.random(n) < 0.3 + 0.15 * levels[:, 0], (levels[:, 1] + c) % 2 == 0], axis=1)
    ours = estimate(levels, availability, c, permutations=1)
    for f in range(3):
        for a in range(2):
            theirs = infomeasure.conditional_mutual_information(
                levels[:, f], availability[:, a].astype(int), cond=c, approach="discrete", base=2
            )
            assert ours.plug_in[f, a] == pytest.approx(theirs, abs=1e-9)


def test_miller_madow_agrees_with_the_independent_implementation():
    rng = np.random.default_rng(3)
    z, a = rng.integers(0, 4, 80), rng.random(80) < 0.4
    theirs = infomeasure.mutual_information(z, a.astype(int), approach="miller_madow", base=2)
    assert estimate(z, a, np.zeros(80)).miller_madow[0, 0] == pytest.approx(theirs, abs=1e-9)


def test_corrections_remove_the_bias_of_the_plug_in():
    rng = np.random.default_rng(4)
    levels = rng.integers(0, 4, (120, 150))
    a = rng.random((120, 2)) < 0.5
    result = estimate(levels, a, np.repeat([0, 1], 60))
    assert result.plug_in.mean() > 0.02
    assert abs(result.bits.mean()) < 0.003
    assert abs(result.miller_madow.mean()) < 0.006


def test_p_is_uniform_when_pages_of_a_playthrough_are_alike():
    """Features and gates constant within a playthrough: whole playthroughs keep p honest, single rows do not."""
    rng = np.random.default_rng(5)
    visits = rng.integers(1, 6, 60)
    playthroughs = np.repeat(np.arange(60), visits)
    levels = rng.integers(0, 2, (60, 400))[playthroughs]
    a = (rng.random((60, 1)) < 0.5)[playthroughs]
    c = np.zeros(len(playthroughs))
    honest = estimate(levels, a, c, playthroughs, permutations=200).p
    single_rows = estimate(levels, a, c, permutations=200).p
    assert (honest <= 0.05).mean() < 0.1
    assert 0.35 < honest.mean() < 0.65
    assert (single_rows <= 0.05).mean() > 0.15


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_information_is_between_0_and_the_entropies(seed, n, contexts):
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 4, (n, 3))
    a = rng.random((n, 2)) < 0.5
    result = estimate(levels, a, rng.integers(0, contexts, n), rng.integers(0, 9, n), permutations=5, seed=seed)
    assert (result.plug_in >= 0).all()
    assert (result.plug_in <= result.entropy + 1e-9).all()
    assert (result.p >= 1 / 6).all()
    assert (result.p <= 1).all()


def test_rows_without_a_context_are_left_out():
    result = estimate(Z, np.where(np.arange(400) < 200, Z, 1 - Z), np.where(np.arange(400) < 200, 0, -1))
    assert result.plug_in[0, 0] == pytest.approx(1)
    with pytest.raises(AffordanceError, match="no row"):
        estimate(Z, Z, np.full(400, -1))
    with pytest.raises(AffordanceError, match="differ in length"):
        conditional_information(np.zeros((3, 1), np.int8), np.zeros((2, 1), bool), NONE[:3], NONE[:3])


def test_constant_availability_has_no_normalised_value():
    result = estimate(Z, np.ones(400), C)
    assert result.entropy[0] == 0
    assert np.isnan(result.u[0, 0])


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 5), min_size=1, max_size=60))
@settings(max_examples=50, deadline=None)
def test_permutations_move_every_row_once_and_keep_neighbours(seed, visits):
    rng = np.random.default_rng(seed)
    playthroughs = rng.permutation(len(visits)).repeat(visits)
    moves = playthrough_permutations(playthroughs, 4, rng)
    for move in moves:
        assert sorted(move) == list(range(len(playthroughs)))
    if len(set(visits)) == 1:
        # equal lengths: a playthrough's place is taken by exactly one other playthrough
        for move in moves:
            assert (playthroughs[move].reshape(-1, visits[0]) == playthroughs[move].reshape(-1, visits[0])[:, :1]).all()


def test_interleaved_playthroughs_stay_together():
    playthroughs = np.tile(np.arange(20), 3)
    for move in playthrough_permutations(playthroughs, 5, np.random.default_rng(0)):
        assert (playthroughs[move].reshape(3, 20) == playthroughs[move][:20]).all()
        assert (move // 20 == np.arange(60) // 20).all()


def test_benjamini_hochberg_known_answer():
    q = benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.5]))
    np.testing.assert_allclose(q, [0.04, 0.16 / 3, 0.16 / 3, 0.5])
    np.testing.assert_allclose(benjamini_hochberg(np.full((2, 2), 0.3)), np.full((2, 2), 0.3))


def test_levels_are_0_and_the_tertiles_of_the_positive_part():
    column = np.array([0, 5, 0, 1, 2, 3, 4, 6, -1.0])
    np.testing.assert_array_equal(positive_levels(column[:, None])[:, 0], [0, 3, 0, 1, 1, 2, 2, 3, 0])
    np.testing.assert_array_equal(positive_levels(column[:, None], 1)[:, 0], column > 0)
    np.testing.assert_array_equal(positive_levels(np.zeros((4, 1)))[:, 0], 0)
    np.testing.assert_array_equal(positive_levels(np.full((4, 1), 2.0))[:, 0], 1)
    np.testing.assert_array_equal(quantile_levels(np.arange(8.0)[:, None] - 4)[:, 0], [0, 0, 1, 1, 2, 2, 3, 3])


def test_small_contexts_are_merged_within_their_group_then_over_groups_then_given_up():
    contexts = np.repeat([0, 1, 2, 3, 4], [60, 30, 30, 30, 10])
    groups = np.repeat([0, 0, 0, 1, 1], [60, 30, 30, 30, 10])
    merged = merge_small_contexts(contexts, groups, 50)
    # 1 and 2 are of one group and make 60; 3 and 4 make 40 and stay too few
    np.testing.assert_array_equal(merged, np.repeat([0, 1, 1, -1, -1], [60, 30, 30, 30, 10]))
    merged = merge_small_contexts(np.repeat([0, 1, 2], [40, 30, 60]), np.repeat([0, 1, 1], [40, 30, 60]), 50)
    # alone in their groups, together enough
    np.testing.assert_array_equal(merged, np.repeat([1, 1, 0], [40, 30, 60]))


def test_merging_conditions_on_less():
    rng = np.random.default_rng(0)
    c = rng.integers(0, 40, 1000)
    merged = merge_small_contexts(c, np.zeros(1000), 50)
    assert set(np.unique(merged, return_counts=True)[1] >= 50) == {True}
    z = rng.integers(0, 2, 1000)
    assert estimate(z, z, merged).plug_in[0, 0] == pytest.approx(1, abs=0.01)
