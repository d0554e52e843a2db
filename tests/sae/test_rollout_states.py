import numpy as np
import polars as pl
import pytest
import torch

from narrative_dag.sae.config import RunConfig, SaeConfig
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.metrics import evaluate
from narrative_dag.sae.rollouts import (
    evaluate_rollouts,
    group_numbers,
    held_out,
    playthrough_numbers,
    state_matrix,
    train_on_rollouts,
)
from narrative_dag.sae.synthetic import synthetic_states
from narrative_dag.sae.topk import TopKConfig

torch.set_num_threads(1)


def table(states, worlds=2, pages=5):
    n = len(states)
    playthrough = np.arange(n) // pages
    return pl.DataFrame(
        {
            "storyworld_id": [f"w{p % worlds}" for p in playthrough],
            "playthrough": (playthrough // worlds).astype(np.int32),
            "step": (np.arange(n) % pages).astype(np.int32),
            "state": states,
        },
        schema_overrides={"state": pl.Array(pl.Float32, states.shape[1])},
    )


def test_states_come_out_in_order_from_arrays_and_from_lists():
    states = np.arange(40, dtype=np.float32).reshape(10, 4)
    rollouts = table(states)
    np.testing.assert_array_equal(state_matrix(rollouts), states)
    np.testing.assert_array_equal(state_matrix(rollouts.cast({"state": pl.List(pl.Float32)})), states)
    with pytest.raises(SaeError, match="no rows"):
        state_matrix(rollouts.head(0))


def test_states_that_are_no_states_are_named():
    lists = table(np.zeros((10, 4), np.float32)).cast({"state": pl.List(pl.Float32)})

    def spoiled(state):
        return lists.with_columns(state=pl.when(pl.int_range(10) == 7).then(state).otherwise(pl.col("state")))

    for state, message in (
        (None, "row 7: the state is missing"),
        (pl.lit([1.0, 2.0], dtype=pl.List(pl.Float32)), "row 7: the state has length 2, not 4"),
        (pl.lit([0.0, np.inf, 0.0, 0.0], dtype=pl.List(pl.Float32)), "row 7: the state is not finite"),
    ):
        with pytest.raises(SaeError, match=message):
            state_matrix(spoiled(state))


def test_the_states_of_a_piece_of_a_table():
    states = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    rollouts = pl.concat([table(states[:20]), table(states[20:])], rechunk=False)
    np.testing.assert_array_equal(state_matrix(rollouts[15:30]), states[15:30])


def test_playthroughs_of_different_storyworlds_are_different():
    numbers = playthrough_numbers(table(np.zeros((20, 4), np.float32)))
    np.testing.assert_array_equal(numbers, np.repeat([0, 1, 2, 3], 5))


def test_whole_playthroughs_are_held_out():
    playthroughs = np.random.default_rng(0).integers(0, 50, 1000)
    test = held_out(playthroughs, 0.2, seed=1)
    assert len(np.unique(playthroughs[test])) == 10
    assert not np.intersect1d(playthroughs[test], playthroughs[~test]).size
    np.testing.assert_array_equal(test, held_out(playthroughs, 0.2, seed=1))
    assert not np.array_equal(test, held_out(playthroughs, 0.2, seed=2))
    assert held_out(np.array([0, 1]), 0.01, seed=0).sum() == 1
    with pytest.raises(SaeError, match="cannot hold out"):
        held_out(np.zeros(5, dtype=np.int64), 0.2, seed=0)


def test_rows_are_held_out_by_storyworld_playthrough_or_alone():
    rollouts = table(np.zeros((600, 4), np.float32), worlds=6)
    storyworlds, playthroughs, rows = (group_numbers(rollouts, by) for by in ("storyworld", "playthrough", "row"))
    np.testing.assert_array_equal(playthroughs, playthrough_numbers(rollouts))
    np.testing.assert_array_equal(storyworlds, np.arange(600) // 5 % 6)
    np.testing.assert_array_equal(rows, np.arange(600))
    worlds = held_out(storyworlds, 0.34, seed=0)
    assert len(set(rollouts["storyworld_id"].filter(worlds))) == 2
    assert worlds.sum() == 200
    assert held_out(rows, 0.2, seed=0).sum() == 120


def test_training_on_rollouts_evaluates_on_the_playthroughs_it_has_not_seen():
    states = synthetic_states(1500, 12, 16, 2, seed=3).states
    rollouts = table(states)
    runs = tuple(RunConfig(architecture=TopKConfig(k_features=20, k=3), lr=1e-2, seed=seed) for seed in range(3))
    config = SaeConfig(runs=runs, epochs=15, batch_size=64, device="cpu")
    result = train_on_rollouts(rollouts, config, seed=2)
    test = held_out(playthrough_numbers(rollouts), 0.2, seed=2)
    assert result.metrics[0] == evaluate(result.saes[0], states[~test], states[test])
    assert result.metrics[0].fvu < 0.3
    assert len(result.mcc) == 3
    assert evaluate_rollouts(rollouts, result.saes, seed=2) == (result.metrics, result.mcc)
    logged = {(row.run, row.metric): row.value for row in result.log}
    assert logged[runs[1].name, "heldout_fvu"] == result.metrics[1].fvu
    assert logged["all", "mcc"] == pytest.approx(np.mean(result.mcc))
