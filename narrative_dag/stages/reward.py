"""The reward of a cycle: calibrated on the states that its autoencoders know, frozen, applied to what was written."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from narrative_dag.config import CycleConfig
from narrative_dag.progress import Progress, silent
from narrative_dag.reward.bundle import RewardBundle
from narrative_dag.reward.quality import load_calibrations
from narrative_dag.sae.experiment import load_saes
from narrative_dag.sae.rollouts import state_matrix
from narrative_dag.stages.autoencode import sample_playthroughs
from narrative_dag.stages.result import StageResult
from narrative_dag.tables import TABLES, training_log

REWARD = "reward"
"""Name of the row of `verdicts` that holds the weighted sum."""


def build_reward(
    config: CycleConfig,
    cycle: str,
    storyworlds: pa.Table,
    rollouts: pa.Table,
    saes: Path,
    out: Path,
    progress: Progress = silent,
) -> tuple[pa.Table, StageResult]:
    """Table `verdicts` of the cycle's storyworlds, and the frozen reward bundle in a folder.

    Args:
        config: thresholds and play.
        cycle: partition key.
        storyworlds: what is judged.
        rollouts: table `rollouts`; the mean feature quality of its states is reported.
        saes: folder of autoencoders and their calibrations.
        out: the new folder.
        progress: called for every storyworld.
    """
    loaded = tuple(load_saes(saes))
    states = state_matrix(sample_playthroughs(rollouts, config.sae_states, config.seed_of(cycle, "sae")))
    bundle = RewardBundle(config.reward, loaded, load_calibrations(saes))
    bundle.save(out)
    verifiers = bundle.verifiers()
    rows: list[dict[str, Any]] = []
    scores: dict[str, list[float]] = {}
    for done, world in enumerate(storyworlds.to_pylist(), start=1):
        verdict = verifiers.judge(world["text"], world["truncated"])
        key = {"position": world["position"], "storyworld_id": world["storyworld_id"]}
        for name, component in verdict.components.items():
            weight = verdict.weights[name]
            rows.append(
                key | {"component": name, "score": component.score, "weight": weight, "detail": component.detail}
            )
            scores.setdefault(name, []).append(component.score)
        rows.append(key | {"component": REWARD, "score": verdict.reward, "weight": 1.0, "detail": "weighted sum"})
        scores.setdefault(REWARD, []).append(verdict.reward)
        progress("judge storyworlds", done, storyworlds.num_rows)
    metrics = {name: float(np.mean(values)) for name, values in scores.items()}
    metrics["state_quality"] = float(bundle.quality(states).mean())
    return pa.Table.from_pylist(rows, schema=TABLES["verdicts"].schema), StageResult(
        metrics, training_log("reward_model", ())
    )
