"""The warehouse: Parquet partitions `<table>/cycle=<key>/part-<part>.parquet`, replaced atomically."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from narrative_dag.durable import replace
from narrative_dag.errors import NarrativeError
from narrative_dag.tables import TABLES
from resources.hashing import hash_table

STALE_SECONDS = 3600.0
"""Age at which a temporary file of a killed writer is removed."""


class WarehouseError(NarrativeError):
    """A table, column or partition that does not fit the warehouse, or is not in it."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a write left: rows, bytes on disk, content hash, file."""

    rows: int
    bytes: int
    content_hash: str
    path: Path


def _same_type(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a type differs from the wanted one in memory layout at most."""
    if pa.types.is_large_string(found) or pa.types.is_string_view(found) or pa.types.is_string(found):
        return bool(pa.types.is_string(wanted))
    if pa.types.is_list(found) or pa.types.is_large_list(found):
        return bool(pa.types.is_list(wanted)) and _same_type(found.value_type, wanted.value_type)
    if pa.types.is_fixed_size_list(found):
        return (
            pa.types.is_fixed_size_list(wanted)
            and found.list_size == wanted.list_size
            and _same_type(found.value_type, wanted.value_type)
        )
    if pa.types.is_struct(found):
        return (
            pa.types.is_struct(wanted)
            and [f.name for f in found] == [f.name for f in wanted]
            and all(_same_type(f.type, w.type) for f, w in zip(found, wanted, strict=True))
        )
    return bool(found == wanted)


def conform(table: str, data: pa.Table) -> pa.Table:
    """The data in the table's own column order and memory layout.

    Raises:
        WarehouseError: unknown table; missing, extra or wrongly typed columns; nulls where none are allowed.
    """
    if table not in TABLES:
        raise WarehouseError(f"no such table; there are {', '.join(TABLES)}", where=table)
    schema = TABLES[table].schema
    if missing := [name for name in schema.names if name not in data.column_names]:
        raise WarehouseError(f"missing columns: {', '.join(missing)}", where=table)
    if extra := [name for name in data.column_names if name not in schema.names]:
        raise WarehouseError(f"columns that the table has not: {', '.join(extra)}", where=table)
    columns = []
    for field in schema:
        column = data.column(field.name)
        if not _same_type(column.type, field.type):
            raise WarehouseError(f"is {column.type}, should be {field.type}", where=f"{table}.{field.name}")
        if column.null_count and not field.nullable:
            raise WarehouseError(f"has {column.null_count} nulls, allows none", where=f"{table}.{field.name}")
        columns.append(column.cast(field.type))
    return pa.table(columns, schema=schema)


class Warehouse:
    """Tables by cycle in a folder. One writer a partition at a time; any number of readers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def partition(self, table: str, cycle: str) -> Path:
        """The folder of a partition."""
        return self.folder / table / f"cycle={cycle}"

    def write(
        self, table: str, cycle: str, data: pa.Table, *, part: str = "0", notes: Mapping[str, str] | None = None
    ) -> Written:
        """Replace one part of a partition; readers see the old part or the new.

        Args:
            table: a name in `narrative_dag.tables.TABLES`.
            cycle: the partition's key.
            data: rows that fit the table.
            part: the writer's own part, where several stages share a partition.
            notes: key-value metadata of the Parquet file; no part of the content hash.

        Raises:
            WarehouseError: the data does not fit.
        """
        rows = conform(table, data)
        if notes:
            rows = rows.replace_schema_metadata({**(rows.schema.metadata or {}), **notes})
        folder = self.partition(table, cycle)
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".part-*.tmp"):
            if time.time() - left.stat().st_mtime > STALE_SECONDS:
                left.unlink(missing_ok=True)
        target = folder / f"part-{part}.parquet"
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".part-{part}.", suffix=".tmp", delete=False) as passing:
            pq.write_table(rows, passing, compression="zstd")
        Path(passing.name).chmod(0o644)
        replace(Path(passing.name), target)
        return Written(rows.num_rows, target.stat().st_size, hash_table(rows), target)

    def parts(self, table: str, cycle: str) -> list[Path]:
        """The files of a partition, in order; empty when it does not exist."""
        return sorted(self.partition(table, cycle).glob("part-*.parquet"))

    def has(self, table: str, cycle: str, part: str = "0") -> bool:
        """Whether that part exists."""
        return (self.partition(table, cycle) / f"part-{part}.parquet").is_file()

    def arrow(self, table: str, cycle: str, part: str | None = None) -> pa.Table:
        """A partition, or one part of it, without the column `cycle`.

        Raises:
            WarehouseError: it does not exist, or was written under another schema.
        """
        files = [file for file in self.parts(table, cycle) if part in (None, file.stem.removeprefix("part-"))]
        if not files:
            raise WarehouseError("no such partition", where=f"{table}, {cycle}", hint="materialize it first")
        return pa.concat_tables([conform(table, pq.ParquetFile(file).read()) for file in files])

    def read(self, table: str, cycle: str) -> pl.DataFrame:
        """A partition as a polars frame, without the column `cycle`.

        Raises:
            WarehouseError: as `arrow`.
        """
        return pl.DataFrame(self.arrow(table, cycle))

    def content_hash(self, table: str, cycle: str) -> str:
        """The content hash of a partition.

        Raises:
            WarehouseError: as `arrow`.
        """
        return hash_table(self.arrow(table, cycle))

    def cycles(self, table: str) -> list[str]:
        """The keys that have a partition of the table, sorted."""
        return sorted(
            {path.parent.name.removeprefix("cycle=") for path in self.folder.glob(f"{table}/cycle=*/part-*.parquet")}
        )
