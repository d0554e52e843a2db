"""Witness states: a population of real plays, kept as rows of one matrix, that a growing world sends through its pages.

A row holds the numbers, the turn at which each number last changed, the active spools, the turn, the play's node in the
tree of choices, the thread that it follows and flags of what it has seen. Effects and gates on columns do the same
double operations in the same order as `narrative_dag.storyworld.script`: a row is a state that a play reaches, bit for
bit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt

from narrative_dag.storyworld.script import LIMIT

Rows = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NO_THREAD = -1.0
_FLAGS = 32


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition: its text in the language of drafts, the rows for which it holds, and how it is told in prose."""

    text: str
    test: Callable[[Rows], Mask]
    told: str


@dataclass(frozen=True, slots=True)
class Change:
    """An effect: its text, what it does to the rows, how it is told, and the columns of numbers that it may change."""

    text: str
    run: Callable[[Rows], None]
    told: str
    column: int | None = None


class Witnesses:
    """The columns of the population, and the tree of the choices behind each row."""

    def __init__(self, initial: Sequence[float], active: Sequence[bool]) -> None:
        self.variables = len(initial)
        self.spools = 2 * self.variables
        self.turn = self.spools + len(active)
        self.node, self.thread = self.turn + 1, self.turn + 2
        self.flags = self.turn + 3
        self.used = 0
        self.width = self.flags + _FLAGS
        self._start = (tuple(initial), tuple(float(a) for a in active))
        self._parents: list[int] = [-1]
        self._options: list[int] = [-1]

    def start(self) -> Rows:
        """One row: the state on the first page."""
        rows = np.zeros((1, self.width))
        rows[0, : self.variables] = self._start[0]
        rows[0, self.spools : self.turn] = self._start[1]
        rows[0, self.turn] = 1
        rows[0, self.thread] = NO_THREAD
        return rows

    def flag(self) -> int:
        """A new column of flags, 0 in every row so far."""
        self.used += 1
        if self.flags + self.used > self.width:
            self.width += max(_FLAGS, self.used)
        return self.flags + self.used - 1

    def widened(self, rows: Rows) -> Rows:
        """The rows with a column for every flag."""
        missing = self.width - rows.shape[1]
        return rows if missing == 0 else np.concatenate((rows, np.zeros((len(rows), missing))), axis=1)

    def gather(self, arrivals: Sequence[Rows], most: int, random: Random) -> Rows:
        """The rows that arrive at a page: those on a thread and a sample of the others, at most about `most`."""
        rows = self.widened(arrivals[0])
        if len(arrivals) > 1:
            rows = np.concatenate([self.widened(part) for part in arrivals])
        if len(rows) <= most:
            return rows
        threads = np.flatnonzero(rows[:, self.thread] >= 0).tolist()
        others = np.flatnonzero(rows[:, self.thread] < 0).tolist()
        room = max(most - len(threads), most // 4)
        return rows[sorted(threads + (random.sample(others, room) if len(others) > room else others))]

    def choose(self, rows: Rows, picked: Sequence[int], option: int) -> Rows:
        """Copies of some rows that choose an option."""
        chosen = rows[picked]
        first = len(self._parents)
        self._parents += chosen[:, self.node].astype(int).tolist()
        self._options += [option] * len(chosen)
        chosen[:, self.node] = np.arange(first, first + len(chosen))
        return chosen

    def choices(self, node: int) -> tuple[int, ...]:
        """The options chosen on the way to a node."""
        found = []
        while self._parents[node] >= 0:
            found.append(self._options[node])
            node = self._parents[node]
        return tuple(reversed(found))

    def spool(self, index: int) -> int:
        """The column that says whether a spool is active."""
        return self.spools + index

    def moved(self, rows: Rows, column: int) -> None:
        """Note that a number changed this turn."""
        rows[:, self.variables + column] = rows[:, self.turn]


def nudged(x: Rows, by: "Rows | float") -> Rows:
    """SweepWeave's Nudge on columns."""
    return np.minimum(np.maximum(x * (1.0 - np.abs(by)) + by, -LIMIT), LIMIT)


def nudge(column: int, by: float) -> Callable[[Rows], None]:
    """The effect `nudge X by`."""

    def run(rows: Rows) -> None:
        rows[:, column] = nudged(rows[:, column], by)

    return run


def assign(column: int, value: float) -> Callable[[Rows], None]:
    """The effect `set X value`, on a number or on a spool's flag."""

    def run(rows: Rows) -> None:
        rows[:, column] = value

    return run


def blend(column: int, other: int, weight: float) -> Callable[[Rows], None]:
    """The effect `blend X y weight`."""
    t = (weight + 1.0) / 2.0

    def run(rows: Rows) -> None:
        rows[:, column] = rows[:, column] * (1.0 - t) + rows[:, other] * t

    return run


def reverse(column: int) -> Callable[[Rows], None]:
    """The effect `reverse X`."""

    def run(rows: Rows) -> None:
        rows[:, column] = -1.0 * rows[:, column]

    return run


def approach(column: int, other: int) -> Callable[[Rows], None]:
    """The effect `approach X y`."""

    def run(rows: Rows) -> None:
        rows[:, column] = nudged(rows[:, column], (rows[:, other] + -1.0 * rows[:, column]) / 2)

    return run


def split(values: Rows, share: float) -> float | None:
    """A threshold of two decimals between two of the values, so that about `share` of them lie above; None without one.

    Neighbouring values are at least 0.02 apart where it lies.
    """
    known = np.unique(values)
    gaps = np.flatnonzero(known[1:] - known[:-1] > 0.02)
    if not len(gaps):
        return None
    wanted = int((1.0 - share) * len(known))
    at = int(gaps[int(np.abs(gaps - wanted).argmin())])
    low, high = float(known[at]), float(known[at + 1])
    threshold = round((low + high) / 2, 2) + 0.0
    return threshold if low < threshold < high else None
