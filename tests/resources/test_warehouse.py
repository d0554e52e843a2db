import os

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feature_rows import features

from narrative_dag.tables import TABLES
from resources.warehouse import STALE_SECONDS, WarehouseError


def test_what_is_written_is_read_back(warehouse):
    written = warehouse.write("features", "cycle-0003", features(10))
    assert written.rows == 10
    assert written.path == warehouse.folder / "features" / "cycle=cycle-0003" / "part-0.parquet"
    assert warehouse.arrow("features", "cycle-0003").equals(features(10))
    assert warehouse.content_hash("features", "cycle-0003") == written.content_hash
    assert warehouse.cycles("features") == ["cycle-0003"]


@pytest.mark.parametrize("table", list(TABLES))
def test_every_table_survives_parquet(warehouse, table):
    empty = TABLES[table].schema.empty_table()
    warehouse.write(table, "cycle-0000", empty)
    assert warehouse.arrow(table, "cycle-0000").schema.equals(TABLES[table].schema, check_metadata=True)


def test_state_vectors_keep_their_length(warehouse):
    row = {
        "storyworld_id": "w", "source": "seed", "playthrough": 0, "step": 0, "turn": 1, "encounter": "e1",
        "visible": ["o1"], "performable": [], "choice": None, "reaction": None, "next": None, "end": "blocked",
        "state": [0.5] * 128,
    }  # fmt: skip
    data = pa.Table.from_pylist([row], schema=TABLES["rollouts"].schema)
    written = warehouse.write("rollouts", "cycle-0000", data)
    assert warehouse.arrow("rollouts", "cycle-0000").to_pylist() == [row]
    assert warehouse.content_hash("rollouts", "cycle-0000") == written.content_hash


def test_polars_frames_go_in_and_come_out(warehouse):
    frame = pl.DataFrame(features(5))
    written = warehouse.write("features", "cycle-0000", frame.to_arrow())
    assert warehouse.read("features", "cycle-0000").equals(frame)
    assert written.content_hash == warehouse.write("features", "cycle-0001", features(5)).content_hash


def test_columns_may_come_in_any_order(warehouse):
    data = features(4)
    shuffled = data.select(data.column_names[::-1])
    assert (
        warehouse.write("features", "c", shuffled).content_hash == warehouse.write("features", "d", data).content_hash
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (features(1).drop_columns(["feature"]), "features: missing columns: feature"),
        (features(1).append_column("extra", pa.array([1])), "features: columns that the table has not: extra"),
        (
            features(1).set_column(3, "sae", pa.array([0.5])),
            "features.sae: is double, should be int32",
        ),
        (
            features(1).set_column(4, "feature", pa.array([None], pa.int32())),
            "features.feature: has 1 nulls, allows none",
        ),
    ],
)
def test_data_that_does_not_fit_is_refused_by_name(warehouse, data, said):
    with pytest.raises(WarehouseError, match="^" + said):
        warehouse.write("features", "cycle-0000", data)
    assert not warehouse.has("features", "cycle-0000")


def test_unknown_tables_are_refused(warehouse):
    with pytest.raises(WarehouseError, match="no such table"):
        warehouse.write("feature", "cycle-0000", features(1))


def test_a_missing_partition_says_which(warehouse):
    with pytest.raises(WarehouseError, match="features, cycle-0009: no such partition"):
        warehouse.read("features", "cycle-0009")


def test_a_file_of_another_schema_is_refused_on_reading(warehouse):
    folder = warehouse.partition("features", "cycle-0000")
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"x": [1]}), folder / "part-0.parquet")
    with pytest.raises(WarehouseError, match="missing columns"):
        warehouse.arrow("features", "cycle-0000")


def test_replacing_a_partition_leaves_nothing_else(warehouse):
    warehouse.write("features", "cycle-0000", features(10))
    warehouse.write("features", "cycle-0000", features(3))
    assert len(warehouse.arrow("features", "cycle-0000")) == 3
    assert [p.name for p in warehouse.partition("features", "cycle-0000").iterdir()] == ["part-0.parquet"]


def test_stages_share_a_partition_by_parts(warehouse):
    row = {"run": "", "step": 1, "metric": "loss", "value": 0.5}
    for stage in ("sae", "policy"):
        data = pa.Table.from_pylist([{"stage": stage, **row}], schema=TABLES["training_log"].schema)
        warehouse.write("training_log", "cycle-0000", data, part=stage)
    assert warehouse.arrow("training_log", "cycle-0000")["stage"].to_pylist() == ["policy", "sae"]
    assert warehouse.has("training_log", "cycle-0000", "sae")


def test_notes_are_kept_and_do_not_count(warehouse):
    plain = warehouse.write("features", "cycle-0000", features(2))
    noted = warehouse.write("features", "cycle-0001", features(2), notes={"fingerprint": "f"})
    assert pq.read_schema(noted.path).metadata[b"fingerprint"] == b"f"
    assert noted.content_hash == plain.content_hash


def test_what_a_killed_writer_left_is_no_data_and_is_removed_in_time(warehouse):
    folder = warehouse.partition("features", "cycle-0000")
    warehouse.write("features", "cycle-0000", features(2))
    old, young = folder / ".part-0.old.tmp", folder / ".part-0.young.tmp"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (0, old.stat().st_mtime - STALE_SECONDS - 10))
    assert len(warehouse.arrow("features", "cycle-0000")) == 2
    warehouse.write("features", "cycle-0000", features(2))
    assert young.exists()
    assert not old.exists()
