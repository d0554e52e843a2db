"""Learning rates found by short trainings: every rate that is tried sees the same batches."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from narrative_dag.sae.config import RunConfig, SaeConfig
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.sources import StateSource
from narrative_dag.sae.trainer_state import LogRow


class FoundRates(NamedTuple):
    """The configuration with a number for every learning rate, and the log of the sweep."""

    config: SaeConfig
    log: list[LogRow]


def find_rates(source: StateSource, config: SaeConfig, seed: int, checkpoint_dir: Path | None = None) -> FoundRates:
    """Replaces the learning rates given as auto: one for each architecture, that of the lowest loss at the end.

    A rate at which the training diverges is none of them.

    The short trainings have the whole course of rise, plateau and fall. They use the first seed of the architecture and
    the rows `sweep/...` of the log. With `checkpoint_dir` their state is kept in its folder `sweep`. Torch must not
    record gradients.

    Raises:
        SaeError: every learning rate diverged, or the saved state belongs to something else.
    """
    from narrative_dag.sae.trainer import Trainer, planned_steps

    waiting = [run for run in config.runs if run.lr == "auto"]
    tried: dict[tuple[str, float], RunConfig] = {}
    for run in waiting:
        for rate in config.sweep.rates:
            tried.setdefault((run.architecture.model_dump_json(), rate), run.model_copy(update={"lr": rate}))
    whole = config.model_copy(update={"runs": tuple(tried.values())})
    steps = max(1, round(config.sweep.share * planned_steps(source, config)))
    short = whole.model_copy(update={"steps": steps, "patience": 0.0})
    folder = None if checkpoint_dir is None else checkpoint_dir / "sweep"
    trainer = Trainer(source, short, seed)
    trainer.finish(folder, fold_saves=False)
    losses = {row.run: row.value for row in trainer.log if row.metric == "loss"}
    chosen: dict[str, float] = {}
    for ((architecture, rate), run), trial in zip(tried.items(), trainer.runs, strict=True):
        best = chosen.get(architecture)
        loss = losses[run.name]
        # a code that is no number counts as silent: the loss of a training that diverged can be finite
        if np.isfinite(loss) and trial.finite and (best is None or loss < losses[tried[architecture, best].name]):
            chosen[architecture] = rate

    def with_rate(run: RunConfig) -> RunConfig:
        if run.lr != "auto":
            return run
        key = run.architecture.model_dump_json()
        if key not in chosen:
            raise SaeError("every learning rate of the sweep diverged", where=run.name, hint="lower rates in `sweep`")
        return run.model_copy(update={"lr": chosen[key]})

    runs = tuple(with_rate(run) for run in config.runs)
    return FoundRates(
        config.model_copy(update={"runs": runs}), [row._replace(run=f"sweep/{row.run}") for row in trainer.log]
    )
