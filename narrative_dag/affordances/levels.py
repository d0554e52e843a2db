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
    levels = (values > 0).astype(np.int8)
    n = len(values)
    for cut in range(1, count):
        place = n - positive + -(-cut * positive // count) - 1
        threshold = np.take_along_axis(ordered, np.clip(place, 0, n - 1)[None, :], axis=0)
        levels += (values > threshold).astype(np.int8)
    return levels


def quantile_levels(values: npt.NDArray[np.floating[Any]], count: int = 4) -> Levels:
    """0..count-1 by quantiles of the column, for variables of both signs; [n, F].

    Equal values share a level. A cut that falls on a tie goes to the side that leaves the more even split, and never
    to one that leaves none while the column varies: a column and its negative are split alike.
    """
    ordered = np.sort(values, axis=0)
    levels = np.zeros(values.shape, dtype=np.int8)
    n = len(values)
    for cut in range(1, count):
        threshold = ordered[min(max(-(-cut * n // count) - 1, 0), n - 1)]
        above, from_it = values > threshold, values >= threshold
        share_above, share_from = above.mean(axis=0), from_it.mean(axis=0)
        wanted = 1.0 - cut / count
        nearer = np.abs(share_from - wanted) < np.abs(share_above - wanted)
        chosen = (share_from < 1.0) & (nearer | (share_above == 0.0))
        levels += np.where(chosen, from_it, above).astype(np.int8)
    return levels
