"""A storyworld as flat arrays: what the kernels play.

`Program.code` (int32) holds the header, the records of encounters, options, reactions and spool members, and the
scripts; the names of the places are in `layout`. `Program.frame` (int64) is a frame before the first page.

A **frame** is one state of play. Its words, in order:

* `layout.SCALARS` scalars: page, turn, ending, counts of visible and performable options, last option and reaction,
  count of change flags;
* one number per variable (float64 bits), in the order of `Program.keys`: first the keys of `world.initial` in order,
  then the keys that some effect creates (0.0 until then);
* `Program.presence`: one flag per variable of the second sort: whether it exists now;
* `Program.seen_flags`: one flag per encounter: whether it was entered;
* `Program.spool_flags`: one flag per entry of `Program.spools`: whether it is active;
* `Program.history_flags`: one flag per entry of `Program.history`: the options and reactions that some event names
  (nothing reads the others, so they are not kept);
* the members of spools that selection may still find, as bits; they follow from the flags before;
* `Program.performable`, `Program.visible`: positions of options, as many as the counts say;
* `Program.changes`: for each effect of the last reaction whether it changed something.

That is the **row** of a state, `state_width(program)` words; behind it a frame has constants and temporaries.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from narrative_dag.storyworld.model import Key, Storyworld

Ints32 = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A compiled storyworld; see the module for the layout of a frame.

    Attributes:
        world: what was compiled.
        storyworld_id: part of the seed of every playthrough.
        code: header, records and scripts.
        frame: the words of a frame before the first page, constants included.
        keys: the variables, in order.
        initial_count: how many of them exist from the start.
        spools: ids of the spool flags: the world's in order without repeats, then those that scripts alone name.
        history: (encounter, option) and (encounter, option, reaction) positions of the history flags.
        variables, presence, seen_flags, spool_flags, history_flags, performable, visible, changes: first word of each
            part of a frame.
        width: words of a row.
    """

    world: Storyworld
    storyworld_id: str
    code: Ints32
    frame: Ints
    keys: tuple[Key, ...]
    initial_count: int
    spools: tuple[str, ...]
    history: tuple[tuple[int, ...], ...]
    variables: int
    presence: int
    seen_flags: int
    spool_flags: int
    history_flags: int
    performable: int
    visible: int
    changes: int
    width: int


def state_width(program: Program) -> int:
    """Words of a row: everything in a frame that play changes."""
    return program.width


@dataclass(frozen=True, slots=True, eq=False)
class Programs:
    """Programs in one piece, for one call of a kernel.

    Attributes:
        programs: what was put together, in order.
        code, frame: their arrays, one after another.
        code_offsets, frame_offsets: where each begins, and the end; shape (programs + 1,).
        widest: words of the largest frame.
    """

    programs: tuple[Program, ...]
    code: Ints32
    frame: Ints
    code_offsets: Ints
    frame_offsets: Ints
    widest: int


def concatenate(programs: Sequence[Program]) -> Programs:
    """Many programs as one batch."""
    return Programs(
        tuple(programs),
        np.concatenate([p.code for p in programs]) if programs else np.empty(0, np.int32),
        np.concatenate([p.frame for p in programs]) if programs else np.empty(0, np.int64),
        offsets_of([p.code.size for p in programs]),
        offsets_of([p.frame.size for p in programs]),
        max((p.frame.size for p in programs), default=0),
    )


def offsets_of(sizes: Sequence[int]) -> Ints:
    """Where parts of these sizes begin when they lie one after another, and the end."""
    return np.concatenate(([0], np.cumsum(np.array(sizes, dtype=np.int64)))).astype(np.int64)
