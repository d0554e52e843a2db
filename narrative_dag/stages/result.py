"""What a stage gives back beside its tables."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from narrative_dag.tables import TABLES

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def silent(what: str, done: int, total: int) -> None:
    """A progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class StageResult:
    """Headline figures by name, and the rows of table `training_log`."""

    metrics: Mapping[str, float]
    log: pa.Table


def training_log(stage: str, rows: Iterable[tuple[str, int, str, float]]) -> pa.Table:
    """The table `training_log` from (run, step, metric, value) rows."""
    schema = TABLES["training_log"].schema
    return pa.Table.from_pylist(
        [
            {"stage": stage, "run": run, "step": step, "metric": metric, "value": float(value)}
            for run, step, metric, value in rows
        ],
        schema=schema,
    )
