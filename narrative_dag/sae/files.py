"""Files that are there whole or not at all."""

import os
from pathlib import Path


def replace_atomically(path: Path, content: bytes) -> None:
    """Writes to a temporary name beside `path`, syncs, renames: a reader or a crash never meets half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
