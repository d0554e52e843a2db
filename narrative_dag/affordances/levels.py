"""Real numbers to a few levels, for plug-in estimates."""

from typing import Any

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.int8]


def positive_levels(values: npt.NDArray[np.floating[Any]], count: int = 3) -> Levels:
    """0 where a value is not positive, else 1..count by quantiles of the column's positive values; [n, F].

    `count` 3: tertiles. `count` 1: the gate alone. Equal values share a level, so fewer levels may come out.
    """
    ordered = np.sort(values, axis=0)
    positive = (ordered > 0).sum(axis=0)
    return _by_thresholds(values, ordered, positive, count, (values > 0).astype(np.int8))


def quantile_levels(values: npt.NDArray[np.floating[Any]], count: int = 4) -> Levels:
    """0..count-1 by quantiles of the column, for variables of both signs; [n, F]."""
    ordered = np.sort(values, axis=0)
    everything = np.full(values.shape[1], len(values))
    return _by_thresholds(values, ordered, everything, count, np.zeros(values.shape, dtype=np.int8))


def _by_thresholds(
    values: npt.NDArray[np.floating[Any]],
    ordered: npt.NDArray[np.floating[Any]],
    members: npt.NDArray[np.int_],
    count: int,
    levels: Levels,
) -> Levels:
    n = len(values)
    for cut in range(1, count):
        place = n - members + (cut * members + count - 1) // count - 1
        threshold = np.take_along_axis(ordered, np.clip(place, 0, n - 1)[None, :], axis=0)
        levels = levels + (values > threshold).astype(np.int8)
    return levels
