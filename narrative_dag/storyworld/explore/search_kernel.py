"""Breadth-first search and random play, compiled, on the simulator's building blocks.

Identities of states are compared word by word; hashes only find candidates.

Arrays that grow are the caller's: `expand` returns before one is too short and goes on when called again.
"""

from typing import Any

import numpy as np

from narrative_dag.kernel_cache import kernel
from narrative_dag.storyworld.explore.search_arrays import (
    EDGES,
    EXPANDED,
    FIRST_FLAG,
    FLAG_WORDS,
    FLAGS,
    MOST_OPTIONS,
    NODES,
    NUMBERS,
    OPTION_WORDS,
    PROBE,
    ROW,
    SELECTION_WORDS,
    SELECTIONS,
    Ints,
    Live,
    Notes,
    States,
    Tallies,
)
from narrative_dag.storyworld.simulator import layout
from narrative_dag.storyworld.simulator.frame import choose, gate, start
from narrative_dag.storyworld.simulator.memory import (
    bits_of,
    code_at,
    copy_words,
    inlined,
    lowest_bit,
    number_at,
    put_word,
    word_at,
)
from narrative_dag.storyworld.simulator.streams import advanced, mixed

_NAN = np.int64(0x7FF8000000000000)


@inlined
def mix(word: int) -> int:
    """A permutation of 64-bit words that looks random (splitmix64)."""
    signed: Any = np.int64(mixed(advanced(np.uint64(word))))
    found: int = signed
    return found


@inlined
def pack(code: int, frame: int, shape: Ints, row: Ints) -> None:
    """Write a frame's state to a packed row."""
    for i in range(shape[NUMBERS]):
        number = number_at(frame, layout.SCALARS + i)
        row[i] = bits_of(number + 0.0) if number == number else _NAN
    at = shape[NUMBERS]
    first = shape[FIRST_FLAG]
    count = shape[FLAGS]
    for w in range(shape[FLAG_WORDS]):
        bits = np.int64(0)
        for i in range(min(64, count - 64 * w)):
            bits |= np.int64(word_at(frame, first + 64 * w + i)) << np.int64(i)
        row[at + w] = bits
    at += shape[FLAG_WORDS]
    unseen = code_at(code, layout.F_UNSEEN)
    for i in range(shape[SELECTION_WORDS]):
        row[at + i] = word_at(frame, unseen + i)
    at += shape[SELECTION_WORDS]
    for w in range(shape[OPTION_WORDS]):
        row[at + w] = 0
    if word_at(frame, layout.ENDING) == layout.PLAYING:
        performable = code_at(code, layout.F_PERFORMABLE)
        for i in range(word_at(frame, layout.PERFORMABLE_COUNT)):
            option = word_at(frame, performable + i)
            row[at + (option >> 6)] |= np.int64(1) << np.int64(option & 63)


@inlined
def unpack(code: int, frame: int, shape: Ints, row: Ints, page: int) -> None:
    """Bring a frame to the state of a packed row on a page."""
    put_word(frame, layout.PAGE, page)
    put_word(frame, layout.ENDING, layout.PLAYING)
    for i in range(shape[NUMBERS]):
        put_word(frame, layout.SCALARS + i, row[i])
    at = shape[NUMBERS]
    first = shape[FIRST_FLAG]
    count = shape[FLAGS]
    for w in range(shape[FLAG_WORDS]):
        bits = row[at + w]
        for i in range(min(64, count - 64 * w)):
            put_word(frame, first + 64 * w + i, (bits >> np.int64(i)) & np.int64(1))
    at += shape[FLAG_WORDS]
    unseen = code_at(code, layout.F_UNSEEN)
    for i in range(shape[SELECTION_WORDS]):
        put_word(frame, unseen + i, row[at + i])


@inlined
def hash_of(shape: Ints, row: Ints, place: int, live: Live) -> int:
    """The hash of the live part of a packed row; `place` is the page, or the count of encounters after the_end."""
    found: int = mix(place)
    for i in range(live.first[place], live.first[place + 1]):
        found = mix(found ^ row[live.numbers[i]])
    for w in range(shape[FLAG_WORDS]):
        found = mix(found ^ (row[shape[NUMBERS] + w] & live.bits[place, w]))
    return found


@inlined
def same(shape: Ints, a: Ints, b: Ints, place: int, live: Live) -> bool:
    """Whether two packed rows on a page agree on everything live."""
    for i in range(live.first[place], live.first[place + 1]):
        if a[live.numbers[i]] != b[live.numbers[i]]:
            return False
    for w in range(shape[FLAG_WORDS]):
        at = shape[NUMBERS] + w
        if (a[at] ^ b[at]) & live.bits[place, w] != 0:
            return False
    return True


@inlined
def note_values(frame: int, at: int, notes: Notes) -> None:
    """Widen the ranges of the gate variables by the values in a frame; `at` is a row of the ranges."""
    for i in range(len(notes.absent)):
        value = notes.absent[i]
        for c in range(notes.chain_first[i], notes.chain_first[i + 1]):
            if notes.chain[c, 1] < 0 or word_at(frame, notes.chain[c, 1]) != 0:
                value = number_at(frame, notes.chain[c, 0])
                break
        # a NaN widens nothing
        if value < notes.low[at, i]:
            notes.low[at, i] = value
        if value > notes.high[at, i]:
            notes.high[at, i] = value


@inlined
def note_selection(code: int, frame: int, probe: int, cursor: Ints, notes: Notes) -> None:
    """Note the selection that led to a frame's page: the values, and the encounters that it considered.

    The visibility of each option of the probing encounter is the acceptability of the encounter of that position.
    """
    cursor[SELECTIONS] += 1
    note_values(frame, len(notes.low) - 1, notes)
    page = word_at(frame, layout.PAGE)
    seen = code_at(code, layout.F_SEEN)
    if page >= 0:
        # selection came before the page was marked as seen
        put_word(frame, seen + page, 0)
    options = code_at(code, code_at(code, layout.C_ENCOUNTERS) + layout.E_STRIDE * probe + layout.E_FIRST)
    for e in range(len(notes.considered)):
        if word_at(frame, seen + e) != 0:
            continue
        for s in range(notes.spool_first[e], notes.spool_first[e + 1]):
            if word_at(frame, notes.spool_flags[s]) != 0:
                notes.considered[e] += 1
                if gate(code, code_at(code, options + layout.O_STRIDE * e + layout.O_VISIBLE), frame):
                    notes.acceptable[e] += 1
                break
    if page >= 0:
        put_word(frame, seen + page, 1)


@inlined
def tally_page(code: int, frame: int, page: int, node: int, tallies: Tallies) -> None:
    """Count the options of a new state."""
    base = code_at(code, code_at(code, layout.C_ENCOUNTERS) + layout.E_STRIDE * page + layout.E_FIRST_OPTION)
    at = code_at(code, layout.F_VISIBLE)
    for i in range(word_at(frame, layout.VISIBLE_COUNT)):
        number = base + word_at(frame, at + i)
        tallies.visible[number] += 1
        if tallies.first_visible[number] < 0:
            tallies.first_visible[number] = node
    at = code_at(code, layout.F_PERFORMABLE)
    for i in range(word_at(frame, layout.PERFORMABLE_COUNT)):
        tallies.performable[base + word_at(frame, at + i)] += 1


@inlined
def tally_reaction(code: int, frame: int, reaction: int, edge: int, tallies: Tallies) -> None:
    """Count what the effects of the reaction that ran last changed."""
    first = code_at(code, reaction + layout.R_FIRST_EFFECT)
    flags = code_at(code, layout.F_CHANGES)
    for k in range(word_at(frame, layout.EFFECT_COUNT)):
        if word_at(frame, flags + k) != 0:
            tallies.changes[first + k] += 1
            if tallies.first_change[first + k] < 0:
                tallies.first_change[first + k] = edge


@inlined
def meet(
    code: int,
    frame: int,
    shape: Ints,
    source: int,
    option: int,
    cursor: Ints,
    states: States,
    table: Ints,
    live: Live,
    tallies: Tallies,
) -> tuple[int, bool]:
    """The node of a frame's state, a known one or the next, and whether it is new."""
    node = cursor[NODES]
    row = states.rows[node]
    pack(code, frame, shape, row)
    page = word_at(frame, layout.PAGE)
    place = page if page >= 0 else len(live.first) - 2
    found = hash_of(shape, row, place, live)
    slot = found & (len(table) - 1)
    while table[slot] >= 0:
        known = table[slot]
        if (
            states.hashes[known] == found
            and states.encounter[known] == page
            and same(shape, states.rows[known], row, place, live)
        ):
            return known, False
        slot = (slot + 1) & (len(table) - 1)
    table[slot] = node
    states.hashes[node] = found
    states.encounter[node] = page
    states.end[node] = word_at(frame, layout.ENDING)
    states.parent[node] = source
    states.parent_option[node] = option
    cursor[NODES] = node + 1
    if page >= 0:
        tally_page(code, frame, page, node, tallies)
    return node, True


@kernel
def rehash(hashes: Ints, nodes: int, table: Ints) -> None:
    """Fill an empty (-1) table with the first nodes."""
    for node in range(nodes):
        slot = hashes[node] & (len(table) - 1)
        while table[slot] >= 0:
            slot = (slot + 1) & (len(table) - 1)
        table[slot] = node


@kernel
def expand(
    code: int,
    stem: int,
    frame: int,
    shape: Ints,
    max_states: int,
    cursor: Ints,
    states: States,
    table: Ints,
    edges: Ints,
    live: Live,
    tallies: Tallies,
    notes: Notes,
) -> bool:
    """Expand states until all are or the bound is reached (True), or an array is too short (False).

    Args:
        code: address of the program's code.
        stem, frame: addresses of two copies of the program's frame.
        shape: the packed row and more; see the names above.
        max_states: the bound.
        cursor: what was done so far; zeros at first.
        states: to be filled.
        table: positions of states by hash, -1 where free; its length is a power of two.
        edges: option, reaction and target of each choice, to be filled.
        live: what makes states distinct.
        tallies: to be counted up.
        notes: to be counted up, if `shape` names a probing encounter.
    """
    probe = shape[PROBE]
    width = code_at(code, layout.F_WIDTH)
    if cursor[NODES] == 0:
        start(code, frame)
        meet(code, frame, shape, -1, -1, cursor, states, table, live, tallies)
        if probe >= 0:
            note_selection(code, frame, probe, cursor, notes)
            if states.encounter[0] >= 0:
                note_values(frame, states.encounter[0], notes)
    while cursor[EXPANDED] < cursor[NODES]:
        node = cursor[EXPANDED]
        if states.end[node] != layout.PLAYING:
            cursor[EXPANDED] = node + 1
            states.first_edge[node + 1] = cursor[EDGES]
            continue
        if cursor[NODES] >= max_states:
            return True
        # room for every option, and for the row of one state that turns out to be known
        short = cursor[NODES] + shape[MOST_OPTIONS] >= len(states.rows)
        if short or cursor[EDGES] + shape[MOST_OPTIONS] > len(edges):
            return False
        page = states.encounter[node]
        row = states.rows[node]
        unpack(code, stem, shape, row, page)
        base = code_at(code, code_at(code, layout.C_ENCOUNTERS) + layout.E_STRIDE * page + layout.E_FIRST_OPTION)
        for w in range(shape[OPTION_WORDS]):
            bits = row[shape[ROW] - shape[OPTION_WORDS] + w]
            while bits != 0:
                position = 64 * w + lowest_bit(bits)
                bits &= bits - 1
                copy_words(frame, stem, width)
                reaction = choose(code, frame, position)
                edge = cursor[EDGES]
                number = -1
                wild = True
                if reaction != 0:
                    number = code_at(code, reaction + layout.R_NUMBER)
                    wild = code_at(code, reaction + layout.R_NEXT) == 0
                    tally_reaction(code, frame, reaction, edge, tallies)
                target, new = meet(code, frame, shape, node, base + position, cursor, states, table, live, tallies)
                if probe >= 0:
                    if wild:
                        note_selection(code, frame, probe, cursor, notes)
                    if new and states.encounter[target] >= 0:
                        note_values(frame, states.encounter[target], notes)
                edges[edge, 0] = base + position
                edges[edge, 1] = number
                edges[edge, 2] = target
                cursor[EDGES] = edge + 1
        cursor[EXPANDED] = node + 1
        states.first_edge[node + 1] = cursor[EDGES]
    return True
