"""The arrays that the search kernel works on.

A state is kept as a **packed row** of int64 words: the numbers of all variables (-0.0 as 0.0, one NaN), the flags of a
frame as bits, the words of wild selection, the options that can be chosen as bits. Its identity is the page, the live
numbers and the live bits.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# entries of `cursor`
NODES, EXPANDED, EDGES = 0, 1, 2
SELECTIONS = 3
"""Wild selections noted."""

# entries of `shape`
NUMBERS = 0
"""Variables."""
FLAGS = 1
"""Flags of a frame, from the first presence flag on."""
FLAG_WORDS = 2
SELECTION_WORDS = 3
OPTION_WORDS = 4
ROW = 5
"""Words of a packed row."""
FIRST_FLAG = 6
"""Word of a frame where the flags begin."""
MOST_OPTIONS = 7
PROBE = 8
"""Position of the encounter whose options' visibilities are the acceptabilities; -1: nothing is noted."""
SHAPE = 9


Ints = NDArray[np.int64]
Numbers = NDArray[np.float64]


class States(NamedTuple):
    """One entry for each state met, with room for more.

    `rows` are packed rows, `first_edge` says where the edges of each state begin and starts with a 0; the others are as
    in `graph.StateGraph`.
    """

    rows: Ints
    encounter: Ints
    end: Ints
    parent: Ints
    parent_option: Ints
    hashes: Ints
    first_edge: Ints


class Live(NamedTuple):
    """The live parts of each page; the last page is the_end, of which nothing is live.

    `numbers` holds variables in compressed rows, from `first[page]` to `first[page + 1]`; `bits` has a row of flags for
    each page.
    """

    first: Ints
    numbers: Ints
    bits: Ints


class Tallies(NamedTuple):
    """What is counted, as in `graph.Found`."""

    visible: Ints
    performable: Ints
    first_visible: Ints
    changes: Ints
    first_change: Ints


class Notes(NamedTuple):
    """What gates read, and what is noted of it, as in `graph.Selections`.

    Attributes:
        chain_first, chain: the places of each gate variable's values and of their presence flags (-1: always present),
            in reading order, in compressed rows.
        absent: its value where none is present; NaN for null.
        spool_first, spool_flags: the places of the spool flags of each encounter, in compressed rows.
    """

    chain_first: Ints
    chain: Ints
    absent: Numbers
    spool_first: Ints
    spool_flags: Ints
    considered: Ints
    acceptable: Ints
    low: Numbers
    high: Numbers
