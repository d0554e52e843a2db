"""Seeded play of many storyworlds as rows of the table `rollouts`.

A playthrough ends on its last row. `no_options` and `blocked`: the page on which nothing can be chosen; choice,
reaction and next are null. `the_end` and `max_steps`: the page of the last choice, which has its choice and reaction;
next is null for `the_end`, and names the page that was not entered for `max_steps`. A playthrough that finds no first
page has no row.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from narrative_dag.states.encoding_kernel import encoding_tables
from narrative_dag.states.pages_kernel import Pages, play_pages, room, shrunk
from narrative_dag.states.text_kernel import Texts
from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.simulator import layout
from narrative_dag.storyworld.simulator.choices import stream_key
from narrative_dag.storyworld.simulator.play import NOVELTY, RECORDED, UNIFORM
from narrative_dag.storyworld.simulator.playthrough import KINDS
from narrative_dag.storyworld.simulator.program import Ints, Program, offsets_of
from narrative_dag.storyworld.simulator.simulate import Choices, Policy, refuse_choice
from narrative_dag.tables import STATE_DIMENSIONS, TABLES

CHUNK_ROWS = 4096
"""Rows that are played before they become Arrow arrays, or one playthrough where that is longer."""

Progress = Callable[[int], None]


def silent(played: int) -> None:
    """Tell nobody."""


_NONE: Ints = np.zeros(1, dtype=np.int64)
_POLICIES = {"uniform": UNIFORM, "novelty": NOVELTY}


def record(
    programs: Sequence[Program],
    source: str,
    playthroughs: int,
    seed: int,
    max_steps: int = 60,
    policy: Policy = "uniform",
    progress: Progress = silent,
) -> pa.Table:
    """Playthroughs as rows of `rollouts`.

    Args:
        programs: compiled storyworlds; their ids are part of the seed.
        source: policy, seed or imported.
        playthroughs: how many of each; under `uniform` the first n of m are those of n.
        seed: any integer.
        max_steps: choices after which a playthrough stops, at least 1.
        policy: who chooses, `uniform` or `novelty`.
        progress: called with the number of storyworlds that were played.

    Returns:
        A table with the schema of `TABLES["rollouts"]`, ordered by storyworld, playthrough and step; in pieces of
        about `CHUNK_ROWS` rows.
    """
    batches = list(record_batches(programs, source, playthroughs, seed, max_steps, policy, progress))
    return pa.Table.from_batches(batches, schema=TABLES["rollouts"].schema)


def record_batches(
    programs: Sequence[Program],
    source: str,
    playthroughs: int,
    seed: int,
    max_steps: int = 60,
    policy: Policy = "uniform",
    progress: Progress = silent,
) -> Iterator[pa.RecordBatch]:
    """The rows of `record`, one piece after another: for more than memory holds."""
    writer = _Writer(programs, source)
    for pages, rows in play(programs, playthroughs, seed, max_steps, policy, progress):
        yield writer.batch(pages, rows)


def states(programs: Sequence[Program], playthroughs: int, seed: int, max_steps: int = 60) -> NDArray[np.float32]:
    """The state vectors of the rows that `record` gives, shape [rows, STATE_DIMENSIONS]."""
    played = play(programs, playthroughs, seed, max_steps)
    found = [pages.state[:rows] for pages, rows in played]
    return np.concatenate(found) if found else np.empty((0, STATE_DIMENSIONS), dtype=np.float32)


def record_choices(
    programs: Sequence[Program], source: str, recorded: Sequence[Choices], max_steps: int = 60
) -> pa.Table:
    """Recorded playthroughs again, as rows of `rollouts`.

    A playthrough that has not ended after its last choice ends on the page of that choice, with `max_steps`; one
    without choices has a row only when it ends on its first page.

    Args:
        programs: compiled storyworlds.
        source: policy, seed or imported.
        recorded: for each storyworld its playthroughs' choices, option positions in order.
        max_steps: choices after which a playthrough stops; later ones are not made.

    Raises:
        StoryworldError: a choice that cannot be made; names storyworld, playthrough and step, from 0.
    """
    if len(recorded) != len(programs):
        raise StoryworldError(f"{len(recorded)} lists of recorded playthroughs for {len(programs)} storyworlds")
    writer = _Writer(programs, source)
    batches = [writer.batch(pages, rows) for pages, rows in _played(programs, recorded, 0, max_steps, RECORDED)]
    return pa.Table.from_batches(batches, schema=TABLES["rollouts"].schema)


def play(
    programs: Sequence[Program],
    playthroughs: int,
    seed: int,
    max_steps: int,
    policy: Policy = "uniform",
    progress: Progress = silent,
) -> Iterator[tuple[Pages, int]]:
    """Play, and give the pages in pieces, each with how many rows it has; arguments as for `record`.

    Raises:
        ValueError: a policy other than `uniform` and `novelty`, or `max_steps` below 1.
    """
    if policy not in _POLICIES or max_steps < 1:
        raise ValueError("pages are played by uniform or novel choice, one step or more")
    return _played(programs, [range(playthroughs)] * len(programs), seed, max_steps, _POLICIES[policy], progress)


def _played(
    programs: Sequence[Program],
    plays: Sequence[Sequence[object]],
    seed: int,
    max_steps: int,
    policy: int,
    progress: Progress = silent,
) -> Iterator[tuple[Pages, int]]:
    """`play`, as many playthroughs of each storyworld as it has `plays`; under RECORDED each is its choices."""
    fullest = max((len(e.options) for program in programs for e in program.world.encounters), default=0)
    rows = sum(map(len, plays)) * (max_steps + 1)
    most = max(min(CHUNK_ROWS, rows), max_steps + 1)
    pages, row = room(most, fullest), 0
    for storyworld, (program, firsts) in enumerate(zip(programs, _first_numbers(programs), strict=False)):
        key = np.uint64(stream_key(seed, program.storyworld_id))
        tables = encoding_tables(program, max_steps + 1)
        scratch = np.empty(2 * program.frame.size, dtype=np.int64)
        memory = np.zeros(tables.memory_size, dtype=np.int64)
        chosen = np.zeros(program.code[layout.N_OPTIONS] + 1, dtype=np.int64)
        choices, bounds = _flat(plays[storyworld]) if policy == RECORDED else (_NONE, _NONE)
        playthrough, playthroughs, failed = 0, len(plays[storyworld]), -1
        while playthrough < playthroughs:
            if row + max_steps >= most:
                yield pages, row
                pages, row = room(most, fullest), 0
            playthrough, row, failed = play_pages(
                *(program.code, program.frame, scratch, key, policy, chosen, choices, bounds),
                *(playthrough, playthroughs, max_steps, tables.places, tables.numbers, memory),
                *(pages, row, storyworld, firsts),
            )
            if failed >= 0:
                refuse_choice(program, playthrough, failed, int(choices[bounds[playthrough] + failed]))
        progress(storyworld + 1)
    if row:
        # the last piece may be nearly empty, and whoever keeps it keeps its room
        yield shrunk(pages, row), row


def _flat(plays: Sequence[Any]) -> tuple[Ints, Ints]:
    """All choices one after another, and where those of each playthrough begin, and the end."""
    return np.array([option for made in plays for option in made], np.int64), offsets_of([len(made) for made in plays])


def _first_numbers(programs: Sequence[Program]) -> list[tuple[int, int, int]]:
    """The numbers of each storyworld's first encounter, option and reaction, and the next ones after the last."""
    sizes = [program.code[[layout.N_ENCOUNTERS, layout.N_OPTIONS, layout.N_REACTIONS]] for program in programs]
    return [tuple(row) for row in np.cumsum([(0, 0, 0), *sizes], axis=0).tolist()]


class _Writer:
    """Turns pages into record batches; ids become text through one table for all storyworlds."""

    def __init__(self, programs: Sequence[Program], source: str) -> None:
        worlds = [program.world for program in programs]
        self.storyworlds = Texts.of([program.storyworld_id for program in programs])
        self.source, self.ends = Texts.of([source]), Texts.of(KINDS)
        self.schema = TABLES["rollouts"].schema
        pages = [encounter for world in worlds for encounter in world.encounters]
        options = [option for page in pages for option in page.options]
        self.encounters = Texts.of([page.id for page in pages])
        self.options = Texts.of([option.id for option in options])
        self.reactions = Texts.of([reaction.id for option in options for reaction in option.reactions])

    def batch(self, pages: Pages, rows: int) -> pa.RecordBatch:
        """The first rows of some pages."""

        def text(texts: Texts, codes: NDArray[np.int32]) -> pa.StringArray:
            return texts.column(codes[:rows])

        def number(column: NDArray[np.int32]) -> pa.Int32Array:
            return pa.array(column[:rows])

        def options(codes: NDArray[np.int32], ends: NDArray[np.int32]) -> pa.ListArray:
            return pa.ListArray.from_arrays(pa.array(ends[: rows + 1]), self.options.column(codes[: ends[rows]]))

        columns = {
            "storyworld_id": text(self.storyworlds, pages.storyworld),
            "source": text(self.source, np.zeros(rows, dtype=np.int32)),
            "playthrough": number(pages.playthrough),
            "step": number(pages.step),
            "turn": number(pages.turn),
            "encounter": text(self.encounters, pages.encounter),
            "visible": options(pages.visible, pages.visible_ends),
            "performable": options(pages.performable, pages.performable_ends),
            "choice": text(self.options, pages.choice),
            "reaction": text(self.reactions, pages.reaction),
            "next": text(self.encounters, pages.following),
            "end": text(self.ends, pages.end),
            "state": pa.FixedSizeListArray.from_arrays(pa.array(pages.state[:rows].reshape(-1)), STATE_DIMENSIONS),
        }
        return pa.RecordBatch.from_arrays([columns[field.name] for field in self.schema], schema=self.schema)
