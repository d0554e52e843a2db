"""The interpreter and the compiled simulator side by side."""

import math
import random
import struct
from collections.abc import Iterator

from narrative_dag.storyworld.engine import Engine, Playthrough
from narrative_dag.storyworld.model import Storyworld
from narrative_dag.storyworld.simulator.compiler import compile_world
from narrative_dag.storyworld.simulator.playthrough import CompiledPlaythrough


def bits(number: float) -> bytes:
    """The bytes of a number; any NaN is like another, for nothing in play tells two apart."""
    return b"nan" if math.isnan(number) else struct.pack("<d", number)


def assert_same(play: Playthrough, compiled: CompiledPlaythrough) -> None:
    """Everything that both know is equal."""
    state = play.state
    assert compiled.page == play.page
    assert compiled.ending == play.ending
    assert compiled.turn == state.turn
    assert compiled.changes == play.changes
    expected = {key: bits(number) for key, number in state.numbers.items()}
    assert {key: bits(number) for key, number in compiled.numbers.items()} == expected
    assert compiled.active_spools == state.active_spools
    assert compiled.encounters == state.encounters
    assert compiled.history == (state.options | state.reactions) & set(compiled.program.history)


def play_both(world: Storyworld, plays: int, steps: int, seed: int) -> Iterator[tuple[Playthrough, int]]:
    """Play at random in lock-step; yields the interpreter's playthrough before every choice, and the choice."""
    engine, program, chance = Engine(world), compile_world(world), random.Random(seed)
    for _ in range(plays):
        play, compiled = engine.start(), CompiledPlaythrough(program)
        assert_same(play, compiled)
        for _ in range(steps):
            if play.ending is not None or play.page is None:
                break
            option = chance.choice(play.page.performable)
            yield play, option
            assert compiled.choose(option) == play.choose(option)
            assert_same(play, compiled)
