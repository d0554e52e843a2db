"""Breadth-first search on the interpreter: the readable reference of the search."""

import copy
import math
import struct
from collections import deque
from collections.abc import Iterator

import numpy as np

from narrative_dag.storyworld.engine import Engine, Playthrough, State
from narrative_dag.storyworld.explore.graph import END_KINDS, Found, Selections, StateGraph
from narrative_dag.storyworld.explore.liveness import Liveness
from narrative_dag.storyworld.explore.positions import Positions
from narrative_dag.storyworld.script import evaluate, truthy

Row = tuple[int, bytes, int]
"""A state's identity: page (-1 after `the_end`), its live numbers as normalised doubles, its live flags as bits."""


def branch(play: Playthrough) -> Playthrough:
    """A copy of a playthrough that goes its own way."""
    twin = copy.copy(play)
    state = twin.state = copy.copy(play.state)
    state.numbers = dict(state.numbers)
    state.active_spools = set(state.active_spools)
    state.encounters = set(state.encounters)
    state.options = set(state.options)
    state.reactions = set(state.reactions)
    return twin


class StateSpace:
    """The states of a storyworld, as the interpreter plays it: a root, successors, and the identity of each.

    Args:
        engine: the storyworld with its lookups.
        liveness: what an identity keeps.
    """

    def __init__(self, engine: Engine, liveness: Liveness) -> None:
        self.engine = engine
        self._parts = liveness.parts

    def root(self) -> Playthrough:
        """A playthrough on its first page, or ended at once."""
        return self.engine.start()

    def successors(self, play: Playthrough) -> Iterator[tuple[int, int | None, Playthrough]]:
        """Each option that can be chosen, the reaction that runs, and the playthrough after it."""
        if play.page is None or play.ending is not None:
            return
        for option in play.page.performable:
            following = branch(play)
            yield option, following.choose(option), following

    def row(self, play: Playthrough) -> Row:
        """The identity of the state that a playthrough is in."""
        if play.page is None:
            return -1, b"", 0
        state = play.state
        parts = self._parts[play.page.encounter]
        flags = 0
        numbers = []
        for key in parts.numbers:
            value = state.numbers.get(key)
            # an absent variable reads 0 in official mode, and through its prefixes in extended mode
            flags = flags << 1 | (value is not None and not self.engine.official)
            numbers.append(0.0 if value is None else math.nan if value != value else value + 0.0)
        for spool in parts.spools:
            flags = flags << 1 | (spool in state.active_spools)
        for e in parts.seen:
            flags = flags << 1 | (e in state.encounters)
        for o in parts.options:
            flags = flags << 1 | (o in state.options)
        for r in parts.reactions:
            flags = flags << 1 | (r in state.reactions)
        return play.page.encounter, struct.pack(f"{len(numbers)}d", *numbers), flags


class _Notes:
    """Collects `Selections`."""

    def __init__(self, engine: Engine, positions: Positions) -> None:
        self.world = engine.world
        self.variables = positions.gate_variables
        count = len(self.world.encounters)
        self.ran = 0
        self.considered = np.zeros(count, dtype=np.int64)
        self.acceptable = np.zeros(count, dtype=np.int64)
        self.low = np.full((count + 1, len(self.variables)), np.inf)
        self.high = np.full((count + 1, len(self.variables)), -np.inf)

    def page(self, row: int, state: State) -> None:
        """Note the gate variables on a page, or (row -1) at a selection."""
        for i, (character, keyring) in enumerate(self.variables):
            value = state.number(character, keyring)
            if value is not None:
                self.low[row, i] = min(self.low[row, i], value)
                self.high[row, i] = max(self.high[row, i], value)

    def selection(self, play: Playthrough) -> None:
        """Note the selection that led to the page on which a playthrough stands."""
        self.ran += 1
        state = play.state
        entered = None if play.page is None else play.page.encounter
        if entered is not None:
            # selection came before the page was marked as seen
            state.encounters.discard(entered)
        self.page(-1, state)
        members = [e for spool in self.world.spools if spool.id in state.active_spools for e in spool.members]
        for e in dict.fromkeys(members):
            if e not in state.encounters:
                self.considered[e] += 1
                self.acceptable[e] += truthy(evaluate(self.world.encounters[e].acceptability, state))
        if entered is not None:
            state.encounters.add(entered)

    def result(self) -> Selections:
        """What was collected."""
        return Selections(self.ran, self.considered, self.acceptable, self.low, self.high)


def search(
    engine: Engine, positions: Positions, liveness: Liveness, max_states: int, selections: bool = False
) -> Found:
    """Meet the distinct states of a storyworld in breadth-first order.

    Args:
        engine: the storyworld with its lookups.
        positions: its numbering.
        liveness: what makes states distinct.
        max_states: no state that goes on is expanded once so many were met.
        selections: also note wild selections and the values that gates read.
    """
    space, world = StateSpace(engine, liveness), engine.world
    notes = _Notes(engine, positions) if selections else None
    nodes: dict[Row, int] = {}
    waiting: deque[Playthrough] = deque()
    encounter: list[int] = []
    end: list[int] = []
    parent: list[int] = []
    parent_option: list[int] = []
    first_edge: list[int] = [0]
    edges: list[tuple[int, int, int]] = []
    visible = np.zeros(len(positions.options), dtype=np.int64)
    performable = np.zeros_like(visible)
    first_visible = np.full_like(visible, -1)
    changes = np.zeros(len(positions.effects), dtype=np.int64)
    first_change = np.full_like(changes, -1)

    def meet(play: Playthrough, source: int, option: int) -> int:
        row = space.row(play)
        known = nodes.get(row)
        if known is not None:
            return known
        node = nodes[row] = len(encounter)
        waiting.append(play)
        encounter.append(row[0])
        end.append(END_KINDS.index(play.ending.kind if play.ending else None))
        parent.append(source)
        parent_option.append(option)
        if play.page is not None:
            base = positions.first_option[row[0]]
            for o in play.page.visible:
                visible[base + o] += 1
                if first_visible[base + o] < 0:
                    first_visible[base + o] = node
            for o in play.page.performable:
                performable[base + o] += 1
            if notes:
                notes.page(row[0], play.state)
        return node

    start = space.root()
    if notes:
        notes.selection(start)
    meet(start, -1, -1)
    while waiting and (end[len(first_edge) - 1] or len(encounter) < max_states):
        node = len(first_edge) - 1
        play = waiting.popleft()
        for o, ran, following in space.successors(play):
            e = encounter[node]
            option = positions.first_option[e] + o
            reaction = -1 if ran is None else positions.first_reaction[option] + ran
            for k, changed in enumerate(following.changes):
                if changed:
                    effect = positions.first_effect[reaction] + k
                    changes[effect] += 1
                    if first_change[effect] < 0:
                        first_change[effect] = len(edges)
            if notes and (ran is None or world.encounters[e].options[o].reactions[ran].consequence is None):
                notes.selection(following)
            edges.append((option, reaction, meet(following, node, option)))
        first_edge.append(len(edges))
    table = np.array(edges, dtype=np.int32).reshape(-1, 3)
    graph = StateGraph(
        np.array(encounter, dtype=np.int32),
        np.array(end, dtype=np.int8),
        np.array(parent, dtype=np.int32),
        np.array(parent_option, dtype=np.int32),
        np.array(first_edge, dtype=np.int64),
        *(np.ascontiguousarray(table[:, i]) for i in range(3)),
    )
    noted = notes.result() if notes else None
    return Found(graph, visible, performable, first_visible, changes, first_change, noted)
