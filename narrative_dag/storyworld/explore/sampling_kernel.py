"""Random play, compiled: `sampling.sample` on the simulator's building blocks, with the same draws."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from narrative_dag.kernel_cache import kernel
from narrative_dag.storyworld.engine import Engine
from narrative_dag.storyworld.explore.positions import Positions
from narrative_dag.storyworld.explore.sampling import Layout, Sample
from narrative_dag.storyworld.simulator import layout
from narrative_dag.storyworld.simulator.compiler import compile_world
from narrative_dag.storyworld.simulator.frame import choose, start
from narrative_dag.storyworld.simulator.memory import code_at, copy_words, inlined, word_at
from narrative_dag.storyworld.simulator.streams import novelty_choice, uniform_choice

Ints = NDArray[np.int64]

# entries of `cursor`
PLAY, DRAW, STEPS, LENGTH = 0, 1, 2, 3

# entries of `offsets`: where each kind of thing starts, as in `sampling.Layout`
VISIBLE, PERFORMABLE, RAN, CHANGED, ENDED = 0, 1, 2, 3, 4


class Met(NamedTuple):
    """What was met, as in `sampling.Sample`."""

    counts: Ints
    first_step: Ints
    first_play: Ints


@inlined
def note(thing: int, play: int, step: int, met: Met) -> bool:
    """Count a thing; whether it is new."""
    met.counts[thing] += 1
    if met.first_play[thing] >= 0:
        return False
    met.first_play[thing] = play
    met.first_step[thing] = step
    return True


@inlined
def note_page(code: int, frame: int, play: int, step: int, offsets: Ints, met: Met) -> bool:
    """Count the page of a frame, its options and its ending; whether one of them is new."""
    page = word_at(frame, layout.PAGE)
    encounters = code_at(code, layout.N_ENCOUNTERS)
    novel = False
    if page >= 0:
        novel = note(page, play, step, met)
        base = code_at(code, code_at(code, layout.C_ENCOUNTERS) + layout.E_STRIDE * page + layout.E_FIRST_OPTION)
        at = code_at(code, layout.F_VISIBLE)
        for i in range(word_at(frame, layout.VISIBLE_COUNT)):
            thing = offsets[VISIBLE] + base + word_at(frame, at + i)
            novel |= note(thing, play, step, met)
        at = code_at(code, layout.F_PERFORMABLE)
        for i in range(word_at(frame, layout.PERFORMABLE_COUNT)):
            thing = offsets[PERFORMABLE] + base + word_at(frame, at + i)
            novel |= note(thing, play, step, met)
    kind = word_at(frame, layout.ENDING)
    if kind != layout.PLAYING:
        thing = offsets[ENDED] + (kind - 1) * (encounters + 1) + (page if page >= 0 else encounters)
        novel |= note(thing, play, step, met)
    return novel


@kernel
def play_on(
    code: int,
    fresh: int,
    frame: int,
    plays: int,
    cursor: Ints,
    uniforms: NDArray[np.float64],
    offsets: Ints,
    taken: Ints,
    met: Met,
    chosen: Ints,
) -> bool:
    """Play until a play met something new (True), or until all are played or draws are short (False).

    Args:
        code: address of the program's code.
        fresh, frame: addresses of the program's frame and of a copy.
        plays: how many there are; the first half is uniform, the rest takes what was chosen least often.
        cursor: plays finished, draws used, choices in all, choices of the last play.
        uniforms: draws in [0, 1).
        offsets: where each kind of thing starts.
        taken: how often each option was chosen.
        met: to be counted up.
        chosen: receives the numbers of the options of a play; its length is the longest play.
    """
    width = code_at(code, layout.F_WIDTH)
    longest = len(chosen)
    while cursor[PLAY] < plays and cursor[DRAW] + longest <= len(uniforms):
        play = cursor[PLAY]
        copy_words(frame, fresh, width)
        start(code, frame)
        step = 0
        novel = note_page(code, frame, play, step, offsets, met)
        while step < longest and word_at(frame, layout.ENDING) == layout.PLAYING:
            page = word_at(frame, layout.PAGE)
            base = code_at(code, code_at(code, layout.C_ENCOUNTERS) + layout.E_STRIDE * page + layout.E_FIRST_OPTION)
            uniform = uniforms[cursor[DRAW]]
            cursor[DRAW] += 1
            if play >= plays // 2:
                option = novelty_choice(code, frame, taken.ctypes.data + 8 * base, uniform)
            else:
                option = uniform_choice(code, frame, uniform)
            taken[base + option] += 1
            chosen[step] = base + option
            step += 1
            reaction = choose(code, frame, option)
            if reaction != 0:
                thing = offsets[RAN] + code_at(code, reaction + layout.R_NUMBER)
                novel |= note(thing, play, step, met)
                first = offsets[CHANGED] + code_at(code, reaction + layout.R_FIRST_EFFECT)
                flags = code_at(code, layout.F_CHANGES)
                for k in range(word_at(frame, layout.EFFECT_COUNT)):
                    if word_at(frame, flags + k) != 0:
                        novel |= note(first + k, play, step, met)
            novel |= note_page(code, frame, play, step, offsets, met)
        cursor[PLAY] = play + 1
        cursor[STEPS] += step
        cursor[LENGTH] = step
        if novel:
            return True
    return False


def sample(engine: Engine, positions: Positions, plays: int, seed: int, max_steps: int) -> Sample:
    """Play at random and note what is met; see `sampling.sample`."""
    program = compile_world(engine.world)
    frame = program.frame.copy()
    draws = np.random.default_rng([seed, plays])
    things = Layout.of(positions)
    counts = np.zeros(things.size, dtype=np.int64)
    first_step = np.full(things.size, -1, dtype=np.int64)
    first_play = np.full(things.size, -1, dtype=np.int64)
    offsets = np.array([things.visible, things.performable, things.ran, things.changed, things.ended], dtype=np.int64)
    taken = np.zeros(things.options, dtype=np.int64)
    chosen = np.empty(max_steps, dtype=np.int64)
    uniforms = np.empty(0)
    cursor = np.zeros(4, dtype=np.int64)
    kept: dict[int, tuple[int, ...]] = {}
    while True:
        # what was drawn and not used, then more of the same stream
        left = uniforms[cursor[DRAW] :]
        uniforms = np.concatenate([left, draws.random(max(0, max_steps * 64 - len(left)))])
        cursor[DRAW] = 0
        novel = play_on(
            program.code.ctypes.data, program.frame.ctypes.data, frame.ctypes.data, plays, cursor, uniforms, offsets,
            taken, Met(counts, first_step, first_play), chosen,
        )  # fmt: skip
        if novel:
            kept[int(cursor[0]) - 1] = tuple(chosen[: cursor[LENGTH]].tolist())
        elif cursor[0] == plays:
            return Sample(plays, int(cursor[2]), things, counts, first_step, first_play, kept)
