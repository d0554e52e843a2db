import dataclasses

import pytest

from resources.catalog import Catalog
from resources.lineage import Entry, Lineage, Parent

ENTRY = Entry(
    asset="rollouts",
    cycle="cycle-0001",
    content_hash="c0",
    fingerprint="f0",
    parents=(Parent("storyworlds", "cycle-0001", "c1"), Parent("imported_storyworlds", "imported", "c2")),
    code_version="0.1.0",
    dagster_run="run",
    mlflow_run=None,
    rows=10,
    bytes=1000,
    seconds=1.5,
    metrics={"pages": 10.0, "validity": 0.1},
)


@pytest.fixture
def lineage(warehouse) -> Lineage:
    return Lineage(warehouse)


def test_an_entry_is_read_back(lineage):
    lineage.record(ENTRY)
    assert lineage.find("rollouts", "cycle-0001") == ENTRY


def test_what_is_not_finished_is_not_found(lineage):
    assert lineage.find("rollouts", "cycle-0001") is None
    lineage.record(ENTRY)
    assert lineage.find("storyworlds", "cycle-0001") is None
    lineage.forget("rollouts", "cycle-0001")
    assert lineage.find("rollouts", "cycle-0001") is None


def test_recording_again_replaces_the_row(lineage, warehouse):
    lineage.record(ENTRY)
    lineage.record(dataclasses.replace(ENTRY, content_hash="c9"))
    assert warehouse.arrow("lineage", "cycle-0001")["content_hash"].to_pylist() == ["c9"]


def test_a_query_walks_from_an_asset_to_its_parents(lineage, warehouse, tmp_path):
    lineage.record(ENTRY)
    lineage.record(dataclasses.replace(ENTRY, asset="storyworlds", content_hash="c1", parents=()))
    sql = """
        SELECT child.asset, parent.asset
        FROM lineage child, unnest(child.parents) AS u(edge)
        JOIN lineage parent ON parent.content_hash = u.edge.content_hash AND parent.asset = u.edge.asset
    """
    catalog = Catalog(warehouse.folder, tmp_path / "catalog.duckdb")
    assert catalog.query(sql).rows() == [("rollouts", "storyworlds")]
