"""The mixture of authored storyworlds' states, and trainings that see it beside a cycle's."""

import numpy as np
import polars as pl

from narrative_dag.sae.config import RunConfig, SaeConfig
from narrative_dag.sae.head import head_logits
from narrative_dag.sae.multitask import MultiTaskConfig
from narrative_dag.sae.rollouts import train_on_rollouts
from narrative_dag.sae.topk import TopKConfig
from narrative_dag.states.mixture import authored, authored_mixture
from narrative_dag.storyworld.authors import STYLES
from narrative_dag.tables import STATE_DIMENSIONS


def rollouts(n=240):
    rng = np.random.default_rng(0)
    open_now = rng.random(n) < 0.5
    states = np.zeros((n, STATE_DIMENSIONS), dtype=np.float32)
    states[:, 0] = np.where(open_now, 0.8, -0.8)
    states[:, 1] = rng.normal(size=n)
    return pl.DataFrame(
        {
            "storyworld_id": ["w"] * n,
            "playthrough": [i // 4 for i in range(n)],
            "encounter": ["e"] * n,
            "visible": [["a", "b"]] * n,
            "performable": [["a", "b"] if now else ["a"] for now in open_now],
            "state": pl.Series(states, dtype=pl.Array(pl.Float32, STATE_DIMENSIONS)),
        }
    )


def test_the_mixture_is_distinct_states_of_every_style_and_a_function_of_its_arguments():
    states = authored_mixture(300, 3)
    assert states.shape == (300, STATE_DIMENSIONS)
    assert {kind for _, kind, _ in authored(300, 3)} == set(STYLES)
    assert len(np.unique(states, axis=0)) > 280
    np.testing.assert_array_equal(states, authored_mixture(300, 3))
    assert not np.array_equal(states, authored_mixture(300, 4))


def test_features_of_the_mixture_live_and_what_is_held_out_is_the_cycle_s():
    config = SaeConfig(runs=(RunConfig(architecture=TopKConfig(k_features=96, k=8)),), epochs=30, device="cpu")
    alone = train_on_rollouts(rollouts(), config, 0)
    beside = train_on_rollouts(rollouts(), config, 0, mixture=authored_mixture(1500, 0))
    assert beside.metrics[0].rows == alone.metrics[0].rows == 48
    assert beside.metrics[0].dead_share < alone.metrics[0].dead_share
    assert beside.metrics[0].fvu < 0.1


def test_an_architecture_with_a_head_learns_the_options_of_the_cycle_s_own_pages():
    table = rollouts()
    config = SaeConfig(runs=(RunConfig(architecture=MultiTaskConfig(k_features=32, k=4)),), epochs=60, device="cpu")
    sae = train_on_rollouts(table, config, 0, mixture=authored_mixture(300, 0)).saes[0]
    states = table["state"].to_numpy()
    open_now = states[:, 0] > 0
    # `b` is the second of the two options, and open on half of the pages
    odds = head_logits(sae, sae.encode(states))[:, 1]
    assert np.mean((odds > 0) == open_now) > 0.9
