"""Two ways to search: on the interpreter, for reference, and on the compiled simulator. Both find the same."""

from dataclasses import dataclass
from typing import Protocol

from narrative_dag.storyworld.engine import Engine
from narrative_dag.storyworld.explore import interpreted, sampling
from narrative_dag.storyworld.explore.counterfactual import InterpretedRepeater, Repeating
from narrative_dag.storyworld.explore.graph import Found
from narrative_dag.storyworld.explore.liveness import Liveness
from narrative_dag.storyworld.explore.positions import Positions
from narrative_dag.storyworld.explore.sampling import Sample


class Search(Protocol):
    """Meets distinct states in breadth-first order; see `interpreted.search`."""

    def __call__(
        self, engine: Engine, positions: Positions, liveness: Liveness, max_states: int, selections: bool
    ) -> Found:
        """Search a storyworld."""


class Sampler(Protocol):
    """Plays at random; see `sampling.sample`."""

    def __call__(self, engine: Engine, positions: Positions, plays: int, seed: int, max_steps: int) -> Sample:
        """Play a storyworld."""


@dataclass(frozen=True, slots=True)
class Searches:
    """What an exploration plays with."""

    search: Search
    sample: Sampler
    repeating: Repeating


INTERPRETED = Searches(interpreted.search, sampling.sample, InterpretedRepeater)
"""The interpreter."""
