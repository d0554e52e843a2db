"""Search and random play on the compiled simulator. What they find equals what the interpreter finds.

The simulator is loaded by the first search that needs it.
"""

from narrative_dag.storyworld.engine import Engine
from narrative_dag.storyworld.explore import interpreted
from narrative_dag.storyworld.explore.counterfactual import Repeater
from narrative_dag.storyworld.explore.graph import Found
from narrative_dag.storyworld.explore.liveness import Liveness
from narrative_dag.storyworld.explore.positions import Positions
from narrative_dag.storyworld.explore.sampling import Sample
from narrative_dag.storyworld.explore.searches import Searches

SMALL = 48
"""States up to which the interpreter is done before a program would be compiled."""


def search(
    engine: Engine, positions: Positions, liveness: Liveness, max_states: int, selections: bool = False
) -> Found:
    """Meet the distinct states of a storyworld in breadth-first order; see `interpreted.search`."""
    found = interpreted.search(engine, positions, liveness, min(SMALL, max_states), selections)
    if found.graph.exhaustive or max_states <= SMALL:
        return found
    from narrative_dag.storyworld.explore.compiled_search import CompiledSearch

    return CompiledSearch(engine, positions, liveness, selections).run(max_states)


def sample(engine: Engine, positions: Positions, plays: int, seed: int, max_steps: int) -> Sample:
    """Play at random and note what is met; see `sampling.sample`."""
    from narrative_dag.storyworld.explore.sampling_kernel import sample

    return sample(engine, positions, plays, seed, max_steps)


def repeating(engine: Engine, positions: Positions) -> Repeater:
    """Plays a storyworld, and plays it again without an effect; see `counterfactual`."""
    from narrative_dag.storyworld.explore.repeating_kernel import CompiledRepeater

    return CompiledRepeater(engine, positions)


COMPILED = Searches(search, sample, repeating)
"""The compiled simulator; storyworlds of a few states are played by the interpreter."""
