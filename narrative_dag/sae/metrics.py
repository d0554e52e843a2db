"""What an autoencoder is worth on held-out states: reconstruction, sparsity, stability, and an oracle beside them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from narrative_dag.sae.architecture import Array
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.folded import FoldedSae

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
DENSITY_EDGES = (1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
"""Upper ends of the density histogram's bins; the first bin begins above 0, dead features have none."""

Floats = npt.NDArray[np.floating[Any]]


class SaeMetrics(BaseModel):
    """One autoencoder on held-out states."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fvu: float = Field(description="sum |x - xhat|^2 over sum |x - training mean|^2, raw states")
    fvu_scaled: float = Field(description="the same with every dimension divided by its training standard deviation")
    fvu_pca: float = Field(description="the raw FVU of PCA fitted on training states with round(L0) components")
    l0: float = Field(description="mean number of active features of a state")
    l0_quantiles: tuple[float, ...] = Field(description="quantiles of it at 5, 25, 50, 75 and 95 %")
    dead_share: float = Field(description="share of features that fire on no state, training states included")
    density_histogram: tuple[int, ...] = Field(description="features by density on held-out states, see DENSITY_EDGES")


def unexplained(states: Floats, reconstruction: Floats, mean: Floats, scale: Floats | None = None) -> float:
    """Fraction of variance unexplained: sum |x - xhat|^2 / sum |x - mean|^2; arrays [n, d], mean and scale [d].

    Raises:
        SaeError: the states do not vary around the mean, so that there is nothing to explain.
    """
    weight = np.ones(states.shape[1]) if scale is None else np.asarray(scale, dtype=np.float64) ** -2.0
    wide = states.astype(np.float64)
    total = float(((wide - mean) ** 2).sum(axis=0) @ weight)
    if total == 0:
        raise SaeError("the states do not vary: no variance to explain")
    return float(((wide - reconstruction) ** 2).sum(axis=0) @ weight) / total


def pca_unexplained(train: Floats, test: Floats, components: int) -> float:
    """FVU on `test` [m, d] of the best linear reconstruction of `train` [n, d] with that many components."""
    mean = train.mean(axis=0, dtype=np.float64)
    centred = train - mean
    _, vectors = np.linalg.eigh(centred.T @ centred)
    basis = vectors[:, ::-1][:, : max(0, components)]
    offsets = test - mean
    return unexplained(test, mean + offsets @ basis @ basis.T, mean)


def evaluate(sae: FoldedSae, train: Array, test: Array) -> SaeMetrics:
    """Metrics on `test` [m, d]; `train` [n, d] gives mean, scales, PCA and a second chance for rare features.

    Raises:
        SaeError: a set is empty, or does not vary.
    """
    if len(train) == 0 or len(test) == 0:
        raise SaeError(f"evaluation needs training and held-out states, got {len(train)} and {len(test)}")
    codes = sae.encode(test)
    reconstruction = sae.decode(codes)
    mean = train.mean(axis=0, dtype=np.float64)
    deviation = train.std(axis=0, dtype=np.float64)
    active = codes > 0
    counts = active.sum(axis=1)
    density = active.mean(axis=0)
    ever = active.any(axis=0) | (sae.encode(train) > 0).any(axis=0)
    l0 = float(counts.mean())
    edges = np.concatenate([[np.nextafter(0.0, 1.0)], DENSITY_EDGES])
    varying = deviation > 0
    return SaeMetrics(
        fvu=unexplained(test, reconstruction, mean),
        fvu_scaled=unexplained(test[:, varying], reconstruction[:, varying], mean[varying], deviation[varying]),
        fvu_pca=pca_unexplained(train, test, round(l0)),
        l0=l0,
        l0_quantiles=tuple(float(q) for q in np.quantile(counts, QUANTILES)),
        dead_share=float(1 - ever.mean()),
        density_histogram=tuple(int(c) for c in np.histogram(density, bins=edges)[0]),
    )


def decoder_cosines(first: FoldedSae, second: FoldedSae, scale: Floats | None = None) -> npt.NDArray[np.float64]:
    """Cosines between decoder rows, [k of first, k of second], in units of `scale` [d] (None: raw units)."""
    return _directions(first, scale) @ _directions(second, scale).T


def mean_correlation(first: FoldedSae, second: FoldedSae, scale: Floats | None = None) -> float:
    """MCC: mean decoder cosine under the one-to-one matching that maximises it (Hungarian algorithm)."""
    # half a second to import, which loading the definitions must not pay
    from scipy.optimize import linear_sum_assignment

    cosines = decoder_cosines(first, second, scale)
    return float(cosines[linear_sum_assignment(cosines, maximize=True)].mean())


def pairwise_mcc(saes: Sequence[FoldedSae], scale: Floats | None = None) -> list[float]:
    """MCC of every pair, in the order (0, 1), (0, 2), ..., (1, 2), ...; empty for a single autoencoder."""
    return [mean_correlation(saes[i], saes[j], scale) for i in range(len(saes)) for j in range(i + 1, len(saes))]


def stability(saes: Sequence[FoldedSae], index: int, scale: Floats | None = None) -> npt.NDArray[np.float64]:
    """For each feature of `saes[index]` the largest decoder cosine to a feature of another autoencoder, [k].

    0 everywhere when there is no other one.
    """
    others = [sae for i, sae in enumerate(saes) if i != index]
    if not others:
        return np.zeros(saes[index].k)
    best = [decoder_cosines(saes[index], other, scale).max(axis=1) for other in others]
    return np.asarray(np.maximum.reduce(best))


def _directions(sae: FoldedSae, scale: Floats | None) -> npt.NDArray[np.float64]:
    rows = sae.W_dec.astype(np.float64) if scale is None else sae.W_dec / np.asarray(scale, dtype=np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1.0))
