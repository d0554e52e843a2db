"""One materialization in progress: what it reads, what it hands over, what it reports."""

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from narrative_dag.config import CycleConfig
from narrative_dag.partitions import policy_before
from narrative_dag.progress import Progress
from narrative_dag.stages.result import StageResult
from resources.artifacts import Artifacts
from resources.hashing import combine
from resources.lineage import Entry, Lineage, Parent
from resources.tracking import Point
from resources.warehouse import Warehouse, conform

TRAINING_LOG = "training_log"


@dataclass
class Stage:
    """What the body of an asset sees. Nothing that it hands over is stored before the body ends."""

    warehouse: Warehouse
    artifacts: Artifacts
    lineage: Lineage
    asset: str
    cycle: str
    config: CycleConfig
    fingerprint: str
    parents: tuple[Parent, ...]
    progress: Progress
    publishing: ExitStack
    metrics: dict[str, float] = field(default_factory=dict)
    entry: Entry | None = None
    _notes: dict[str, Any] = field(default_factory=dict)
    _tables: dict[str, pa.Table] = field(default_factory=dict)
    _out: Path | None = None

    def table(self, name: str, cycle: str | None = None) -> pa.Table:
        """A table of this cycle, or of the key given."""
        return self.warehouse.arrow(name, cycle or self.cycle)

    def artifact(self, asset: str, cycle: str | None = None) -> Path:
        """The folder of an artefact of this cycle, or of the key given."""
        return self.artifacts.path(asset, cycle or self.cycle)

    @property
    def policy(self) -> Path:
        """The checkpoint that the cycle starts from."""
        return self.artifacts.path(*policy_before(self.cycle))

    @property
    def out(self) -> Path:
        """The empty folder to fill; it becomes the artefact."""
        if self._out is None:
            self._out = self.publishing.enter_context(self.artifacts.publish(self.asset, self.cycle))
        return self._out

    @property
    def work(self) -> Path:
        """The folder for checkpoints that a killed stage finds again, as long as its inputs are the same."""
        return self.artifacts.working_folder(self.asset, self.cycle, self.fingerprint)

    def figures(self) -> dict[str, Mapping[str, float]]:
        """The metrics of every parent of this cycle, by asset."""
        entries = [self.lineage.find(p.asset, p.cycle) for p in self.parents if p.cycle == self.cycle]
        return {entry.asset: entry.metrics for entry in entries if entry is not None}

    def write(self, table: str, data: pa.Table) -> None:
        """Hand over a partition of a table.

        Raises:
            WarehouseError: the data does not fit the table.
        """
        self._tables[table] = conform(table, data)

    def measure(self, metrics: Mapping[str, float]) -> None:
        """Add figures to the materialization, the lineage and MLflow."""
        self.metrics.update({name: float(value) for name, value in metrics.items()})

    def measure_share(self, name: str, data: pa.Table, column: str) -> None:
        """Add the share of rows on which a boolean column is true; 0 of no rows."""
        self.measure({name: sum(data.column(column).to_pylist()) / max(data.num_rows, 1)})

    def record(self, result: StageResult) -> None:
        """Hand over the figures and the training log of a training."""
        self.measure(result.metrics)
        self.write(TRAINING_LOG, result.log)

    def note(self, name: str, value: Any) -> None:
        """Add a note that only Dagster's page of the materialization shows."""
        self._notes[name] = value

    def history(self) -> list[Point]:
        """The training log handed over, as metric histories `training/...`, apart from the figures."""
        log = self._tables.get(TRAINING_LOG)
        if log is None:
            return []
        return [
            Point("/".join(filter(None, ("training", row["run"], row["metric"]))), row["value"], row["step"])
            for row in log.to_pylist()
            if math.isfinite(row["value"])
        ]

    def store(self) -> tuple[int, int, str]:
        """Write what was handed over, after the artefact is published.

        Returns:
            Rows, bytes, and the content hash: of the tables and the artefact, without the training log.
        """
        rows = size = 0
        hashes = {}
        for name, data in self._tables.items():
            part = self.asset if name == TRAINING_LOG else "0"
            written = self.warehouse.write(name, self.cycle, data, part=part)
            rows += written.rows
            size += written.bytes
            if name != TRAINING_LOG:
                hashes[name] = written.content_hash
        if self._out is not None:
            size += self.artifacts.size(self.asset, self.cycle)
            hashes["artifact"] = self.artifacts.content_hash(self.asset, self.cycle)
        return rows, size, combine(hashes)

    def result(self) -> dg.MaterializeResult[None]:
        """The materialization for Dagster, once stored."""
        entry = self.entry
        if entry is None:
            raise RuntimeError("a stage has its result after its frame ends")
        metadata: dict[str, Any] = {
            **{name: value if math.isfinite(value) else str(value) for name, value in self.metrics.items()},
            "seconds": entry.seconds,
            "rows": entry.rows,
            "bytes": entry.bytes,
            "content_hash": entry.content_hash,
            "parents": dg.MetadataValue.json(
                [{"asset": p.asset, "cycle": p.cycle, "hash": p.content_hash} for p in self.parents]
            ),
            **self._notes,
        }
        if entry.mlflow_run is not None:
            metadata["mlflow_run"] = entry.mlflow_run
        tables = [data for name, data in self._tables.items() if name != TRAINING_LOG]
        if tables:
            metadata["dagster/partition_row_count"] = tables[0].num_rows
        return dg.MaterializeResult(data_version=dg.DataVersion(entry.content_hash), metadata=metadata)
