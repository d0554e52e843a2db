"""How play chooses among the performable options, for the interpreter: the twin of what the kernels do.

Every playthrough draws from a stream of its own, a counter through the finalizer of splitmix64 (Steele, Lea and Flood,
2014): draws depend on seed, storyworld and playthrough and on nothing that is played beside it.
"""

import hashlib
from collections.abc import Iterator, Sequence

GOLDEN = 0x9E3779B97F4A7C15
FIRST_FACTOR, SECOND_FACTOR = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = (1 << 64) - 1


def stream_key(seed: int, storyworld_id: str) -> int:
    """64 bits for a storyworld's playthroughs."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{storyworld_id}".encode()).digest()[:8], "big")


def mixed(word: int) -> int:
    """The finalizer of splitmix64."""
    word = (word ^ word >> 30) * FIRST_FACTOR & _MASK
    word = (word ^ word >> 27) * SECOND_FACTOR & _MASK
    return word ^ word >> 31


def uniforms(key: int, playthrough: int) -> Iterator[float]:
    """The draws of one playthrough in [0, 1), each a multiple of 2**-53; one is used for every choice."""
    counter = mixed(key + GOLDEN * (playthrough + 1) & _MASK)
    while True:
        counter = counter + GOLDEN & _MASK
        yield (mixed(counter) >> 11) * 2.0**-53


def uniform_choice(performable: Sequence[int], draw: float) -> int:
    """The option that the policy `uniform` chooses."""
    return performable[int(draw * len(performable))]


def novelty_choice(performable: Sequence[int], chosen: Sequence[int], draw: float) -> int:
    """The option that the policy `novelty` chooses; `chosen`: how often each performable option was, so far."""
    fewest = min(chosen)
    least = [option for option, count in zip(performable, chosen, strict=True) if count == fewest]
    return least[int(draw * len(least))]
