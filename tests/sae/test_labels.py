import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narrative_dag.affordances.options import encounter_affordances
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.labels import OPTION_SLOTS, OptionSlots, affordance_labels

NAN = np.nan
SCHEMA = {
    "storyworld_id": pl.String,
    "encounter": pl.String,
    "visible": pl.List(pl.String),
    "performable": pl.List(pl.String),
}
PAGES = [
    ("w", "gate", ["wait", "knock"], ["wait"]),
    ("w", "hall", [], []),
    ("w", "gate", ["climb", "knock"], ["climb", "knock"]),
    ("v", "gate", ["knock"], []),
    ("w", "end", [], []),
    ("w", "hall", ["bow"], ["bow"]),
]


def pages(rows):
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def test_slots_are_the_encounters_options_in_the_order_of_their_ids():
    found = affordance_labels(pages(PAGES))
    assert found.dtype == np.float32
    assert np.isnan(found[:, 3:]).all()
    expected = [[0, 0, 1], [0, NAN, NAN], [1, 1, 0], [0, NAN, NAN], [NAN, NAN, NAN], [1, NAN, NAN]]
    np.testing.assert_array_equal(found[:, :3], expected)


def test_options_beyond_the_slots_have_none():
    names = [f"o{i:02d}" for i in range(OPTION_SLOTS + 3)]
    found = affordance_labels(pages([("w", "e", names, names[5:]), ("w", "e", [], [])]))
    np.testing.assert_array_equal(found, [[0] * 5 + [1] * (OPTION_SLOTS - 5), [0] * OPTION_SLOTS])


identifiers = st.sampled_from(["a", "b", "c", "é", "aa"])
options = st.lists(st.sampled_from([f"o{i}" for i in range(6)]), unique=True, max_size=4)


@given(st.lists(st.tuples(identifiers, identifiers, options, options), min_size=1, max_size=30), st.randoms())
def test_labels_agree_with_the_affordances_of_the_coupling_and_not_with_the_order_of_rows(rows, random):
    found = affordance_labels(pages(rows))
    expected = np.full((len(rows), OPTION_SLOTS), NAN)
    for encounter in encounter_affordances(pages(rows)):
        expected[encounter.rows[:, None], np.arange(len(encounter.options))] = encounter.availability
    np.testing.assert_array_equal(found, expected)
    order = random.sample(range(len(rows)), len(rows))
    np.testing.assert_array_equal(affordance_labels(pages([rows[i] for i in order])), found[order])


@pytest.mark.parametrize("size", [1, 2, 5])
def test_batches_have_the_labels_of_the_whole(size):
    batches = [batch for part in pages(PAGES).iter_slices(size) for batch in part.to_arrow().to_batches()]
    np.testing.assert_array_equal(affordance_labels(batches), affordance_labels(pages(PAGES)))


def test_no_rows_have_no_labels():
    assert affordance_labels(pages([])).shape == (0, OPTION_SLOTS)


def test_rows_that_were_not_observed_are_refused():
    rule = OptionSlots()
    (first, *_) = pages(PAGES).to_arrow().to_batches()
    rule.observe(first)
    (later,) = pages([("w", "gate", ["fly"], ["fly"])]).to_arrow().to_batches()
    with pytest.raises(SaeError, match="w, encounter gate: option fly was not there"):
        rule.labels(later)
    (nameless,) = pages([(None, "gate", [], [])]).to_arrow().to_batches()
    with pytest.raises(SaeError, match="storyworld_id: an id is missing"):
        rule.observe(nameless)
