"""The register machine: runs one script of a program on a frame.

What an operator means is defined in `storyworld.script`; this repeats it on registers, in the same order of floating
point operations, and the tests prove both equal for every operator. Comparisons and minima are written as Python
evaluates them, so that NaN and signed zeros come out the same.
"""

from narrative_dag.storyworld.script import LIMIT
from narrative_dag.storyworld.simulator import layout, opcodes
from narrative_dag.storyworld.simulator.memory import (
    code_at,
    inlined,
    number_at,
    put_number,
    put_word,
    word_at,
)
from narrative_dag.storyworld.simulator.untyped import is_number, run_untyped, store_spool

_LIMIT = LIMIT


@inlined
def clamp(value: float, low: float, high: float) -> float:
    """`script.clamp`."""
    value = low if low > value else value
    return high if high < value else value


@inlined
def truthy(frame: int, register: int) -> bool:
    """`script.truthy` of a register."""
    bits = word_at(frame, register)
    if is_number(bits):
        return number_at(frame, register) != 0.0
    return bits == opcodes.TRUE or bits == opcodes.TEXT


@inlined
def term(code: int, at: int, frame: int) -> float:
    """The product of the pair at a position."""
    return number_at(frame, code_at(code, at)) * number_at(frame, code_at(code, at + 1))


@inlined
def linear(code: int, at: int, frame: int) -> float:
    """The sum of n products of pairs; `at` is where n is."""
    count = code_at(code, at)
    # short sums without a loop, which the compiler would unroll for long ones
    total = 0.0 + term(code, at + 1, frame)
    if count == 1:
        return total
    total += term(code, at + 3, frame)
    if count == 2:
        return total
    total += term(code, at + 5, frame)
    for i in range(at + 7, at + 1 + 2 * count, 2):
        total += term(code, i, frame)
    return total


@inlined
def run(code: int, at: int, frame: int) -> float:
    """Run a script.

    Args:
        code: address of a program's code.
        at: position of the script's first instruction.
        frame: address of a frame.

    Returns:
        The value of a script that returns one (its bits may be those of a value that is no number); 1.0 or 0.0 of a
        gate; 1.0 of effects.
    """
    change = code_at(code, layout.F_CHANGES)
    while True:
        op = code_at(code, at)
        if op == opcodes.STORE_NUDGES:
            end = at + 2 + 2 * code_at(code, at + 1)
            at += 2
            while at < end:
                slot = code_at(code, at)
                factor = code_at(code, at + 1)
                before = number_at(frame, slot)
                value = clamp(before * number_at(frame, factor) + number_at(frame, factor + 1), -_LIMIT, _LIMIT)
                put_number(frame, slot, value)
                put_word(frame, change, 1 if value != before else 0)
                change += 1
                at += 2
        elif op == opcodes.RETURN:
            return number_at(frame, code_at(code, at + 1))
        elif op == opcodes.RETURN_TRUE:
            return 1.0
        elif op == opcodes.RETURN_FALSE:
            return 0.0
        elif op == opcodes.JUMP:
            at = code_at(code, at + 1)
        elif op == opcodes.JUMP_GREATER:
            if number_at(frame, code_at(code, at + 1)) > number_at(frame, code_at(code, at + 2)):
                at = code_at(code, at + 3)
            else:
                at += 4
        elif op == opcodes.JUMP_NOT_GREATER:
            if number_at(frame, code_at(code, at + 1)) > number_at(frame, code_at(code, at + 2)):
                at += 4
            else:
                at = code_at(code, at + 3)
        elif op == opcodes.JUMP_GREATER_EQUAL:
            if number_at(frame, code_at(code, at + 1)) >= number_at(frame, code_at(code, at + 2)):
                at = code_at(code, at + 3)
            else:
                at += 4
        elif op == opcodes.JUMP_NOT_GREATER_EQUAL:
            if number_at(frame, code_at(code, at + 1)) >= number_at(frame, code_at(code, at + 2)):
                at += 4
            else:
                at = code_at(code, at + 3)
        elif op == opcodes.JUMP_EQUAL:
            if number_at(frame, code_at(code, at + 1)) == number_at(frame, code_at(code, at + 2)):
                at = code_at(code, at + 3)
            else:
                at += 4
        elif op == opcodes.JUMP_NOT_EQUAL:
            if number_at(frame, code_at(code, at + 1)) == number_at(frame, code_at(code, at + 2)):
                at += 4
            else:
                at = code_at(code, at + 3)
        elif op == opcodes.JUMP_FLAG:
            at = code_at(code, at + 2) if word_at(frame, code_at(code, at + 1)) != 0 else at + 3
        elif op == opcodes.JUMP_NOT_FLAG:
            at = code_at(code, at + 2) if word_at(frame, code_at(code, at + 1)) == 0 else at + 3
        elif op == opcodes.JUMP_NONZERO:
            at = code_at(code, at + 2) if number_at(frame, code_at(code, at + 1)) != 0.0 else at + 3
        elif op == opcodes.JUMP_ZERO:
            at = at + 3 if number_at(frame, code_at(code, at + 1)) != 0.0 else code_at(code, at + 2)
        elif op == opcodes.JUMP_TRUTHY:
            at = code_at(code, at + 2) if truthy(frame, code_at(code, at + 1)) else at + 3
        elif op == opcodes.JUMP_NOT_TRUTHY:
            at = at + 3 if truthy(frame, code_at(code, at + 1)) else code_at(code, at + 2)
        elif op == opcodes.JUMP_NO_NUMBER:
            at = at + 3 if is_number(word_at(frame, code_at(code, at + 1))) else code_at(code, at + 2)
        elif op == opcodes.JUMP_NULL:
            at = code_at(code, at + 2) if word_at(frame, code_at(code, at + 1)) == opcodes.NULL else at + 3
        elif op == opcodes.MOVE:
            put_word(frame, code_at(code, at + 1), word_at(frame, code_at(code, at + 2)))
            at += 3
        elif op == opcodes.SCALE:
            value = number_at(frame, code_at(code, at + 2)) * number_at(frame, code_at(code, at + 3))
            put_number(frame, code_at(code, at + 1), value)
            at += 4
        elif op == opcodes.LINEAR:
            put_number(frame, code_at(code, at + 1), linear(code, at + 2, frame))
            at += 3 + 2 * code_at(code, at + 2)
        elif op == opcodes.MEAN:
            count = code_at(code, at + 2)
            put_number(frame, code_at(code, at + 1), linear(code, at + 2, frame) / float(count))
            at += 3 + 2 * count
        elif op == opcodes.SUBTRACT:
            end = at + 3 + code_at(code, at + 2)
            value = number_at(frame, code_at(code, at + 3))
            for i in range(at + 4, end):
                value -= number_at(frame, code_at(code, i))
            put_number(frame, code_at(code, at + 1), value)
            at = end
        elif op == opcodes.MULTIPLY:
            end = at + 3 + code_at(code, at + 2)
            value = 1.0
            for i in range(at + 3, end):
                value *= number_at(frame, code_at(code, i))
            put_number(frame, code_at(code, at + 1), value)
            at = end
        elif op == opcodes.MAXIMUM:
            end = at + 3 + code_at(code, at + 2)
            value = number_at(frame, code_at(code, at + 3))
            for i in range(at + 4, end):
                other = number_at(frame, code_at(code, i))
                value = other if other > value else value
            put_number(frame, code_at(code, at + 1), value)
            at = end
        elif op == opcodes.MINIMUM:
            end = at + 3 + code_at(code, at + 2)
            value = number_at(frame, code_at(code, at + 3))
            for i in range(at + 4, end):
                other = number_at(frame, code_at(code, i))
                value = other if other < value else value
            put_number(frame, code_at(code, at + 1), value)
            at = end
        elif op == opcodes.NEGATE:
            put_number(frame, code_at(code, at + 1), -1.0 * number_at(frame, code_at(code, at + 2)))
            at += 3
        elif op == opcodes.ABSOLUTE:
            put_number(frame, code_at(code, at + 1), abs(number_at(frame, code_at(code, at + 2))))
            at += 3
        elif op == opcodes.DIFFERENCE:
            value = number_at(frame, code_at(code, at + 2)) - number_at(frame, code_at(code, at + 3))
            put_number(frame, code_at(code, at + 1), abs(value))
            at += 4
        elif op == opcodes.CLAMP:
            value = number_at(frame, code_at(code, at + 2))
            value = clamp(value, number_at(frame, code_at(code, at + 3)), number_at(frame, code_at(code, at + 4)))
            put_number(frame, code_at(code, at + 1), value)
            at += 5
        elif op == opcodes.BLEND:
            weight = (number_at(frame, code_at(code, at + 4)) + 1.0) / 2.0
            value = number_at(frame, code_at(code, at + 2)) * (1.0 - weight)
            value = value + number_at(frame, code_at(code, at + 3)) * weight
            put_number(frame, code_at(code, at + 1), value)
            at += 5
        elif op == opcodes.NUDGE:
            amount = number_at(frame, code_at(code, at + 3))
            value = number_at(frame, code_at(code, at + 2)) * (1.0 - abs(amount)) + amount
            put_number(frame, code_at(code, at + 1), clamp(value, -_LIMIT, _LIMIT))
            at += 4
        elif op == opcodes.DESIDERATUM:
            value = number_at(frame, code_at(code, at + 2)) - number_at(frame, code_at(code, at + 3))
            put_number(frame, code_at(code, at + 1), clamp(_LIMIT - abs(value), -_LIMIT, _LIMIT))
            at += 4
        elif op == opcodes.SELECT_GREATER:
            greater = number_at(frame, code_at(code, at + 2)) > number_at(frame, code_at(code, at + 3))
            chosen = code_at(code, at + 4) if greater else code_at(code, at + 5)
            put_number(frame, code_at(code, at + 1), number_at(frame, chosen))
            at += 6
        elif op == opcodes.STORE:
            slot = code_at(code, at + 1)
            before = number_at(frame, slot)
            value = number_at(frame, code_at(code, at + 2))
            put_number(frame, slot, value)
            put_word(frame, change, 1 if value != before else 0)
            change += 1
            at += 3
        elif op == opcodes.STORE_CLAMPED:
            slot = code_at(code, at + 1)
            before = number_at(frame, slot)
            value = clamp(number_at(frame, code_at(code, at + 2)), -1.0, 1.0)
            put_number(frame, slot, value)
            put_word(frame, change, 1 if value != before else 0)
            change += 1
            at += 3
        elif op == opcodes.STORE_NUDGED:
            slot = code_at(code, at + 1)
            before = number_at(frame, slot)
            amount = number_at(frame, code_at(code, at + 2))
            value = clamp(before * (1.0 - abs(amount)) + amount, -_LIMIT, _LIMIT)
            put_number(frame, slot, value)
            put_word(frame, change, 1 if value != before else 0)
            change += 1
            at += 3
        elif op == opcodes.STORE_LINEAR:
            slot = code_at(code, at + 1)
            before = number_at(frame, slot)
            value = clamp(linear(code, at + 2, frame), -1.0, 1.0)
            put_number(frame, slot, value)
            put_word(frame, change, 1 if value != before else 0)
            change += 1
            at += 3 + 2 * code_at(code, at + 2)
        elif op == opcodes.STORE_PRODUCT:
            slot = code_at(code, at + 1)
            before = number_at(frame, slot)
            value = number_at(frame, code_at(code, at + 2)) * number_at(frame, code_at(code, at + 3))
            value = clamp(value, -1.0, 1.0)
            put_number(frame, slot, value)
            put_word(frame, change, 1 if value != before else 0)
            change += 1
            at += 4
        elif op == opcodes.STORE_ELSEWHERE:
            before = number_at(frame, code_at(code, at + 3))
            value = number_at(frame, code_at(code, at + 2))
            put_number(frame, code_at(code, at + 1), value)
            put_word(frame, code_at(code, at + 4), 1)
            put_word(frame, change, 1 if value != before else 0)
            change += 1
            at += 5
        elif op == opcodes.STORE_NOTHING:
            put_word(frame, change, 0)
            change += 1
            at += 1
        elif op == opcodes.STORE_SPOOL:
            put_word(frame, change, store_spool(code, at, frame))
            change += 1
            at += 3
        else:
            at = run_untyped(code, at, frame)
