"""Autoencoders: sparse features of the states met in play."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from narrative_dag.config import CycleConfig
from narrative_dag.progress import Progress, silent
from narrative_dag.reward.quality import calibrate, save_calibrations
from narrative_dag.sae.experiment import PAGE_FILE, PICTURE_FILE, save_saes, trained_runs
from narrative_dag.stages.result import StageResult
from narrative_dag.tables import training_log


def train_saes(
    config: CycleConfig, cycle: str, rollouts: pa.Table, out: Path, work: Path, progress: Progress = silent
) -> StageResult:
    """Train every run of `config.sae` in one pass and write them as `sae-0`, `sae-1`, ..., with a page on them.

    They see the cycle's states and a fixed mixture beside them; what is typical of both, which feature quality asks
    for, is written as `calibrations.json`.

    Args:
        config: the runs, and how many states of the cycle (in whole playthroughs) and of the mixture they see.
        cycle: partition key.
        rollouts: table `rollouts`.
        out: folder of the autoencoders.
        work: folder of checkpoints; an interrupted training goes on from there, with the same result.
        progress: called as training goes on.

    Raises:
        SaeError: there are no states, or they cannot be split into training and test playthroughs.
    """
    from narrative_dag.report.sae_comparison import Comparison, compared_runs, pair_matrix, pca_points, shared_settings
    from narrative_dag.report.sae_page import comparison_page, picture
    from narrative_dag.sae.rollouts import state_matrix, train_on_rollouts
    from narrative_dag.states.mixture import authored_mixture

    seed = config.seed_of(cycle, "sae")
    sample = sample_playthroughs(rollouts, config.sae_states, seed)
    mixture = authored_mixture(config.mixture_states, config.seed) if config.mixture_states else None
    trained = train_on_rollouts(
        sample,
        config.sae,
        seed,
        mixture=mixture,
        checkpoint_dir=work,
        progress=lambda done, total: progress("train autoencoders", done, total),
    )
    save_saes(trained.saes, out)
    states = state_matrix(sample)
    known = states if mixture is None else np.concatenate([states, mixture])
    save_calibrations([calibrate(sae, known) for sae in trained.saes], out)
    runs = trained_runs(config.sae.runs, trained.saes)
    comparison = Comparison(
        title=f"Autoencoders of {cycle}",
        facts={"states": len(sample), "held out": trained.metrics[0].rows, **shared_settings(config.sae)},
        runs=compared_runs(runs, trained.metrics, trained.log),
        mcc=pair_matrix(trained.mcc, len(runs)),
        oracles={"PCA": pca_points(trained.metrics)},
    )
    (out / PAGE_FILE).write_text(comparison_page(comparison), encoding="utf-8")
    (out / PICTURE_FILE).write_text(picture(comparison), encoding="utf-8")
    means = {
        name: float(np.mean([getattr(metrics, name) for metrics in trained.metrics]))
        for name in ("fvu", "fvu_scaled", "fvu_pca", "l0", "dead_share")
    }
    if trained.mcc:
        means["mcc"] = float(np.mean(trained.mcc))
    log = training_log("sae_checkpoint", ((row.run, row.step, row.metric, row.value) for row in trained.log))
    return StageResult(means, log)


def sample_playthroughs(rollouts: pa.Table, most: int, seed: int) -> pl.DataFrame:
    """Whole playthroughs, drawn at random, of `most` rows at most, in the table's order; all when they are fewer."""
    frame = pl.DataFrame(rollouts)
    if len(frame) <= most:
        return frame
    sizes = frame.group_by("storyworld_id", "playthrough", maintain_order=True).len("pages")
    order = np.random.default_rng([seed, 0x9A6E]).permutation(len(sizes))
    shuffled = sizes[order.tolist()]
    chosen = shuffled.filter(pl.col("pages").cum_sum() <= most)
    return frame.join(chosen, on=["storyworld_id", "playthrough"], how="semi", maintain_order="left")
