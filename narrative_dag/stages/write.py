"""Writing: the policy writes the cycle's storyworlds."""

from pathlib import Path

import pyarrow as pa

from narrative_dag.config import CycleConfig
from narrative_dag.progress import Progress, silent
from narrative_dag.stages.prompts import prompt_batch
from narrative_dag.stages.rows import draft_row
from narrative_dag.tables import TABLES


def write_storyworlds(config: CycleConfig, cycle: str, policy: Path, progress: Progress = silent) -> pa.Table:
    """Table `storyworlds` of `config.rollouts` texts from the policy in a folder, every theme in turn.

    Args:
        config: how many, and how they are drawn.
        cycle: partition key; every cycle draws others.
        policy: Hugging Face folder.
        progress: called as texts are finished.
    """
    from narrative_dag.policy.model import load_policy
    from narrative_dag.policy.sampling import sample

    samples = sample(
        load_policy(policy, config.policy),
        prompt_batch(config.rollouts),
        config.sampling,
        config.seed_of(cycle, "write"),
        progress=lambda done, total: progress("write storyworlds", done, total),
    )
    rows = [
        draft_row(i, "policy", prompt, text, tokens, truncated)
        for i, (prompt, text, tokens, truncated) in enumerate(
            zip(samples.prompts, samples.texts, samples.lengths, samples.truncated, strict=True)
        )
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["storyworlds"].schema)
