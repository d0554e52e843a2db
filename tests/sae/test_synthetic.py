import numpy as np
import pytest
from pydantic import ValidationError

from narrative_dag.sae.config import RunConfig, SaeConfig
from narrative_dag.sae.oracles import pursuit_unexplained
from narrative_dag.sae.synthetic import (
    EASY,
    HARD,
    GroundTruth,
    SyntheticConfig,
    chance_recovery,
    recovered,
    recovery,
    synthetic_states,
)
from narrative_dag.sae.topk import TopKConfig
from narrative_dag.sae.trainer import train


def firing(config, n=20_000, seed=0):
    """Which atoms fire in which state, [n, atoms]."""
    return GroundTruth.create(config, seed).draw(n).codes > 0


def test_states_are_sparse_nonnegative_codes_through_a_unit_dictionary():
    truth = synthetic_states(200, 16, 30, 4, seed=1, offset=2.0)
    np.testing.assert_allclose(np.linalg.norm(truth.dictionary, axis=1), 1, atol=1e-6)
    assert ((truth.codes > 0).sum(axis=1) == 4).all()
    weights = truth.codes[truth.codes > 0]
    assert 0.5 <= weights.min() < 0.52
    assert 1.48 < weights.max() <= 1.5
    assert np.abs(truth.offset).min() > 0
    np.testing.assert_allclose(truth.codes @ truth.dictionary + truth.offset, truth.states, atol=1e-5)


def test_the_same_seed_gives_the_same_states_and_another_part_fresh_ones():
    config = SyntheticConfig(d=8, atoms=12, active=3, noise=0.1, offset=1.0, zipf=1.0, topics=3, children=2)
    truth = GroundTruth.create(config, seed=4)
    again = GroundTruth.create(config, seed=4)
    for first, second in zip(truth.draw(50), again.draw(50), strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.isin(truth.draw(50, part=1).states, truth.draw(50).states).any()
    assert not np.array_equal(GroundTruth.create(config, seed=5).dictionary, truth.dictionary)


def test_noise_has_the_deviation_it_is_given():
    truth = synthetic_states(5000, 16, 30, 4, seed=1, noise=0.3)
    assert (truth.states - truth.codes @ truth.dictionary).std() == pytest.approx(0.3, rel=0.01)


def test_atoms_fire_equally_often_unless_told_otherwise():
    rates = firing(SyntheticConfig(d=4, atoms=40, active=4)).mean(axis=0)
    np.testing.assert_allclose(rates, 0.1, atol=0.015)


def test_zipf_atoms_fire_by_a_power_of_their_rank():
    """One atom a state: the share of atom i is (i + 1) ** -1 over the sum of them."""
    rates = firing(SyntheticConfig(d=4, atoms=20, active=1, zipf=1.0)).mean(axis=0)
    weights = 1 / np.arange(1, 21)
    np.testing.assert_allclose(rates, weights / weights.sum(), atol=0.015)


def test_atoms_of_a_topic_fire_together():
    independent = firing(SyntheticConfig(d=4, atoms=40, active=4))
    topical = firing(SyntheticConfig(d=4, atoms=40, active=4, topics=10, topic_strength=2.0))
    assert (topical.sum(axis=1) == 4).all()

    def correlation(fires, gap):
        return np.corrcoef(fires[:, 0], fires[:, gap])[0, 1]

    # a fixed number of atoms a state makes any two of them rivals, by -1 / 39
    assert correlation(independent, 10) == pytest.approx(-1 / 39, abs=0.02)
    assert correlation(topical, 10) > 0.1
    assert correlation(topical, 5) < 0


def test_children_fire_beside_their_parents_alone():
    config = SyntheticConfig(d=4, atoms=30, active=5, children=2)
    fires = firing(config)
    assert config.parents == 10
    parents, children = fires[:, :10], fires[:, 10:].reshape(-1, 2, 10)
    assert (parents.sum(axis=1) == 3).all()
    assert (children.sum(axis=(1, 2)) == 2).all()
    assert not (children & ~parents[:, None, :]).any()
    # parents fire without a child too: otherwise the two would be one atom
    assert (parents & ~children.any(axis=1)).any(axis=0).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"atoms": 4, "active": 5},
        {"atoms": 30, "active": 1, "children": 2},
        {"atoms": 31, "active": 4, "children": 2},
        {"atoms": 30, "active": 21, "children": 2},
        {"atoms": 4, "active": 2, "topics": 5},
    ],
)
def test_impossible_data_are_refused(wrong):
    with pytest.raises(ValidationError):
        SyntheticConfig(**wrong)


def test_the_suite_is_what_its_figures_were_measured_on():
    assert (EASY.d, EASY.atoms, EASY.active) == (128, 256, 8)
    assert (HARD.d, HARD.atoms, HARD.active) == (128, 256, 20)
    for config in (EASY, HARD):
        assert config == SyntheticConfig(d=128, atoms=256, active=config.active)


def test_recovery_of_a_known_decoder():
    """Atoms e1..e4; rows: e1 twice, e2 at 60 degrees from it in a fifth dimension, nothing like e3 and e4."""
    dictionary = np.eye(5)[:4]
    decoder = np.array([[3, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, np.sqrt(3)], [0, 0, 0, 0, 1]])
    found = recovery(decoder, dictionary)
    assert found.recovery == pytest.approx((1 + 0.5) / 4)
    assert found.recovered == 0.25
    assert found.matched_recovery == pytest.approx((1 + 0.5) / 4)
    assert found.matched_recovered == 0.25


def test_one_row_between_two_atoms_is_matched_to_one_of_them():
    dictionary = np.array([[1.0, 0.1], [1.0, -0.1]])
    found = recovery(np.array([[1.0, 0.0]]), dictionary)
    assert found.recovered == 1
    assert found.matched_recovered == 0.5
    assert found.matched_recovery == pytest.approx(found.recovery / 2)


def test_recovery_counts_matched_atoms():
    dictionary = np.eye(4, dtype=np.float32)
    assert recovered(2 * dictionary[:3], dictionary) == 0.75
    assert recovered(-dictionary, dictionary) == 0
    assert recovered(np.zeros((2, 4)), dictionary) == 0
    assert recovery(dictionary, dictionary) == (1, 1, 1, 1)


@pytest.mark.parametrize("config", [EASY, HARD], ids=["easy", "hard"])
@pytest.mark.parametrize("seed", range(4))
def test_recovery_before_training_is_at_chance(config, seed):
    """Data, weights and order from one integer, and other weights beside them: none may hold the truth already."""
    truth = GroundTruth.create(config, seed)
    runs = tuple(
        # one step that moves nothing
        RunConfig(architecture=TopKConfig(k_features=256, k=20), lr=1e-12, seed=initial)
        for initial in (seed, seed + 1)
    )
    untrained = train(truth.draw(1000).states, SaeConfig(runs=runs, epochs=1, batch_size=1000, device="cpu"), seed).saes
    chance = chance_recovery(truth.dictionary, 256, seed=99)
    for sae in untrained:
        assert abs(recovery(sae.W_dec, truth.dictionary).recovery - chance.mean()) < 6 * chance.std()
        assert recovered(sae.W_dec, truth.dictionary) == 0
    # the test can fail: one atom in ten given away shows
    told = untrained[0].W_dec.copy()
    told[:26] = truth.dictionary[:26]
    assert recovery(told, truth.dictionary).recovery > chance.mean() + 6 * chance.std()


def test_the_true_dictionary_explains_the_suite_at_its_own_l0():
    """What an autoencoder leaves unexplained there is its own and not the data's."""
    for config in (EASY, HARD):
        drawn = GroundTruth.create(config, 0).draw(300)
        left = pursuit_unexplained(drawn.states, drawn.states.mean(axis=0), drawn.dictionary, config.active)
        assert left < 0.01
