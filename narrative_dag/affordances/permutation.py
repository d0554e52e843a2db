"""Permutations that move whole playthroughs: pages of one playthrough are correlated and stay together."""

import numpy as np
import numpy.typing as npt

MINIMUM_STRATUM = 10


def playthrough_permutations(
    playthroughs: npt.NDArray[np.int64], count: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """`count` rearrangements of a context's rows, [count, n]: row i takes the value of row `result[b, i]`.

    Blocks are the playthroughs' rows, in their order. Blocks of one length change places with one another, which is
    exact. Lengths with fewer than `MINIMUM_STRATUM` playthroughs are joined to the next longer ones; there the
    permuted blocks are laid end to end, so that a block may begin in the middle of another's place. Values are moved,
    never drawn: all marginal counts stay.
    """
    n = len(playthroughs)
    order = np.argsort(playthroughs, kind="stable")
    _, starts, lengths = np.unique(playthroughs[order], return_index=True, return_counts=True)
    result = np.tile(np.arange(n), (count, 1))
    for blocks in _strata(lengths):
        sizes = lengths[blocks]
        places = order[_expand(starts[blocks], sizes)]
        shuffled = rng.permuted(np.tile(blocks, (count, 1)), axis=1)
        moved = _expand(starts[shuffled].ravel(), lengths[shuffled].ravel())
        result[:, places] = order[moved].reshape(count, len(places))
    return result


def _strata(lengths: npt.NDArray[np.int_]) -> list[npt.NDArray[np.int_]]:
    """Blocks grouped by length, groups joined upwards (the last one downwards) until each has enough blocks."""
    groups: list[npt.NDArray[np.int_]] = []
    pending = np.empty(0, dtype=np.int_)
    for length in np.unique(lengths):
        pending = np.concatenate([pending, np.flatnonzero(lengths == length)])
        if len(pending) >= MINIMUM_STRATUM:
            groups.append(pending)
            pending = pending[:0]
    if len(pending):
        if groups:
            groups[-1] = np.concatenate([groups[-1], pending])
        else:
            groups.append(pending)
    return groups


def _expand(starts: npt.NDArray[np.int_], lengths: npt.NDArray[np.int_]) -> npt.NDArray[np.int_]:
    """start, start + 1, ..., start + length - 1 of every block, concatenated."""
    ends = np.cumsum(lengths)
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(ends[-1] if len(ends) else 0)
