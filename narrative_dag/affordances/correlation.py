"""Pearson correlations of activations with availability and with the number of open options."""

from typing import Any

import numpy as np
import numpy.typing as npt


def pearson(x: npt.NDArray[np.floating[Any]], y: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Correlation of each column of x [n, F] with each column of y [n, A], [F, A]; NaN where a column is constant."""
    left, right = _standardised(x), _standardised(y)
    return np.clip(left.T @ right, -1.0, 1.0)


def open_options_correlation(
    codes: npt.NDArray[np.floating[Any]], open_options: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Correlation of each feature's activation with the number of open options over all pages, endings included, [k].

    NaN for a feature that is constant, and everywhere when the number of options never changes.
    """
    return pearson(codes, open_options[:, None])[:, 0]


def _standardised(columns: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    wide = columns.astype(np.float64)
    centred = wide - wide.mean(axis=0)
    norms = np.linalg.norm(centred, axis=0)
    constant = (columns == columns[:1]).all(axis=0)
    return np.asarray(centred / np.where(constant, np.nan, norms))
