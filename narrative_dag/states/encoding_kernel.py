"""The state vector, compiled: what `Encoder.encode` computes, from a frame of the simulator."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from narrative_dag.states import encoder as definition
from narrative_dag.states.encoder import BOUND, Encoder
from narrative_dag.storyworld.simulator import layout
from narrative_dag.storyworld.simulator.memory import (
    Address,
    code_at,
    copy_words,
    inlined,
    number_at,
    put_number,
    put_single,
    put_word,
    word_at,
)
from narrative_dag.storyworld.simulator.program import Program
from narrative_dag.tables import STATE_DIMENSIONS

_CHANGES, _TURN = definition.CHANGES, definition.TURN
_SPOOLS, _CURRENT, _SEEN, _HISTORY = definition.SPOOLS, definition.CURRENT, definition.SEEN, definition.HISTORY
_TURN_CODES, _SPOOL_SLOTS, _ENCOUNTER_SLOTS = _SPOOLS - _TURN, definition.SPOOL_SLOTS, definition.ENCOUNTER_SLOTS

# header of the places: how many there are (N_), where a list begins in the places (P_) or in the numbers (F_), and how
# many more than the most that share a slot (W_)
N_GROUPS, N_SPOOLS, N_ENCOUNTERS, SEEN_FLAGS, P_MEMBERS, P_SPOOLS, F_SPOOLS, F_SEEN, F_TURNS, W_SPOOLS, W_SEEN = range(
    11
)
HEADER = 11

_MISSING = 0x7FFDFFFFFFFFFFFF
"""Bits that no number has, for one that does not exist: a NaN that no operation makes."""

# a group: its dimension, how many members it has
G_STRIDE = 2

# a member: word of its number, word of its presence flag (-1: always there)
M_STRIDE = 2


@dataclass(frozen=True, slots=True)
class EncodingTables:
    """Where each part of a frame goes in the vector.

    Attributes:
        places: int32: the header, the groups, their members one after another, the word of each spool's flag.
        numbers: float64: each member's clipped starting number; the value of `spool` by dimension and active spools,
            that of `seen` by dimension and encounters seen; the turn dimensions by turn.
    """

    places: NDArray[np.int32]
    numbers: NDArray[np.float64]

    @property
    def memory_size(self) -> int:
        """Words that `encode` remembers from one call to the next."""
        return int(self.places[P_SPOOLS] - self.places[P_MEMBERS]) // M_STRIDE + 2 * int(self.places[N_GROUPS])


def encoding_tables(program: Program, most_turns: int) -> EncodingTables:
    """The tables of a program.

    Args:
        program: a compiled storyworld.
        most_turns: the last turn that is encoded.
    """
    world = program.world
    encoder = Encoder(world)
    words = {key: program.variables + i for i, key in enumerate(program.keys)}
    created = program.keys[program.initial_count :]
    flags = {key: program.presence + i for i, key in enumerate(created)}
    groups = encoder.groups((*world.initial, *sorted(created)))
    members = [member for group in groups for member in group.members]
    flag_of = {spool: program.spool_flags + i for i, spool in enumerate(program.spools)}
    active, seen = _shares(encoder.spool_sizes), _shares(encoder.encounter_sizes)
    places = [0] * HEADER
    places[N_GROUPS], places[N_SPOOLS], places[N_ENCOUNTERS] = len(groups), len(world.spools), len(world.encounters)
    places[SEEN_FLAGS] = program.seen_flags
    places[W_SPOOLS], places[W_SEEN] = active.shape[1], seen.shape[1]
    for group in groups:
        places += (group.dimension, len(group.members))
    places[P_MEMBERS] = len(places)
    for member in members:
        places += (words[member.key], flags.get(member.key, -1))
    places[P_SPOOLS] = len(places)
    places += (flag_of[spool.id] for spool in world.spools)
    starts = [member.start for member in members]
    turns = [definition.turn_code(turn) for turn in range(most_turns + 1)]
    parts = [np.array(starts), active.ravel(), seen.ravel(), np.ravel(turns)]
    places[F_SPOOLS], places[F_SEEN], places[F_TURNS] = np.cumsum([part.size for part in parts[:-1]]).tolist()
    return EncodingTables(np.array(places, np.int32), np.concatenate(parts))


def _shares(sizes: Sequence[int]) -> NDArray[np.float64]:
    """By slot, and how many of its things count, the share that they are; shape [slots, largest size + 1]."""
    counts, most = np.arange(max(sizes) + 1.0), np.maximum(np.array([sizes]).T, 1)
    return np.asarray(counts / most)


@inlined
def encode(frame: Address, places: Address, numbers: Address, memory: Address, out: Address, before: Address) -> None:
    """Write the vector of a state.

    Args:
        frame: a frame that stands on a page.
        places, numbers: `EncodingTables` of its program.
        memory: int64 [`EncodingTables.memory_size`], what the last call knew; written.
        out: float32 [STATE_DIMENSIONS], written.
        before: what the last call with this memory wrote, 0 where there was none: what did not change is copied.
    """
    if before == 0:
        for i in range(_TURN):
            put_single(out, i, 0.0)
    else:
        copy_words(out, before, _TURN // 2)
    for i in range(_SPOOLS, STATE_DIMENSIONS):
        put_single(out, i, 0.0)
    moved, existing = _encode_numbers(frame, places, numbers, memory, out, before == 0)
    if existing > 0:
        put_single(out, _HISTORY + 1, min(moved / existing, 1.0))
    turn = word_at(frame, layout.TURN)
    turns = code_at(places, F_TURNS) + _TURN_CODES * turn
    for i in range(_TURN_CODES):
        put_single(out, _TURN + i, number_at(numbers, turns + i))
    _encode_spools(frame, places, numbers, out)
    put_single(out, _CURRENT + word_at(frame, layout.PAGE) % _ENCOUNTER_SLOTS, 1.0)
    met = _encode_seen(frame, places, numbers, out)
    put_single(out, _HISTORY, (turn - met) / turn)


@inlined
def _encode_group(
    places: Address, numbers: Address, memory: Address, out: Address, dimension: int, first: int, last: int, result: int
) -> None:
    """Write what the numbers of a group decide, and to the memory how far they moved and how many exist."""
    total, change, distance = 0.0, 0.0, 0.0
    count = 0
    for i in range(first, last):
        if word_at(memory, i) != _MISSING:
            count += 1
            value = number_at(memory, i)
            if not -BOUND <= value <= BOUND:
                value = 0.0 if value != value else BOUND if value > 0.0 else -BOUND
            total += value
            change += value - number_at(numbers, i)
            distance += abs(value - number_at(numbers, i))
    put_number(memory, result, distance)
    put_word(memory, result + 1, count)
    put_single(out, dimension, total / max(1, count))
    put_single(out, _CHANGES + dimension, min(max(change / max(1, count), -BOUND), BOUND))


@inlined
def _encode_numbers(
    frame: Address, places: Address, numbers: Address, memory: Address, out: Address, anew: bool
) -> tuple[float, int]:
    """Write what the numbers decide; returns how far they moved in all, and how many exist.

    The memory has each member's bits, then for each group how far its numbers moved and how many exist.
    """
    member, start = code_at(places, P_MEMBERS), 0
    groups = code_at(places, N_GROUPS)
    remembered = (code_at(places, P_SPOOLS) - member) // M_STRIDE
    moved, existing = 0.0, 0
    for g in range(groups):
        group = HEADER + G_STRIDE * g
        last = start + code_at(places, group + 1)
        changed = anew
        for i in range(start, last):
            place = member + M_STRIDE * i
            flag = code_at(places, place + 1)
            bits = _MISSING
            if flag < 0 or word_at(frame, flag) != 0:
                bits = word_at(frame, code_at(places, place))
            changed |= bits != word_at(memory, i)
            put_word(memory, i, bits)
        if changed:
            _encode_group(places, numbers, memory, out, code_at(places, group), start, last, remembered + 2 * g)
        moved += number_at(memory, remembered + 2 * g)
        existing += word_at(memory, remembered + 2 * g + 1)
        start = last
    return moved, existing


@inlined
def _encode_spools(frame: Address, places: Address, numbers: Address, out: Address) -> None:
    """Write the shares of spools that are active."""
    first, count = code_at(places, P_SPOOLS), code_at(places, N_SPOOLS)
    shares, width = code_at(places, F_SPOOLS), code_at(places, W_SPOOLS)
    for slot in range(min(_SPOOL_SLOTS, count)):
        active = 0
        for i in range(slot, count, _SPOOL_SLOTS):
            active += word_at(frame, code_at(places, first + i))
        put_single(out, _SPOOLS + slot, number_at(numbers, shares + width * slot + active))


@inlined
def _encode_seen(frame: Address, places: Address, numbers: Address, out: Address) -> int:
    """Write the shares of encounters seen; returns how many were."""
    flags, encounters = code_at(places, SEEN_FLAGS), code_at(places, N_ENCOUNTERS)
    shares, width = code_at(places, F_SEEN), code_at(places, W_SEEN)
    met = 0
    for slot in range(min(_ENCOUNTER_SLOTS, encounters)):
        seen = 0
        for encounter in range(slot, encounters, _ENCOUNTER_SLOTS):
            seen += word_at(frame, flags + encounter)
        met += seen
        put_single(out, _SEEN + slot, number_at(numbers, shares + width * slot + seen))
    return met
