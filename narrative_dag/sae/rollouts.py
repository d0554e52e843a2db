"""Autoencoders of the table `rollouts`: its states as an array, the split by playthrough, training and evaluation."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from narrative_dag.sae.architecture import Array
from narrative_dag.sae.config import SaeConfig
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.metrics import SaeMetrics, evaluate, pairwise_mcc
from narrative_dag.sae.trainer import Progress, normalization, train
from narrative_dag.sae.trainer_state import LogRow


class RolloutSaes(NamedTuple):
    """Autoencoders of rollouts: folded, with their held-out metrics, pairwise MCC and the log."""

    saes: list[FoldedSae]
    metrics: list[SaeMetrics]
    mcc: list[float]
    log: list[LogRow]


def state_matrix(rollouts: pl.DataFrame) -> Array:
    """The column `state` as float32 [n, d].

    Raises:
        SaeError: there are no rows, or a state is missing or of another length.
    """
    column = rollouts["state"]
    if len(column) == 0:
        raise SaeError("the table has no rows", where="rollouts")
    if column.null_count():
        raise SaeError("a state is missing", where="rollouts.state")
    lengths = (column.arr.len() if isinstance(column.dtype, pl.Array) else column.list.len()).unique()
    if len(lengths) != 1:
        raise SaeError(f"states have lengths {sorted(lengths.to_list())}", where="rollouts.state")
    flat = column.explode().to_numpy().astype(np.float32)
    return np.ascontiguousarray(flat.reshape(len(column), -1))


def playthrough_numbers(rollouts: pl.DataFrame) -> npt.NDArray[np.int64]:
    """A number from 0 for each row's (storyworld, playthrough), in order of appearance, [n]."""
    numbered = rollouts.select(pl.struct("storyworld_id", "playthrough").rank("dense") - 1)
    codes = numbered.to_series().to_numpy().astype(np.int64)
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first)).astype(np.int64)[inverse]


def held_out(playthroughs: npt.NDArray[np.int64], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Marks the rows of a random `share` of the playthroughs, at least one and never all, [n].

    Raises:
        SaeError: there are fewer than two playthroughs, or the share is not inside (0, 1).
    """
    names = np.unique(playthroughs)
    if len(names) < 2 or not 0 < share < 1:
        raise SaeError(f"cannot hold out a share of {share} of {len(names)} playthroughs")
    count = min(max(1, round(share * len(names))), len(names) - 1)
    chosen = np.random.default_rng([seed, 0x401D]).permutation(names)[:count]
    return np.isin(playthroughs, chosen)


def evaluate_rollouts(
    rollouts: pl.DataFrame, saes: list[FoldedSae], seed: int, test_share: float = 0.2
) -> tuple[list[SaeMetrics], list[float]]:
    """Metrics of each autoencoder on the playthroughs that `held_out` marks, and pairwise MCC in scaled units."""
    states = state_matrix(rollouts)
    test = held_out(playthrough_numbers(rollouts), test_share, seed)
    return _metrics(states, test, saes)


def train_on_rollouts(
    rollouts: pl.DataFrame,
    config: SaeConfig,
    seed: int,
    *,
    test_share: float = 0.2,
    checkpoint_dir: Path | None = None,
    progress: Progress | None = None,
) -> RolloutSaes:
    """Trains on the playthroughs that are not held out and evaluates on those that are.

    The log gains a row for each held-out metric, named `heldout_...`, and the run `all` has the mean MCC.

    Raises:
        SaeError: the rollouts cannot be split or trained on.
    """
    states = state_matrix(rollouts)
    test = held_out(playthrough_numbers(rollouts), test_share, seed)
    training = train(states[~test], config, seed, checkpoint_dir=checkpoint_dir, progress=progress)
    metrics, mcc = _metrics(states, test, training.saes)
    step = max(row.step for row in training.log)
    log = list(training.log)
    for run, values in zip(config.runs, metrics, strict=True):
        log += [LogRow(step, run.name, f"heldout_{name}", value) for name, value in _scalars(values).items()]
    if mcc:
        log.append(LogRow(step, "all", "mcc", float(np.mean(mcc))))
    return RolloutSaes(training.saes, metrics, mcc, log)


def _scalars(metrics: SaeMetrics) -> Mapping[str, float]:
    return {name: value for name, value in metrics.model_dump().items() if isinstance(value, float)}


def _metrics(states: Array, test: npt.NDArray[np.bool_], saes: list[FoldedSae]) -> tuple[list[SaeMetrics], list[float]]:
    train_states = states[~test]
    scale = normalization(train_states, floor=1e-6).scale
    return [evaluate(sae, train_states, states[test]) for sae in saes], pairwise_mcc(saes, scale)
