"""What the features have to beat: random features of equal density, the raw state dimensions, principal components."""

import numpy as np
import numpy.typing as npt

from narrative_dag.affordances.coupling import Predictors
from narrative_dag.affordances.levels import positive_levels, quantile_levels

Array = npt.NDArray[np.float32]


def random_features(
    states: Array, codes: Array, train: npt.NDArray[np.bool_], seed: int, levels: int = 3
) -> Predictors:
    """One ReLU feature along a random direction for each feature of `codes` [n, k], firing on as many training pages.

    Directions are Gaussian over the dimensions of `states` [n, d] in training standard deviations.
    """
    scaled = _scaled(states, train)
    rng = np.random.default_rng([seed, 0x12A5])
    projected = scaled @ rng.standard_normal((scaled.shape[1], codes.shape[1]))
    ordered = np.sort(projected[train], axis=0)
    firing = (codes[train] > 0).sum(axis=0)
    place = len(ordered) - 1 - firing
    threshold = np.take_along_axis(ordered, np.maximum(place, 0)[None, :], axis=0)[0]
    # a feature that always fires has its threshold below everything seen
    threshold = np.where(place < 0, ordered[0] - 1.0, threshold)
    values = np.maximum(projected - threshold, 0.0)
    values[:, firing == 0] = 0.0
    return Predictors(values.astype(np.float32), lambda v: positive_levels(v, levels))


def raw_dimensions(states: Array, levels: int = 3) -> Predictors:
    """The dimensions of the state themselves, in `levels` + 1 quantile levels for the choice."""
    return Predictors(states, lambda v: quantile_levels(v, levels + 1))


def principal_components(states: Array, train: npt.NDArray[np.bool_], levels: int = 3) -> Predictors:
    """All principal components of the training pages' standardised states, those without variance left out."""
    scaled = _scaled(states, train)
    variances, vectors = np.linalg.eigh(scaled[train].T @ scaled[train])
    values = scaled @ vectors[:, variances > 1e-9 * variances[-1]][:, ::-1]
    return Predictors(values.astype(np.float32), lambda v: quantile_levels(v, levels + 1))


def _scaled(states: Array, train: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    known = states[train].astype(np.float64)
    constant = (known == known[:1]).all(axis=0)
    return np.asarray((states - known.mean(axis=0)) / np.where(constant, np.inf, known.std(axis=0)))
