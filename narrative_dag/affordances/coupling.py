"""Set-level coupling on held-out playthroughs: how much of the uncertainty about open options the features remove.

U_S = [H_V(A | C) - H_V(A | C, Z_top)] / H_V(A | C), where H_V is the held-out log loss of a fixed logistic family
(V-information; Xu et al. 2020, arXiv 2002.10689): per affordance an intercept, and an intercept with slopes on the
features that were chosen on the training playthroughs. Nothing of the held-out playthroughs enters a choice or a fit.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from narrative_dag.affordances.conditional import conditional_information
from narrative_dag.affordances.errors import AffordanceError
from narrative_dag.affordances.levels import Levels
from narrative_dag.affordances.logistic import fit, intercept_only, log_loss, predict
from narrative_dag.affordances.options import EncounterAffordances

Floats = npt.NDArray[np.float64]
_CELLS = 4_000_000

Quantise = Callable[[npt.NDArray[np.floating[Any]]], Levels]


class Predictors(NamedTuple):
    """Candidate inputs: values [n, F], and how to bring them to levels for the choice."""

    values: npt.NDArray[np.floating[Any]]
    quantise: Quantise


class HeldOutLoss(NamedTuple):
    """Summed held-out log loss in bits, by playthrough [P]: without inputs, and with the chosen ones."""

    base: Floats
    informed: Floats

    @property
    def share_removed(self) -> float:
        """1 - informed / base, over all playthroughs; NaN when there is nothing to predict."""
        base = float(self.base.sum())
        return 1.0 - float(self.informed.sum()) / base if base > 0 else float("nan")


def held_out_loss(
    affordances: list[EncounterAffordances],
    predictors: Predictors,
    playthroughs: npt.NDArray[np.int64],
    test: npt.NDArray[np.bool_],
    *,
    selected: int = 10,
    ridge: float = 1.0,
) -> HeldOutLoss:
    """Losses on the rows marked by `test` [n] of models fitted on the others.

    Per affordance the `selected` predictors with the largest Miller-Madow information on its training pages are
    standardised there, clipped to their training range, and entered with a fixed `ridge`. Affordances that lack
    training or held-out pages add nothing.

    Raises:
        AffordanceError: a playthrough is both in training and held out.
    """
    if np.intersect1d(playthroughs[test], playthroughs[~test]).size:
        raise AffordanceError("a playthrough is split between training and held-out pages")
    count = int(playthroughs.max(initial=-1)) + 1
    base, informed = np.zeros(count), np.zeros(count)
    for encounter in affordances:
        held = test[encounter.rows]
        if held.all() or not held.any():
            continue
        values = predictors.values[encounter.rows]
        chosen = _choose(values[~held], encounter.availability[~held], predictors.quantise, selected)
        owners = playthroughs[encounter.rows[held]]
        labels = encounter.availability.T.astype(np.float64)
        chunk = max(1, _CELLS // (len(held) * (selected + 1)))
        for start in range(0, len(labels), chunk):
            y = labels[start : start + chunk]
            x = values[:, chosen[start : start + chunk]].transpose(1, 0, 2).astype(np.float64)
            train, new = _standardised(x[:, ~held], x[:, held])
            informed_logits = predict(new, fit(train, y[:, ~held], ridge))
            base_logits = np.broadcast_to(intercept_only(y[:, ~held])[:, None], informed_logits.shape)
            np.add.at(base, owners, log_loss(base_logits, y[:, held]).sum(axis=0))
            np.add.at(informed, owners, log_loss(informed_logits, y[:, held]).sum(axis=0))
    names = np.unique(playthroughs[test])
    return HeldOutLoss(base[names], informed[names])


def bootstrap_shares(losses: list[HeldOutLoss], resamples: int, seed: int) -> Floats:
    """The share removed in resamples of whole playthroughs, the same for all losses, [resamples, losses].

    NaN in a resample without anything to predict.
    """
    count = len(losses[0].base)
    rng = np.random.default_rng([seed, 0xB007])
    shares = np.empty((resamples, len(losses)))
    for b in range(resamples):
        weight = np.bincount(rng.integers(0, count, count), minlength=count)
        for i, loss in enumerate(losses):
            base = weight @ loss.base
            shares[b, i] = 1.0 - (weight @ loss.informed) / base if base > 0 else np.nan
    return shares


def _choose(
    values: npt.NDArray[np.floating[Any]], availability: npt.NDArray[np.bool_], quantise: Quantise, selected: int
) -> npt.NDArray[np.int64]:
    """Predictors by affordance, [A, selected], best first; ties go to the lower number."""
    same = np.zeros(len(values), dtype=np.int64)
    information = conditional_information(quantise(values), availability, same, same, permutations=0)
    ranked = np.argsort(-information.miller_madow, axis=0, kind="stable")
    return ranked[: min(selected, values.shape[1])].T


def _standardised(train: Floats, new: Floats) -> tuple[Floats, Floats]:
    mean = train.mean(axis=1, keepdims=True)
    deviation = train.std(axis=1, keepdims=True)
    low, high = train.min(axis=1, keepdims=True), train.max(axis=1, keepdims=True)
    scale = np.where(high > low, deviation, np.inf)
    return (train - mean) / scale, (np.clip(new, low, high) - mean) / scale
