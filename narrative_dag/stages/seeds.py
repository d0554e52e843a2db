"""Seed storyworlds: what the first policy learns to write from."""

import pyarrow as pa

from narrative_dag.config import CycleConfig
from narrative_dag.progress import Progress, silent
from narrative_dag.stages.rows import draft_row
from narrative_dag.storyworld.authors import author
from narrative_dag.tables import TABLES


def write_seeds(config: CycleConfig, progress: Progress = silent) -> pa.Table:
    """Table `storyworlds` of `config.seeds` generated drafts, flaws included, as the author's settings say."""
    rows = []
    for i, seed in enumerate(author(config.seeds, config.author, config.seed)):
        rows.append(draft_row(i, "seed", "", seed.text))
        if (i + 1) % 50 == 0 or i + 1 == config.seeds:
            progress("seed storyworlds", i + 1, config.seeds)
    return pa.Table.from_pylist(rows, schema=TABLES["storyworlds"].schema)
