"""Plays and their repetitions without an effect, compiled: `counterfactual.InterpretedRepeater` on the simulator.

One program serves all effects: the value of each effect is made a text, which changes nothing, while a spool that only
this names is active. A frame leaves an effect out by that spool's flag.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from narrative_dag.kernel_cache import kernel
from narrative_dag.storyworld.engine import Engine
from narrative_dag.storyworld.explore.counterfactual import Record
from narrative_dag.storyworld.explore.positions import Positions
from narrative_dag.storyworld.model import Effect, Encounter, Option, Reaction, Storyworld
from narrative_dag.storyworld.script import Constant, Operation, SpoolStatus
from narrative_dag.storyworld.simulator import layout
from narrative_dag.storyworld.simulator.compiler import compile_world
from narrative_dag.storyworld.simulator.frame import choose, start
from narrative_dag.storyworld.simulator.memory import code_at, copy_words, inlined, put_word, word_at
from narrative_dag.storyworld.simulator.streams import uniform_choice

Ints = NDArray[np.int64]


@kernel
def play_on(
    code: int, fresh: int, frame: int, prefix: Ints, uniforms: NDArray[np.float64], choices: Ints, changed: Ints
) -> int:
    """Play with given options first, then at random; the count of choices.

    Args:
        code: address of the program's code.
        fresh, frame: addresses of the program's frame and of a copy.
        prefix: numbers of the first options.
        uniforms: draws in [0, 1) for the others.
        choices: receives the numbers of the options chosen.
        changed: receives a 1 for each effect that changed something.
    """
    copy_words(frame, fresh, code_at(code, layout.F_WIDTH))
    start(code, frame)
    made = 0
    while made < len(prefix) + len(uniforms) and word_at(frame, layout.ENDING) == layout.PLAYING:
        page = word_at(frame, layout.PAGE)
        base = code_at(code, code_at(code, layout.C_ENCOUNTERS) + layout.E_STRIDE * page + layout.E_FIRST_OPTION)
        if made < len(prefix):
            option = prefix[made] - base
        else:
            option = uniform_choice(code, frame, uniforms[made - len(prefix)])
        choices[made] = base + option
        made += 1
        reaction = choose(code, frame, option)
        if reaction != 0:
            first = code_at(code, reaction + layout.R_FIRST_EFFECT)
            flags = code_at(code, layout.F_CHANGES)
            for k in range(word_at(frame, layout.EFFECT_COUNT)):
                if word_at(frame, flags + k) != 0:
                    changed[first + k] = 1
    return made


@inlined
def same_page(code: int, a: int, b: int) -> bool:
    """Whether two frames show the same page, options and ending after the same reaction."""
    equal = True
    for scalar in (layout.PAGE, layout.ENDING, layout.VISIBLE_COUNT, layout.PERFORMABLE_COUNT, layout.REACTION):
        equal &= word_at(a, scalar) == word_at(b, scalar)
    at = code_at(code, layout.F_VISIBLE)
    for i in range(word_at(a, layout.VISIBLE_COUNT)):
        equal &= word_at(a, at + i) == word_at(b, at + i)
    at = code_at(code, layout.F_PERFORMABLE)
    for i in range(word_at(a, layout.PERFORMABLE_COUNT)):
        equal &= word_at(a, at + i) == word_at(b, at + i)
    return equal


@kernel
def differs_on(code: int, fresh: int, frame: int, other: int, flag: int, choices: Ints) -> bool:
    """Whether the play of some choices is another one with a flag set from the start."""
    width = code_at(code, layout.F_WIDTH)
    copy_words(frame, fresh, width)
    copy_words(other, fresh, width)
    put_word(other, flag, 1)
    start(code, frame)
    start(code, other)
    encounters = code_at(code, layout.C_ENCOUNTERS)
    for number in choices:
        page = word_at(frame, layout.PAGE)
        option = number - code_at(code, encounters + layout.E_STRIDE * page + layout.E_FIRST_OPTION)
        choose(code, frame, option)
        choose(code, other, option)
        if not same_page(code, frame, other):
            return True
    return False


class CompiledRepeater:
    """The simulator; see `counterfactual.Repeater`."""

    def __init__(self, engine: Engine, positions: Positions) -> None:
        self.program = compile_world(_with_switches(engine.world))
        names = {name: self.program.spool_flags + i for i, name in enumerate(self.program.spools)}
        # an effect whose value is no number and no boolean has no flag, and does nothing anyway
        self._flags = [names.get(_switch(*key), -1) for key in positions.effects]
        self._frame, self._other = self.program.frame.copy(), self.program.frame.copy()
        self._changed = np.zeros(len(positions.effects), dtype=np.int64)

    def play(self, prefix: Sequence[int], uniforms: NDArray[np.float64]) -> Record:
        """A play that starts with the options of these numbers and goes on at random while there are draws."""
        choices = np.empty(len(prefix) + len(uniforms), dtype=np.int64)
        self._changed[:] = 0
        program = self.program
        made = play_on(
            program.code.ctypes.data,
            program.frame.ctypes.data,
            self._frame.ctypes.data,
            np.array(prefix, dtype=np.int64),
            uniforms,
            choices,
            self._changed,
        )
        return Record(tuple(choices[:made].tolist()), tuple(np.flatnonzero(self._changed).tolist()))

    def differs(self, record: Record, effect: int) -> bool:
        """Whether a play is another one without an effect, given its number."""
        program, flag = self.program, self._flags[effect]
        if flag < 0:
            return False
        addresses = program.frame.ctypes.data, self._frame.ctypes.data, self._other.ctypes.data
        return bool(differs_on(program.code.ctypes.data, *addresses, flag, np.array(record.choices, dtype=np.int64)))


def _switch(e: int, o: int, r: int, k: int) -> str:
    """The spool that leaves an effect out."""
    return f"\0without {e} {o} {r} {k}"


def _with_switches(world: Storyworld) -> Storyworld:
    """The storyworld with every effect under a switch that is off."""

    def effect(e: int, o: int, r: int, k: int, effect: Effect) -> Effect:
        switched = Operation("If Then", (SpoolStatus(_switch(e, o, r, k)), Constant("left out"), effect.value))
        return dataclasses.replace(effect, value=switched)

    def reaction(e: int, o: int, r: int, reaction: Reaction) -> Reaction:
        effects = tuple(effect(e, o, r, k, own) for k, own in enumerate(reaction.effects))
        return dataclasses.replace(reaction, effects=effects)

    def option(e: int, o: int, option: Option) -> Option:
        reactions = tuple(reaction(e, o, r, own) for r, own in enumerate(option.reactions))
        return dataclasses.replace(option, reactions=reactions)

    def encounter(e: int, encounter: Encounter) -> Encounter:
        options = tuple(option(e, o, own) for o, own in enumerate(encounter.options))
        return dataclasses.replace(encounter, options=options)

    return dataclasses.replace(world, encounters=tuple(encounter(e, own) for e, own in enumerate(world.encounters)))
