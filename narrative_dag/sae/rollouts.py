"""Autoencoders of the table `rollouts`: its states as an array, the split, training and evaluation."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from narrative_dag.progress import CountProgress
from narrative_dag.sae.architecture import Array
from narrative_dag.sae.config import SaeConfig
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.labels import OPTION_SLOTS, affordance_labels
from narrative_dag.sae.metrics import SaeMetrics, evaluate_blocks
from narrative_dag.sae.parquet_rows import vectors
from narrative_dag.sae.registry import architecture_class
from narrative_dag.sae.sources import InMemory
from narrative_dag.sae.splits import SplitBy
from narrative_dag.sae.stability import pairwise_mcc
from narrative_dag.sae.trainer import train
from narrative_dag.sae.trainer_state import LogRow


class RolloutSaes(NamedTuple):
    """Autoencoders of rollouts: folded, with their held-out metrics, pairwise MCC and the log."""

    saes: list[FoldedSae]
    metrics: list[SaeMetrics]
    mcc: list[float]
    log: list[LogRow]


def state_matrix(rollouts: pl.DataFrame) -> Array:
    """The column `state` as float32 [n, d]; a view of the table where it is one piece of fixed-size lists.

    Raises:
        SaeError: there are no rows, or a state is missing, not finite or of another length.
    """
    column = rollouts["state"]
    if len(column) == 0:
        raise SaeError("the table has no rows", where="rollouts")
    return vectors(column.to_arrow(), None, lambda row: f"rollouts, row {row}")


def storyworld_numbers(rollouts: pl.DataFrame) -> npt.NDArray[np.int64]:
    """A number from 0 for each row's storyworld, in order of appearance, [n]."""
    return _numbers(rollouts["storyworld_id"])


def playthrough_numbers(rollouts: pl.DataFrame) -> npt.NDArray[np.int64]:
    """A number from 0 for each row's (storyworld, playthrough), in order of appearance, [n]."""
    return _numbers(rollouts.select(pl.struct("storyworld_id", "playthrough")).to_series())


def group_numbers(rollouts: pl.DataFrame, by: SplitBy) -> npt.NDArray[np.int64]:
    """A number from 0 for what each row is held out with: its storyworld, its playthrough or itself, [n]."""
    if by == "storyworld":
        return storyworld_numbers(rollouts)
    return playthrough_numbers(rollouts) if by == "playthrough" else np.arange(len(rollouts))


def _numbers(keys: pl.Series) -> npt.NDArray[np.int64]:
    codes = (keys.rank("dense") - 1).to_numpy().astype(np.int64)
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first)).astype(np.int64)[inverse]


def held_out(groups: npt.NDArray[np.int64], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Marks the rows of a random `share` of the groups, at least one and never all, [n].

    Args:
        groups: what each row is held out with, from `group_numbers`: the storyworlds for held-out worlds.
        share: inside (0, 1); of the groups, whatever their sizes.
        seed: other seeds hold out other groups.

    Raises:
        SaeError: there are fewer than two groups, or the share is not inside (0, 1).
    """
    names = np.unique(groups)
    if len(names) < 2 or not 0 < share < 1:
        raise SaeError(f"cannot hold out a share of {share} of {len(names)} groups of rows")
    count = min(max(1, round(share * len(names))), len(names) - 1)
    chosen = np.random.default_rng([seed, 0x401D]).permutation(names)[:count]
    return np.isin(groups, chosen)


def evaluate_rollouts(
    rollouts: pl.DataFrame,
    saes: list[FoldedSae],
    seed: int,
    test_share: float = 0.2,
    split_by: SplitBy = "playthrough",
) -> tuple[list[SaeMetrics], list[float]]:
    """Metrics of each autoencoder on the rows that `held_out` marks, and pairwise MCC in `Moments.units`.

    Raises:
        SaeError: the rollouts cannot be split, or are no states of the autoencoders.
    """
    states = state_matrix(rollouts)
    test = held_out(group_numbers(rollouts, split_by), test_share, seed)
    return _metrics(states[~test], states[test], saes)


def train_on_rollouts(
    rollouts: pl.DataFrame,
    config: SaeConfig,
    seed: int,
    *,
    test_share: float = 0.2,
    split_by: SplitBy = "playthrough",
    mixture: Array | None = None,
    checkpoint_dir: Path | None = None,
    progress: CountProgress | None = None,
) -> RolloutSaes:
    """Trains on the playthroughs (or storyworlds, or rows) that are not held out and evaluates on those that are.

    `mixture`, more states [m, d], is trained on beside them; none of it is held out. Where an architecture
    learns labels these are `affordance_labels`; the mixture has none.

    The log gains a row for each held-out metric, named `heldout_...`, and the run `all` has the mean MCC.

    Raises:
        SaeError: the rollouts cannot be split or trained on.
    """
    states = state_matrix(rollouts)
    test = held_out(group_numbers(rollouts, split_by), test_share, seed)
    known = states[~test] if mixture is None else np.concatenate([states[~test], mixture])
    labels = None
    if any(architecture_class(run.architecture.architecture).learns_labels for run in config.runs):
        labels = np.full((len(known), OPTION_SLOTS), np.nan, dtype=np.float32)
        labels[: np.count_nonzero(~test)] = affordance_labels(rollouts)[~test]
    source = InMemory(known, labels)
    training = train(source, config, seed, checkpoint_dir=checkpoint_dir, progress=progress)
    metrics, mcc = _metrics(known, states[test], training.saes)
    step = max(row.step for row in training.log)
    log = list(training.log)
    for sae, values in zip(training.saes, metrics, strict=True):
        run = sae.metadata["run"]
        log += [LogRow(step, run, f"heldout_{name}", value) for name, value in _scalars(values).items()]
    if mcc:
        log.append(LogRow(step, "all", "mcc", float(np.mean(mcc))))
    return RolloutSaes(training.saes, metrics, mcc, log)


def _scalars(metrics: SaeMetrics) -> Mapping[str, float]:
    return {name: value for name, value in metrics.model_dump().items() if isinstance(value, float)}


def _metrics(known: Array, fresh: Array, saes: list[FoldedSae]) -> tuple[list[SaeMetrics], list[float]]:
    evaluations = evaluate_blocks(saes, [known], [fresh])
    units = InMemory(known).moments().units
    return [evaluation.metrics for evaluation in evaluations], pairwise_mcc(saes, units)
