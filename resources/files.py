"""Durable files: what makes a rename atomic and a write survive a crash."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Flush a file, or a folder's entries, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Flush everything below a folder, and the folder."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(Path(parent) / name)
        sync(Path(parent))


def replace(source: Path, target: Path) -> None:
    """Flush a file, move it over another, flush the move: a reader sees the old or the new, never a part."""
    sync(source)
    source.replace(target)
    sync(target.parent)
