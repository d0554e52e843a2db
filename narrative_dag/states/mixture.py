"""States of many storyworlds of every kind: what autoencoders are trained on beside what a policy happens to write."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from narrative_dag.errors import NarrativeError
from narrative_dag.storyworld.authors import STYLES, AuthorConfig, Style, write
from narrative_dag.storyworld.draft import compile_text
from narrative_dag.storyworld.model import Storyworld

IMPORTED = "imported"
"""Kind of storyworlds that no author of this project wrote; the others' kind is their style."""
STATES_A_WORLD = 22
"""Training states for each authored storyworld, about: many storyworlds with few states, not the reverse."""
IMPORTED_WEIGHT = 4
"""How many times as many states an imported storyworld gives as an authored one: there are few of them."""
PLAYTHROUGHS = 48
MAX_STEPS = 60
VARIABLES = (8, 16, 24, 40)
SPOOLS = (2, 3, 4)


class Pool(NamedTuple):
    """A storyworld's name, its kind (a style, or `imported`), and its distinct states of play in random order [n, d].

    States that differ in nothing that the vector holds count once: every playthrough begins on the same page.
    """

    name: str
    kind: str
    states: NDArray[np.float32]


def authored_mixture(count: int, seed: int) -> NDArray[np.float32]:
    """`count` distinct states, [count, d], of authored storyworlds in every style, of many sizes and qualities.

    A pure function of its arguments. 10,000 states take 7 CPU seconds.
    """
    return sample(pools(authored(count, seed), seed), count, seed)


def authored(count: int, seed: int) -> Iterator[tuple[str, str, Storyworld]]:
    """Name, kind and storyworld of as many as `count` states ask for."""
    rng = np.random.default_rng([seed, 0xA07])
    for i in range(max(2 * len(STYLES), round(count / STATES_A_WORLD))):
        style: Style = STYLES[i % len(STYLES)]
        variables, spools = int(rng.choice(VARIABLES)), int(rng.choice(SPOOLS))
        config = AuthorConfig(style=style, variables=variables, spools=spools, quality_low=0, quality_high=1)
        yield f"{style}-{i}", style, compile_text(write(config, seed, i).text).world


def pools(worlds: Iterable[tuple[str, str, Storyworld]], seed: int) -> list[Pool]:
    """All distinct states that a few playthroughs of each storyworld meet, in the order of the storyworlds."""
    # play brings a compiler that loading this must not pay for
    from narrative_dag.states.recording import states
    from narrative_dag.storyworld.simulator.compiler import compile_world

    rng = np.random.default_rng([seed, 0x9001])
    found = []
    for name, kind, world in worlds:
        played = np.unique(states([compile_world(world, name)], PLAYTHROUGHS, seed, MAX_STEPS), axis=0)
        found.append(Pool(name, kind, played[rng.permutation(len(played))]))
    return found


def sample(found: list[Pool], count: int, seed: int) -> NDArray[np.float32]:
    """`count` states, as evenly from the storyworlds as these have them, in random order, shape [count, d].

    Raises:
        NarrativeError: there are fewer.
    """
    available = sum(len(pool.states) for pool in found)
    if available < count:
        raise NarrativeError(f"{len(found)} storyworlds have {available} distinct states, {count} are asked for")
    weights = [IMPORTED_WEIGHT if pool.kind == IMPORTED else 1 for pool in found]
    quota = 1
    while sum(min(len(pool.states), quota * weight) for pool, weight in zip(found, weights, strict=True)) < count:
        quota += 1
    rows = np.concatenate([pool.states[: quota * weight] for pool, weight in zip(found, weights, strict=True)])
    return np.asarray(rows[np.random.default_rng([seed, 0x5A3E]).permutation(len(rows))[:count]])
