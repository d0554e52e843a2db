"""Mass generation: drafts in sharded Parquet files, all different, resumable, in flat memory.

Draft `i` is the first attempt `write(config, seed, i, attempt)` whose structure no draft before it has. It depends on
the configuration, the seed and `i` alone, for the drafts before it do. A resumed run reads the hashes of the shards
that it keeps, so it goes on as if it had never stopped; workers only draw first attempts ahead, in any number.
"""

import hashlib
import io
import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from narrative_dag.errors import NarrativeError
from narrative_dag.storyworld.authors.config import AuthorConfig, curriculum
from narrative_dag.storyworld.authors.folder import MANIFEST, claim, write_file
from narrative_dag.storyworld.authors.rows import SCHEMA, Row, draft_row
from narrative_dag.storyworld.authors.writing import AUTHORS_VERSION, Seed, write

FORMAT = "narrative-dag drafts 1"
SHARD = 1000
"""Drafts of a shard."""

GROUP = 200
"""Rows that are held before they are compressed."""

_CHUNK = 20
_MOST_ATTEMPTS = 1000

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Series:
    """What a folder of shards holds, its length apart.

    Attributes:
        config: what the author writes; under a curriculum only its style counts, `sketch` for the curriculum's mixture.
        seed: of the series.
        curriculum: drafts over which the curriculum goes from 0 to 1; None for none.
    """

    config: AuthorConfig
    seed: int
    curriculum: int | None = None

    def at(self, position: int) -> AuthorConfig:
        """The configuration of a draft."""
        if self.curriculum is None:
            return self.config
        style = self.config.style if isinstance(self.config.style, str) and self.config.style != "sketch" else None
        # a hundred steps, so that a step's settings are made once
        return curriculum(min(1.0, math.floor(100 * position / max(1, self.curriculum - 1)) / 100), style)

    def draft(self, position: int, attempt: int = 0) -> Seed:
        """An attempt at a draft."""
        return write(self.at(position), self.seed, position, attempt)

    def manifest(self) -> dict[str, Any]:
        """What tells two series apart."""
        return {
            "format": FORMAT,
            "authors": AUTHORS_VERSION,
            "config": self.config.model_dump(mode="json"),
            "seed": self.seed,
            "curriculum": self.curriculum,
            "shard": SHARD,
        }


@dataclass(frozen=True, slots=True)
class Written:
    """What a folder of shards came to.

    `characters` counts the texts, `drawn` the drafts that this run made, `redrawn` those of them that were attempts
    after a first one.
    """

    worlds: int
    structures: int
    texts: int
    characters: int
    drawn: int
    redrawn: int


def write_shards(
    series: Series, count: int, out: Path, workers: int = 1, progress: Callable[[int], None] | None = None
) -> Written:
    """Write the first drafts of a series; complete shards that are there already are kept.

    Args:
        series: what to write.
        count: how many drafts.
        out: folder; made when missing. Shards are `part-00000.parquet` and so on, `SHARD` drafts each but for the last.
        workers: processes that draw; the result is the same for any number.
        progress: called with the number of drafts that are done.

    Raises:
        NarrativeError: the folder holds another series or more of this one, or cannot be written, or the author finds
            no new structure.
    """
    claim(out, MANIFEST, series.manifest())
    _refuse_longer(out, count)
    structures, texts = _Known(), _Known()
    worlds = characters = drawn = redrawn = first = 0
    for start in range(0, count, SHARD):
        kept = _read(_path(out, start), min(SHARD, count - start))
        if kept is None:
            break
        for row in kept.to_pylist():
            _accept(row, structures, texts)
            characters += row["characters_of_text"]
        structures.settle()
        texts.settle()
        worlds = first = start + kept.num_rows
    if progress:
        progress(worlds)
    shard = _Shard()
    with ExitStack() as stack:
        for row in _drawn(series, first, count, workers, stack):
            attempt = 0
            while not _accept(row, structures, texts):
                attempt += 1
                if attempt == _MOST_ATTEMPTS:
                    message = f"no new structure in {attempt} attempts at draft {worlds}"
                    raise NarrativeError(message, where=str(out), hint="larger worlds have more")
                row = draft_row(worlds, series.draft(worlds, attempt))
            shard.add(row)
            worlds, drawn, redrawn = worlds + 1, drawn + 1 + attempt, redrawn + attempt
            characters += row["characters_of_text"]
            if shard.rows == SHARD or worlds == count:
                write_file(_path(out, worlds - shard.rows), shard.bytes())
                shard = _Shard()
                structures.settle()
                texts.settle()
            if progress:
                progress(worlds)
    return Written(worlds, len(structures), len(texts), characters, drawn, redrawn)


class _Shard:
    """A shard in memory, compressed row group by row group."""

    def __init__(self) -> None:
        self.rows = 0
        self._waiting: list[Row] = []
        self._buffer = io.BytesIO()
        self._writer = pq.ParquetWriter(self._buffer, SCHEMA, compression="zstd")

    def add(self, row: Row) -> None:
        """Add a row."""
        self.rows += 1
        self._waiting.append(row)
        if len(self._waiting) == GROUP:
            self._flush()

    def bytes(self) -> bytes:
        """The whole file; nothing can be added after it."""
        self._flush()
        self._writer.close()
        return self._buffer.getvalue()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_pylist(self._waiting, schema=SCHEMA))
            self._waiting = []


class _Known:
    """Hashes seen so far: a sorted array and the last shard's. Two texts with equal 64 bits only cost an attempt."""

    def __init__(self) -> None:
        self._old: Hashes = np.zeros(0, dtype=np.uint64)
        self._new: set[int] = set()

    def __len__(self) -> int:
        return len(self._old) + len(self._new)

    def __contains__(self, key: int) -> bool:
        at = int(np.searchsorted(self._old, np.uint64(key)))
        return key in self._new or (at < len(self._old) and int(self._old[at]) == key)

    def add(self, key: int) -> None:
        """Remember a hash."""
        self._new.add(key)

    def settle(self) -> None:
        """Move the last hashes to the array."""
        self._old = np.union1d(self._old, np.fromiter(self._new, dtype=np.uint64, count=len(self._new)))
        self._new = set()


def _accept(row: Row, structures: _Known, texts: _Known) -> bool:
    """Whether a row is new; it is remembered then."""
    text = int.from_bytes(hashlib.sha256(row["text"].encode()).digest()[:8])
    structure = None if row["structural_hash"] is None else int(row["structural_hash"][:16], 16)
    if text in texts or (structure is not None and structure in structures):
        return False
    texts.add(text)
    if structure is not None:
        structures.add(structure)
    return True


def _chunk(series: Series, start: int, stop: int) -> list[Row]:
    return [draft_row(i, series.draft(i)) for i in range(start, stop)]


def _drawn(series: Series, first: int, count: int, workers: int, stack: ExitStack) -> Iterator[Row]:
    """The first attempts in order, drawn ahead by other processes when there are several."""
    if workers == 1:
        for i in range(first, count):
            yield draft_row(i, series.draft(i))
        return
    pool = stack.enter_context(ProcessPoolExecutor(workers, mp_context=get_context("spawn")))
    waiting: deque[Future[list[Row]]] = deque()
    starts = iter(range(first, count, _CHUNK))
    for start in starts:
        waiting.append(pool.submit(_chunk, series, start, min(start + _CHUNK, count)))
        if len(waiting) > 3 * workers:
            yield from waiting.popleft().result()
    while waiting:
        yield from waiting.popleft().result()


def _path(out: Path, start: int) -> Path:
    return out / f"part-{start // SHARD:05d}.parquet"


def _refuse_longer(out: Path, count: int) -> None:
    """See that no shard goes beyond the drafts that are asked for: a shorter run would leave a gap."""
    shards = sorted(out.glob("part-*.parquet"))
    if not shards:
        return
    start = int(shards[-1].stem.removeprefix("part-")) * SHARD
    held = start + (_rows(shards[-1]) or 0)
    if held > count:
        message = f"the folder holds {held} drafts of this series already, more than {count}"
        raise NarrativeError(message, where=str(out), hint=f"ask for {held} or more, or give a new folder")


def _rows(path: Path) -> int | None:
    """Rows of a shard; None where there is none, or one that is broken."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowInvalid):
        return None


def _read(path: Path, rows: int) -> pa.Table | None:
    """What telling drafts apart needs of a complete shard; None where there is none of so many rows."""
    if _rows(path) != rows:
        return None
    return pq.read_table(path, columns=["structural_hash", "text", "characters_of_text"])
