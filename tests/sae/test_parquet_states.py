import hashlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.labels import LabelColumn, OptionSlots, affordance_labels
from narrative_dag.sae.parquet_states import ParquetStates
from narrative_dag.sae.sources import InMemory
from narrative_dag.sae.splits import SPLITS, Split

D = 4


def table(n, first=0, kind=None):
    """Rows that are told apart by their first number: the row's own."""
    rows = np.arange(first, first + n)
    states = np.random.default_rng(first).normal(size=(n, D)).astype(np.float32)
    states[:, 0] = rows
    return pa.table(
        {
            "storyworld_id": [f"w{row // 50}" for row in rows],
            "playthrough": pa.array(rows // 10 % 5, pa.int32()),
            "encounter": [f"e{row % 3}" for row in rows],
            "visible": [["a", "c", "b"][: 1 + row % 3] for row in rows],
            "performable": [["a", "b"] if row % 3 == 2 and row % 2 else ["a"] for row in rows],
            "state": pa.array(list(states), kind or pa.list_(pa.float32(), D)),
        }
    )


def states_of(rows):
    return np.array(rows["state"].to_pylist(), dtype=np.float32)


def numbers(blocks):
    return np.concatenate([block.states[:, 0] for block in blocks]).astype(int)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "states.parquet"
    pq.write_table(table(1000), path, row_group_size=60)
    return path


SMALL = 4 * D * 160
"""A buffer of 160 rows."""


def test_an_epoch_has_every_row_once_in_blocks_of_the_announced_sizes(file):
    source = ParquetStates(file, buffer_bytes=SMALL)
    blocks = list(source.epoch(0, 3))
    assert (source.d, source.rows, source.label_width) == (D, 1000, 0)
    assert tuple(len(block.states) for block in blocks) == source.block_sizes()
    assert max(source.block_sizes()) == 40
    assert max(source.block_sizes()) - min(source.block_sizes()) <= 1
    np.testing.assert_array_equal(np.sort(numbers(blocks)), np.arange(1000))
    np.testing.assert_array_equal(np.concatenate([b.states for b in blocks]), states_of(table(1000))[numbers(blocks)])


def test_the_order_depends_on_epoch_and_seed_alone(file):
    order = numbers(ParquetStates(file, buffer_bytes=SMALL).epoch(1, 3))
    source = ParquetStates(file, buffer_bytes=SMALL)
    list(source.epoch(0, 3))
    np.testing.assert_array_equal(order, numbers(source.epoch(1, 3)))
    assert not np.array_equal(order, numbers(source.epoch(2, 3)))
    assert not np.array_equal(order, numbers(source.epoch(1, 4)))


def test_blocks_mix_distant_rows(file):
    whole = np.random.default_rng(0).permutation(1000)
    small = numbers(ParquetStates(file, buffer_bytes=SMALL).epoch(0, 0))
    large = numbers(ParquetStates(file).epoch(0, 0))
    for order, share in ((small, 0.5), (large, 0.9)):
        assert np.abs(np.diff(order)).mean() > share * np.abs(np.diff(whole)).mean()
    # neighbours in the file are as rarely neighbours in training as chance has it, where the buffer holds all rows
    assert (np.abs(np.diff(large)) == 1).sum() < 10
    spread = [np.ptp(block) for block in np.split(small, np.cumsum([40] * 24))]
    assert np.mean(spread) > 500


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.float32(), D)])
def test_lists_of_any_kind_and_row_groups_larger_than_the_buffer(tmp_path, kind):
    path = tmp_path / "one.parquet"
    pq.write_table(table(1000, kind=kind), path)
    source = ParquetStates(path, buffer_bytes=SMALL)
    np.testing.assert_array_equal(np.sort(numbers(source.epoch(0, 0))), np.arange(1000))


def test_folders_and_patterns_in_the_order_of_names(tmp_path):
    for cycle, first in (("cycle-0001", 300), ("cycle-0000", 0)):
        folder = tmp_path / "rollouts" / f"cycle={cycle}"
        folder.mkdir(parents=True)
        pq.write_table(table(300, first), folder / "part-0.parquet", row_group_size=100)
        (folder / ".part-0.x.tmp").write_bytes(b"unfinished")
    hidden = tmp_path / "rollouts" / ".cycle=cycle-0002.7.tmp"
    hidden.mkdir()
    pq.write_table(table(10), hidden / "part-0.parquet")
    whole = ParquetStates(tmp_path / "rollouts")
    assert whole.rows == 600
    assert whole.digest() == ParquetStates(tmp_path / "rollouts" / "cycle=*" / "part-*.parquet").digest()
    pq.write_table(pa.concat_tables([table(300), table(300, 300)]), tmp_path / "same.parquet", row_group_size=100)
    assert whole.digest() == ParquetStates(tmp_path / "same.parquet").digest()
    assert ParquetStates(tmp_path / "rollouts" / "cycle=cycle-0001").rows == 300


def test_moments_are_those_of_the_training_rows(file):
    rows = states_of(table(1000))
    for source in (
        ParquetStates(file),
        (part := ParquetStates(file, split=Split(by="row", share=0.3))),
        part.held_out(),
    ):
        own = rows[np.sort(numbers(source.epoch(0, 0)))]
        expected = InMemory(own).moments()
        np.testing.assert_allclose(source.moments().mean, expected.mean, rtol=1e-12)
        np.testing.assert_allclose(source.moments().deviation, expected.deviation, rtol=1e-12)


@pytest.mark.parametrize("by", SPLITS)
def test_a_split_divides_no_group_and_both_parts_are_everything(file, by):
    train = ParquetStates(file, split=Split(by=by, share=0.3, seed=2), buffer_bytes=SMALL)
    test = train.held_out()
    kept, held = numbers(train.epoch(0, 0)), numbers(test.epoch(0, 0))
    assert (len(kept), len(held)) == (train.rows, test.rows)
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, held])), np.arange(1000))
    size = {"storyworld": 50, "playthrough": 10, "row": 1}[by]
    assert not set(kept // size) & set(held // size)
    # three standard deviations of a share of that many groups
    assert abs(test.rows / 1000 - 0.3) < 3 * np.sqrt(0.21 / (1000 / size))
    with pytest.raises(SaeError, match="nothing is held out"):
        test.held_out()


def test_a_split_does_not_depend_on_row_groups_or_on_other_rows(file, tmp_path):
    split = Split(by="playthrough", share=0.4, seed=1)
    held = numbers(ParquetStates(file, split=split).held_out().epoch(0, 0))
    pq.write_table(table(500), tmp_path / "half.parquet", row_group_size=7)
    half = numbers(ParquetStates(tmp_path / "half.parquet", split=split).held_out().epoch(0, 0))
    assert set(half) == {row for row in held if row < 500}


def test_a_split_is_the_same_on_every_machine():
    batch = table(500).to_batches()[0]
    marks = {by: Split(by=by, share=0.5, seed=-3).held_out(batch, 0) for by in SPLITS}
    found = {by: hashlib.sha256(np.packbits(marked).tobytes()).hexdigest()[:16] for by, marked in marks.items()}
    assert found == {"storyworld": "c737a9d4f9e7c5a7", "playthrough": "62716e83b17379ad", "row": "d47ac77480b021d3"}


def test_a_part_of_one_row_is_refused(tmp_path):
    pq.write_table(table(40), tmp_path / "one.parquet")
    with pytest.raises(SaeError, match=r"0 (training|held-out) rows, at least 2"):
        ParquetStates(tmp_path / "one.parquet", split=Split(by="storyworld")).held_out()
    with pytest.raises(SaeError, match="holds 3 rows"):
        ParquetStates(tmp_path / "one.parquet", buffer_bytes=4 * D * 3)


def test_a_probe_is_distinct_rows_of_the_part(file):
    source = ParquetStates(file, split=Split(by="playthrough", share=0.5), labels=OptionSlots(), buffer_bytes=SMALL)
    probe = source.probe(100, 4)
    found = probe.states[:, 0].astype(int)
    assert len(set(found)) == 100
    assert set(found) <= set(numbers(source.epoch(0, 0)))
    assert (np.diff(found) < 0).any()
    np.testing.assert_array_equal(probe.states, states_of(table(1000))[found])
    np.testing.assert_array_equal(probe.labels, affordance_labels(table(1000).to_batches())[found])
    np.testing.assert_array_equal(probe.states, source.probe(100, 4).states)
    assert not np.array_equal(probe.states, source.probe(100, 5).states)
    assert len(source.probe(5000, 4).states) == source.rows


def test_labels_of_options_are_those_of_the_whole_table(file):
    source = ParquetStates(file, labels=OptionSlots(), buffer_bytes=4 * (D + 8) * 160)
    blocks = list(source.epoch(0, 0))
    assert source.label_width == 8
    expected = affordance_labels(table(1000).to_batches())
    np.testing.assert_array_equal(np.concatenate([block.labels for block in blocks]), expected[numbers(blocks)])


def test_a_column_of_labels(tmp_path):
    rows = table(100)
    labels = [[float(row), None if row % 2 else 1.0] for row in range(100)]
    pq.write_table(rows.append_column("goal", pa.array(labels)), tmp_path / "labelled.parquet")
    source = ParquetStates(tmp_path / "labelled.parquet", labels=LabelColumn("goal"))
    (block,) = [source.probe(100, 0)]
    assert source.label_width == 2
    np.testing.assert_array_equal(block.labels[:, 0], block.states[:, 0])
    np.testing.assert_array_equal(np.isnan(block.labels[:, 1]), block.states[:, 0] % 2 == 1)
    ragged = rows.append_column("goal", pa.array([[1.0]] * 99 + [[1.0, 2.0]]))
    pq.write_table(ragged, tmp_path / "ragged.parquet")
    with pytest.raises(SaeError, match="labels"):
        ParquetStates(tmp_path / "ragged.parquet", labels=LabelColumn("goal"))


def test_the_digest_tells_contents_splits_labels_and_orders_apart(file, tmp_path):
    def digest(**arguments):
        return ParquetStates(arguments.pop("path", file), **arguments).digest()

    assert digest() == digest()
    pq.write_table(table(1000), tmp_path / "groups.parquet", row_group_size=61)
    states = states_of(table(1000))
    states[500, 1] += 1
    changed = table(1000).set_column(5, "state", pa.array(list(states), pa.list_(pa.float32(), D)))
    pq.write_table(changed, tmp_path / "changed.parquet", row_group_size=60)
    options = table(1000).set_column(4, "performable", pa.array([["a"]] * 1000))
    pq.write_table(options, tmp_path / "options.parquet", row_group_size=60)
    found = [
        digest(),
        digest(path=tmp_path / "groups.parquet"),
        digest(path=tmp_path / "changed.parquet"),
        digest(buffer_bytes=SMALL),
        digest(split=Split()),
        digest(split=Split(seed=1)),
        digest(labels=OptionSlots()),
        digest(labels=OptionSlots(), path=tmp_path / "options.parquet"),
        ParquetStates(file, split=Split()).held_out().digest(),
    ]
    assert len(set(found)) == len(found)


def replaced(column, values):
    rows = table(100)
    return rows.set_column(rows.schema.get_field_index(column), column, values)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (replaced("state", pa.array([[0.0] * D] * 50 + [None] * 50, pa.list_(pa.float32(), D))), "row cannot be read"),
        (replaced("state", pa.array([[0.0] * D] * 50 + [None] * 50)), "state is missing"),
        (replaced("state", pa.array([[0.0] * D] * 50 + [[0.0] * 3] * 50)), "has length 3, not 4"),
        (
            replaced("state", pa.array([[0.0] * D] * 50 + [[0.0, None, 0.0, 0.0]] * 50)),
            "number of the state is missing",
        ),
        (replaced("state", pa.array([[0.0] * D] * 50 + [[0.0, 1e39, 0.0, 0.0]] * 50)), "not finite"),
        (replaced("state", pa.array([[0.0] * D] * 50 + [[0.0, np.nan, 0.0, 0.0]] * 50)), "not finite"),
        (replaced("storyworld_id", pa.array(["w"] * 50 + [None] * 50)), "storyworld_id is missing"),
    ],
)
def test_refusals_name_file_row_group_and_row(tmp_path, rows, message):
    path = tmp_path / "bad.parquet"
    pq.write_table(rows, path, row_group_size=30)
    with pytest.raises(SaeError, match=rf"bad\.parquet, row group 1, row 20: .*{message}"):
        ParquetStates(path, split=Split(by="storyworld", share=0.5))


def test_what_cannot_be_read_at_all_is_named(tmp_path, file):
    with pytest.raises(SaeError, match="no Parquet file here"):
        ParquetStates(tmp_path / "nothing-*.parquet")
    with pytest.raises(SaeError, match="no column vector"):
        ParquetStates(file, column="vector")
    with pytest.raises(SaeError, match="lists of floats, this column has type int32"):
        ParquetStates(file, column="playthrough")
    (tmp_path / "text.parquet").write_text("no such format")
    with pytest.raises(SaeError, match=r"text\.parquet: not a readable Parquet file"):
        ParquetStates(tmp_path / "text.parquet")
    source = ParquetStates(file)
    pq.write_table(table(1001), file)
    with pytest.raises(SaeError, match="has changed"):
        next(source.epoch(0, 0))


MEASURE = """
import sys
from pathlib import Path
from narrative_dag.sae.labels import OptionSlots
from narrative_dag.sae.parquet_states import ParquetStates
from narrative_dag.sae.splits import Split

def read(path):
    source = ParquetStates(path, split=Split(by="storyworld"), buffer_bytes=1 << 22)
    return sum(len(block.states) for block in source.epoch(0, 0)) == source.rows and len(source.probe(100, 0).states)

def peak():
    # not ru_maxrss: a child begins with its parent's
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

assert read(sys.argv[1]) == 100
before = peak()
assert read(sys.argv[2]) == 100
print(peak() - before)
"""


@pytest.mark.parametrize("groups", ["many", "one"])
def test_memory_does_not_grow_with_the_file(tmp_path, groups):
    states = np.random.default_rng(0).normal(size=(200_000, 64)).astype(np.float32)

    def write(path, n):
        rows = pa.table(
            {
                "storyworld_id": [f"w{row // 500}" for row in range(n)],
                "state": pa.FixedSizeListArray.from_arrays(pa.array(states[:n].reshape(-1)), 64),
            }
        )
        pq.write_table(rows, path, row_group_size=2500 if groups == "many" else n)
        return path

    small, large = write(tmp_path / "small.parquet", 50_000), write(tmp_path / "large.parquet", 200_000)
    # 13 and 51 MB through a buffer of 4 MB, kilobytes in between
    done = subprocess.run([sys.executable, "-c", MEASURE, small, large], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 25_000
