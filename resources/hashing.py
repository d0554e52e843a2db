"""Content hashes: sha256 of what data says, whatever wrote it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class _Digest:
    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def add(self, data: bytes | memoryview) -> None:
        """Length first, so that neighbours cannot run into each other."""
        self._sha.update(len(data).to_bytes(8, "little"))
        self._sha.update(data)

    def hexdigest(self) -> str:
        return self._sha.hexdigest()


def _add_array(digest: _Digest, array: pa.Array) -> None:
    kind = array.type
    digest.add(np.packbits(np.asarray(array.is_valid())).tobytes())
    if pa.types.is_struct(kind):
        for child in array.flatten():
            _add_array(digest, child)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = pc.fill_null(pc.list_value_length(array), 0)
        digest.add(np.asarray(lengths, dtype=np.int64).tobytes())
        _add_array(digest, array.flatten())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        values = array.fill_null("").cast(pa.large_binary())
        digest.add(np.asarray(pc.binary_length(values), dtype=np.int64).tobytes())
        digest.add(b"".join(values.to_pylist()))
    elif pa.types.is_boolean(kind):
        digest.add(np.asarray(array.fill_null(False), dtype=np.uint8).tobytes())
    else:
        digest.add(array.fill_null(0).to_numpy(zero_copy_only=False).tobytes())


def hash_table(table: pa.Table) -> str:
    """sha256 of column names, types and values; the order of rows counts, chunks and file format do not."""
    digest = _Digest()
    digest.add(table.num_rows.to_bytes(8, "little"))
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.add(name.encode())
        digest.add(str(column.type).encode())
        _add_array(digest, pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type))
    return digest.hexdigest()


def hash_folder(folder: Path) -> str:
    """sha256 of the relative paths and bytes of the files below a folder, in the order of their paths."""
    digest = _Digest()
    for path in sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.relative_to(folder).as_posix()):
        digest.add(path.relative_to(folder).as_posix().encode())
        with path.open("rb") as file:
            digest.add(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def hash_json(value: Any) -> str:
    """sha256 of a JSON value, keys sorted."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def combine(hashes: Mapping[str, str]) -> str:
    """One hash for several named contents; a single content keeps its own."""
    return next(iter(hashes.values())) if len(hashes) == 1 else hash_json(dict(hashes))
