"""Plug-in conditional mutual information I(Z; A | C) in bits, its permutation null, p, q and normalised value.

Z is a feature in a few levels, A a binary availability, C a context. With the full state as context the quantity is
exactly 0 for features of the state; it means something for a coarse one. Counts of all features, availabilities and
permutations of a context come from one matrix product.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from narrative_dag.affordances.contexts import Integers, rows_by_context
from narrative_dag.affordances.errors import AffordanceError
from narrative_dag.affordances.levels import Levels
from narrative_dag.affordances.permutation import playthrough_permutations

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
_CELLS = 2_000_000
_TOLERANCE = 1e-9


class ConditionalInformation(NamedTuple):
    """Estimates for F features and A availabilities.

    `plug_in` [F, A] bits; `bits` the same less the mean of the permutations (may be below 0); `miller_madow` the
    plug-in with the Miller-Madow correction instead; `p` = (1 + #{permutations as large}) / (permutations + 1);
    `entropy` H(A | C) [A] bits, plug-in; `u` = bits / entropy, NaN where the entropy is 0.
    """

    plug_in: Floats
    bits: Floats
    miller_madow: Floats
    p: Floats
    entropy: Floats
    u: Floats


def conditional_information(
    levels: Levels,
    availability: Booleans,
    contexts: Integers,
    playthroughs: Integers,
    *,
    permutations: int = 100,
    seed: int = 0,
) -> ConditionalInformation:
    """I(levels; availability | context) for every pair of columns; rows with context -1 are left out.

    Memory: 8 (permutations + 1) F A bytes, so availabilities that live in one context are better passed context by
    context.

    Args:
        levels: [n, F], from 0, few; see `levels.positive_levels`.
        availability: [n, A].
        contexts: [n]; -1 leaves a row out.
        playthroughs: [n]; the blocks that permutations move, within a context.
        permutations: number of permutations; 0 gives no correction and p of 1.
        seed: of the permutations.

    Raises:
        AffordanceError: lengths differ, or no row is left.
    """
    n = len(levels)
    if not len(availability) == len(contexts) == len(playthroughs) == n:
        raise AffordanceError("levels, availability, contexts and playthroughs differ in length")
    kept = int((contexts >= 0).sum())
    if kept == 0:
        raise AffordanceError("no row has a context")
    features, columns = levels.shape[1], availability.shape[1]
    sums = np.zeros((permutations + 1, features, columns))
    correction = np.zeros((features, columns))
    entropy = np.zeros(columns)
    for number, rows in rows_by_context(contexts):
        weight = len(rows) / kept
        a = availability[rows]
        # outside a deciding context an availability is constant and adds nothing, and so does a constant feature
        live = np.flatnonzero((levels[rows] != levels[rows[0]]).any(axis=0))
        open_columns = np.flatnonzero(a.any(axis=0) & ~a.all(axis=0))
        if not len(open_columns):
            continue
        entropy[open_columns] += weight * _binary_entropy(a[:, open_columns].mean(axis=0))
        if not len(live):
            continue
        rng = np.random.default_rng([seed, number])
        moves = playthrough_permutations(playthroughs[rows], permutations, rng)
        bits, extra = _within_context(levels[np.ix_(rows, live)], a[:, open_columns], moves)
        sums[np.ix_(np.arange(permutations + 1), live, open_columns)] += weight * bits
        correction[np.ix_(live, open_columns)] += weight * extra
    plug_in, null = sums[0], sums[1:]
    bits = plug_in - null.mean(axis=0) if permutations else plug_in
    p = (1.0 + (null >= plug_in - _TOLERANCE).sum(axis=0)) / (permutations + 1.0)
    u = np.divide(bits, entropy, out=np.full_like(bits, np.nan), where=entropy > 0)
    return ConditionalInformation(plug_in, bits, plug_in + correction, p, entropy, u)


def benjamini_hochberg(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """q-values: the smallest false discovery rate at which each hypothesis is rejected; any shape.

    Benjamini and Hochberg (1995), https://doi.org/10.1111/j.2517-6161.1995.tb02031.x
    """
    flat = p.ravel()
    order = np.argsort(flat, kind="stable")
    scaled = flat[order] * len(flat) / np.arange(1, len(flat) + 1)
    q = np.empty_like(flat)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q.reshape(p.shape)


def _within_context(levels: Levels, availability: Booleans, moves: Integers) -> tuple[Floats, Floats]:
    """Mutual information in bits [1 + permutations, F, A], observed first, and the Miller-Madow term [F, A]."""
    n, features = levels.shape
    columns = availability.shape[1]
    top = int(levels.max())
    onehot = np.concatenate([levels == level for level in range(1, top + 1)], axis=1).astype(np.float32).T
    level_counts = np.rint(onehot.sum(axis=1)).astype(np.int64).reshape(top, features)
    level_counts = np.concatenate([n - level_counts.sum(axis=0, keepdims=True), level_counts])
    phi = np.arange(n + 1, dtype=np.float64)
    phi[1:] *= np.log2(phi[1:])
    ones = availability.sum(axis=0)
    marginals = phi[level_counts].sum(axis=0)[:, None] + phi[ones] + phi[n - ones] - phi[n]
    bits = np.empty((len(moves) + 1, features, columns))
    extra = np.zeros((features, columns))
    chunk = max(1, _CELLS // (onehot.shape[0] * columns))
    arrangements = np.concatenate([np.arange(n)[None, :], moves])
    for start in range(0, len(arrangements), chunk):
        part = arrangements[start : start + chunk]
        moved = availability[part].astype(np.float32).transpose(1, 0, 2).reshape(n, -1)
        joint = np.rint(onehot @ moved).astype(np.int32).reshape(top, features, len(part), columns)
        silent = ones - joint.sum(axis=0)
        total = phi[silent] + phi[level_counts[0][:, None, None] - silent]
        for level in range(top):
            total += phi[joint[level]] + phi[level_counts[level + 1][:, None, None] - joint[level]]
        bits[start : start + chunk] = (total.transpose(1, 0, 2) - marginals) / n
        if start == 0:
            cells = (np.concatenate([silent[None], joint])[:, :, 0, :], level_counts[:, :, None])
            filled = (cells[0] > 0).sum(axis=0) + (cells[1] > cells[0]).sum(axis=0)
            extra = ((level_counts > 0).sum(axis=0)[:, None] + 2 - filled - 1) / (2 * n * np.log(2))
    return np.maximum(bits, 0.0), extra


def _binary_entropy(p: Floats) -> Floats:
    return np.asarray(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)))
