"""Batches of playthroughs: many storyworlds, many playthroughs, one call.

Results depend on the seed, the storyworld and the playthrough alone: not on the batch, its order or the threads.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NoReturn

import numpy as np

from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.simulator import layout, play
from narrative_dag.storyworld.simulator.choices import stream_key
from narrative_dag.storyworld.simulator.counts import Counts, Totals, count_sizes
from narrative_dag.storyworld.simulator.program import Ints, Program, Programs, concatenate, offsets_of

Policy = Literal["uniform", "novelty"]
"""Who chooses. `uniform`: any performable option, equally likely. `novelty`: one of those chosen least often so far in
the storyworld's playthroughs of the call, ties equally likely. See `choices`."""

Choices = Sequence[Sequence[int]]
"""Option positions of each playthrough of a storyworld, in order."""

_POLICIES = {"uniform": play.UNIFORM, "novelty": play.NOVELTY}
_NO_CHOICES: Ints = np.zeros(1, dtype=np.int64)


def simulate(
    programs: Programs | Sequence[Program],
    playthroughs: int,
    seed: int,
    policy: Policy = "uniform",
    max_steps: int = 60,
    threads: int = 1,
) -> Counts:
    """Seeded playthroughs, with everything counted that a survey counts.

    Args:
        programs: what is played; `Programs` saves putting them together again.
        playthroughs: how many of each; each has a stream of its own, so under `uniform` the first n of m are those
            of n, and under `novelty` too, for a storyworld's playthroughs are played in order.
        seed: any integer.
        policy: who chooses.
        max_steps: choices after which a playthrough stops; the page that it would have entered is not counted.
        threads: how many share the storyworlds; the result is the same.

    Raises:
        StoryworldError: a negative count, or less than one thread.
    """
    batch = _batch(programs)
    return _counted(batch, _each(batch, playthroughs), seed, _POLICIES[policy], max_steps, threads, None)


def total(
    programs: Programs | Sequence[Program],
    playthroughs: int,
    seed: int,
    policy: Policy = "uniform",
    max_steps: int = 60,
    threads: int = 1,
) -> Totals:
    """The totals of `simulate`, faster by what counting costs."""
    batch = _batch(programs)
    plays = _each(batch, playthroughs)
    nowhere = np.zeros(len(batch.programs) + 1, dtype=np.int64)
    flat = np.zeros(0, dtype=np.int64)
    return _played(play.play_totals, batch, plays, seed, _POLICIES[policy], max_steps, threads, None, flat, nowhere)


def retrace(
    programs: Programs | Sequence[Program], recorded: Sequence[Choices], max_steps: int = 60, threads: int = 1
) -> Counts:
    """Recorded playthroughs again, counted as in `simulate`.

    A playthrough stops after its last choice; when it has not ended by then, its kind is `max_steps` and the page on
    which it stands is not counted.

    Args:
        programs: what is played.
        recorded: for each storyworld its playthroughs' choices.
        max_steps: choices after which a playthrough stops; later ones are not made.
        threads: how many share the storyworlds.

    Raises:
        StoryworldError: a choice that is not performable, or made after the end; names storyworld, playthrough and
            step, from 0.
    """
    batch = _batch(programs)
    if len(recorded) != len(batch.programs):
        raise StoryworldError(f"{len(recorded)} lists of recorded playthroughs for {len(batch.programs)} storyworlds")
    plays = offsets_of([len(choices) for choices in recorded])
    return _counted(batch, plays, 0, play.RECORDED, max_steps, threads, recorded)


def _batch(programs: Programs | Sequence[Program]) -> Programs:
    return programs if isinstance(programs, Programs) else concatenate(programs)


def _each(batch: Programs, playthroughs: int) -> Ints:
    if playthroughs < 0:
        raise StoryworldError(f"{playthroughs} playthroughs cannot be played")
    return np.arange(len(batch.programs) + 1, dtype=np.int64) * playthroughs


def _counted(
    batch: Programs,
    plays: Ints,
    seed: int,
    policy: int,
    max_steps: int,
    threads: int,
    recorded: Sequence[Choices] | None,
) -> Counts:
    offsets = offsets_of([sum(count_sizes(program)) for program in batch.programs])
    flat = np.zeros(int(offsets[-1]), dtype=np.int64)
    totals = _played(play.play_counts, batch, plays, seed, policy, max_steps, threads, recorded, flat, offsets)
    return Counts(batch, totals, flat, offsets)


def _played(
    kernel: Any,
    batch: Programs,
    plays: Ints,
    seed: int,
    policy: int,
    max_steps: int,
    threads: int,
    recorded: Sequence[Choices] | None,
    flat: Ints,
    offsets: Ints,
) -> Totals:
    if max_steps < 0 or threads < 1:
        raise StoryworldError(f"max_steps {max_steps} must be at least 0, and threads {threads} at least 1")
    worlds = len(batch.programs)
    keys = np.array([stream_key(seed, program.storyworld_id) for program in batch.programs], dtype=np.uint64)
    choices, choice_offsets = _NO_CHOICES, _NO_CHOICES
    if recorded is not None:
        listed = [made for each in recorded for made in each]
        choices = np.array([option for made in listed for option in made], dtype=np.int64)
        choice_offsets = offsets_of([len(made) for made in listed])
    totals = np.zeros((worlds, play.TOTALS), dtype=np.int64)
    bounds = np.linspace(0, worlds, min(worlds, 1 if threads == 1 else 32 * threads) + 1).astype(np.int64).tolist()
    failures = np.zeros((len(bounds), 3), dtype=np.int64)

    def part(i: int) -> int:
        failed = kernel(
            batch.code,
            batch.frame,
            batch.code_offsets,
            batch.frame_offsets,
            keys,
            bounds[i],
            bounds[i + 1],
            batch.widest,
            np.empty(play.scratch_size(batch), dtype=np.int64),
            plays,
            max_steps,
            policy,
            choices,
            choice_offsets,
            totals,
            flat,
            offsets,
            failures[i],
        )
        return int(failed)

    parts = range(len(bounds) - 1)
    if threads == 1:
        failed = [part(i) for i in parts]
    else:
        with ThreadPoolExecutor(threads) as pool:
            failed = list(pool.map(part, parts))
    for i, world in enumerate(failed):
        if world >= 0:
            refuse_choice(batch.programs[world], *failures[i].tolist())
    first = play.T_KINDS + layout.THE_END
    return Totals(np.diff(plays), totals[:, play.T_STEPS], totals[:, play.T_LONGEST], totals[:, first : first + 4])


def refuse_choice(program: Program, playthrough: int, step: int, choice: int) -> NoReturn:
    """Raise the StoryworldError of a recorded choice that cannot be made."""
    name = program.storyworld_id or program.world.title or "storyworld"
    raise StoryworldError(
        f"the recorded choice {choice} cannot be made there",
        where=f"{name}: playthrough {playthrough}, step {step}",
        hint="the choices belong to another storyworld, mode or version of it",
    )
