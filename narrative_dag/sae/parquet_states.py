"""States from Parquet files larger than memory: row groups in random order, through a shuffle buffer.

An epoch opens `LANES` row groups at a time, in an order drawn from (epoch, seed), and reads them in turn, a piece from
each, into a buffer. A block is drawn at random from the full buffer and the places are filled again. When all rows fit
the buffer this is a uniform shuffle. Otherwise rows of one block come from about as much of the files as the buffer
holds, spread over `LANES` places or more: files mix best that have many row groups, each small beside the buffer.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from narrative_dag.progress import CountProgress, silent_count
from narrative_dag.sae.architecture import Array
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.labels import LabelRule
from narrative_dag.sae.parquet_rows import ParquetRows, RowGroup, content, vectors
from narrative_dag.sae.sources import Block, Moments, RunningMoments
from narrative_dag.sae.splits import Split

LANES = 16
"""Row groups that are read in turn."""

_BUFFER_BLOCKS = 4
"""Blocks that the buffer holds."""

_PIECE_ROWS = 512
_SCAN_ROWS = 8192


class ParquetStates:
    """The states of a Parquet file, a folder of them or a pattern, as a `StateSource`.

    Making it reads everything once: counts, moments and digest of both parts, and the options where labels need them.
    Then it keeps the row groups' sizes and its buffer, never the rows.

    Args:
        path: as for `ParquetRows`, so also a table's folder in the warehouse.
        column: the states; lists or fixed-size lists of floats, as long in every row.
        split: which rows are held out; None: none.
        labels: what gives the rows labels; a rule of its own for each source.
        buffer_bytes: size of the shuffle buffer; an epoch uses half as much again, and what Arrow needs to read.
        progress: called with the rows read and all rows, in the first reading.

    Raises:
        SaeError: missing files or columns; a state that is missing, of another length or not finite, with file, row
            group and row; a part with fewer than two rows.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        column: str = "state",
        split: Split | None = None,
        labels: LabelRule | None = None,
        buffer_bytes: int = 1 << 26,
        progress: CountProgress = silent_count,
    ) -> None:
        columns = dict.fromkeys([column, *(split.columns if split else ()), *(labels.columns if labels else ())])
        reading = _Reading(ParquetRows(path, list(columns)), column, split, labels)
        train, held_out = reading.scan(progress)
        self._set(reading, train, buffer_bytes, str(path))
        self._rest: _Part | None = held_out

    def held_out(self) -> "ParquetStates":
        """The rows that are held out. Raises SaeError without a split, and when they are fewer than two."""
        if self._reading.split is None or self._rest is None:
            raise SaeError("nothing is held out", where=self._path, hint="give a split, and ask its training part")
        other = object.__new__(ParquetStates)
        other._set(self._reading, self._rest, self._buffer_bytes, self._path)
        other._rest = None
        return other

    def _set(self, reading: "_Reading", part: "_Part", buffer_bytes: int, path: str) -> None:
        if part.rows < 2:
            name = "held-out" if part.held_out else "training"
            raise SaeError(
                f"{part.rows} {name} rows, at least 2 are needed", where=path, hint="another share, seed or `by`"
            )
        self._reading, self._part, self._path, self._buffer_bytes = reading, part, path, buffer_bytes
        fitting = buffer_bytes // (4 * (self.d + self.label_width))
        if fitting < _BUFFER_BLOCKS:
            raise SaeError(f"a buffer of {buffer_bytes} bytes holds {fitting} rows", hint="give more")
        self._buffer_rows = min(part.rows, fitting)
        self._piece_rows = max(1, min(_PIECE_ROWS, fitting // (2 * LANES)))

    @property
    def d(self) -> int:
        """Length of a state."""
        return self._reading.d

    @property
    def rows(self) -> int:
        """States of an epoch."""
        return self._part.rows

    @property
    def label_width(self) -> int:
        """Labels of a row; 0 for none."""
        return 0 if self._reading.labels is None else self._reading.labels.width

    def moments(self) -> Moments:
        """Mean and deviation of this part's rows."""
        return self._part.running.moments()

    def digest(self) -> str:
        """sha256 over this part's states and labels in order, their row groups, and the sizes of buffer and pieces."""
        sizes = [self.d, self.label_width, self._buffer_rows, self._piece_rows, LANES, *self._part.group_rows]
        digest = hashlib.sha256(",".join(map(str, sizes)).encode())
        digest.update(self._part.content.digest())
        digest.update(self._reading.label_content.digest())
        return digest.hexdigest()

    def block_sizes(self) -> tuple[int, ...]:
        """Nearly equal blocks, of a quarter of the buffer at most."""
        blocks = -(-self.rows // max(1, self._buffer_rows // _BUFFER_BLOCKS))
        ends = [i * self.rows // blocks for i in range(blocks + 1)]
        return tuple(b - a for a, b in pairwise(ends))

    def probe(self, count: int, seed: int) -> Block:
        """`count` random rows without repetition, all where there are fewer; reads the files once."""
        rng = np.random.default_rng([seed, 1])
        chosen = np.sort(rng.choice(self.rows, min(count, self.rows), replace=False, shuffle=False))
        found: list[Block] = []
        first = 0
        for group, rows in zip(self._reading.rows.groups, self._part.group_rows, strict=True):
            wanted = chosen[slice(*np.searchsorted(chosen, [first, first + rows]))] - first
            first += rows
            at = 0
            for piece in self._reading.pieces(group, self._piece_rows, self._part.held_out) if len(wanted) else ():
                own = wanted[slice(*np.searchsorted(wanted, [at, at + len(piece.states)]))] - at
                at += len(piece.states)
                found.append(_rows(piece, own))
        order = rng.permutation(len(chosen))
        labels = [block.labels for block in found if block.labels is not None]
        return Block(
            np.concatenate([block.states for block in found])[order], np.concatenate(labels)[order] if labels else None
        )

    def epoch(self, epoch: int, seed: int) -> Iterator[Block]:
        """Every row exactly once; a pure function of the arguments."""
        rng = np.random.default_rng([seed, 0, epoch])
        pieces = self._interleaved(rng.permutation(len(self._reading.rows.groups)).tolist())
        buffer = _ShuffleBuffer(self._buffer_rows, self.d, self.label_width)
        rest: Block | None = None
        for size in self.block_sizes():
            while buffer.room and (piece := rest or next(pieces, None)) is not None:
                taken = min(buffer.room, len(piece.states))
                buffer.put(_rows(piece, slice(0, taken)))
                rest = _rows(piece, slice(taken, None)) if taken < len(piece.states) else None
            yield buffer.take(size, rng)

    def _interleaved(self, order: list[int]) -> Iterator[Block]:
        groups = [self._reading.rows.groups[i] for i in order if self._part.group_rows[i]]
        waiting = (self._reading.pieces(group, self._piece_rows, self._part.held_out) for group in groups)
        lanes = list(islice(waiting, LANES))
        while lanes:
            going = []
            for lane in lanes:
                source: Iterator[Block] | None = lane
                while source is not None and (piece := next(source, None)) is None:
                    source = next(waiting, None)
                if source is not None and piece is not None:
                    going.append(source)
                    yield piece
            lanes = going


class _Part:
    """What one reading tells of the training or the held-out rows; the rows themselves are not kept."""

    def __init__(self, held_out: bool) -> None:
        self.held_out = held_out
        self.rows = 0
        self.group_rows: list[int] = []
        self.content = hashlib.sha256()
        self.running = RunningMoments(0)

    def begin_group(self) -> None:
        """The rows that follow are of the next row group."""
        self.group_rows.append(0)

    def add(self, states: Array) -> None:
        """Take in rows [m, d]."""
        if len(states) == 0:
            return
        if self.rows == 0:
            self.running = RunningMoments(states.shape[1])
        self.running.add(states)
        self.content.update(np.ascontiguousarray(states).data)
        self.rows += len(states)
        self.group_rows[-1] += len(states)


class _Reading:
    """How files become blocks. `d` and the digest of the columns that make labels are known after the scan."""

    def __init__(self, rows: ParquetRows, column: str, split: Split | None, labels: LabelRule | None) -> None:
        self.rows, self.column, self.split, self.labels = rows, column, split, labels
        self.d = 0
        self.label_content = hashlib.sha256()

    def pieces(self, group: RowGroup, rows: int, held_out: bool) -> Iterator[Block]:
        """The rows of one part of a row group in order, `rows` at a time at most, never none."""
        for batch, start in self.rows.batches(group, rows):
            kept = np.flatnonzero(self.held_out(batch, group, start) == held_out)
            if len(kept):
                states = vectors(batch[self.column], self.d, partial(group.place, start))
                labels = None if self.labels is None else self.labels.labels(batch)
                block = Block(states, labels)
                yield block if len(kept) == len(batch) else _rows(block, kept)

    def held_out(self, batch: pa.RecordBatch, group: RowGroup, start: int) -> npt.NDArray[np.bool_]:
        """Marks the rows that are held out."""
        if self.split is None:
            return np.zeros(len(batch), dtype=bool)
        return self.split.held_out(batch, group.first_row + start)

    def scan(self, progress: CountProgress) -> tuple[_Part, _Part]:
        """Read everything once, checked: the training part and the one that is held out."""
        train, held_out = _Part(held_out=False), _Part(held_out=True)
        total = sum(group.rows for group in self.rows.groups)
        for group in self.rows.groups:
            train.begin_group()
            held_out.begin_group()
            for batch, start in self.rows.batches(group, _SCAN_ROWS):
                states = vectors(batch[self.column], self.d or None, partial(group.place, start))
                self.d = states.shape[1]
                for name in self.split.columns if self.split else ():
                    if batch[name].null_count:
                        row = int(np.flatnonzero(batch[name].is_null().to_numpy(zero_copy_only=False))[0])
                        raise SaeError(f"{name} is missing", where=group.place(start, row))
                with _placed(f"{group.place(start, 0)} and on"):
                    if self.labels is not None:
                        self._observe(self.labels, batch)
                    marked = self.held_out(batch, group, start)
                if marked.any():
                    held_out.add(states[marked])
                    states = states[~marked]
                train.add(states)
                progress(group.first_row + start + len(batch), total)
        return train, held_out

    def _observe(self, labels: LabelRule, batch: pa.RecordBatch) -> None:
        labels.observe(batch)
        for name in labels.columns:
            for part in content(batch[name]):
                self.label_content.update(part)


@contextmanager
def _placed(place: str) -> Iterator[None]:
    """Says in an error that names a column of rows where they are."""
    try:
        yield
    except SaeError as error:
        raise SaeError(error.message, where=f"{place}: {error.where}", hint=error.hint) from error


class _ShuffleBuffer:
    """Rows in no order; blocks are drawn from it at random, without repetition."""

    def __init__(self, rows: int, d: int, label_width: int) -> None:
        self.states: Array = np.empty((rows, d), dtype=np.float32)
        self.labels: Array | None = np.empty((rows, label_width), dtype=np.float32) if label_width else None
        self._places = np.arange(rows)
        self._taken = 0

    @property
    def room(self) -> int:
        """Rows that can be put."""
        return len(self._places) - self._taken

    def put(self, block: Block) -> None:
        """Take in rows, as many as there is room for at most."""
        places = self._places[self._taken : self._taken + len(block.states)]
        self._taken += len(places)
        self.states[places] = block.states
        if self.labels is not None and block.labels is not None:
            self.labels[places] = block.labels

    def take(self, rows: int, rng: np.random.Generator) -> Block:
        """Random rows, in random order."""
        rng.shuffle(self._places[: self._taken])
        self._taken -= rows
        places = self._places[self._taken : self._taken + rows]
        return Block(self.states[places], None if self.labels is None else self.labels[places])


def _rows(block: Block, rows: Any) -> Block:
    return Block(block.states[rows], None if block.labels is None else block.labels[rows])
