"""Compile every kernel ahead of its first use: `python -m narrative_dag.kernels`.

The machine code stays on disk, beside the sources or in `NUMBA_CACHE_DIR`. Without this the first play, recording and
exploration, and the first training of autoencoders, compile theirs, half a minute together.
"""

from narrative_dag.sae.config import RunConfig, SaeConfig
from narrative_dag.sae.synthetic import synthetic_states
from narrative_dag.sae.topk import TopKConfig
from narrative_dag.sae.trainer import train
from narrative_dag.states.recording import record
from narrative_dag.storyworld.authors import AuthorConfig, author
from narrative_dag.storyworld.draft import compile_text
from narrative_dag.storyworld.explore import ExploreConfig, explore
from narrative_dag.storyworld.explore.compiled import COMPILED
from narrative_dag.storyworld.simulator.compiler import compile_world
from narrative_dag.storyworld.simulator.playthrough import CompiledPlaythrough
from narrative_dag.storyworld.simulator.simulate import simulate, total


def compile_kernels() -> None:
    """Use every kernel once, on a storyworld with more states than the exploration bound."""
    (draft,) = author(1, AuthorConfig(style="tolstoy", quality_low=1, quality_high=1), 0)
    world = compile_text(draft.text).world
    program = compile_world(world)
    total([program], 1, 0)
    simulate([program], 1, 0)
    record([program], "seed", 1, 0)
    play = CompiledPlaythrough(program)
    if play.page is not None:
        play.choose(play.page.performable[0])
    explored = explore(world, ExploreConfig(max_states=60, plays=4, counterfactual_plays=1), COMPILED)
    assert explored.sample is not None
    assert explored.gates
    assert explored.influences is not None
    runs = (RunConfig(architecture=TopKConfig(k_features=64, k=2)),)
    train(synthetic_states(64, 8, 16, 2, seed=0).states, SaeConfig(runs=runs, epochs=1, batch_size=32), 0)


if __name__ == "__main__":
    compile_kernels()
