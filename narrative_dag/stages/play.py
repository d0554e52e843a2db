"""Play: every playable storyworld of the cycle, and every imported one, by seeded random choice."""

from pathlib import Path

import pyarrow as pa

from narrative_dag.config import CycleConfig
from narrative_dag.stages.imports import read_import
from narrative_dag.stages.result import Progress, silent
from narrative_dag.states.encoder import Encoder
from narrative_dag.states.playthroughs import record
from narrative_dag.storyworld.draft import compile_text
from narrative_dag.tables import TABLES


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
        progress: called for every storyworld.
    """
    seed = config.seed_of(cycle, "play")
    drafts = {row["storyworld_id"]: row["text"] for row in storyworlds.to_pylist() if row["valid"]}
    files = {row["storyworld_id"]: row["text"] for row in imported.to_pylist()}
    tables = []
    total = len(drafts) + len(files)
    collisions = 0
    for identity, text in drafts.items():
        world = compile_text(text).world
        collisions += Encoder(world).collisions
        tables.append(record(world, identity, "policy", config.playthroughs, seed, config.max_steps))
        progress("play", len(tables), total)
    for identity, name in files.items():
        world = read_import(imports / name)
        collisions += Encoder(world).collisions
        tables.append(record(world, identity, "imported", config.imported_playthroughs, seed, config.max_steps))
        progress("play", len(tables), total)
    schema = TABLES["rollouts"].schema
    rollouts = pa.concat_tables(tables).cast(schema) if tables else schema.empty_table()
    return rollouts, {"pages": rollouts.num_rows, "storyworlds": total, "collisions": collisions}
