"""Where an autoencoder's states come from: epochs of shuffled blocks, and what is known about all rows at once.

A trainer slices each block of m rows into max(1, m // batch size) nearly equal batches. States in memory are one block
an epoch; a file larger than memory gives many (`narrative_dag.sae.parquet_states`).
"""

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from narrative_dag.sae.architecture import Array
from narrative_dag.sae.errors import SaeError

Vector = npt.NDArray[np.float64]

_CHUNK_VALUES = 1 << 20
"""Numbers that are looked at in one go, so that passes over all rows need no second copy of them."""


class Moments(NamedTuple):
    """Mean and standard deviation (divisor n) per dimension, both float64 [d]."""

    mean: Vector
    deviation: Vector

    @property
    def units(self) -> Vector:
        """What directions are divided by to be compared, [d]: the deviation, infinite where nothing ever varied."""
        return np.where(self.deviation > 0, self.deviation, np.inf)


class Block(NamedTuple):
    """Rows in the order in which they are trained on.

    `states`: raw, float32 [m, d]. `labels`: float32 [m, a], NaN where a label does not apply; None without labels.
    """

    states: Array
    labels: Array | None


class StateSource(Protocol):
    """Finite states, at least two, that can be read again and again.

    `d`: length of a state. `rows`: how many states an epoch has. `label_width`: labels of a row, 0 for none.
    """

    @property
    def d(self) -> int:
        """Length of a state."""

    @property
    def rows(self) -> int:
        """States of an epoch."""

    @property
    def label_width(self) -> int:
        """Labels of a row; 0 for none."""

    def moments(self) -> Moments:
        """Mean and deviation of all rows of an epoch."""

    def probe(self, count: int, seed: int) -> Block:
        """`count` random rows without repetition, all where there are fewer; a pure function of the arguments."""

    def block_sizes(self) -> tuple[int, ...]:
        """The rows of each block; the same in every epoch."""

    def epoch(self, epoch: int, seed: int) -> Iterator[Block]:
        """Every row exactly once, shuffled; a pure function of the arguments."""

    def digest(self) -> str:
        """sha256 in hexadecimal over everything that decides what `epoch` gives."""


class RunningMoments:
    """Moments of rows that come in pieces: Chan, Golub and LeVeque's pairwise update (1983), in float64."""

    def __init__(self, d: int) -> None:
        self.rows = 0
        self.mean: Vector = np.zeros(d)
        self._squares: Vector = np.zeros(d)

    def add(self, states: npt.NDArray[np.floating[Any]]) -> None:
        """Take in rows [m, d]."""
        for chunk in _chunks(states):
            mean = chunk.mean(axis=0, dtype=np.float64)
            centred = chunk - mean
            self._merge(len(chunk), mean, np.einsum("ij,ij->j", centred, centred))

    def _merge(self, rows: int, mean: Vector, squares: Vector) -> None:
        total = self.rows + rows
        difference = mean - self.mean
        self.mean = self.mean + difference * (rows / total)
        self._squares = self._squares + squares + difference**2 * (self.rows * rows / total)
        self.rows = total

    def moments(self) -> Moments:
        """Mean and deviation of the rows so far; zeros before the first."""
        return Moments(self.mean, np.sqrt(self._squares / max(1, self.rows)))


class InMemory:
    """States held in memory, in one block an epoch.

    Args:
        states: finite [n, d], n >= 2, d >= 1; kept without a copy where it is contiguous float32.
        labels: [n, a], a >= 1, NaN where a label does not apply.

    Raises:
        SaeError: shapes that do not fit, or a state that is not finite; names the row.
    """

    def __init__(
        self, states: npt.NDArray[np.floating[Any]], labels: npt.NDArray[np.floating[Any]] | None = None
    ) -> None:
        if states.ndim != 2 or states.shape[0] < 2 or states.shape[1] < 1:
            raise SaeError(f"training needs states [n, d] with n >= 2, got shape {list(states.shape)}")
        if labels is not None and (labels.ndim != 2 or len(labels) != len(states) or labels.shape[1] < 1):
            raise SaeError(f"labels of shape {list(labels.shape)} do not belong to states {list(states.shape)}")
        with np.errstate(over="ignore"):
            self._states: Array = np.ascontiguousarray(states, dtype=np.float32)
        self._labels: Array | None = None if labels is None else np.ascontiguousarray(labels, dtype=np.float32)
        if (row := first_not_finite(self._states)) is not None:
            raise SaeError("a state is not finite", where=f"row {row}")
        if self._labels is not None and (row := _first_infinite(self._labels)) is not None:
            raise SaeError("a label is infinite", where=f"row {row}")
        self._moments: Moments | None = None
        self._digest: str | None = None

    @property
    def d(self) -> int:
        """Length of a state."""
        return int(self._states.shape[1])

    @property
    def rows(self) -> int:
        """States of an epoch."""
        return len(self._states)

    @property
    def label_width(self) -> int:
        """Labels of a row; 0 for none."""
        return 0 if self._labels is None else int(self._labels.shape[1])

    def moments(self) -> Moments:
        """Mean and deviation of all rows."""
        if self._moments is None:
            running = RunningMoments(self.d)
            running.add(self._states)
            self._moments = running.moments()
        return self._moments

    def probe(self, count: int, seed: int) -> Block:
        """`count` random rows without repetition, all where there are fewer."""
        return self._take(np.random.default_rng([seed, 1]).permutation(self.rows)[:count])

    def block_sizes(self) -> tuple[int, ...]:
        """One block with all rows."""
        return (self.rows,)

    def epoch(self, epoch: int, seed: int) -> Iterator[Block]:
        """All rows in one block, in an order that depends on the arguments alone."""
        yield self._take(np.random.default_rng([seed, 0, epoch]).permutation(self.rows))

    def digest(self) -> str:
        """sha256 over shapes and values."""
        if self._digest is None:
            digest = hashlib.sha256(f"{self._states.shape} {self.label_width}".encode())
            digest.update(self._states.data)
            if self._labels is not None:
                digest.update(self._labels.data)
            self._digest = digest.hexdigest()
        return self._digest

    def _take(self, order: npt.NDArray[np.int64]) -> Block:
        return Block(self._states[order], None if self._labels is None else self._labels[order])


def first_not_finite(states: Array) -> int | None:
    """The first row of [n, d] that has a NaN or an infinity; None when every number is finite."""
    return _first_row(states, lambda chunk: ~np.isfinite(chunk))


def _first_infinite(labels: Array) -> int | None:
    return _first_row(labels, np.isinf)


def _first_row(array: Array, wrong: Any) -> int | None:
    start = 0
    for chunk in _chunks(array):
        found = wrong(chunk)
        if found.any():
            return start + int(np.flatnonzero(found.any(axis=1))[0])
        start += len(chunk)
    return None


def _chunks(array: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    rows = max(1, _CHUNK_VALUES // max(1, array.shape[1]))
    for start in range(0, len(array), rows):
        yield array[start : start + rows]
