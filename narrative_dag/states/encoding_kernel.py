"""The state vector, compiled: what `Encoder.encode` computes, from a frame of the simulator."""

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

_LOWEST, _HIGHEST = definition.LOWEST, definition.HIGHEST
_PRESENT, _TURN = definition.PRESENT, definition.TURN
_SPOOLS, _CURRENT, _SEEN, _HISTORY = definition.SPOOLS, definition.CURRENT, definition.SEEN, definition.HISTORY
_SPOOL_SLOTS, _ENCOUNTER_SLOTS = definition.SPOOL_SLOTS, definition.ENCOUNTER_SLOTS

# header of the places: how many there are (N_), and where a list begins in the places (P_) or in the numbers (F_)
N_GROUPS, N_CHARACTERS, N_SPOOLS, N_ENCOUNTERS, SEEN_FLAGS, P_MEMBERS, P_SPOOLS, F_SHARES, F_TURNS, MOST = range(10)
HEADER = 10

_MISSING = 0x7FFDFFFFFFFFFFFF
"""Bits that no number has, for one that does not exist: a NaN that no operation makes."""

# a group: its dimension, its shared property (-1: none), how many members it has
G_STRIDE = 3

# a member: word of its number, word of its presence flag (-1: always there), dimension of its own (-1: none)
M_STRIDE = 3


@dataclass(frozen=True, slots=True)
class EncodingTables:
    """Where each part of a frame goes in the vector.

    Attributes:
        places: int32: the header, the groups, their members one after another, the word of each spool's flag.
        numbers: float64: each member's clipped starting number; the value of `seen` by dimension and encounters seen,
            shape (ENCOUNTER_SLOTS, MOST); by turn the two turn dimensions and the dimension of its bucket.
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
    most = -(-encoder.encounters // _ENCOUNTER_SLOTS) + 1
    # by repeated addition, as the encoder does it
    shares = np.zeros((_ENCOUNTER_SLOTS, most))
    np.cumsum(np.repeat(np.array([encoder.shares]).T, most - 1, axis=1), axis=1, out=shares[:, 1:])
    turns = [(*encoder.turns(turn), _TURN + 2.0 + definition.turn_bucket(turn)) for turn in range(most_turns + 1)]
    places = [0] * HEADER
    places[N_GROUPS], places[N_SPOOLS] = len(groups), len(world.spools)
    places[N_CHARACTERS] = min(definition.CHARACTER_SLOTS, len(world.characters))
    places[N_ENCOUNTERS], places[SEEN_FLAGS], places[MOST] = len(world.encounters), program.seen_flags, most
    for group in groups:
        places += (group.dimension, group.shared, len(group.members))
    places[P_MEMBERS] = len(places)
    for member in members:
        places += (words[member.key], flags.get(member.key, -1), member.own)
    places[P_SPOOLS] = len(places)
    places += (flag_of[spool.id] for spool in world.spools)
    places[F_SHARES], places[F_TURNS] = len(members), len(members) + shares.size
    starts = [member.start for member in members]
    return EncodingTables(np.array(places, np.int32), np.concatenate([starts, shares.ravel(), np.ravel(turns)]))


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
        for i in range(code_at(places, N_CHARACTERS)):
            put_single(out, _PRESENT + i, 1.0)
    else:
        copy_words(out, before, _TURN // 2)
    for i in range(_TURN, STATE_DIMENSIONS):
        put_single(out, i, 0.0)
    moved, existing = _encode_numbers(frame, places, numbers, memory, out, before == 0)
    if existing > 0:
        put_single(out, _HISTORY + 2, min(moved / existing, 1.0))
    turn = word_at(frame, layout.TURN)
    turns = code_at(places, F_TURNS) + 3 * turn
    put_single(out, _TURN, number_at(numbers, turns))
    put_single(out, _TURN + 1, number_at(numbers, turns + 1))
    put_single(out, int(number_at(numbers, turns + 2)), 1.0)
    _encode_spools(frame, places, out)
    put_single(out, _CURRENT + word_at(frame, layout.PAGE) % _ENCOUNTER_SLOTS, 1.0)
    met = _encode_seen(frame, places, numbers, out)
    put_single(out, _HISTORY, met / code_at(places, N_ENCOUNTERS))
    put_single(out, _HISTORY + 1, (turn - met) / turn)


@inlined
def _encode_group(
    places: Address, numbers: Address, memory: Address, out: Address, group: int, first: int, last: int, result: int
) -> None:
    """Write what the numbers of a group decide, and to the memory how far they moved and how many exist."""
    total, distance, lowest, highest = 0.0, 0.0, BOUND, -BOUND
    count = 0
    members = code_at(places, P_MEMBERS)
    for i in range(first, last):
        own = code_at(places, members + M_STRIDE * i + 2)
        if own >= 0 and word_at(memory, i) == _MISSING:
            put_single(out, own, 0.0)
    for i in range(first, last):
        if word_at(memory, i) != _MISSING:
            count += 1
            value = number_at(memory, i)
            if not -BOUND <= value <= BOUND:
                value = 0.0 if value != value else BOUND if value > 0.0 else -BOUND
            total += value
            distance += abs(value - number_at(numbers, i))
            if value < lowest:
                lowest = value
            if value > highest:
                highest = value
            own = code_at(places, members + M_STRIDE * i + 2)
            if own >= 0:
                put_single(out, own, value)
    if count == 0:
        lowest, highest = 0.0, 0.0
    put_number(memory, result, distance)
    put_word(memory, result + 1, count)
    put_single(out, code_at(places, group), total / max(1, count))
    shared = code_at(places, group + 1)
    if shared >= 0:
        put_single(out, _LOWEST + shared, lowest)
        put_single(out, _HIGHEST + shared, highest)


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
        last = start + code_at(places, group + 2)
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
            _encode_group(places, numbers, memory, out, group, start, last, remembered + 2 * g)
        moved += number_at(memory, remembered + 2 * g)
        existing += word_at(memory, remembered + 2 * g + 1)
        start = last
    return moved, existing


@inlined
def _encode_spools(frame: Address, places: Address, out: Address) -> None:
    first, count = code_at(places, P_SPOOLS), code_at(places, N_SPOOLS)
    active = 0
    for i in range(count):
        if word_at(frame, code_at(places, first + i)) != 0:
            active += 1
            if i < _SPOOL_SLOTS:
                put_single(out, _SPOOLS + i, 1.0)
    if active > 0:
        put_single(out, _SPOOLS + _SPOOL_SLOTS, active / count)


@inlined
def _encode_seen(frame: Address, places: Address, numbers: Address, out: Address) -> int:
    """Write the shares of encounters seen; returns how many were."""
    flags, encounters = code_at(places, SEEN_FLAGS), code_at(places, N_ENCOUNTERS)
    shares, most = code_at(places, F_SHARES), code_at(places, MOST)
    met = 0
    for slot in range(min(_ENCOUNTER_SLOTS, encounters)):
        seen = 0
        for encounter in range(slot, encounters, _ENCOUNTER_SLOTS):
            seen += word_at(frame, flags + encounter)
        met += seen
        put_single(out, _SEEN + slot, number_at(numbers, shares + most * slot + seen))
    return met
