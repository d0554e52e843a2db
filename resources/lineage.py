"""Lineage: one row a materialization, written last, so that it marks the stage as finished."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from narrative_dag.tables import TABLES
from resources.warehouse import Warehouse

_TABLE = "lineage"


@dataclass(frozen=True, slots=True)
class Parent:
    """What something was made from."""

    asset: str
    cycle: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished materialization.

    `fingerprint` is the hash of all inputs: parents, configuration, code version. `metrics` are the stage's figures,
    none of them a duration.
    """

    asset: str
    cycle: str
    content_hash: str
    fingerprint: str
    parents: tuple[Parent, ...]
    code_version: str
    dagster_run: str
    mlflow_run: str | None
    rows: int
    bytes: int
    seconds: float
    metrics: Mapping[str, float] = field(default_factory=dict)


class Lineage:
    """The lineage table, one Parquet part for each (asset, cycle)."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    def record(self, entry: Entry) -> None:
        """Mark a materialization as finished."""
        row = {
            "asset": entry.asset,
            "content_hash": entry.content_hash,
            "parents": [{"asset": p.asset, "cycle": p.cycle, "content_hash": p.content_hash} for p in entry.parents],
            "code_version": entry.code_version,
            "dagster_run": entry.dagster_run,
            "mlflow_run": entry.mlflow_run,
            "rows": entry.rows,
            "bytes": entry.bytes,
            "seconds": entry.seconds,
        }
        notes = {"fingerprint": entry.fingerprint, "metrics": json.dumps(dict(entry.metrics), sort_keys=True)}
        data = pa.Table.from_pylist([row], schema=TABLES[_TABLE].schema)
        self.warehouse.write(_TABLE, entry.cycle, data, part=entry.asset, notes=notes)

    def find(self, asset: str, cycle: str) -> Entry | None:
        """The finished materialization, or None."""
        path = self.warehouse.partition(_TABLE, cycle) / f"part-{asset}.parquet"
        if not path.is_file():
            return None
        table = pq.ParquetFile(path).read()
        row = table.to_pylist()[0]
        notes = table.schema.metadata
        return Entry(
            asset=asset,
            cycle=cycle,
            content_hash=row["content_hash"],
            fingerprint=notes[b"fingerprint"].decode(),
            parents=tuple(Parent(**parent) for parent in row["parents"]),
            code_version=row["code_version"],
            dagster_run=row["dagster_run"],
            mlflow_run=row["mlflow_run"],
            rows=row["rows"],
            bytes=row["bytes"],
            seconds=row["seconds"],
            metrics=json.loads(notes[b"metrics"]),
        )

    def forget(self, asset: str, cycle: str) -> None:
        """Mark a materialization as unfinished, before it is made again."""
        (self.warehouse.partition(_TABLE, cycle) / f"part-{asset}.parquet").unlink(missing_ok=True)
