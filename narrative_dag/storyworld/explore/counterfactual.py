"""What an effect is good for: plays are repeated without it, with the same choices, and compared.

A play in which the effect changed something is repeated in the storyworld that lacks the effect. Up to the first
moment at which it would have run both are the same; the first difference after it in a page, its visible options,
those that can be chosen, a reaction or the ending means that the effect mattered in that play.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from narrative_dag.storyworld.engine import Engine
from narrative_dag.storyworld.explore.graph import Found
from narrative_dag.storyworld.explore.liveness import Liveness
from narrative_dag.storyworld.explore.positions import Positions
from narrative_dag.storyworld.model import Storyworld

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Influence:
    """Whether an effect changes anything later.

    Attributes:
        read: whether anything in the storyworld reads what it changes; if not, it was not played.
        plays: plays sampled in which it changed a number or a spool.
        mattered: those in which a later page, option, reaction or the ending is another one without it.
    """

    read: bool
    plays: int
    mattered: int


@dataclass(frozen=True, slots=True)
class Record:
    """A play: numbers of the options chosen, and of the effects that changed something, sorted."""

    choices: tuple[int, ...]
    changed: tuple[int, ...]


class Repeater(Protocol):
    """Plays a storyworld, and plays it again without an effect."""

    def play(self, prefix: Sequence[int], uniforms: NDArray[np.float64]) -> Record:
        """A play that starts with the options of these numbers and goes on at random while there are draws."""

    def differs(self, record: Record, effect: int) -> bool:
        """Whether a play is another one without an effect, given its number."""


Repeating = Callable[[Engine, Positions], Repeater]
"""Makes a repeater for a storyworld."""


def influences(
    repeater: Repeater,
    positions: Positions,
    liveness: Liveness,
    found: Found,
    plays: int,
    seed: int,
    max_steps: int,
) -> dict[tuple[int, int, int, int], Influence]:
    """The influence of every effect that changed something in the search or in random plays, by position.

    Args:
        repeater: what plays.
        positions: the storyworld's numbering.
        liveness: what something reads.
        found: the search; its shortest play to an effect starts every second sample, so that rare effects have some.
        plays: plays for each effect.
        seed: any integer from 0.
        max_steps: choices that a play makes at random, at most.
    """
    draws = np.random.default_rng([seed, plays])
    having: dict[int, list[Record]] = {}
    for _ in range(plays):
        record = repeater.play((), draws.random(max_steps))
        for changed in record.changed:
            having.setdefault(changed, []).append(record)
    result = {}
    for number, key in enumerate(positions.effects):
        edge = int(found.first_change[number])
        if edge < 0 and number not in having:
            continue
        e, o, r, k = key
        effect = positions.world.encounters[e].options[o].reactions[r].effects[k]
        if not liveness.read_later(effect):
            result[key] = Influence(False, 0, 0)
            continue
        records = having.get(number, [])[: plays if edge < 0 else (plays + 1) // 2]
        if edge >= 0:
            graph = found.graph
            prefix = (*graph.play_to(int(graph.edge_source[edge])), int(graph.edge_option[edge]))
            records += [repeater.play(prefix, draws.random(max_steps)) for _ in range(plays - len(records))]
        mattered = sum(repeater.differs(record, number) for record in records)
        result[key] = Influence(True, len(records), mattered)
    return result


class InterpretedRepeater:
    """The interpreter; a storyworld without an effect is a storyworld of its own."""

    def __init__(self, engine: Engine, positions: Positions) -> None:
        self.engine = engine
        self.positions = positions
        self._without: dict[int, Engine] = {}

    def play(self, prefix: Sequence[int], uniforms: NDArray[np.float64]) -> Record:
        """A play that starts with the options of these numbers and goes on at random while there are draws."""
        positions = self.positions
        play = self.engine.start()
        choices: list[int] = []
        changed: set[int] = set()
        while play.page is not None and play.ending is None and len(choices) < len(prefix) + len(uniforms):
            base = positions.first_option[play.page.encounter]
            made = len(choices)
            if made < len(prefix):
                option = prefix[made] - base
            else:
                able = play.page.performable
                option = able[int(uniforms[made - len(prefix)] * len(able))]
            choices.append(base + option)
            ran = play.choose(option)
            if ran is not None:
                first = positions.first_effect[positions.first_reaction[base + option] + ran]
                changed.update(first + k for k, it_did in enumerate(play.changes) if it_did)
        return Record(tuple(choices), tuple(sorted(changed)))

    def differs(self, record: Record, effect: int) -> bool:
        """Whether a play is another one without an effect, given its number."""
        without = self._without.get(effect)
        if without is None:
            without = self._without[effect] = Engine(_without(self.engine.world, self.positions.effects[effect]))
        play, other = self.engine.start(), without.start()
        for number in record.choices:
            assert play.page is not None, "the record's choices can be made"
            option = number - self.positions.first_option[play.page.encounter]
            if play.choose(option) != other.choose(option):
                return True
            if (play.page, play.ending) != (other.page, other.ending):
                return True
        return False


def _without(world: Storyworld, key: tuple[int, int, int, int]) -> Storyworld:
    """The storyworld without one effect."""
    e, o, r, k = key
    encounter = world.encounters[e]
    option = encounter.options[o]
    reaction = option.reactions[r]
    effects = reaction.effects[:k] + reaction.effects[k + 1 :]
    reactions = _replaced(option.reactions, r, dataclasses.replace(reaction, effects=effects))
    options = _replaced(encounter.options, o, dataclasses.replace(option, reactions=reactions))
    changed = dataclasses.replace(encounter, options=options)
    return dataclasses.replace(world, encounters=_replaced(world.encounters, e, changed))


def _replaced(items: tuple[T, ...], position: int, item: T) -> tuple[T, ...]:
    return (*items[:position], item, *items[position + 1 :])
