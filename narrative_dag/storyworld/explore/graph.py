"""The graph of distinct states that a search found, and what follows from its shape.

Nodes are states in the order in which breadth-first search met them, so the way back along parents is a shortest play.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from narrative_dag.storyworld.engine import EndKind

END_KINDS: tuple[EndKind | None, ...] = (None, "the_end", "no_options", "blocked")
"""Kinds of ending by code in `StateGraph.end`; code 0: the play goes on."""


@dataclass(frozen=True, slots=True)
class Loop:
    """States that can be reached from each other for ever.

    Attributes:
        encounters: positions of the pages on it, sorted.
        states: distinct states on it.
        node: the first of them that a search met.
        escapes: whether an ending can be reached from it; None when the search did not look far enough to say.
    """

    encounters: tuple[int, ...]
    states: int
    node: int
    escapes: bool | None


@dataclass(frozen=True)
class StateGraph:
    """Distinct states and the choices between them.

    Attributes:
        encounter: page of each state, int32[n]; -1 after `the_end`.
        end: code of the kind of ending, int8[n], a position in `END_KINDS`.
        parent: the state that each was first met from, int32[n]; -1 for the first.
        parent_option: number of the option that led there, int32[n]; -1 for the first.
        first_edge: int64[m + 1] for the m states that were expanded: the first ones.
        edge_option: number of the option chosen, int32[edges].
        edge_reaction: number of the reaction that ran, int32[edges]; -1 for an option without reactions.
        edge_target: the state that follows, int32[edges].
    """

    encounter: NDArray[np.int32]
    end: NDArray[np.int8]
    parent: NDArray[np.int32]
    parent_option: NDArray[np.int32]
    first_edge: NDArray[np.int64]
    edge_option: NDArray[np.int32]
    edge_reaction: NDArray[np.int32]
    edge_target: NDArray[np.int32]

    @property
    def states(self) -> int:
        """Distinct states met."""
        return len(self.encounter)

    @property
    def expanded(self) -> int:
        """States whose every choice was followed; endings have none."""
        return len(self.first_edge) - 1

    @property
    def exhaustive(self) -> bool:
        """Whether every state was expanded: what was not met does not exist."""
        return self.expanded == self.states

    @cached_property
    def edge_source(self) -> NDArray[np.int32]:
        """The state of each edge's choice, int32[edges]."""
        return np.repeat(np.arange(self.expanded, dtype=np.int32), np.diff(self.first_edge))

    def first_nodes(self, encounters: int) -> NDArray[np.int64]:
        """The state by which each page was first met, -1 for never, int64[encounters + 1]; the last one: the_end."""
        first = np.full(encounters + 1, -1, dtype=np.int64)
        nodes = np.arange(self.states - 1, -1, -1)
        first[self.encounter[nodes]] = nodes
        return first

    def play_to(self, node: int) -> tuple[int, ...]:
        """Numbers of the options of a shortest play to a state."""
        found = []
        while self.parent[node] >= 0:
            found.append(int(self.parent_option[node]))
            node = int(self.parent[node])
        return tuple(reversed(found))

    @cached_property
    def _components(self) -> NDArray[np.int32]:
        """Strongly connected component of each state."""
        ones = np.ones(len(self.edge_target), dtype=np.int8)
        shape = (self.states, self.states)
        matrix = csr_array((ones, (self.edge_source, self.edge_target)), shape=shape)
        labels: NDArray[np.int32] = connected_components(matrix, directed=True, connection="strong")[1]
        return labels

    def _reaching(self, goals: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The states from which one of the goals can be reached, the goals included."""
        found = goals.copy()
        if not goals.any():
            return found
        # one more node, from which every goal is one step back
        n = self.states
        rows = np.concatenate([self.edge_target, np.full(int(goals.sum()), n)])
        columns = np.concatenate([self.edge_source, np.flatnonzero(goals)])
        back = csr_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(n + 1, n + 1))
        order = breadth_first_order(back, n, directed=True, return_predecessors=False)
        found[order[order < n]] = True
        return found

    @cached_property
    def can_end(self) -> NDArray[np.bool_]:
        """The states from which an ending is known to be reachable, endings included."""
        return self._reaching(self.end > 0)

    @cached_property
    def trapped(self) -> NDArray[np.bool_]:
        """The states from which no play can end: no ending and no unexpanded state can be reached."""
        unexpanded = np.zeros(self.states, dtype=np.bool_)
        unexpanded[self.expanded :] = True
        return ~(self.can_end | self._reaching(unexpanded & (self.end == 0)))

    @cached_property
    def loops(self) -> tuple[Loop, ...]:
        """The cycles among the expanded states, joined where their pages and their exits are the same."""
        labels = self._components
        sizes = np.bincount(labels, minlength=1)
        cyclic = sizes > 1
        cyclic[labels[self.edge_source[self.edge_source == self.edge_target]]] = True
        nodes = np.flatnonzero(cyclic[labels])
        if not len(nodes):
            return ()
        pages: defaultdict[int, set[int]] = defaultdict(set)
        members: defaultdict[int, list[int]] = defaultdict(list)
        for node, label, encounter in zip(
            nodes.tolist(), labels[nodes].tolist(), self.encounter[nodes].tolist(), strict=True
        ):
            pages[label].add(encounter)
            members[label].append(node)
        joined: dict[tuple[tuple[int, ...], bool | None], tuple[int, int]] = {}
        for label, inside in members.items():
            first = inside[0]
            escapes = True if self.can_end[first] else False if self.trapped[first] else None
            key = (tuple(sorted(pages[label])), escapes)
            states, node = joined.get(key, (0, first))
            joined[key] = (states + len(inside), min(node, first))
        found = [Loop(encounters, states, node, escapes) for (encounters, escapes), (states, node) in joined.items()]
        return tuple(sorted(found, key=lambda loop: loop.node))


@dataclass(frozen=True)
class Selections:
    """What a search noted at wild selections and at gates.

    Attributes:
        ran: wild selections: the first page's, and one for each choice that led to one.
        considered: selections at which each encounter was an unseen member of an active spool, int64[encounters].
        acceptable: those at which its acceptability held.
        low, high: least and greatest value of each variable of `Positions.gate_variables` over the states of each
            encounter's page, float64[encounters + 1, variables]; the last row is over all selections. inf and -inf
            where it was never read as a number.
    """

    ran: int
    considered: NDArray[np.int64]
    acceptable: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """The result of a search.

    Attributes:
        graph: states and choices.
        visible: distinct states in which each option was visible, int64[options].
        performable: distinct states in which it could be chosen.
        first_visible: the first state in which it was visible, -1 for none.
        changes: choices at which each effect changed something, int64[effects]. Choices run from one play's state
            for each distinct state, so for effects on parts that nothing reads another play might differ.
        first_change: the first such edge, -1 for none.
        selections: None unless asked for.
    """

    graph: StateGraph
    visible: NDArray[np.int64]
    performable: NDArray[np.int64]
    first_visible: NDArray[np.int64]
    changes: NDArray[np.int64]
    first_change: NDArray[np.int64]
    selections: Selections | None
