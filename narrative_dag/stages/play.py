"""Play: every playable storyworld of the cycle, and every imported one, by seeded random choice."""

from pathlib import Path

import pyarrow as pa

from narrative_dag.config import CycleConfig
from narrative_dag.progress import Progress, silent
from narrative_dag.stages.imports import read_import
from narrative_dag.states.encoder import Encoder
from narrative_dag.storyworld.draft import compile_text


def play_storyworlds(
    config: CycleConfig,
    cycle: str,
    storyworlds: pa.Table,
    imported: pa.Table,
    imports: Path,
    progress: Progress = silent,
) -> tuple[pa.Table, dict[str, float]]:
    """Table `rollouts` of a cycle, and its figures: pages, storyworlds played, colliding names in the state vector.

    Args:
        config: playthroughs a storyworld, and their length.
        cycle: partition key; playthroughs differ from cycle to cycle.
        storyworlds: what the policy wrote; what does not compile, or repeats an earlier one, is not played.
        imported: imported storyworlds.
        imports: the folder that holds their files.
        progress: called for every storyworld, when it is compiled and when it was played.
    """
    from narrative_dag.states.recording import record
    from narrative_dag.storyworld.simulator.compiler import compile_world

    seed = config.seed_of(cycle, "play")
    drafts = {row["storyworld_id"]: row["text"] for row in storyworlds.to_pylist() if row["valid"]}
    files = {row["storyworld_id"]: row["text"] for row in imported.to_pylist()}
    total, collisions = len(drafts) + len(files), 0
    written, read = [], []
    for identity, text in drafts.items():
        written.append(compile_world(compile_text(text).world, identity))
        progress("compile storyworlds", len(written), total)
    for identity, name in files.items():
        read.append(compile_world(read_import(imports / name), identity))
        progress("compile storyworlds", len(written) + len(read), total)
    for program in (*written, *read):
        collisions += Encoder(program.world).collisions
    before = len(written)
    rollouts = pa.concat_tables(
        [
            record(
                *(written, "policy", config.playthroughs, seed, config.max_steps),
                progress=lambda played: progress("play", played, total),
            ),
            record(
                *(read, "imported", config.imported_playthroughs, seed, config.max_steps),
                progress=lambda played: progress("play", before + played, total),
            ),
        ]
    )
    return rollouts, {"pages": rollouts.num_rows, "storyworlds": total, "collisions": collisions}
