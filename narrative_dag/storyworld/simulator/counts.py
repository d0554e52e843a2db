"""What batched play counted: totals of storyworlds, and everything that a survey counts, as arrays."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from narrative_dag.storyworld.model import Storyworld
from narrative_dag.storyworld.simulator import layout
from narrative_dag.storyworld.simulator.playthrough import KINDS
from narrative_dag.storyworld.simulator.program import Ints, Program, Programs
from narrative_dag.storyworld.survey import Survey


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """Sums over the playthroughs of each storyworld; int64, shape (storyworlds,) unless another is said.

    Attributes:
        playthroughs: playthroughs played.
        steps: choices made.
        longest: most choices in one playthrough.
        kinds: playthroughs by kind of ending, in the order of `KINDS`; shape (storyworlds, 4).
    """

    playthroughs: Ints
    steps: Ints
    longest: Ints
    kinds: Ints


@dataclass(frozen=True, slots=True, eq=False)
class WorldCounts:
    """Counts of one storyworld; the names mean what they do in `Survey`.

    Attributes:
        entries, ends: shape (encounters,).
        visible, performable, chosen: shape (options of all encounters in order,).
        reactions: shape (reactions of all options in order,).
        changes: shape (effects of all reactions in order,).
    """

    entries: Ints
    ends: Ints
    visible: Ints
    performable: Ints
    chosen: Ints
    reactions: Ints
    changes: Ints


def count_sizes(program: Program) -> tuple[int, ...]:
    """How many counts of each sort a storyworld has, in the order of `WorldCounts`."""
    code = program.code
    encounters, options = int(code[layout.N_ENCOUNTERS]), int(code[layout.N_OPTIONS])
    reactions, effects = int(code[layout.N_REACTIONS]), int(code[layout.N_EFFECTS])
    return encounters, encounters, options, options, options, reactions, effects


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Totals and counts of many storyworlds.

    Attributes:
        programs: what was played.
        totals: sums of each storyworld.
        flat: the counts of all storyworlds, one after another; each has those of `WorldCounts` in order.
        offsets: where a storyworld's begin in `flat`, and the end.
    """

    programs: Programs
    totals: Totals
    flat: Ints
    offsets: Ints

    def world(self, position: int) -> WorldCounts:
        """The counts of one storyworld, as views."""
        mine = self.flat[self.offsets[position] : self.offsets[position + 1]]
        bounds = np.cumsum(count_sizes(self.programs.programs[position]))[:-1]
        return WorldCounts(*np.split(mine, bounds))

    def survey(self, position: int) -> Survey:
        """The counts of one storyworld by the positions that they belong to."""
        world, counts = self.programs.programs[position].world, self.world(position)
        options, reactions, effects = _positions(world)
        totals = self.totals
        return Survey(
            playthroughs=int(totals.playthroughs[position]),
            steps=int(totals.steps[position]),
            longest=int(totals.longest[position]),
            entries=_met(range(len(world.encounters)), counts.entries),
            ends=_met(range(len(world.encounters)), counts.ends),
            kinds=_met(KINDS, totals.kinds[position]),
            visible=_met(options, counts.visible),
            performable=_met(options, counts.performable),
            chosen=_met(options, counts.chosen),
            reactions=_met(reactions, counts.reactions),
            changes=_met(effects, counts.changes),
        )


Place = TypeVar("Place")
Places = tuple[list[tuple[int, int]], list[tuple[int, int, int]], list[tuple[int, int, int, int]]]


def _positions(world: Storyworld) -> Places:
    """All options, reactions and effects, in the order of the counts."""
    options, reactions, effects = [], [], []
    for e, o, option in world.options():
        options.append((e, o))
        for r, reaction in enumerate(option.reactions):
            reactions.append((e, o, r))
            effects += [(e, o, r, k) for k in range(len(reaction.effects))]
    return options, reactions, effects


def _met(places: Iterable[Place], counts: Ints) -> Counter[Place]:
    """The counts that are not 0."""
    return Counter({place: count for place, count in zip(places, counts.tolist(), strict=True) if count})
