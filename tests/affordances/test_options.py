import numpy as np
import polars as pl
from coupled_rollouts import D, rollouts

from narrative_dag.affordances.options import AffordanceCounts, decidable, encounter_affordances, open_options


def test_availability_is_what_is_performable_on_the_encounters_own_pages(gated):
    found = encounter_affordances(gated)
    assert [(e.storyworld_id, e.encounter) for e in found] == [(w, e) for w in ("w0", "w1") for e in ("e0", "e1", "e2")]
    for encounter in found:
        assert encounter.options == ("gated", "never", "open")
        pages = gated[encounter.rows]
        assert set(pages["encounter"]) == {encounter.encounter}
        for column, option in enumerate(encounter.options):
            expected = pages["performable"].list.contains(option).to_numpy()
            np.testing.assert_array_equal(encounter.availability[:, column], expected)


def test_constant_affordances_and_small_contexts_are_counted_and_dropped(gated):
    kept, counts = decidable(encounter_affordances(gated), minimum_pages=50)
    # `open` and `never` of six encounters never change
    assert counts == AffordanceCounts(total=18, too_few_pages=0, constant=12, decidable=6)
    assert all(encounter.options == ("gated",) for encounter in kept)
    few = rollouts(playthroughs=20, worlds=1)
    kept, counts = decidable(encounter_affordances(few), minimum_pages=50)
    assert (counts.total, counts.too_few_pages, kept) == (9, 9, [])


def test_open_options_are_counted_and_an_ending_has_none(gated):
    counts = open_options(gated)
    assert set(counts[gated["encounter"].to_numpy() == "end"]) == {0}
    assert set(counts[gated["encounter"].to_numpy() != "end"]) == {1, 2}


def test_rollouts_without_options_have_no_affordances():
    table = rollouts(worlds=1, playthroughs=3).filter(pl.col("encounter") == "end")
    assert encounter_affordances(table) == []
    assert len(table["state"][0]) == D
