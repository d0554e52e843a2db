"""The streams and choices of `choices`, compiled."""

from typing import Any

import numpy as np

from narrative_dag.storyworld.simulator import choices, layout
from narrative_dag.storyworld.simulator.memory import code_at, inlined, word_at

_GOLDEN = np.uint64(choices.GOLDEN)
_FIRST, _SECOND = np.uint64(choices.FIRST_FACTOR), np.uint64(choices.SECOND_FACTOR)
_30, _27, _31, _11, _1 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11), np.uint64(1)


@inlined
def mixed(word: Any) -> Any:
    """`choices.mixed`."""
    word = (word ^ (word >> _30)) * _FIRST
    word = (word ^ (word >> _27)) * _SECOND
    return word ^ (word >> _31)


@inlined
def first_counter(key: Any, playthrough: int) -> Any:
    """Where a playthrough's stream begins."""
    return mixed(key + _GOLDEN * (np.uint64(playthrough) + _1))


@inlined
def advanced(counter: Any) -> Any:
    """The counter of the next draw."""
    return counter + _GOLDEN


@inlined
def draw(counter: Any) -> float:
    """The draw at a counter, in [0, 1)."""
    return float(np.int64(mixed(counter) >> _11)) * 2.0**-53


@inlined
def uniform_choice(code: int, frame: int, uniform: float) -> int:
    """`choices.uniform_choice` for the page of a frame."""
    count = word_at(frame, layout.PERFORMABLE_COUNT)
    return word_at(frame, code_at(code, layout.F_PERFORMABLE) + int(uniform * count))


@inlined
def novelty_choice(code: int, frame: int, chosen: int, uniform: float) -> int:
    """`choices.novelty_choice`; `chosen` is the address of the counts of the page's options."""
    performable = code_at(code, layout.F_PERFORMABLE)
    count = word_at(frame, layout.PERFORMABLE_COUNT)
    fewest = word_at(chosen, word_at(frame, performable))
    ties = 0
    for i in range(count):
        times = word_at(chosen, word_at(frame, performable + i))
        if times < fewest:
            fewest, ties = times, 0
        ties += times == fewest
    wanted = int(uniform * ties)
    for i in range(count):
        option = word_at(frame, performable + i)
        if word_at(chosen, option) == fewest:
            if wanted == 0:
                return option
            wanted -= 1
    return -1
