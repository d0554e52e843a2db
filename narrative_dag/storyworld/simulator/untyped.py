"""Instructions that are seldom needed: values whose type is known only in play, and spools.

They are functions of their own so that the machine stays small.
"""

from narrative_dag.storyworld.simulator import layout, opcodes
from narrative_dag.storyworld.simulator.memory import code_at, inlined, number_at, put_number, put_word, word_at


@inlined
def is_number(bits: int) -> bool:
    """Whether the bits of a value are a number's."""
    return bits & opcodes.TAG_MASK != opcodes.TAG


@inlined
def activate(code: int, frame: int) -> None:
    """Collect the members of the active spools."""
    words = code_at(code, layout.N_WORDS)
    active = code_at(code, layout.F_ACTIVE)
    mask = code_at(code, layout.F_MASKS)
    for w in range(words):
        put_word(frame, active + w, 0)
    first = code_at(code, layout.C_SPOOLS)
    for s in range(code_at(code, layout.N_SPOOLS)):
        if word_at(frame, code_at(code, first + s)) != 0:
            for w in range(words):
                put_word(frame, active + w, word_at(frame, active + w) | word_at(frame, mask + s * words + w))


@inlined
def over_values(code: int, at: int, frame: int, op: int) -> float:
    """Mean, maximum or minimum of those registers that hold numbers; `at` is where their count is."""
    count, total, extreme = 0, 0.0, 0.0
    for i in range(at + 1, at + 1 + code_at(code, at)):
        register = code_at(code, i)
        if is_number(word_at(frame, register)):
            value = number_at(frame, register)
            total += value
            if count == 0:
                extreme = value
            elif op == opcodes.MAXIMUM_OF_VALUES:
                extreme = value if value > extreme else extreme
            else:
                extreme = value if value < extreme else extreme
            count += 1
    if op == opcodes.MEAN_OF_VALUES:
        return total / count if count > 0 else 0.0
    return extreme


@inlined
def count_numbers(code: int, at: int, frame: int) -> int:
    """How many of the registers hold numbers; `at` is where their count is."""
    count = 0
    for i in range(at + 1, at + 1 + code_at(code, at)):
        count += is_number(word_at(frame, code_at(code, i)))
    return count


@inlined
def boolean_of_values(code: int, at: int, frame: int, op: int) -> int:
    """The bits that an Equals, And or Or gives for those registers that hold its operand type."""
    count, same, all_true, any_true, first, first_bits = 0, True, True, False, 0.0, 0
    for i in range(at + 1, at + 1 + code_at(code, at)):
        register = code_at(code, i)
        bits = word_at(frame, register)
        if op == opcodes.EQUAL_NUMBERS:
            if is_number(bits):
                value = number_at(frame, register)
                if count == 0:
                    first = value
                same = same and value == first
                count += 1
        elif bits == opcodes.TRUE or bits == opcodes.FALSE:
            if count == 0:
                first_bits = bits
            same = same and bits == first_bits
            all_true = all_true and bits == opcodes.TRUE
            any_true = any_true or bits == opcodes.TRUE
            count += 1
    if count < 2:
        return opcodes.NULL
    result = same
    if op == opcodes.AND_OF_VALUES:
        result = all_true
    elif op == opcodes.OR_OF_VALUES:
        result = any_true
    return opcodes.TRUE if result else opcodes.FALSE


@inlined
def concatenated(code: int, at: int, frame: int) -> int:
    """The bits of the joined strings."""
    for i in range(at + 1, at + 1 + code_at(code, at)):
        if word_at(frame, code_at(code, i)) == opcodes.TEXT:
            return opcodes.TEXT
    return opcodes.EMPTY


@inlined
def store_spool(code: int, at: int, frame: int) -> int:
    """Run a STORE_SPOOL; 1 if the spool changed."""
    flag = code_at(code, at + 1)
    bits = word_at(frame, code_at(code, at + 2))
    wanted = 1 if bits == opcodes.TRUE else 0
    if (wanted == 0 and bits != opcodes.FALSE) or wanted == word_at(frame, flag):
        return 0
    put_word(frame, flag, wanted)
    activate(code, frame)
    return 1


@inlined
def run_untyped(code: int, at: int, frame: int) -> int:
    """Run one of the instructions from CHAIN to CONCATENATE; the position of the next one."""
    op = code_at(code, at)
    to = code_at(code, at + 1)
    if op == opcodes.CHAIN:
        end = at + 3 + 2 * code_at(code, at + 2)
        chosen = code_at(code, end)
        for i in range(at + 3, end, 2):
            if word_at(frame, code_at(code, i)) != 0:
                chosen = code_at(code, i + 1)
                break
        put_number(frame, to, number_at(frame, chosen))
        return end + 1
    if op == opcodes.NOT_OF_VALUE:
        bits = word_at(frame, code_at(code, at + 2))
        inverted = opcodes.NULL
        if bits == opcodes.TRUE:
            inverted = opcodes.FALSE
        elif bits == opcodes.FALSE:
            inverted = opcodes.TRUE
        put_word(frame, to, inverted)
        return at + 3
    if op == opcodes.CONCATENATE:
        put_word(frame, to, concatenated(code, at + 2, frame))
    elif op >= opcodes.EQUAL_NUMBERS:
        put_word(frame, to, boolean_of_values(code, at + 2, frame, op))
    elif op == opcodes.MEAN_OF_VALUES or count_numbers(code, at + 2, frame) > 0:
        put_number(frame, to, over_values(code, at + 2, frame, op))
    else:
        put_word(frame, to, opcodes.NULL)
    return at + 3 + code_at(code, at + 2)
