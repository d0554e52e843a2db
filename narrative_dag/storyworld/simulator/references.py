"""References to gates and desirabilities: the most frequent forms need no script."""

from narrative_dag.storyworld.script import Expression
from narrative_dag.storyworld.simulator import layout, nodes, opcodes
from narrative_dag.storyworld.simulator.nodes import CONST, NUMBER, REGISTER, Node, Typing
from narrative_dag.storyworld.simulator.scripts import Label, Scripts, is_leaf

ALWAYS = 1 << 2 | layout.GATE_CONSTANT
"""The reference of a gate that is always open; that of one that never is, is 0."""


class References:
    """Writes what gates and desirabilities need and refers to it; see `layout`.

    Args:
        typing: makes nodes.
        scripts: the code.
    """

    def __init__(self, typing: Typing, scripts: Scripts) -> None:
        self._typing = typing
        self._scripts = scripts

    def gate(self, expression: Expression) -> int:
        """The reference to a gate."""
        node = self._typing.node(expression)
        if node[1] == CONST:
            return int(bool(node[2])) << 2 | layout.GATE_CONSTANT
        scripts = self._scripts
        at = scripts.begin()
        if node[1] == nodes.COMPARED and node[2][1] and node[2][0] != "equal" and all(map(is_leaf, node[3])):
            scripts.code.extend([scripts.register(operand) for operand in node[3]])
            return at << 2 | (layout.GATE_GREATER if node[2][0] == "greater" else layout.GATE_GREATER_EQUAL)
        shut = Label()
        scripts.branch(node, False, shut)
        scripts.code.append(opcodes.RETURN_TRUE)
        if shut.sources:
            scripts.bind(shut)
            scripts.code.append(opcodes.RETURN_FALSE)
        return at << 2 | layout.GATE_SCRIPT

    def value(self, node: Node) -> int:
        """The reference to a desirability."""
        scripts = self._scripts
        if node[1] == CONST:
            number = node[2] if node[0] == NUMBER else float("nan")
            return scripts.number(number) << 2 | layout.VALUE_REGISTER
        if node[1] == REGISTER:
            return int(node[2]) << 2 | layout.VALUE_REGISTER
        at = scripts.begin()
        chosen = scripts.select(node)
        if chosen is not None:
            scripts.code.extend(chosen)
            return at << 2 | layout.VALUE_SELECT
        if node[1] == nodes.SCALED or (node[1] == nodes.PLAIN and node[2] == "Addition" and _flat(node[3])):
            words = scripts.linear([node] if node[1] == nodes.SCALED else node[3])
            scripts.code.extend(words)
            return at << 2 | layout.VALUE_LINEAR
        register = scripts.register(node)
        scripts.code.extend((opcodes.RETURN, register))
        return at << 2 | layout.VALUE_SCRIPT


def _flat(operands: list[Node]) -> bool:
    """Whether a sum needs no instruction before it."""
    for node in operands:
        if is_leaf(node) or node[1] == nodes.SCALED:
            continue
        if node[1] == nodes.PLAIN and node[2] == "Multiplication" and len(node[3]) == 2:
            a, b = node[3]
            if is_leaf(a) and is_leaf(b) and (a[1] == CONST or b[1] == CONST):
                continue
        return False
    return True
