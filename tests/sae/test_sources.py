import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.sources import InMemory, RunningMoments

STATES = np.random.default_rng(0).normal(3, 2, (101, 4)).astype(np.float32)
LABELS = np.where(STATES[:, :2] > 3, np.nan, np.round(STATES[:, :2])).astype(np.float32)


def rows(states):
    return sorted(map(tuple, states.tolist()))


def test_an_epoch_has_every_row_once_in_an_order_of_its_own():
    source = InMemory(STATES)
    (first,), (again,), (later,), (other,) = (
        list(source.epoch(epoch, seed)) for epoch, seed in ((0, 7), (0, 7), (1, 7), (0, 8))
    )
    assert source.block_sizes() == (101,)
    assert rows(first.states) == rows(STATES)
    np.testing.assert_array_equal(first.states, again.states)
    assert not np.array_equal(first.states, STATES)
    assert not np.array_equal(first.states, later.states)
    assert not np.array_equal(first.states, other.states)


def test_labels_stay_with_their_states():
    source = InMemory(STATES, LABELS)
    assert (source.d, source.rows, source.label_width) == (4, 101, 2)
    expected = {tuple(state): label for state, label in zip(STATES.tolist(), LABELS, strict=True)}
    for block in (*source.epoch(3, 1), source.probe(10, 0)):
        for state, label in zip(block.states.tolist(), block.labels, strict=True):
            np.testing.assert_array_equal(label, expected[tuple(state)])


def test_a_probe_is_distinct_rows_fixed_by_its_seed():
    source = InMemory(STATES)
    probe = source.probe(20, 5).states
    assert len({tuple(row) for row in probe.tolist()}) == 20
    np.testing.assert_array_equal(probe, source.probe(20, 5).states)
    assert not np.array_equal(probe, source.probe(20, 6).states)
    assert rows(source.probe(1000, 5).states) == rows(STATES)


def test_moments_are_those_of_all_rows():
    mean, deviation = InMemory(STATES).moments()
    np.testing.assert_allclose(mean, STATES.mean(axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(deviation, STATES.std(axis=0, dtype=np.float64), rtol=1e-12)


@given(
    hnp.arrays(np.float32, (60, 3), elements=st.floats(-10, 10, width=32)),
    st.lists(st.integers(1, 59), max_size=5),
    st.sampled_from([0.0, 1e6]),
)
def test_moments_do_not_depend_on_the_pieces_and_survive_a_large_mean(states, cuts, offset):
    states = states.astype(np.float64) + offset
    running = RunningMoments(3)
    for piece in np.split(states, sorted(cuts)):
        running.add(piece)
    assert running.rows == 60
    np.testing.assert_allclose(running.moments().mean, states.mean(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(running.moments().deviation, states.std(axis=0), rtol=1e-6, atol=1e-8)


def test_a_dimension_that_never_varies_has_no_weight_in_directions():
    states = np.array([[1.0, 5.0], [3.0, 5.0]], np.float32)
    np.testing.assert_array_equal(np.ones(2) / InMemory(states).moments().units, [1.0, 0.0])


def test_the_digest_is_the_contents():
    digest = InMemory(STATES).digest()
    assert digest == InMemory(STATES.copy()).digest()
    changed = STATES.copy()
    changed[50, 1] += 1e-3
    others = {InMemory(changed).digest(), InMemory(STATES.reshape(-1, 2)).digest(), InMemory(STATES, LABELS).digest()}
    assert len({digest} | others) == 4


def test_refusals_name_the_row():
    holed = STATES.copy()
    holed[17, 2] = np.nan
    with pytest.raises(SaeError, match="row 17: a state is not finite"):
        InMemory(holed)
    with pytest.raises(SaeError, match="row 3: a label is infinite"):
        InMemory(STATES, np.where(np.arange(101)[:, None] == 3, np.inf, LABELS))
    with pytest.raises(SaeError, match="not finite"):
        InMemory(np.full((3, 2), 1e300))
    for shape in ((1, 4), (5,), (5, 0)):
        with pytest.raises(SaeError, match="n >= 2"):
            InMemory(np.zeros(shape, np.float32))
    with pytest.raises(SaeError, match="do not belong"):
        InMemory(STATES, LABELS[:-1])


def test_sources_load_without_torch():
    code = (
        "import narrative_dag.sae.parquet_states, narrative_dag.sae.activations, sys; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
