"""The headline share: high where a coupling is planted, nothing where there is none, never flattered by the choice."""

import numpy as np
import pytest

from narrative_dag.affordances.controls import principal_components, random_features, raw_dimensions
from narrative_dag.affordances.coupling import Predictors, bootstrap_shares, held_out_loss
from narrative_dag.affordances.errors import AffordanceError
from narrative_dag.affordances.levels import positive_levels
from narrative_dag.affordances.options import decidable, encounter_affordances
from narrative_dag.sae.rollouts import held_out, playthrough_numbers, state_matrix


def split(table):
    playthroughs = playthrough_numbers(table)
    affordances, _ = decidable(encounter_affordances(table), 50)
    return affordances, playthroughs, held_out(playthroughs, 0.3, seed=0)


def features(table, noise=0):
    """ReLU of each coordinate of the state, and `noise` columns of sparse noise."""
    values = np.maximum(state_matrix(table), 0)
    rng = np.random.default_rng(1)
    junk = np.maximum(rng.normal(size=(len(values), noise)), 0)
    return Predictors(np.concatenate([values, junk], axis=1).astype(np.float32), positive_levels)


def test_a_planted_coupling_is_found_among_noise(gated):
    affordances, playthroughs, test = split(gated)
    assert held_out_loss(affordances, features(gated), playthroughs, test).share_removed > 0.5
    assert held_out_loss(affordances, features(gated, noise=100), playthroughs, test).share_removed > 0.35


def test_coins_cannot_be_predicted(ungated):
    affordances, playthroughs, test = split(ungated)
    loss = held_out_loss(affordances, features(ungated, noise=100), playthroughs, test)
    assert -0.15 < loss.share_removed < 0.02


def test_shuffled_labels_leave_nothing(gated):
    affordances, playthroughs, test = split(gated)
    rng = np.random.default_rng(0)
    shuffled = [e._replace(availability=rng.permutation(e.availability)) for e in affordances]
    loss = held_out_loss(shuffled, features(gated), playthroughs, test)
    assert -0.15 < loss.share_removed < 0.03


def test_held_out_labels_influence_nothing_but_the_score(gated):
    """Turning every held-out label around turns the score, so no choice or fit has seen them."""
    affordances, playthroughs, test = split(gated)
    turned = [e._replace(availability=e.availability ^ test[e.rows][:, None]) for e in affordances]
    assert held_out_loss(turned, features(gated), playthroughs, test).share_removed < -1


def test_the_base_is_the_held_out_entropy_of_the_frequency(ungated):
    affordances, playthroughs, test = split(ungated)
    loss = held_out_loss(affordances, features(ungated), playthroughs, test)
    pages = sum(int(test[e.rows].sum()) for e in affordances)
    assert loss.base.sum() / pages == pytest.approx(1, abs=0.03)
    assert len(loss.base) == len(np.unique(playthroughs[test]))


def test_a_split_playthrough_is_refused(gated):
    affordances, playthroughs, _ = split(gated)
    with pytest.raises(AffordanceError, match="split between"):
        held_out_loss(affordances, features(gated), playthroughs, np.arange(len(gated)) % 2 == 0)


def test_intervals_come_from_whole_playthroughs_and_contain_the_value(gated):
    affordances, playthroughs, test = split(gated)
    loss = held_out_loss(affordances, features(gated), playthroughs, test)
    samples = bootstrap_shares([loss, loss], 500, seed=0)
    np.testing.assert_array_equal(samples[:, 0], samples[:, 1])
    low, high = np.quantile(samples[:, 0], [0.025, 0.975])
    assert low < loss.share_removed < high
    # doubling every playthrough's loss changes no share: pages inside one are not resampled
    doubled = loss._replace(base=2 * loss.base, informed=2 * loss.informed)
    np.testing.assert_allclose(bootstrap_shares([doubled], 500, seed=0)[:, 0], samples[:, 0])


def test_random_features_fire_as_often_as_the_features_they_stand_in_for(gated):
    states = state_matrix(gated)
    train = np.arange(len(states)) < 900
    codes = features(gated).values.copy()
    codes[:, 0], codes[:, 1] = 0, 1
    control = random_features(states, codes, train, seed=0).values
    np.testing.assert_array_equal((control[train] > 0).sum(axis=0), (codes[train] > 0).sum(axis=0))


def test_raw_gates_are_found_by_raw_dimensions_and_components(gated):
    affordances, playthroughs, test = split(gated)
    states = state_matrix(gated)
    raw = held_out_loss(affordances, raw_dimensions(states), playthroughs, test)
    pca = held_out_loss(affordances, principal_components(states, ~test), playthroughs, test, selected=16)
    assert raw.share_removed > 0.6
    assert pca.share_removed > 0.5
    components = principal_components(states, ~test).values
    np.testing.assert_allclose(np.corrcoef(components[~test].T), np.eye(16), atol=1e-4)
