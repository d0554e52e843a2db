"""What else reconstructs the states with the same budget: PCA, residual k-means, pursuit on a known dictionary.

An autoencoder's fraction of variance unexplained says little alone. PCA is the best linear code of as many numbers a
state; residual k-means the best-known code that only names its words; orthogonal matching pursuit on the dictionary
that made synthetic states is about what a sparse code can reach at all.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from narrative_dag.sae.errors import SaeError

Floats = npt.NDArray[np.floating[Any]]
Wide = npt.NDArray[np.float64]

_ROWS = 2048
KMEANS_ROWS = 50_000
"""States that k-means is fitted on at most, drawn at random."""


class CoMoments:
    """Rows, mean [d] and sum of outer products about the mean [d, d] of states that come in blocks (float64).

    Blocks are merged by the update of Chan, Golub and LeVeque (1983), so that a mean far from zero costs no digits.
    """

    def __init__(self, d: int) -> None:
        self.rows = 0
        self.mean = np.zeros(d)
        self.products = np.zeros((d, d))

    @property
    def d(self) -> int:
        """Dimensions of a state."""
        return len(self.mean)

    def add(self, states: Floats) -> None:
        """Takes a block of states [m, d].

        Raises:
            SaeError: the block has another shape or holds a number that is not finite.
        """
        if states.ndim != 2 or states.shape[1] != self.d:
            raise SaeError(f"expected an array of shape [n, {self.d}], got {list(states.shape)}")
        for start in range(0, len(states), _ROWS):
            self._add(states[start : start + _ROWS].astype(np.float64))

    def _add(self, wide: Wide) -> None:
        mean = wide.mean(axis=0)
        if not np.isfinite(mean).all():
            row = self.rows + int(np.argmin(np.isfinite(wide).all(axis=1)))
            raise SaeError("a state is not finite", where=f"row {row}")
        wide -= mean
        step, rows = mean - self.mean, self.rows + len(wide)
        self.products += wide.T @ wide + np.outer(step, step) * (self.rows * len(wide) / rows)
        self.mean += step * (len(wide) / rows)
        self.rows = rows

    def about(self, point: Wide) -> Wide:
        """Sum of outer products of x - point, [d, d]."""
        step = self.mean - point
        return self.products + self.rows * np.outer(step, step)

    def deviation(self) -> Wide:
        """Standard deviation of each dimension, [d]; 0 without rows."""
        return np.asarray(np.sqrt(np.diagonal(self.products) / max(1, self.rows)))


def moments(states: Floats) -> CoMoments:
    """The co-moments of states [n, d] in memory."""
    found = CoMoments(states.shape[1])
    found.add(states)
    return found


def pca_curve(train: CoMoments, test: CoMoments, components: Sequence[int]) -> list[float]:
    """FVU about the training mean on held-out states of PCA fitted on training states, for each number of components.

    Raises:
        SaeError: the held-out states do not vary around the training mean.
    """
    scatter = test.about(train.mean)
    total = float(np.trace(scatter))
    if total <= 0:
        raise SaeError("the states do not vary: no variance to explain")
    vectors = np.linalg.eigh(train.products)[1][:, ::-1]
    # from the last component upwards: what is left over is summed, not what is explained subtracted from all
    energy = np.einsum("ij,ij->j", vectors, scatter @ vectors)
    left = np.concatenate([np.cumsum(energy[::-1])[::-1], [0.0]]) / total
    return [float(max(0.0, left[min(max(0, count), train.d)])) for count in components]


def pca_unexplained(train: Floats, test: Floats, components: int) -> float:
    """FVU on `test` [m, d] of the best linear reconstruction of `train` [n, d] with that many components."""
    return pca_curve(moments(train), moments(test), [components])[0]


def kmeans_unexplained(train: Floats, test: Floats, features: int, active: int, seed: int) -> float:
    """FVU on `test` [m, d], about the training mean, of residual k-means fitted on `train` [n, d].

    The budget is the autoencoder's: `features` centroids in all, `active` of them in a reconstruction. They are dealt
    out evenly to `active` stages; the first stage clusters the centred states, every other one what the stages before
    leave over, and a state is the sum of its nearest centroids (residual vector quantisation; Juang and Gray 1982).
    Unlike a feature a centroid has no strength of its own, so this is a floor for sparse codes, not a rival.

    Args:
        train: training states; KMEANS_ROWS of them, drawn at random, when there are more.
        test: held-out states.
        features: centroids of all stages; at least `active`.
        active: stages; 0 leaves the mean.
        seed: of the drawn rows and of k-means++.

    Raises:
        SaeError: there are fewer centroids than stages, or fewer training states than centroids of a stage.
    """
    if not 0 <= active <= features or len(train) < -(-features // max(1, active)):
        raise SaeError(f"cannot deal {features} centroids out to {active} stages and {len(train)} training states")
    # half a second to import, which loading the definitions must not pay
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    mean = train.mean(axis=0, dtype=np.float64)
    rng = np.random.default_rng([seed, 0xC3])
    chosen = train if len(train) <= KMEANS_ROWS else train[np.sort(rng.permutation(len(train))[:KMEANS_ROWS])]
    residual, left = chosen - mean, test - mean
    total = float((left**2).sum())
    if total == 0:
        raise SaeError("the states do not vary: no variance to explain")
    # the sums of several threads come in any order
    with threadpool_limits(1):
        for stage in range(active):
            words = features // active + (stage < features % active)
            clusters = KMeans(words, n_init=1, max_iter=50, random_state=int(rng.integers(2**31))).fit(residual)
            residual = residual - clusters.cluster_centers_[clusters.labels_]
            left = left - clusters.cluster_centers_[clusters.predict(left)]
    return float((left**2).sum()) / total


def matching_pursuit(states: Floats, dictionary: Floats, active: int, *, nonnegative: bool = True) -> Wide:
    """Codes [n, atoms] of states [n, d] by orthogonal matching pursuit on unit atoms [atoms, d].

    Each round adds the atom that correlates most with what is left over and fits the weights of all chosen atoms anew
    (Pati et al. 1993). With `nonnegative` only positive correlations count and weights are non-negative least squares
    (Bruckstein, Elad and Zibulevsky 2008), as an autoencoder's codes are; a state may then end with fewer atoms.

    Raises:
        SaeError: `active` is above the number of atoms or of dimensions, or the shapes do not fit.
    """
    atoms, d = dictionary.shape
    if states.ndim != 2 or states.shape[1] != d or not 0 <= active <= min(atoms, d):
        raise SaeError(f"cannot code states of shape {list(states.shape)} with {active} of {atoms} atoms [{d}]")
    wide: Wide = dictionary.astype(np.float64)
    gram: Wide = wide @ wide.T
    codes = np.zeros((len(states), atoms))
    for start in range(0, len(states), _ROWS):
        rows = slice(start, start + _ROWS)
        _pursue(states[rows] @ wide.T, gram, active, nonnegative, codes[rows])
    return codes


def pursuit_unexplained(
    test: Floats, mean: Floats, dictionary: Floats, active: int, *, origin: Floats | None = None
) -> float:
    """FVU on `test` [m, d] about `mean` [d] of non-negative matching pursuit with `active` of the atoms [atoms, d].

    `origin` [d] is what the atoms are added to: the generator's offset, or an autoencoder's decoder bias; None: zero.

    Raises:
        SaeError: see `matching_pursuit`; or the states do not vary.
    """
    total = float(((test - np.asarray(mean, dtype=np.float64)) ** 2).sum())
    if total == 0:
        raise SaeError("the states do not vary: no variance to explain")
    left = test.astype(np.float64) - (0.0 if origin is None else origin)
    left -= matching_pursuit(left, dictionary, active) @ dictionary
    return float((left**2).sum()) / total


def _pursue(products: Wide, gram: Wide, active: int, nonnegative: bool, codes: Wide) -> None:
    """Fills `codes` [m, atoms]; `products` [m, atoms] of states and atoms and `gram` of atoms and atoms suffice."""
    m = len(products)
    every = np.arange(m)
    chosen = np.zeros((m, active), dtype=np.intp)
    remaining = products.copy()
    for count in range(1, active + 1):
        scores = remaining if nonnegative else np.abs(remaining)
        scores[every[:, None], chosen[:, : count - 1]] = -np.inf
        chosen[:, count - 1] = scores.argmax(axis=1)
        support = chosen[:, :count]
        inner = gram[support[:, :, None], support[:, None, :]]
        target = np.take_along_axis(products, support, axis=1)
        weights = np.asarray(np.linalg.solve(inner, target[:, :, None])[:, :, 0], dtype=np.float64)
        if nonnegative:
            for row in np.flatnonzero((weights < 0).any(axis=1)):
                weights[row] = _nonnegative(inner[row], target[row])
        codes[every[:, None], support] = weights
        remaining = np.asarray(products - codes @ gram)


def _nonnegative(inner: Wide, target: Wide) -> Wide:
    """Non-negative least squares from the normal equations: min over w >= 0 of w' inner w / 2 - w' target."""
    from scipy.linalg import cholesky, solve_triangular
    from scipy.optimize import nnls

    factor = cholesky(inner)
    return np.asarray(nnls(factor, solve_triangular(factor, target, trans="T"))[0])
