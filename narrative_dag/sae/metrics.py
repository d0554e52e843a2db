"""What an autoencoder is worth on held-out states: reconstruction, sparsity, density, and PCA beside them.

Everything is a sum over rows, so that states which exceed memory are evaluated block by block, several autoencoders in
one reading of the data.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from narrative_dag.sae.architecture import Array
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.oracles import CoMoments, pca_curve

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
DENSITY_EDGES = tuple(10.0 ** (half / 2) for half in range(-10, 1))
"""Upper ends, included, of the density histogram's bins, two a decade; the first bin begins above 0."""

_NUMBERS = 1 << 20
"""Codes, or numbers of states, worked on at once: 8 MB of float64, however many features there are."""

Floats = npt.NDArray[np.floating[Any]]
Wide = npt.NDArray[np.float64]


class SaeMetrics(BaseModel):
    """One autoencoder on held-out states."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(description="held-out states")
    fvu: float = Field(description="sum |x - xhat|^2 over sum |x - training mean|^2, raw states")
    fvu_scaled: float = Field(description="the same with every dimension divided by its training standard deviation")
    fvu_pca: float = Field(description="the raw FVU of PCA fitted on training states with round(L0) components")
    reconstruction_bias: float = Field(
        description="sum |y|^2 over sum x y, x and y = xhat about the training mean; below 1: shrinkage"
    )
    l0: float = Field(description="mean number of active features of a state")
    l0_quantiles: tuple[float, ...] = Field(description="quantiles of it at 5, 25, 50, 75 and 95 %")
    dead_share: float = Field(description="share of features that fire on no state, training states included")
    density_histogram: tuple[int, ...] = Field(description="features by density on held-out states, see DENSITY_EDGES")


class Evaluation(NamedTuple):
    """Metrics; per feature the share of held-out states it fires on, float64 [k]; whether it ever fires, bool [k]."""

    metrics: SaeMetrics
    density: Wide
    live: npt.NDArray[np.bool_]


def unexplained(states: Floats, reconstruction: Floats, mean: Floats, scale: Floats | None = None) -> float:
    """Fraction of variance unexplained: sum |x - xhat|^2 / sum |x - mean|^2; arrays [n, d], mean and scale [d].

    Raises:
        SaeError: the states do not vary around the mean, so that there is nothing to explain.
    """
    weight = np.ones(states.shape[1]) if scale is None else np.asarray(scale, dtype=np.float64) ** -2.0
    wide = states.astype(np.float64)
    return _ratio(((wide - reconstruction) ** 2).sum(axis=0), ((wide - mean) ** 2).sum(axis=0), weight)


class Evaluator:
    """Evaluates autoencoders of the same states block by block: training blocks first, held-out blocks then.

    Memory is that of one block, tens of MB and sums [d, d], whatever the number of rows. Results depend on how the rows
    are cut into blocks by rounding only.

    Args:
        saes: the autoencoders.

    Raises:
        SaeError: there are none, or they read states of different sizes.
    """

    def __init__(self, saes: Sequence[FoldedSae]) -> None:
        if len({sae.d for sae in saes}) != 1:
            raise SaeError(f"cannot evaluate together autoencoders of {sorted({sae.d for sae in saes})} dimensions")
        self.saes = tuple(saes)
        self._train = CoMoments(self.saes[0].d)
        self._test: CoMoments | None = None
        self._sums = [_Sums(sae.d, sae.k) for sae in self.saes]

    def add_training(self, states: Floats) -> None:
        """Takes training states [m, d]: they give mean, scales, PCA, and a second chance to rare features.

        Raises:
            SaeError: held-out states came already, or the states have another shape or are not finite.
        """
        if self._test is not None:
            raise SaeError("training states came after held-out ones: their mean is needed first")
        self._train.add(states)
        for sae, sums in zip(self.saes, self._sums, strict=True):
            for rows in _pieces(states, sae.k):
                sums.fired |= (sae.encode(rows) > 0).any(axis=0)

    def add(self, states: Floats) -> None:
        """Takes held-out states [m, d].

        Raises:
            SaeError: no training states came before, or the states have another shape or are not finite.
        """
        if self._train.rows == 0:
            raise SaeError("evaluation needs training states before held-out ones: FVU is about their mean")
        if self._test is None:
            self._test = CoMoments(self._train.d)
        self._test.add(states)
        for sae, sums in zip(self.saes, self._sums, strict=True):
            for rows in _pieces(states, sae.k):
                sums.add(rows, sae, self._train.mean)

    def results(self) -> list[Evaluation]:
        """One for each autoencoder.

        Raises:
            SaeError: there were no held-out states, or the states do not vary.
        """
        if self._test is None or self._test.rows == 0:
            raise SaeError(f"evaluation needs training and held-out states, got {self._train.rows} and 0")
        total = np.diagonal(self._test.about(self._train.mean))
        deviation = self._train.deviation()
        # a dimension that was constant in training has no scale
        weight = np.divide(1.0, deviation**2, out=np.zeros_like(deviation), where=deviation > 0)
        l0s = [float(sums.counts @ np.arange(len(sums.counts))) / self._test.rows for sums in self._sums]
        pca = pca_curve(self._train, self._test, [round(l0) for l0 in l0s])
        return [
            sums.evaluation(self._test.rows, total, weight, l0, fvu_pca)
            for sums, l0, fvu_pca in zip(self._sums, l0s, pca, strict=True)
        ]


def evaluate_blocks(saes: Sequence[FoldedSae], train: Iterable[Floats], test: Iterable[Floats]) -> list[Evaluation]:
    """Evaluates autoencoders on blocks of states [m, d], each iterable read once, `train` first.

    Raises:
        SaeError: a set is empty, does not vary or does not fit the autoencoders.
    """
    evaluator = Evaluator(saes)
    for block in train:
        evaluator.add_training(block)
    for block in test:
        evaluator.add(block)
    return evaluator.results()


def evaluate(sae: FoldedSae, train: Array, test: Array) -> SaeMetrics:
    """Metrics on `test` [m, d]; `train` [n, d] gives mean, scales, PCA and a second chance for rare features.

    Raises:
        SaeError: a set is empty, or does not vary.
    """
    if len(train) == 0 or len(test) == 0:
        raise SaeError(f"evaluation needs training and held-out states, got {len(train)} and {len(test)}")
    return evaluate_blocks([sae], [train], [test])[0].metrics


class _Sums:
    """What one autoencoder leaves of the rows it has seen."""

    def __init__(self, d: int, k: int) -> None:
        self.fired = np.zeros(k, dtype=np.bool_)
        self.firings = np.zeros(k, dtype=np.int64)
        self.counts = np.zeros(k + 1, dtype=np.int64)
        self.error = np.zeros(d)
        self.energy = 0.0
        self.product = 0.0

    def add(self, states: Floats, sae: FoldedSae, mean: Wide) -> None:
        codes = sae.encode(states)
        active = codes > 0
        firings = active.sum(axis=0)
        self.firings += firings
        self.fired |= firings > 0
        self.counts += np.bincount(active.sum(axis=1), minlength=len(self.counts))
        wide = states.astype(np.float64)
        reconstruction = sae.decode(codes).astype(np.float64)
        self.error += ((wide - reconstruction) ** 2).sum(axis=0)
        reconstruction -= mean
        self.energy += float((reconstruction**2).sum())
        self.product += float(((wide - mean) * reconstruction).sum())

    def evaluation(self, rows: int, total: Wide, weight: Wide, l0: float, fvu_pca: float) -> Evaluation:
        density = self.firings / rows
        # searchsorted puts a density that equals an edge into the bin below it
        bins = np.bincount(np.searchsorted(DENSITY_EDGES, density[density > 0]), minlength=len(DENSITY_EDGES))
        metrics = SaeMetrics(
            rows=rows,
            fvu=_ratio(self.error, total, np.ones_like(total)),
            fvu_scaled=_ratio(self.error, total, weight),
            fvu_pca=fvu_pca,
            reconstruction_bias=self.energy / self.product if self.product > 0 else 0.0,
            l0=l0,
            l0_quantiles=_quantiles(self.counts),
            dead_share=float(1 - self.fired.mean()),
            density_histogram=tuple(int(count) for count in bins),
        )
        return Evaluation(metrics, density, self.fired.copy())


def _pieces(states: Floats, k: int) -> Iterator[Floats]:
    size = max(1, _NUMBERS // max(k, states.shape[1]))
    return (states[start : start + size] for start in range(0, len(states), size))


def _ratio(error: Wide, total: Wide, weight: Wide) -> float:
    """Unexplained over total variance, both per dimension [d]."""
    whole = float(total @ weight)
    if whole <= 0:
        raise SaeError("the states do not vary: no variance to explain")
    return float(error @ weight) / whole


def _quantiles(counts: npt.NDArray[np.int64]) -> tuple[float, ...]:
    """QUANTILES, linearly interpolated, of the numbers 0, 1, ... that occur as often as `counts` says."""
    below = np.cumsum(counts)
    places = np.asarray(QUANTILES) * (below[-1] - 1)
    low, high = (np.searchsorted(below, at, side="right") for at in (np.floor(places), np.ceil(places)))
    return tuple(float(value) for value in low + (high - low) * (places - np.floor(places)))
