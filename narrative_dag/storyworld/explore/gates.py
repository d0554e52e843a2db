"""Gates: the scripts that let an option be seen or chosen, or an encounter be selected."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from narrative_dag.storyworld.explore.graph import Found, Selections
from narrative_dag.storyworld.explore.positions import Positions, variables_of
from narrative_dag.storyworld.explore.sampling import Sample
from narrative_dag.storyworld.model import Key
from narrative_dag.storyworld.script import Constant, Expression

GateKind = Literal["visibility", "performability", "acceptability"]
GateState = Literal["always open", "always shut", "both", "never tried"]


@dataclass(frozen=True, slots=True)
class Range:
    """The least and the greatest value of a variable in the states in which a gate was tried."""

    key: Key
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate that is more than the constant true, and how often it was open.

    A visibility is tried in every state of its page, a performability in those in which the option is visible, an
    acceptability at every wild selection for which the encounter is an unseen member of an active spool.

    Attributes:
        kind: which of the three.
        encounter: its encounter's position.
        option: its option's position; None for an acceptability.
        script: the gate.
        open, shut: distinct states, or choices with wild selection, in which it was open and shut.
        sampled_open, sampled_shut: visits in random plays, where the search was cut; acceptabilities have none.
        proved: whether the search met every state.
        ranges: of the variables that it reads.
    """

    kind: GateKind
    encounter: int
    option: int | None
    script: Expression
    open: int
    shut: int
    sampled_open: int
    sampled_shut: int
    proved: bool
    ranges: tuple[Range, ...]

    @property
    def state(self) -> GateState:
        """What the gate was seen to be."""
        opened, shut = self.open + self.sampled_open, self.shut + self.sampled_shut
        if opened and shut:
            return "both"
        return "always open" if opened else "always shut" if shut else "never tried"


def gates(positions: Positions, found: Found, selections: Selections, sample: Sample | None) -> tuple[Gate, ...]:
    """Every gate of a storyworld in file order, acceptabilities before the options of their encounter."""
    return tuple(_gates(positions, found, selections, sample))


def _gates(positions: Positions, found: Found, selections: Selections, sample: Sample | None) -> Iterator[Gate]:
    graph, world = found.graph, positions.world
    column = {key: i for i, key in enumerate(positions.gate_variables)}
    # an index of -1 is the_end, counted last and dropped
    states = [0] * (len(world.encounters) + 1)
    for e in graph.encounter.tolist():
        states[e] += 1

    def ranges(script: Expression, row: int) -> tuple[Range, ...]:
        return tuple(
            Range(key, float(selections.low[row, column[key]]), float(selections.high[row, column[key]]))
            for key in variables_of(script)
        )

    def sampled(thing: int) -> int:
        return int(sample.counts[thing]) if sample else 0

    for e, encounter in enumerate(world.encounters):
        if encounter.acceptability != Constant(True):
            considered, opened = int(selections.considered[e]), int(selections.acceptable[e])
            script = encounter.acceptability
            counts = opened, considered - opened, 0, 0
            yield Gate("acceptability", e, None, script, *counts, graph.exhaustive, ranges(script, -1))
        for o, option in enumerate(encounter.options):
            number = positions.first_option[e] + o
            seen, able = int(found.visible[number]), int(found.performable[number])
            pages, shown, chosen = 0, 0, 0
            if sample:
                pages = sampled(e)
                shown = sampled(sample.layout.visible + number)
                chosen = sampled(sample.layout.performable + number)
            if option.visibility != Constant(True):
                script = option.visibility
                counts = seen, states[e] - seen, shown, pages - shown
                yield Gate("visibility", e, o, script, *counts, graph.exhaustive, ranges(script, e))
            if option.performability != Constant(True):
                script = option.performability
                counts = able, seen - able, chosen, shown - chosen
                yield Gate("performability", e, o, script, *counts, graph.exhaustive, ranges(script, e))
