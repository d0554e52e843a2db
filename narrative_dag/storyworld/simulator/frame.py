"""The building blocks of play: start a frame, choose an option, copy a state to and from a row.

They are compiled functions on addresses, for kernels (`memory.kernel`) to call; `program` describes a frame. A frame is
an array of `program.frame.size` words that began as a copy of `program.frame`:

    frame = program.frame.copy()
    code_address, frame_address = program.code.ctypes.data, frame.ctypes.data

    start(code, frame)                 stands on the first page, or has ended
    choose(code, frame, option)        option: a position among the performable ones listed in the frame
    save(code, frame, row)             row: address of `state_width(program)` int64 words
    load(code, frame, row)

After `start` and `choose` the frame's scalars, lists and change flags tell page, ending, visible and performable
options, reaction and what changed. A row holds all of them, so a loaded frame is as the saved one was.
"""

from narrative_dag.storyworld.simulator import layout
from narrative_dag.storyworld.simulator.machine import linear, run
from narrative_dag.storyworld.simulator.memory import (
    code_at,
    copy_words,
    inlined,
    lowest_bit,
    number_at,
    put_word,
    word_at,
)


@inlined
def gate(code: int, reference: int, frame: int) -> bool:
    """Whether a gate is open now."""
    kind = reference & 3
    at = reference >> 2
    if kind == layout.GATE_CONSTANT:
        return at != 0
    if kind == layout.GATE_GREATER:
        return number_at(frame, code_at(code, at)) > number_at(frame, code_at(code, at + 1))
    if kind == layout.GATE_GREATER_EQUAL:
        return number_at(frame, code_at(code, at)) >= number_at(frame, code_at(code, at + 1))
    return run(code, at, frame) != 0.0


@inlined
def value(code: int, reference: int, frame: int) -> float:
    """A desirability; a NaN when it is no number, so that it is greater than nothing."""
    kind = reference & 3
    at = reference >> 2
    if kind == layout.VALUE_REGISTER:
        return number_at(frame, at)
    if kind == layout.VALUE_SELECT:
        greater = number_at(frame, code_at(code, at)) > number_at(frame, code_at(code, at + 1))
        return number_at(frame, code_at(code, at + 2) if greater else code_at(code, at + 3))
    if kind == layout.VALUE_LINEAR:
        return linear(code, at, frame)
    return run(code, at, frame)


@inlined
def select(code: int, frame: int, opening: bool) -> int:
    """Wild selection: the position of an encounter, -1 for none.

    Members of constant desirability lie in the order in which they would win, so the first acceptable one beats all
    others of them; the rest is evaluated. At an opening only encounters that have options are considered.
    """
    unseen = code_at(code, layout.F_UNSEEN)
    active = code_at(code, layout.F_ACTIVE)
    ranked = code_at(code, layout.N_RANKED_WORDS)
    words = code_at(code, layout.N_WORDS)
    encounters = code_at(code, layout.C_ENCOUNTERS)
    best, found, rank = -1.0, -1, 0
    for w in range(ranked):
        bits = word_at(frame, unseen + w) & word_at(frame, active + w)
        while bits != 0:
            member = code_at(code, layout.C_RANKED) + layout.M_STRIDE * (64 * w + lowest_bit(bits))
            bits &= bits - 1
            encounter = code_at(code, member + layout.M_ENCOUNTER)
            if opening and code_at(code, encounters + layout.E_STRIDE * encounter + layout.E_OPTIONS) == 0:
                continue
            if gate(code, code_at(code, member + layout.M_ACCEPTABLE), frame):
                best = number_at(frame, code_at(code, member + layout.M_VALUE) >> 2)
                found = encounter
                rank = code_at(code, member + layout.M_RANK)
                break
        if found >= 0:
            break
    for w in range(ranked, words):
        bits = word_at(frame, unseen + w) & word_at(frame, active + w)
        while bits != 0:
            member = code_at(code, layout.C_SCORED) + layout.M_STRIDE * (64 * (w - ranked) + lowest_bit(bits))
            bits &= bits - 1
            encounter = code_at(code, member + layout.M_ENCOUNTER)
            if opening and code_at(code, encounters + layout.E_STRIDE * encounter + layout.E_OPTIONS) == 0:
                continue
            if gate(code, code_at(code, member + layout.M_ACCEPTABLE), frame):
                score = value(code, code_at(code, member + layout.M_VALUE), frame)
                place = code_at(code, member + layout.M_RANK)
                if score > best or (score == best and found >= 0 and place < rank):
                    best, found, rank = score, encounter, place
    return found


@inlined
def enter(code: int, frame: int, encounter: int) -> None:
    """Enter an encounter (-1: selection found nothing)."""
    put_word(frame, layout.PAGE, encounter)
    put_word(frame, layout.TURN, word_at(frame, layout.TURN) + 1)
    if encounter < 0:
        put_word(frame, layout.VISIBLE_COUNT, 0)
        put_word(frame, layout.PERFORMABLE_COUNT, 0)
        put_word(frame, layout.ENDING, layout.THE_END)
        return
    put_word(frame, code_at(code, layout.F_SEEN) + encounter, 1)
    record = code_at(code, layout.C_ENCOUNTERS) + layout.E_STRIDE * encounter
    unseen = code_at(code, layout.F_UNSEEN)
    bits = code_at(code, record + layout.E_BITS)
    for i in range(bits, bits + code_at(code, record + layout.E_MEMBERSHIPS)):
        bit = code_at(code, i)
        word = unseen + (bit >> 6)
        put_word(frame, word, word_at(frame, word) & ~(1 << (bit & 63)))
    count = code_at(code, record + layout.E_OPTIONS)
    visible = code_at(code, layout.F_VISIBLE)
    performable = code_at(code, layout.F_PERFORMABLE)
    if code_at(code, record + layout.E_OPEN) != 0:
        # the first four without a loop, which the compiler would unroll; the lists have room for them
        for o in range(layout.LEAST_ROOM):
            put_word(frame, visible + o, o)
            put_word(frame, performable + o, o)
        for o in range(layout.LEAST_ROOM, count):
            put_word(frame, visible + o, o)
            put_word(frame, performable + o, o)
        put_word(frame, layout.VISIBLE_COUNT, count)
        put_word(frame, layout.PERFORMABLE_COUNT, count)
        return
    option = code_at(code, record + layout.E_FIRST)
    seen, able = 0, 0
    for o in range(count):
        if gate(code, code_at(code, option + layout.O_VISIBLE), frame):
            put_word(frame, visible + seen, o)
            seen += 1
            if gate(code, code_at(code, option + layout.O_PERFORMABLE), frame):
                put_word(frame, performable + able, o)
                able += 1
        option += layout.O_STRIDE
    put_word(frame, layout.VISIBLE_COUNT, seen)
    put_word(frame, layout.PERFORMABLE_COUNT, able)
    if able == 0:
        put_word(frame, layout.ENDING, layout.BLOCKED if seen > 0 else layout.NO_OPTIONS)


@inlined
def start(code: int, frame: int) -> None:
    """Enter the first page; the frame must be a copy of the program's."""
    found = -1
    if code_at(code, layout.OPENING) != 0:
        found = select(code, frame, True)
    if found < 0:
        found = select(code, frame, False)
    enter(code, frame, found)


@inlined
def reaction_of(code: int, frame: int, option: int) -> int:
    """The record of the reaction that runs now, given an option's record; 0 for none."""
    found = code_at(code, option + layout.O_REACTION)
    candidates = code_at(code, option + layout.O_CANDIDATES)
    if candidates > 0:
        best = -1.0
        first = code_at(code, option + layout.O_LIST)
        for i in range(first, first + 2 * candidates, 2):
            score = value(code, code_at(code, i), frame)
            if score > best:
                best, found = score, code_at(code, i + 1)
    return found


@inlined
def option_record(code: int, frame: int, position: int) -> int:
    """Where the record of an option of the page is."""
    record = code_at(code, layout.C_ENCOUNTERS) + layout.E_STRIDE * word_at(frame, layout.PAGE)
    return code_at(code, record + layout.E_FIRST) + layout.O_STRIDE * position


@inlined
def choose(code: int, frame: int, position: int) -> int:
    """Choose a performable option: its reaction runs and the next page is entered.

    Returns:
        The record of the reaction (see `layout`), 0 for none.
    """
    option = option_record(code, frame, position)
    reaction = reaction_of(code, frame, option)
    put_word(frame, layout.OPTION, position)
    following = 0
    if reaction == 0:
        put_word(frame, layout.REACTION, -1)
        put_word(frame, layout.EFFECT_COUNT, 0)
    else:
        put_word(frame, layout.REACTION, code_at(code, reaction + layout.R_POSITION))
        put_word(frame, layout.EFFECT_COUNT, code_at(code, reaction + layout.R_EFFECT_COUNT))
        effects = code_at(code, reaction + layout.R_EFFECTS)
        if effects != 0:
            run(code, effects, frame)
        put_word(frame, code_at(code, reaction + layout.R_FLAG), 1)
        following = code_at(code, reaction + layout.R_NEXT)
    put_word(frame, code_at(code, option + layout.O_FLAG), 1)
    enter(code, frame, select(code, frame, False) if following == 0 else following - 1)
    return reaction


@inlined
def save(code: int, frame: int, row: int) -> None:
    """Copy a frame's state to a row."""
    copy_words(row, frame, code_at(code, layout.F_WIDTH))


@inlined
def load(code: int, frame: int, row: int) -> None:
    """Copy a row to a frame of the same program."""
    copy_words(frame, row, code_at(code, layout.F_WIDTH))
