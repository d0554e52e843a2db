"""Feature quality Q of states under frozen autoencoders: explained, typically sparse, typical; and agreed upon.

Explained energy EV, sparsity SP (two-sided: fewer is not better) and typicality TY multiply, so a blank state, which
explains nothing, scores 0. The standard deviation over autoencoders is subtracted: what only one of them likes counts
less. Hardened against hacking, not unhackable: refit between policy updates, never within one.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from narrative_dag import durable
from narrative_dag.errors import NarrativeError
from narrative_dag.sae.folded import FoldedSae

CALIBRATIONS = "calibrations.json"
MINIMUM_SAES = 3
_VARIANCE_SHARE = 0.1

Floats = npt.NDArray[np.float64]


class QualityError(NarrativeError):
    """Autoencoders, calibrations or states that no quality can be computed from."""


class Calibration(BaseModel):
    """What is typical of the training states of one autoencoder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: tuple[float, ...] = Field(description="mu, the mean state, [d]")
    variance: float = Field(gt=0, description="V = E |x - mu|^2")
    l0: tuple[float, float] = Field(description="5 % and 95 % quantiles of active features")
    energy: tuple[float, float] = Field(description="2 % and 98 % quantiles of |x - mu|^2")
    peak: tuple[float, ...] = Field(
        description="per feature the 99 % quantile of its positive activations, [k]; 0: dead"
    )


class FeatureQuality(NamedTuple):
    """Per state, each [n]: Q in [0, 1], and the means over autoencoders of EV, SP, TY; `spread` is what Q lost."""

    q: Floats
    explained: Floats
    sparsity: Floats
    typicality: Floats
    spread: Floats


def calibrate(sae: FoldedSae, states: npt.NDArray[np.floating[Any]]) -> Calibration:
    """The calibration of an autoencoder on its training states [n, d].

    Raises:
        QualityError: the states do not vary.
    """
    mean = states.mean(axis=0, dtype=np.float64)
    energy = ((states - mean) ** 2).sum(axis=1)
    if len(states) < 2 or not energy.mean() > 0:
        raise QualityError("calibration needs at least two states that differ")
    codes = sae.encode(states)
    peak = np.zeros(sae.k)
    for feature in np.flatnonzero((codes > 0).any(axis=0)):
        column = codes[:, feature]
        peak[feature] = np.quantile(column[column > 0], 0.99)
    low, high = np.quantile((codes > 0).sum(axis=1), [0.05, 0.95])
    smallest, largest = np.quantile(energy, [0.02, 0.98])
    return Calibration(
        mean=tuple(mean.tolist()),
        variance=float(energy.mean()),
        l0=(float(low), float(high)),
        energy=(float(smallest), float(largest)),
        peak=tuple(peak.tolist()),
    )


def save_calibrations(calibrations: Sequence[Calibration], folder: Path) -> None:
    """Writes `calibrations.json`, in the order of the autoencoders."""
    text = json.dumps([each.model_dump(mode="json") for each in calibrations], indent=1)
    durable.write(folder / CALIBRATIONS, text.encode())


def load_calibrations(folder: Path) -> tuple[Calibration, ...]:
    """What `save_calibrations` wrote.

    Raises:
        QualityError: the file is missing or damaged.
    """
    path = folder / CALIBRATIONS
    try:
        return tuple(Calibration.model_validate(each) for each in json.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise QualityError(
            "no calibrations here", where=str(folder), hint="materialize sae_checkpoint again"
        ) from error
    except (ValueError, TypeError) as error:
        raise QualityError(f"damaged calibrations: {error}", where=str(path)) from error


def feature_quality(
    states: npt.NDArray[np.floating[Any]], saes: Sequence[FoldedSae], calibrations: Sequence[Calibration]
) -> FeatureQuality:
    """Q of states [n, d]: mean over autoencoders of EV * SP * TY, minus their standard deviation, not below 0.

    Raises:
        QualityError: fewer than three autoencoders, not one calibration each, or one of other sizes.
    """
    if len(saes) < MINIMUM_SAES or len(saes) != len(calibrations):
        raise QualityError(
            f"got {len(saes)} autoencoders and {len(calibrations)} calibrations",
            hint=f"train at least {MINIMUM_SAES} seeds and calibrate each",
        )
    parts = np.stack([_components(states, *pair) for pair in zip(saes, calibrations, strict=True)])
    products = parts.prod(axis=1)
    spread = products.std(axis=0)
    explained, sparsity, typicality = parts.mean(axis=0)
    return FeatureQuality(np.clip(products.mean(axis=0) - spread, 0.0, 1.0), explained, sparsity, typicality, spread)


def storyworld_quality(
    states: npt.NDArray[np.floating[Any]], saes: Sequence[FoldedSae], calibrations: Sequence[Calibration]
) -> float:
    """A storyworld's score in [0, 1]: the mean Q of the states met in it; 0 when none was met."""
    if len(states) == 0:
        return 0.0
    return float(np.clip(feature_quality(states, saes, calibrations).q.mean(), 0.0, 1.0))


def trapezoid(values: Floats, low: float, high: float) -> Floats:
    """1 in [low, high], falling linearly to 0 at 0 and at twice `high`; for values of 0 or more."""
    rise = values / low if low > 0 else np.ones_like(values)
    fall = (2.0 * high - values) / high if high > 0 else (values <= 0).astype(np.float64)
    return np.clip(np.minimum(rise, fall), 0.0, 1.0)


def _components(states: npt.NDArray[np.floating[Any]], sae: FoldedSae, calibration: Calibration) -> Floats:
    """EV, SP and TY, [3, n]."""
    if len(calibration.mean) != sae.d or len(calibration.peak) != sae.k:
        raise QualityError(
            f"the calibration is for d = {len(calibration.mean)}, k = {len(calibration.peak)}; "
            f"the autoencoder has d = {sae.d}, k = {sae.k}"
        )
    codes = sae.encode(states)
    energy = ((states - np.array(calibration.mean)) ** 2).sum(axis=1)
    error = ((states - sae.decode(codes).astype(np.float64)) ** 2).sum(axis=1)
    explained = np.clip((energy - error) / (energy + _VARIANCE_SHARE * calibration.variance), 0.0, 1.0)
    sparsity = trapezoid((codes > 0).sum(axis=1).astype(np.float64), *calibration.l0)
    peak = np.array(calibration.peak)
    # a feature that never fired in training is as atypical as can be when it fires
    excess = np.divide(codes, peak, out=np.where(codes > 0, np.inf, 0.0), where=peak > 0).max(axis=1)
    typicality = trapezoid(energy, *calibration.energy) * np.clip(2.0 - excess / 1.5, 0.0, 1.0)
    return np.stack([explained, sparsity, typicality])
