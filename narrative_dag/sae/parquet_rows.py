"""Rows of Parquet files, one row group after another, with memory that does not grow with files or row groups."""

import glob
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from narrative_dag.sae.architecture import Array
from narrative_dag.sae.errors import SaeError

_READ_BYTES = 1 << 17
"""Bytes of a column that are read at once. Without it, or with `pre_buffer`, Arrow holds a row group's whole column."""

_KEPT_FOOTERS = 16
_IDS = ("storyworld_id", "encounter")
"""Text columns with few distinct values, read as dictionaries: a fifth of the time."""


class RowGroup(NamedTuple):
    """A row group: file, number within it, rows, and how many rows come before it in all files together."""

    file: Path
    number: int
    rows: int
    first_row: int

    def place(self, start: int, row: int) -> str:
        """The name of a row of a batch that starts at `start`; rows are counted from 0 within the row group."""
        return f"{self.file}, row group {self.number}, row {start + row}"


class ParquetRows:
    """Some columns of Parquet files.

    Args:
        path: a file; a folder, with all `*.parquet` below it; or a pattern, where `**` is any depth.
        columns: what to read.

    Raises:
        SaeError: nothing is there, a file is no Parquet file, or has not every column.
    """

    def __init__(self, path: str | Path, columns: Sequence[str]) -> None:
        self.columns = list(columns)
        self.files = _files(path)
        self._states = {file: _state(file) for file in self.files}
        self._footer = lru_cache(maxsize=_KEPT_FOOTERS)(self._read_footer)
        self.groups: list[RowGroup] = []
        first = 0
        for file in self.files:
            footer = self._footer(file)
            present = footer.schema.to_arrow_schema().names
            if missing := [name for name in self.columns if name not in present]:
                raise SaeError(f"no column {missing[0]}", where=str(file), hint=f"it has {', '.join(present)}")
            for number in range(footer.num_row_groups):
                rows = footer.row_group(number).num_rows
                if rows:
                    self.groups.append(RowGroup(file, number, rows, first))
                first += rows

    def batches(self, group: RowGroup, rows: int) -> Iterator[tuple[pa.RecordBatch, int]]:
        """A row group in order, `rows` at a time at most, each time with the first row's number in the row group.

        Raises:
            SaeError: the file cannot be read, or is not the one that was there at the beginning.
        """
        if _state(group.file) != self._states[group.file]:
            raise SaeError("the file has changed while it was in use", where=str(group.file), hint="begin again")
        start = 0
        try:
            for batch in self._open(group, rows):
                yield batch, start
                start += len(batch)
        except (OSError, pa.ArrowException) as error:
            raise SaeError(
                f"the row cannot be read: {error}",
                where=group.place(0, self._readable(group)),
                hint="a fixed-size list that is null, or a damaged file",
            ) from error

    def _open(self, group: RowGroup, rows: int) -> Iterator[pa.RecordBatch]:
        footer = self._footer(group.file)
        schema = footer.schema.to_arrow_schema()
        ids = [name for name in _IDS if name in self.columns and is_id(schema.field(name).type)]
        with pq.ParquetFile(
            group.file, metadata=footer, buffer_size=_READ_BYTES, pre_buffer=False, read_dictionary=ids
        ) as file:
            yield from file.iter_batches(rows, [group.number], self.columns, use_threads=False)

    def _readable(self, group: RowGroup) -> int:
        """How many rows can be read before one that cannot."""
        count = 0
        with suppress(OSError, pa.ArrowException):
            for batch in self._open(group, 1):
                count += len(batch)
        return count

    def _read_footer(self, file: Path) -> Any:
        try:
            return pq.read_metadata(file)
        except (OSError, pa.ArrowException) as error:
            raise SaeError(f"not a readable Parquet file: {error}", where=str(file)) from error


def vectors(column: pa.Array, d: int | None, place: Callable[[int], str]) -> Array:
    """A list column as float32 [m, d].

    Args:
        column: lists or fixed-size lists of floats.
        d: the length that they have to have; None: any, the same in all.
        place: the name of a row of the column, for errors.

    Raises:
        SaeError: a list is missing or of another length, or a number is missing or not finite in float32.
    """
    if not (is_list(column.type) and pa.types.is_floating(column.type.value_type)):
        raise SaeError(f"states are lists of floats, this column has type {column.type}", where=place(0))
    if column.null_count:
        raise SaeError("the state is missing", where=place(_first(column.is_null())))
    if pa.types.is_fixed_size_list(column.type):
        lengths = np.full(len(column), column.type.list_size)
    else:
        lengths = np.diff(column.offsets.to_numpy())
    d = int(lengths[0]) if d is None else d
    if (lengths != d).any():
        row = int(np.flatnonzero(lengths != d)[0])
        raise SaeError(f"the state has length {lengths[row]}, not {d}", where=place(row))
    if d == 0:
        raise SaeError("the state is empty", where=place(0))
    flat = column.flatten()
    if flat.null_count:
        raise SaeError("a number of the state is missing", where=place(_first(flat.is_null()) // d))
    with np.errstate(over="ignore"):
        states: Array = flat.to_numpy().astype(np.float32, copy=False).reshape(-1, d)
    # a sum of finite numbers in float64 is finite: no mask of the array's size
    if not np.isfinite(states.sum(dtype=np.float64)):
        row = int(np.flatnonzero(~np.isfinite(states).all(axis=1))[0])
        raise SaeError("the state is not finite", where=place(row))
    return states


def content(column: pa.Array) -> Iterator[bytes]:
    """The values of a column of numbers, texts or lists of either as bytes, for a digest; storage does not matter."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    yield np.packbits(column.is_null().to_numpy(zero_copy_only=False)).tobytes() if column.null_count else b""
    if is_list(column.type):
        yield pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64).tobytes()
        yield from content(column.flatten())
    elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        texts = column.cast(pa.large_string()).fill_null("")
        yield pc.binary_length(texts).to_numpy().tobytes()
        offsets = np.frombuffer(texts.buffers()[1], dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
        yield texts.buffers()[2][offsets[0] : offsets[-1]].to_pybytes() if len(texts) else b""
    else:
        yield column.fill_null(0).to_numpy(zero_copy_only=False).tobytes()


def is_id(kind: pa.DataType) -> bool:
    """Whether a column's type can name things: texts or whole numbers, dictionaries of them too."""
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_integer(value) or pa.types.is_string(value) or pa.types.is_large_string(value))


def is_list(kind: pa.DataType) -> bool:
    """Whether a column's type is lists of any kind."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _first(marked: pa.Array) -> int:
    return int(np.flatnonzero(marked.to_numpy(zero_copy_only=False))[0])


def _files(path: str | Path) -> list[Path]:
    """In the order of their names; hidden files and folders, such as unfinished ones, are left out."""
    base = Path(path)
    if base.is_file():
        return [base]
    if base.is_dir():
        hidden = [(file, file.relative_to(base).parts) for file in base.rglob("*.parquet") if file.is_file()]
        found = [file for file, parts in hidden if not any(part.startswith((".", "_")) for part in parts)]
    else:
        found = [Path(name) for name in glob.glob(str(path), recursive=True) if Path(name).is_file()]
    if not found:
        raise SaeError("no Parquet file here", where=str(path), hint="give a file, a folder or a pattern")
    return sorted(found)


def _state(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError as error:
        raise SaeError(f"the file cannot be read: {error.strerror}", where=str(file)) from error
    return status.st_size, status.st_mtime_ns
