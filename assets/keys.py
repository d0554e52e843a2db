"""What the assets share with Dagster: partitions, groups, table metadata."""

from typing import Any

import dagster as dg
import pyarrow as pa

from narrative_dag.partitions import CYCLE_KEYS
from narrative_dag.tables import TABLES

cycles = dg.StaticPartitionsDefinition(list(CYCLE_KEYS))
"""One partition a cycle."""

CYCLE = "cycle"
"""Group of the stages of a cycle."""

BOOTSTRAP = "bootstrap"
"""Group of what comes before the first cycle."""

GPU = "gpu"
"""Concurrency pool of the stages that train or generate."""


def _type_name(kind: pa.DataType) -> str:
    return str(kind).replace("item: ", "").replace("element: ", "")


def table_metadata(name: str) -> dict[str, Any]:
    """`dagster/column_schema` and the table's name, for the asset that writes it."""
    columns = [
        dg.TableColumn(
            name=column.name,
            type=_type_name(column.type),
            description=column.description,
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for column in TABLES[name].columns
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns), "dagster/table_name": name}
