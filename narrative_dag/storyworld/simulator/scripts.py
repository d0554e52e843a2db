"""Instructions for nodes: the code of one program's scripts.

A register is written as region and position in one int, for where constants and temporaries lie in a frame is known
only when all scripts are done; `Scripts.placed` puts the positions in.
"""

import struct

import numpy as np

from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.script import LIMIT
from narrative_dag.storyworld.simulator import nodes, opcodes
from narrative_dag.storyworld.simulator.nodes import NULL, NUMBER, Node
from narrative_dag.storyworld.simulator.program import Ints32

REGION = 24
"""Bits of a position; what lies above is the region, which is 0 for positions that need no change."""
LARGEST = 1 << REGION - 2
"""References shift a position by two bits, see `layout`."""
TEMPORARY, CONSTANT, SPOOL, HISTORY = 1 << REGION, 2 << REGION, 3 << REGION, 5 << REGION
SCRATCH = TEMPORARY
"""A word that nothing reads."""

_JUMPS = {
    "greater": (opcodes.JUMP_NOT_GREATER, opcodes.JUMP_GREATER),
    "greater_equal": (opcodes.JUMP_NOT_GREATER_EQUAL, opcodes.JUMP_GREATER_EQUAL),
    "equal": (opcodes.JUMP_NOT_EQUAL, opcodes.JUMP_EQUAL),
}
_SIMPLE = {
    "Absolute Value": opcodes.ABSOLUTE,
    "Arithmetic Negation": opcodes.NEGATE,
    "Blend": opcodes.BLEND,
    "Nudge": opcodes.NUDGE,
    "Desideratum": opcodes.DESIDERATUM,
    "Absolute Difference": opcodes.DIFFERENCE,
    "Clamp": opcodes.CLAMP,
}
_COUNTED = {
    "Subtraction": opcodes.SUBTRACT,
    "Multiplication": opcodes.MULTIPLY,
    "Maximum of": opcodes.MAXIMUM,
    "Minimum of": opcodes.MINIMUM,
}
_VALUES = {
    "Arithmetic Mean": opcodes.MEAN_OF_VALUES,
    "Maximum of": opcodes.MAXIMUM_OF_VALUES,
    "Minimum of": opcodes.MINIMUM_OF_VALUES,
    "Equals (numbers)": opcodes.EQUAL_NUMBERS,
    "Equals (booleans)": opcodes.EQUAL_BOOLEANS,
    "And": opcodes.AND_OF_VALUES,
    "Or": opcodes.OR_OF_VALUES,
    "Concatenate": opcodes.CONCATENATE,
}


class Label:
    """A place in the code that instructions jump to, before or after it is known."""

    __slots__ = ("sources",)

    def __init__(self) -> None:
        self.sources: list[int] = []


class Scripts:
    """The code of a program while it is written.

    Args:
        code: what precedes the scripts; they are appended.

    Attributes:
        constants: bits of the constants, in order.
        temporaries: how many words of that sort any script needs.
    """

    def __init__(self, code: list[int]) -> None:
        self.code = code
        self.constants: list[int] = []
        self.temporaries = 1
        self._known: dict[object, int] = {}
        self._next = 1

    def begin(self) -> int:
        """Where the next script begins; its temporaries are free again."""
        self._next = 1
        return len(self.code)

    def temporary(self) -> int:
        """A new temporary register of this script."""
        found = TEMPORARY + self._next
        self._next += 1
        if self._next > self.temporaries:
            self.temporaries = self._next
        return found

    def bits(self, bits: int) -> int:
        """The register of a constant given by its bits."""
        found = self._known.get(bits)
        if found is None:
            found = self._known[bits] = CONSTANT + len(self.constants)
            self.constants.append(bits)
        return found

    def number(self, number: float) -> int:
        """The register of a constant number."""
        return self.bits(number_bits(number))

    def factor(self, amount: float) -> int:
        """The register of what Nudge multiplies by; the one behind it holds the amount."""
        key = ("nudge", amount.hex())
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = CONSTANT + len(self.constants)
            self.constants.append(number_bits(1.0 - abs(amount)))
            self.constants.append(number_bits(amount))
        return found

    def bind(self, label: Label) -> None:
        """The label is here."""
        for source in label.sources:
            self.code[source] = len(self.code)

    def jump(self, label: Label, *instruction: int) -> None:
        """An instruction whose last word is a target."""
        self.code.extend(instruction)
        label.sources.append(len(self.code))
        self.code.append(0)

    def register(self, node: Node) -> int:
        """The register that holds a node's value; leaves cost no instruction."""
        kind = node[1]
        if kind == nodes.REGISTER:
            place: int = node[2]
            return place
        if kind == nodes.CONST:
            return self.bits(value_bits(node[2]))
        to = self.temporary()
        self.into(to, node)
        return to

    def into(self, to: int, node: Node) -> None:
        """Put a node's value into a register that the node does not read."""
        kind, a, b = node[1], node[2], node[3]
        if kind == nodes.REGISTER or kind == nodes.CONST:
            self.code.extend((opcodes.MOVE, to, self.register(node)))
        elif kind == nodes.SCALED:
            self.code.extend((opcodes.SCALE, to, self.number(a), b))
        elif kind == nodes.PLAIN:
            self._plain(to, a, b)
        elif kind == nodes.CHAINED:
            self.code.extend((opcodes.CHAIN, to, len(a) // 2, *a, b))
        elif kind == nodes.BRANCHES:
            self._branches(to, a, b[0], b[1])
        elif kind == nodes.GUARDED:
            self._guarded(to, a, b)
        elif kind == nodes.VALUES:
            if a == "Not":
                self.code.extend((opcodes.NOT_OF_VALUE, to, self.register(b[0])))
            else:
                operands = [self.register(node) for node in b]
                self.code.extend((_VALUES[a], to, len(operands), *operands))
        else:
            end = Label()
            self.code.extend((opcodes.MOVE, to, self.bits(opcodes.TRUE)))
            self.branch(node, True, end)
            self.code.extend((opcodes.MOVE, to, self.bits(opcodes.FALSE)))
            self.bind(end)

    def linear(self, operands: list[Node]) -> list[int]:
        """Count and pairs of the terms of a sum: products with one constant need no instruction of their own."""
        words = [len(operands)]
        for node in operands:
            kind = node[1]
            if kind == nodes.SCALED:
                words += (self.number(node[2]), node[3])
                continue
            if kind == nodes.PLAIN and node[2] == "Multiplication" and len(node[3]) == 2:
                a, b = node[3]
                if a[1] == nodes.CONST or b[1] == nodes.CONST:
                    words += (self.register(a), self.register(b))
                    continue
            words += (self.number(1.0), self.register(node))
        return words

    def select(self, node: Node) -> tuple[int, int, int, int] | None:
        """Registers a, b, then, otherwise, if the node is one choice between leaves by a > b."""
        if node[1] != nodes.BRANCHES or len(node[2]) != 1 or node[0] != NUMBER:
            return None
        condition, value = node[2][0]
        otherwise = node[3][0]
        if condition[1] != nodes.COMPARED or condition[2][0] != "greater" or value[0] & NULL:
            return None
        if not (is_leaf(value) and is_leaf(otherwise) and all(is_leaf(operand) for operand in condition[3])):
            return None
        a, b = condition[3]
        x, y = (value, otherwise) if condition[2][1] else (otherwise, value)
        return self.register(a), self.register(b), self.register(x), self.register(y)

    def _plain(self, to: int, name: str, operands: list[Node]) -> None:
        if name == "Addition" or name == "Arithmetic Mean":
            words = self.linear(operands)
            self.code.extend((opcodes.LINEAR if name == "Addition" else opcodes.MEAN, to, *words))
            return
        registers = [self.register(node) for node in operands]
        if name in _SIMPLE:
            self.code.extend((_SIMPLE[name], to, *registers))
        else:
            self.code.extend((_COUNTED[name], to, len(registers), *registers))

    def _guarded(self, to: int, name: str, operands: list[Node]) -> None:
        """A rule over numbers whose operands may be something else."""
        numbers: list[Node] = []
        poisoned, end = Label(), Label()
        for node in operands:
            register = self.register(node)
            if node[0] != NUMBER:
                self.jump(poisoned, opcodes.JUMP_NO_NUMBER, register)
            numbers.append((NUMBER, nodes.REGISTER, register, None))
        self.into(to, nodes.operation(name, numbers))
        self.jump(end, opcodes.JUMP)
        self.bind(poisoned)
        poison = self.number(-LIMIT) if name == "Desideratum" else self.bits(opcodes.NULL)
        self.code.extend((opcodes.MOVE, to, poison))
        self.bind(end)

    def _branches(self, to: int, pairs: list[tuple[Node, Node]], otherwise: Node, fallback: Node) -> None:
        chosen = self.select((NUMBER, nodes.BRANCHES, pairs, (otherwise, fallback))) if len(pairs) == 1 else None
        if chosen is not None:
            self.code.extend((opcodes.SELECT_GREATER, to, *chosen))
            return
        end, poisoned = Label(), Label()
        for condition, value in pairs:
            # what stands for null is written once, or nested choices would grow without bound
            if value is fallback:
                self.branch(condition, True, poisoned)
                continue
            following = Label()
            self.branch(condition, False, following)
            self.into(to, value)
            if value[0] & NULL:
                self.jump(poisoned, opcodes.JUMP_NULL, to)
            self.jump(end, opcodes.JUMP)
            self.bind(following)
        if otherwise is not fallback:
            self.into(to, otherwise)
            if poisoned.sources:
                self.jump(end, opcodes.JUMP)
        if otherwise is fallback or poisoned.sources:
            self.bind(poisoned)
            self.into(to, fallback)
        self.bind(end)

    def branch(self, node: Node, wanted: bool, label: Label) -> None:
        """Jump to the label when the node's truth is the wanted one; else go on behind."""
        kind, a = node[1], node[2]
        if kind == nodes.CONST:
            if bool(a) is wanted:
                self.jump(label, opcodes.JUMP)
        elif kind == nodes.COMPARED:
            first, second = self.register(node[3][0]), self.register(node[3][1])
            self.jump(label, _JUMPS[a[0]][a[1] is wanted], first, second)
        elif kind == nodes.FLAG:
            self.jump(label, opcodes.JUMP_FLAG if wanted is not node[3] else opcodes.JUMP_NOT_FLAG, a)
        elif kind == nodes.NOT:
            self.branch(a, not wanted, label)
        elif kind == nodes.ALL or kind == nodes.ANY:
            if (kind == nodes.ANY) is wanted:
                for operand in a:
                    self.branch(operand, wanted, label)
            else:
                behind = Label()
                for operand in a[:-1]:
                    self.branch(operand, not wanted, behind)
                self.branch(a[-1], wanted, label)
                self.bind(behind)
        elif kind == nodes.BRANCHES and not any(value[0] & NULL for _, value in a):
            behind, last, otherwise = Label(), Label(), node[3][0]
            for condition, value in a:
                if value is otherwise:
                    self.branch(condition, True, last)
                    continue
                following = Label()
                self.branch(condition, False, following)
                self.branch(value, wanted, label)
                self.jump(behind, opcodes.JUMP)
                self.bind(following)
            self.bind(last)
            self.branch(otherwise, wanted, label)
            self.bind(behind)
        elif node[0] == NUMBER:
            self.jump(label, opcodes.JUMP_NONZERO if wanted else opcodes.JUMP_ZERO, self.register(node))
        else:
            self.jump(label, opcodes.JUMP_TRUTHY if wanted else opcodes.JUMP_NOT_TRUTHY, self.register(node))

    def placed(self, temporaries: int, constants: int, spools: int, history: int) -> Ints32:
        """The code, when the first words of those regions are known.

        Raises:
            StoryworldError: the storyworld is larger than positions can be.
        """
        if max(len(self.code), temporaries + self.temporaries) >= LARGEST:
            raise StoryworldError("is too large for the simulator", hint="split it")
        code = np.array(self.code, dtype=np.int32)
        base = np.zeros(16, dtype=np.int32)
        for region, first in ((TEMPORARY, temporaries), (CONSTANT, constants), (SPOOL, spools), (HISTORY, history)):
            base[region >> REGION] = first
        # a reference to the value in a constant
        base[(CONSTANT << 2) >> REGION] = constants << 2
        placed: Ints32 = base[code >> REGION] + (code & ((1 << REGION) - 1))
        return placed


def is_leaf(node: Node) -> bool:
    """Whether a node needs no instruction."""
    return node[1] == nodes.REGISTER or node[1] == nodes.CONST


def number_bits(number: float) -> int:
    """The bits of a number; every NaN is the same one."""
    if number != number:
        return opcodes.NOT_A_NUMBER
    bits: int = _BITS.unpack(_NUMBER.pack(number))[0]
    return bits


def value_bits(value: object) -> int:
    """The bits of a value."""
    if value is None:
        return opcodes.NULL
    if isinstance(value, bool):
        return opcodes.TRUE if value else opcodes.FALSE
    if isinstance(value, str):
        return opcodes.TEXT if value else opcodes.EMPTY
    return number_bits(value)  # type: ignore[arg-type]  # a value that is none of these is a number


_NUMBER, _BITS = struct.Struct("<d"), struct.Struct("<q")
