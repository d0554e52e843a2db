"""How far dictionaries agree: cosines between decoder rows, their one-to-one matching, agreement across seeds.

Codes are non-negative, so a direction and its opposite are different features: cosines keep their sign.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.folded import FoldedSae

Floats = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]


def unit_rows(rows: Floats, scale: Floats | None = None) -> npt.NDArray[np.float64]:
    """Rows [k, d] at unit norm after division by `scale` [d] (None: as they are); rows of zeros stay zeros."""
    wide = np.asarray(rows, dtype=np.float64)
    wide = wide if scale is None else wide / np.asarray(scale, dtype=np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide / np.where(norms > 0, norms, 1.0))


def matched_cosines(cosines: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cosines of the one-to-one matching of rows to columns that maximises their sum, [min(rows, columns)].

    The matching is the Hungarian algorithm's; what is left over on the longer side is matched to nothing.
    """
    # half a second to import, which loading the definitions must not pay
    from scipy.optimize import linear_sum_assignment

    return np.asarray(cosines[linear_sum_assignment(cosines, maximize=True)])


def decoder_cosines(first: FoldedSae, second: FoldedSae, scale: Floats | None = None) -> npt.NDArray[np.float64]:
    """Cosines between decoder rows, [k of first, k of second], in units of `scale` [d] (None: raw units)."""
    return unit_rows(first.W_dec, scale) @ unit_rows(second.W_dec, scale).T


def mean_correlation(first: FoldedSae, second: FoldedSae, scale: Floats | None = None) -> float:
    """MCC: mean decoder cosine over the one-to-one matching that maximises it, all features."""
    return float(matched_cosines(decoder_cosines(first, second, scale)).mean())


def mcc_matrix(
    saes: Sequence[FoldedSae], scale: Floats | None = None, live: Sequence[Mask] | None = None
) -> npt.NDArray[np.float64]:
    """MCC of every autoencoder with every other, symmetric [s, s] with ones on the diagonal.

    Args:
        saes: autoencoders of the same states; their sizes may differ.
        scale: units of the dimensions, [d]; None: raw units.
        live: for each autoencoder the features that count, [k] each; None: all. A dead feature keeps the direction it
            was drawn with, which says nothing about what was learnt and lowers the mean. The pairs of a matching are
            as many as the smaller side has such features; without any the MCC is 0.

    Raises:
        SaeError: there is not one mask for each autoencoder.
    """
    if live is not None and len(live) != len(saes):
        raise SaeError(f"got {len(saes)} autoencoders and masks of live features for {len(live)}")
    directions = [unit_rows(sae.W_dec, scale) for sae in saes]
    if live is not None:
        directions = [rows[mask] for rows, mask in zip(directions, live, strict=True)]
    matrix = np.eye(len(saes))
    for i, first in enumerate(directions):
        for j in range(i):
            cosines = matched_cosines(first @ directions[j].T)
            matrix[i, j] = matrix[j, i] = cosines.mean() if len(cosines) else 0.0
    return matrix


def pairwise_mcc(
    saes: Sequence[FoldedSae], scale: Floats | None = None, live: Sequence[Mask] | None = None
) -> list[float]:
    """MCC of every pair, in the order (0, 1), (0, 2), ..., (1, 2), ...; empty for a single autoencoder."""
    return [float(mcc) for mcc in mcc_matrix(saes, scale, live)[np.triu_indices(len(saes), k=1)]]


def stability(saes: Sequence[FoldedSae], index: int, scale: Floats | None = None) -> npt.NDArray[np.float64]:
    """For each feature of `saes[index]` the largest decoder cosine to a feature of another autoencoder, [k].

    0 everywhere when there is no other one.
    """
    others = [sae for i, sae in enumerate(saes) if i != index]
    if not others:
        return np.zeros(saes[index].k)
    best = [decoder_cosines(saes[index], other, scale).max(axis=1) for other in others]
    return np.asarray(np.maximum.reduce(best))
