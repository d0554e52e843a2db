"""Bytes of a project file to a JSON object: plain or gzip, UTF-8 with or without a byte order mark."""

import gzip
import json
import math
import zlib
from pathlib import Path
from typing import Any, NoReturn

from narrative_dag.storyworld.errors import StoryworldError

_GZIP = b"\x1f\x8b"


def read_bytes(path: Path) -> bytes:
    """The unpacked bytes of a file; gzip is recognised by its first two bytes and expected of a name in `.gz`.

    Raises:
        StoryworldError: missing, unreadable, or broken gzip.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise StoryworldError("no such file", where=str(path)) from error
    except OSError as error:
        raise StoryworldError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except ValueError as error:
        raise StoryworldError(f"is no file name: {error}", where=repr(str(path))) from error
    if not raw.startswith(_GZIP):
        if path.suffix == ".gz":
            raise StoryworldError("is not gzip, though its name ends in .gz", where=str(path))
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise StoryworldError(f"broken gzip: {error}", where=str(path)) from error


def parse(raw: bytes, where: str) -> dict[str, Any]:
    """The JSON object that the bytes spell.

    Numbers must be finite doubles and strings must be encodable as UTF-8.

    Raises:
        StoryworldError: not UTF-8, not JSON (with line and column), nested too deeply, or no object at the top level.
    """

    def refuse_constant(name: str) -> NoReturn:
        raise StoryworldError(f"{name} is no JSON number", where=where)

    def finite(digits: str) -> float:
        value = float(digits)
        if not math.isfinite(value):
            raise StoryworldError(f"{digits[:24]} is beyond the range of a double", where=where)
        return value

    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StoryworldError(f"is not UTF-8: byte {error.start}: {error.reason}", where=where) from error
    try:
        document = json.loads(text, parse_constant=refuse_constant, parse_float=finite, parse_int=finite)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        place = f"{where}: line {error.lineno} column {error.colno}"
        raise StoryworldError(f"is not JSON: {error.msg}", where=place) from error
    except UnicodeEncodeError as error:
        raise StoryworldError("a string holds half of a surrogate pair", where=where) from error
    except RecursionError as error:
        raise StoryworldError("is nested too deeply", where=where) from error
    if not isinstance(document, dict):
        raise StoryworldError("the top level is no object", where=where)
    return document


def read_document(path: Path) -> dict[str, Any]:
    """The JSON object in a `.json` or `.json.gz` file.

    Raises:
        StoryworldError: whatever `read_bytes` and `parse` refuse.
    """
    return parse(read_bytes(path), str(path))
