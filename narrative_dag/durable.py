"""Durable files and folders: there whole or not at all, whenever the process or the machine dies."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def sync(path: Path) -> None:
    """Flush a file, or a folder's entries, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(source: Path, target: Path) -> None:
    """Flush a file, move it over another, flush the move: a reader sees the old or the new, never a part."""
    sync(source)
    source.replace(target)
    sync(target.parent)


@contextmanager
def file(target: Path) -> Iterator[Path]:
    """A temporary name `.<name>.<process>.tmp` for a file beside the target, whose place it takes at the end.

    An exception leaves what was there.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def write(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside it, then `replace`; an exception leaves what was there."""
    with file(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def folder(target: Path) -> Iterator[Path]:
    """A temporary folder `.<name>.<process>.tmp` beside the target that takes its place, flushed, at the end.

    An exception leaves the target as it was. A reader never sees half a folder; where one is replaced, a kill between
    two renames leaves none. The caller is the only writer of the target.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    replaced = target.with_name(f".{target.name}.{os.getpid()}.old")
    for leftover in (temporary, replaced):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        for parent, _, names in os.walk(temporary, topdown=False):
            for name in names:
                sync(Path(parent) / name)
            sync(Path(parent))
        if target.exists():
            target.rename(replaced)
        temporary.rename(target)
        sync(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)
