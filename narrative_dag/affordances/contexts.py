"""Contexts as numbers, and what to do with those that have too few pages."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

MINIMUM_PAGES = 50

Integers = npt.NDArray[np.int64]


def merge_small_contexts(contexts: Integers, groups: Integers, minimum: int = MINIMUM_PAGES) -> Integers:
    """Context numbers [n] in which every context has `minimum` rows or is -1.

    Contexts below the minimum are pooled within their group (say, the storyworld); a pool that is still below it joins
    the other such pools; what then remains below is -1, undecidable. Pooling loses conditioning, never invents it: use
    it for availabilities that mean the same everywhere (how many options are open), not for a single option, which
    exists in one encounter only. New numbers are consecutive from 0.
    """
    _, contexts = np.unique(contexts, return_inverse=True)
    small = np.bincount(contexts)[contexts] < minimum
    _, groups = np.unique(groups, return_inverse=True)
    merged = np.where(small, contexts.max(initial=-1) + 1 + groups, contexts)
    still = np.bincount(merged)[merged] < minimum
    merged = np.where(still, merged.max(initial=-1) + 1, merged)
    decided = np.bincount(merged)[merged] >= minimum
    numbers = np.full(len(merged), -1, dtype=np.int64)
    numbers[decided] = np.unique(merged[decided], return_inverse=True)[1]
    return numbers


def rows_by_context(contexts: Integers) -> Iterator[tuple[int, Integers]]:
    """Each context's number and its rows in ascending order; -1 is left out."""
    order = np.argsort(contexts, kind="stable")
    numbers, starts = np.unique(contexts[order], return_index=True)
    for number, rows in zip(numbers, np.split(order, starts[1:]), strict=True):
        if number >= 0:
            yield int(number), rows
