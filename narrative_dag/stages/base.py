"""The base policy: a tokenizer and a model that has learnt to write from the seeds, or any causal LM from a folder."""

from pathlib import Path

import pyarrow as pa

from narrative_dag.config import CycleConfig
from narrative_dag.progress import Progress, silent
from narrative_dag.stages.prompts import prompt_of
from narrative_dag.stages.result import StageResult
from narrative_dag.tables import training_log

TINY = "tiny"


def train_base_policy(
    config: CycleConfig, seeds: pa.Table, out: Path, work: Path, progress: Progress = silent
) -> StageResult:
    """Write the base policy as a Hugging Face folder.

    Args:
        config: `policy.source` is `tiny` (a model from scratch, with a tokenizer trained on the seeds) or a folder;
            `warm_start.steps` of supervised training follow in both cases.
        seeds: table `storyworlds` of seed drafts.
        out: the new folder.
        work: folder of checkpoints; an interrupted training goes on from there, with the same result.
        progress: called for every step.

    Raises:
        PolicyError: the source is no usable model, or training diverged.
    """
    from narrative_dag.policy.model import load_policy, new_policy
    from narrative_dag.policy.tokenizer import split_document, train_tokenizer
    from narrative_dag.policy.warmstart import warm_start

    texts: list[str] = seeds["text"].to_pylist()
    documents = [split_document(text, prompt_of(text)) for text in texts]
    if config.policy.source == TINY:
        tokenizer = train_tokenizer(documents, config.policy.vocabulary, config.policy.positions)
        policy = new_policy(config.policy, tokenizer, config.seed)
    else:
        policy = load_policy(Path(config.policy.source), config.policy)
    trained = warm_start(
        policy,
        documents,
        config.warm_start,
        config.seed,
        work,
        progress=lambda done, total, loss: progress(f"warm start, loss {loss:.2f}", done, total),
    )
    trained.policy.save(out)
    losses = [row.value for row in trained.log if row.metric == "loss"]
    metrics = {
        "loss": losses[-1],
        "tokens": float(trained.tokens),
        "parameters": float(trained.policy.parameters),
        "vocabulary": float(len(trained.policy.tokenizer)),
        "too_long": float(trained.too_long),
    }
    log = training_log("base_policy", (("", row.step, row.metric, row.value) for row in trained.log))
    return StageResult(metrics, log)
