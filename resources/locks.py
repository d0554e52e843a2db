"""Locks on files: one holder at a time; the end of the process, whatever it was, releases them."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from narrative_dag.errors import NarrativeError


class HeldError(NarrativeError):
    """A lock that somebody else holds; the message names the holder."""


@contextmanager
def hold(file: Path, holder: str) -> Iterator[int]:
    """Hold a lock file, made when missing; its descriptor. A child that inherits the descriptor holds it as well.

    Args:
        file: the lock; it stays behind, since removing it would give two holders their own.
        holder: what others are told.

    Raises:
        HeldError: somebody else holds it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            raise HeldError(f"held by {stream.read() or 'another process'}", where=str(file)) from error
        stream.truncate(0)
        stream.write(holder)
        stream.flush()
        yield stream.fileno()
