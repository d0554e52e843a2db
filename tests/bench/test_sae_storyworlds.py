"""States of storyworlds: how they are taken and split, and what an autoencoder of the default kind finds in them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from narrative_dag.bench.sae_storyworlds import describe, split, storyworld_states, storyworlds
from narrative_dag.errors import NarrativeError
from narrative_dag.states.encoder import dimension_names
from narrative_dag.states.mixture import Pool, authored, pools, sample
from narrative_dag.storyworld.authors import STYLES
from narrative_dag.tables import STATE_DIMENSIONS

SHARED = Path(__file__).parents[3] / "shared" / "sweepweave" / "worlds"

torch.set_num_threads(1)


def pool(name: str, kind: str, size: int, value: float) -> Pool:
    return Pool(name, kind, np.full((size, 3), value, dtype=np.float32))


def test_authored_states_are_as_many_as_asked_for_and_the_same_for_one_seed():
    states, fresh, names = storyworld_states(None, 400, 3)
    assert states.shape == (400, STATE_DIMENSIONS)
    assert fresh.shape == (100, STATE_DIMENSIONS)
    assert {name.split("-")[0] for name in names} == set(STYLES)
    again, fresh_again, names_again = storyworld_states(None, 400, 3)
    np.testing.assert_array_equal(again, states)
    np.testing.assert_array_equal(fresh_again, fresh)
    assert names_again == names
    assert not np.array_equal(storyworld_states(None, 400, 4)[0], states)


def test_no_storyworld_is_on_both_sides():
    found = pools(authored(400, 3), 3)
    training, testing = split(found, 3)
    assert sorted(p.name for p in (*training, *testing)) == sorted(p.name for p in found)
    for kind in STYLES:
        kinds = [p.kind for p in testing]
        assert kinds.count(kind) == max(1, round(0.2 * sum(p.kind == kind for p in found)))


def test_a_pool_holds_a_state_once():
    for each in pools(authored(100, 1), 1):
        assert len(np.unique(each.states, axis=0)) == len(each.states) > 0


def test_storyworlds_give_states_evenly_and_imported_ones_more():
    found = [pool("few", "sketch", 2, 1), pool("many", "sketch", 100, 2), pool("file", "imported", 100, 3)]
    counts = [int((sample(found, 42, 0)[:, 0] == value).sum()) for value in (1, 2, 3)]
    assert counts == [2, 8, 32]


def test_too_few_states_and_missing_folders_are_refused(tmp_path: Path):
    with pytest.raises(NarrativeError, match="1 storyworlds have 5 distinct states, 6 are asked for"):
        sample([pool("p", "sketch", 5, 0)], 6, 0)
    with pytest.raises(NarrativeError, match="is no folder"):
        storyworld_states(tmp_path / "none", 100)


def test_states_are_described():
    states = np.zeros((4, STATE_DIMENSIONS), dtype=np.float32)
    at = dimension_names().index
    states[:, at("value.0.Trust~")] = [1, -1, 1, -1]
    states[:, at("seen.0")] = [0, 0, 1, 1]
    figures = describe(states)
    assert (figures["states"], figures["distinct_states"]) == (4, 4)
    assert figures["constant_dimensions"] == STATE_DIMENSIONS - 2
    assert (figures["variance.value"], figures["variance.seen"]) == pytest.approx((0.8, 0.2))
    assert (figures["dimensions_90"], figures["nonzero"]) == (2, 1.5)


@pytest.mark.parametrize(
    "worlds",
    [
        None,
        pytest.param(
            SHARED,
            marks=pytest.mark.skipif(not SHARED.is_dir(), reason="real storyworlds are not beside the repository"),
        ),
    ],
)
def test_features_of_unmet_storyworlds_are_sparse_faithful_and_the_same_for_every_seed(worlds: Path | None):
    figures = storyworlds(worlds)
    assert figures["states"] == 10_000
    assert 15 <= figures["l0"] <= 30
    assert figures["fvu"] < 0.1
    assert figures["fvu"] < figures["pca_fvu"] / 2
    assert figures["dead"] < 0.05
    assert figures["mcc_least"] >= 0.8
    assert figures["cpu_seconds"] < 15
