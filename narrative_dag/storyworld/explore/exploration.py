"""What can happen in a storyworld: its states up to a bound, and what follows; random plays beyond the bound.

    explored = explore(world)
    explored.exhaustive, explored.verdicts.encounters[3], explored.play_to_encounter(3)
    for finding in findings(explored): print(finding)

The search runs at once; everything else is worked out when it is first asked for.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from narrative_dag.storyworld.engine import EndKind, Engine
from narrative_dag.storyworld.explore.counterfactual import Influence, influences
from narrative_dag.storyworld.explore.gates import Gate, gates
from narrative_dag.storyworld.explore.graph import END_KINDS, Found, Loop, Selections, StateGraph
from narrative_dag.storyworld.explore.liveness import Liveness
from narrative_dag.storyworld.explore.positions import Positions
from narrative_dag.storyworld.explore.sampling import Sample
from narrative_dag.storyworld.explore.searches import INTERPRETED, Searches
from narrative_dag.storyworld.explore.verdicts import Verdicts, judge
from narrative_dag.storyworld.model import Storyworld


class ExploreConfig(BaseModel):
    """How far to look."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_states: int = Field(20_000, ge=1, description="distinct states after which the exhaustive search stops")
    plays: int = Field(400, ge=0, description="random plays where it stopped: half uniform, half after novelty")
    max_steps: int = Field(100, ge=1, description="choices after which a random play is cut")
    counterfactual_plays: int = Field(12, ge=0, description="plays in which each effect is left out, at most")
    seed: int = Field(0, ge=0, description="of every random choice")


@dataclass(frozen=True, slots=True)
class Witness:
    """A play that shows something, from the first page on.

    Attributes:
        choices: (encounter, option) positions chosen, in order.
        shortest: no play shows it with fewer choices; False for one that was met at random.
    """

    choices: tuple[tuple[int, int], ...]
    shortest: bool

    def ids(self, world: Storyworld) -> tuple[tuple[str, str], ...]:
        """The choices as ids of encounters and options."""
        encounters = world.encounters
        return tuple((encounters[e].id, encounters[e].options[o].id) for e, o in self.choices)


class Exploration:
    """What a search found in a storyworld. Keys are positions; a Counter gives 0 for what was never met.

    Args:
        world: the storyworld.
        config: how far to look.
        searches: what plays: the interpreter, or the compiled simulator, which finds the same much faster.
    """

    def __init__(self, world: Storyworld, config: ExploreConfig, searches: Searches) -> None:
        self.world = world
        self.config = config
        self.engine = Engine(world)
        self.positions = Positions.of(world)
        self.liveness = Liveness(self.engine)
        self._searches = searches
        self.found: Found = searches.search(self.engine, self.positions, self.liveness, config.max_states, False)

    @property
    def graph(self) -> StateGraph:
        """The distinct states and the choices between them."""
        return self.found.graph

    @property
    def exhaustive(self) -> bool:
        """Whether every distinct state was met: what was not found then does not exist."""
        return self.graph.exhaustive

    @cached_property
    def pages(self) -> Mapping[int, int]:
        """Distinct states by encounter."""
        encounters = self.graph.encounter
        return _counter(range(len(self.world.encounters)), np.bincount(encounters[encounters >= 0]))

    @cached_property
    def visible(self) -> Mapping[tuple[int, int], int]:
        """Distinct states in which each (encounter, option) is visible."""
        return _counter(self.positions.options, self.found.visible)

    @cached_property
    def performable(self) -> Mapping[tuple[int, int], int]:
        """Distinct states in which each (encounter, option) can be chosen."""
        return _counter(self.positions.options, self.found.performable)

    @cached_property
    def reactions(self) -> Mapping[tuple[int, int, int], int]:
        """Choices, each of an option in a distinct state, at which each (encounter, option, reaction) runs."""
        ran = self.graph.edge_reaction
        return _counter(self.positions.reactions, np.bincount(ran[ran >= 0]))

    @cached_property
    def changes(self) -> Mapping[tuple[int, int, int, int], int]:
        """Choices at which each (encounter, option, reaction, effect) changed a number or a spool."""
        return _counter(self.positions.effects, self.found.changes)

    @cached_property
    def kinds(self) -> Mapping[EndKind, int]:
        """Distinct states by kind of ending."""
        counts = np.bincount(self.graph.end, minlength=len(END_KINDS))
        return Counter({kind: int(n) for kind, n in zip(END_KINDS, counts, strict=True) if kind is not None and n})

    @cached_property
    def endings(self) -> tuple[int, ...]:
        """Encounters without options that are reached, by position."""
        return tuple(e for e in sorted(self.pages) if not self.world.encounters[e].options)

    @cached_property
    def sample(self) -> Sample | None:
        """Random plays, where the search was cut."""
        if self.exhaustive or not self.config.plays:
            return None
        config = self.config
        return self._searches.sample(self.engine, self.positions, config.plays, config.seed, config.max_steps)

    @cached_property
    def verdicts(self) -> Verdicts:
        """The verdict on everything."""
        return judge(self.positions, self.liveness, self.found, self.sample)

    @cached_property
    def selections(self) -> Selections:
        """What was noted at wild selections and at gates."""
        found = self._searches.search(self.engine, self.positions, self.liveness, self.config.max_states, True)
        assert found.selections is not None
        return found.selections

    @cached_property
    def gates(self) -> tuple[Gate, ...]:
        """Every gate, and how often it was open."""
        return gates(self.positions, self.found, self.selections, self.sample)

    @property
    def loops(self) -> tuple[Loop, ...]:
        """Pages between which play can go round for ever."""
        return self.graph.loops

    @cached_property
    def influences(self) -> Mapping[tuple[int, int, int, int], Influence]:
        """What each effect that changed something is good for."""
        config = self.config
        return influences(
            self._searches.repeating(self.engine, self.positions),
            self.positions,
            self.liveness,
            self.found,
            config.counterfactual_plays,
            config.seed,
            config.max_steps,
        )

    def play_to_encounter(self, e: int) -> Witness | None:
        """A shortest play to a page; a random one where only random plays met it; None for none."""
        return self._witness(int(self._first_nodes[e]), e)

    def play_to_end(self, kind: Literal["the_end", "no_options", "blocked"], e: int | None = None) -> Witness | None:
        """A play that ends in a way, on a page."""
        code = END_KINDS.index(kind)
        place = -1 if e is None else e
        nodes = np.flatnonzero((self.graph.end == code) & (self.graph.encounter == place))
        layout = self.sample.layout if self.sample else None
        thing = layout.ended + (code - 1) * (layout.encounters + 1) + place % (layout.encounters + 1) if layout else 0
        return self._witness(int(nodes[0]) if len(nodes) else -1, thing)

    def play_to_option(self, e: int, o: int) -> Witness | None:
        """A play to a page on which an option is visible."""
        number = self.positions.first_option[e] + o
        thing = self.sample.layout.visible + number if self.sample else 0
        return self._witness(int(self.found.first_visible[number]), thing)

    def play_to_state(self, node: int) -> Witness:
        """A shortest play to a state of the graph."""
        return Witness(tuple(self.positions.options[n] for n in self.graph.play_to(node)), True)

    @cached_property
    def _first_nodes(self) -> NDArray[np.int64]:
        return self.graph.first_nodes(len(self.world.encounters))

    def _witness(self, node: int, thing: int) -> Witness | None:
        if node >= 0:
            return self.play_to_state(node)
        if self.sample is not None and self.sample.met(thing):
            return Witness(tuple(self.positions.options[n] for n in self.sample.play_to(thing)), False)
        return None


K = TypeVar("K")


def _counter(keys: Sequence[K], counts: NDArray[np.int64]) -> Counter[K]:
    """The counts that are not 0, by key."""
    return Counter({keys[i]: int(counts[i]) for i in np.flatnonzero(counts).tolist()})


def explore(world: Storyworld, config: ExploreConfig | None = None, searches: Searches = INTERPRETED) -> Exploration:
    """Explore a storyworld.

    Args:
        world: the storyworld.
        config: how far to look; the defaults when None.
        searches: what plays; see `searches`.
    """
    return Exploration(world, config or ExploreConfig(), searches)
