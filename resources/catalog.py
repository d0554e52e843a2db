"""The catalog: DuckDB views over the warehouse's Parquet.

A query builds its views in memory, so it neither waits for a writer nor holds anything that a writer needs. The file
`catalog.duckdb` has the same views for other programs; it is replaced whole and can be rebuilt at any time.
"""

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from narrative_dag.durable import replace
from narrative_dag.errors import NarrativeError
from narrative_dag.tables import TABLES, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SCALARS = {
    pa.string(): "VARCHAR",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
}


class CatalogError(NarrativeError):
    """A catalog file that cannot be written."""


class QueryError(NarrativeError):
    """SQL that DuckDB refuses."""


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return f"{_sql_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return f"STRUCT({', '.join(f'{_name(f.name)} {_sql_type(f.type)}' for f in kind)})"
    return _SCALARS[kind]


def _name(name: str) -> str:
    return f'"{name}"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _literal(folder: Path) -> str:
    """A folder in a DuckDB glob: what would be a wildcard stands for itself."""
    return re.sub(r"[*?[]", r"[\g<0>]", str(folder))


class Catalog:
    """Views over the warehouse in `folder`; `file` is where `rebuild` leaves them for other programs."""

    def __init__(self, folder: Path, file: Path) -> None:
        self.folder = folder
        self.file = file

    def _source(self, table: Table) -> str:
        files = f"{table.name}/cycle=*/part-*.parquet"
        if next(self.folder.glob(files), None) is None:
            columns = [f"NULL::{_sql_type(c.type)} AS {_name(c.name)}" for c in table.columns]
            return f"SELECT {', '.join(columns)}, NULL::VARCHAR AS cycle WHERE false"
        columns = [_name(c.name) for c in table.columns]
        return (
            f"SELECT {', '.join(columns)}, cycle FROM read_parquet({_text(f'{_literal(self.folder)}/{files}')}, "
            "hive_partitioning = true, union_by_name = true, hive_types = {'cycle': VARCHAR})"
        )

    def _create_views(self, connection: "DuckDBPyConnection") -> None:
        for table in TABLES.values():
            view = _name(table.name)
            connection.execute(f"CREATE VIEW {view} AS {self._source(table)}")
            connection.execute(f"COMMENT ON VIEW {view} IS {_text(table.description)}")
            for column in table.columns:
                connection.execute(f"COMMENT ON COLUMN {view}.{_name(column.name)} IS {_text(column.description)}")

    def connect(self) -> "DuckDBPyConnection":
        """An in-memory database with a view for each table, as the warehouse is now; empty tables are empty views."""
        import duckdb

        connection = duckdb.connect()
        self._create_views(connection)
        return connection

    def query(self, sql: str) -> pl.DataFrame:
        """The rows of a query over the warehouse's tables.

        Raises:
            QueryError: DuckDB refuses it, or it is a statement without a result.
        """
        import duckdb

        with self.connect() as connection:
            try:
                relation = connection.sql(sql)
                if relation is None:
                    raise QueryError("has no result", where=sql, hint="write one SELECT")
                frame: pl.DataFrame = relation.pl()
            except duckdb.Error as error:
                raise QueryError(str(error).strip(), where="query", hint=f"tables: {', '.join(TABLES)}") from error
            return frame

    def rebuild(self) -> Path:
        """Write the views to `file`, atomically: who has the old file open keeps it.

        Raises:
            CatalogError: the place cannot be written.
        """
        import duckdb

        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.file.parent, prefix=".catalog.") as folder:
                passing = Path(folder) / self.file.name
                with duckdb.connect(os.fspath(passing)) as connection:
                    self._create_views(connection)
                replace(passing, self.file)
        except (duckdb.Error, OSError) as error:
            raise CatalogError(
                str(error).strip(), where=str(self.file), hint="the tables are whole; the next stage tries again"
            ) from error
        return self.file
