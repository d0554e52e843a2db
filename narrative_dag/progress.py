"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

CountProgress = Callable[[int, int], None]
"""The same of work that is of one kind: called with how much is done, and how much there is."""


def silent(what: str, done: int, total: int) -> None:
    """A progress that nobody watches."""


def silent_count(done: int, total: int) -> None:
    """A progress of one kind of work that nobody watches."""
