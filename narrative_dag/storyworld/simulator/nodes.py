"""Expressions with their run-time types, constants folded: what scripts are generated from.

The type of a value is almost always known before play: a variable is null or a number by its keyring alone, and every
operator's result follows, but for an If Then whose branches differ. A node carries the set of types that it may have,
so that instructions without tests of types serve wherever the set has one member.
"""

from collections.abc import Callable, Mapping
from typing import Any

from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.model import Key
from narrative_dag.storyworld.script import OPERATORS, Constant, Event, Expression, Operation, Value, Variable

NUMBER, BOOLEAN, STRING, NULL = 1, 2, 4, 8

# kinds of nodes; a node is (types, kind, a, b)
CONST, REGISTER, SCALED, CHAINED, FLAG, COMPARED, ALL, ANY, NOT, BRANCHES, PLAIN, GUARDED, VALUES = range(13)
Node = tuple[int, int, Any, Any]
"""(types, kind, payload, payload):

* CONST value; REGISTER position; SCALED coefficient, position; FLAG position, negated
* CHAINED pairs of presence and number positions, position otherwise
* COMPARED ("greater" | "greater_equal" | "equal", whether it must hold), two nodes
* ALL, ANY nodes, by their truth; NOT node
* BRANCHES pairs of condition and value, (otherwise, what stands for a null value)
* PLAIN operator, nodes that are numbers; GUARDED the same with nodes that may be something else: then null, or
  Desideratum's lowest
* VALUES operator, nodes of any type: tested when it runs
"""


def constant(value: Value) -> Node:
    """The node of a value."""
    if value is None:
        return (NULL, CONST, None, None)
    if isinstance(value, bool):
        return (BOOLEAN, CONST, value, None)
    if isinstance(value, str):
        return (STRING, CONST, value, None)
    return (NUMBER, CONST, float(value), None)


NOTHING = constant(None)
YES, NO = constant(True), constant(False)

Reads = Callable[[Key], Node]
"""The node of a variable's number: CONST, REGISTER or CHAINED."""

_COMPARISONS: Mapping[str, tuple[str, bool, bool]] = {
    "Greater Than": ("greater", True, False),
    "Less Than": ("greater", True, True),
    "Greater Than or Equal To": ("greater_equal", True, False),
    "Less Than or Equal To": ("greater_equal", True, True),
    "Equal To": ("equal", True, False),
    "Not Equal To": ("equal", False, False),
}
"""Comparison, whether it must hold, whether the operands change places."""

_PLAIN = frozenset(
    ("Absolute Value", "Arithmetic Negation", "Absolute Difference", "Blend", "Nudge", "Desideratum", "Clamp")
) | frozenset(("Addition", "Subtraction", "Multiplication"))
_NUMBERS = frozenset(("Arithmetic Mean", "Maximum of", "Minimum of"))
_BOOLEANS = frozenset(("And", "Or", "Not", "Equals (booleans)"))
_NULL = frozenset(("Neither And nor Or", "Equals (neither)"))


class Typing:
    """Makes nodes for the expressions of one storyworld.

    Args:
        reads: the node of a variable's number, before any coefficient.
        event: the flags that must all be set for an event to have occurred; None when it never can.
        spool: the flag of a spool.
    """

    def __init__(self, reads: Reads, event: Callable[[Event], tuple[int, ...] | None], spool: Callable[[str], int]):
        self._reads = reads
        self._event = event
        self._spool = spool

    def node(self, expression: Expression) -> Node:
        """The node of an expression.

        Raises:
            StoryworldError: an operator that the simulator has no instructions for.
        """
        if isinstance(expression, Operation):
            return operation(expression.operator, [self.node(operand) for operand in expression.operands])
        if isinstance(expression, Variable):
            number = self._reads((expression.character, expression.keyring))
            coefficient = expression.coefficient
            if number[1] == CONST:
                return NOTHING if number[2] is None else constant(coefficient * number[2])
            if coefficient == 1.0:
                return number
            if number[1] == REGISTER:
                return (NUMBER, SCALED, float(coefficient), number[2])
            return (NUMBER, PLAIN, "Multiplication", [constant(coefficient), number])
        if isinstance(expression, Constant):
            return constant(expression.value)
        if isinstance(expression, Event):
            flags = self._event(expression)
            if flags is None:
                return YES if expression.negated else NO
            nodes: list[Node] = [(BOOLEAN, FLAG, flag, False) for flag in flags]
            occurred = nodes[0] if len(nodes) == 1 else (BOOLEAN, ALL, nodes, None)
            return _not(occurred) if expression.negated else occurred
        return (BOOLEAN, FLAG, self._spool(expression.spool), expression.negated)


def operation(name: str, nodes: list[Node]) -> Node:
    """The node of an operator applied to nodes.

    Raises:
        StoryworldError: an operator that the simulator has no instructions for.
    """
    if name in _NULL:
        return NOTHING
    constants = True
    types = NUMBER
    for node in nodes:
        types |= node[0]
        constants = constants and node[1] == CONST
    if constants and (nodes or name in OPERATORS):
        return constant(OPERATORS[name].apply([node[2] for node in nodes]))
    if name in _COMPARISONS:
        return _compared(name, nodes, types)
    if name in _PLAIN:
        return _strict(name, nodes, types)
    if name in _NUMBERS:
        return _filtered(name, nodes)
    if name in _BOOLEANS:
        return _boolean(name, nodes)
    if name == "If Then":
        return _if_then(nodes)
    if name == "Equals (numbers)":
        return _equal_numbers(nodes)
    if name in ("Logical And", "Logical Or"):
        return _truth(nodes, name == "Logical Or")
    if name == "Concatenate":
        return _concatenate(nodes)
    raise StoryworldError(f"the simulator has no instructions for the operator {name}")


def _compared(name: str, nodes: list[Node], types: int) -> Node:
    if len(nodes) < 2 or not all(node[0] & NUMBER for node in nodes):
        return NOTHING
    if types != NUMBER:
        return (BOOLEAN | NULL, GUARDED, name, nodes)
    comparison, holds, exchanged = _COMPARISONS[name]
    a, b = nodes[0], nodes[1]
    return (BOOLEAN, COMPARED, (comparison, holds), (b, a) if exchanged else (a, b))


def _strict(name: str, nodes: list[Node], types: int) -> Node:
    if not all(node[0] & NUMBER for node in nodes):
        return constant(OPERATORS[name].apply([None for _ in nodes]))
    if types == NUMBER:
        return (NUMBER, PLAIN, name, nodes)
    return (NUMBER if name == "Desideratum" else NUMBER | NULL, GUARDED, name, nodes)


def _filtered(name: str, nodes: list[Node]) -> Node:
    usable = [node for node in nodes if node[0] & NUMBER]
    if not usable:
        return constant(OPERATORS[name].apply([]))
    if all(node[0] == NUMBER for node in usable):
        return (NUMBER, PLAIN, name, usable)
    known = name == "Arithmetic Mean" or any(node[0] == NUMBER for node in usable)
    return (NUMBER if known else NUMBER | NULL, VALUES, name, usable)


def _equal_numbers(nodes: list[Node]) -> Node:
    usable = [node for node in nodes if node[0] & NUMBER]
    if len(usable) < 2:
        return NOTHING
    sure = sum(node[0] == NUMBER for node in usable)
    if sure == len(usable) == 2 and usable[0][1] == CONST and usable[0][2] == usable[0][2]:
        return (BOOLEAN, COMPARED, ("equal", True), (usable[0], usable[1]))
    return (BOOLEAN if sure >= 2 else BOOLEAN | NULL, VALUES, "Equals (numbers)", usable)


def _not(node: Node) -> Node:
    if node[1] == CONST:
        return NO if node[2] else YES
    if node[1] == FLAG:
        return (BOOLEAN, FLAG, node[2], not node[3])
    return (BOOLEAN, NOT, node, None)


def _boolean(name: str, nodes: list[Node]) -> Node:
    if name == "Not":
        node = nodes[0]
        if node[0] == BOOLEAN:
            return _not(node)
        return (BOOLEAN | NULL, VALUES, name, nodes) if node[0] & BOOLEAN else NOTHING
    usable = [node for node in nodes if node[0] & BOOLEAN]
    if len(usable) < 2:
        return NOTHING
    sure = sum(node[0] == BOOLEAN for node in usable)
    if name == "Equals (booleans)" or sure < len(usable):
        return (BOOLEAN if sure >= 2 else BOOLEAN | NULL, VALUES, name, usable)
    return _truth(usable, name == "Or")


def _truth(nodes: list[Node], any_of: bool) -> Node:
    """Whether all (any) of the nodes are true."""
    rest = []
    for node in nodes:
        if node[1] != CONST:
            rest.append(node)
        elif bool(node[2]) is any_of:
            return YES if any_of else NO
    if not rest:
        return NO if any_of else YES
    if len(rest) == 1 and rest[0][0] == BOOLEAN:
        return rest[0]
    return (BOOLEAN, ANY if any_of else ALL, rest, None)


def _if_then(nodes: list[Node]) -> Node:
    if len(nodes) <= 2:
        return nodes[-1] if nodes else NOTHING
    otherwise = nodes[-1]
    pairs: list[tuple[Node, Node]] = []
    types = 0
    for i in range(0, len(nodes) - 1, 2):
        condition, value = nodes[i], nodes[i + 1]
        if condition[1] == CONST and not condition[2]:
            continue
        if value[0] == NULL:
            value = otherwise
        if condition[1] == CONST and not value[0] & NULL:
            otherwise = value
            break
        pairs.append((condition, value))
        types |= value[0] & ~NULL
        if condition[1] == CONST:
            break
    if not pairs:
        return otherwise
    if any(value[0] & NULL for _, value in pairs):
        types |= nodes[-1][0]
    return (types | otherwise[0], BRANCHES, pairs, (otherwise, nodes[-1]))


def _concatenate(nodes: list[Node]) -> Node:
    usable = [node for node in nodes if node[0] & STRING]
    if any(node[1] == CONST and node[2] for node in usable):
        return constant("x")
    usable = [node for node in usable if node[1] != CONST]
    return (STRING, VALUES, "Concatenate", usable) if usable else constant("")
