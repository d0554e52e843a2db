"""From syntax to meaning: names looked up, types and operand counts checked, operators chosen."""

from collections.abc import Iterable
from dataclasses import dataclass

from narrative_dag.storyworld.draft.names import Names
from narrative_dag.storyworld.draft.problem import MOST_PROBLEMS, Stage, did_you_mean
from narrative_dag.storyworld.draft.syntax import ExpressionSyntaxError, Node, parse_effect, parse_expression
from narrative_dag.storyworld.draft.vocabulary import (
    COMPARISONS,
    EFFECTS,
    FUNCTIONS,
    MOST_COEFFICIENT,
    STATUS,
    approach,
)
from narrative_dag.storyworld.model import Effect, SetNumber, SetSpool
from narrative_dag.storyworld.script import (
    LIMIT,
    Constant,
    Event,
    Expression,
    Kind,
    Operation,
    SpoolStatus,
    Variable,
    kind_of,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong inside one expression, at the columns [start, end)."""

    stage: Stage
    message: str
    start: int
    end: int


class Resolver:
    """Turns expression text into trees; what is wrong collects in `faults`, and None stands for what has no tree.

    No more than `MOST_PROBLEMS` faults are kept.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self.faults: list[Fault] = []

    def expression(self, text: str, kind: Kind) -> Expression | None:
        """The tree of a number expression or of a condition."""
        try:
            node = parse_expression(text)
        except ExpressionSyntaxError as fault:
            self.faults.append(Fault("expression", fault.message, fault.start, fault.end))
            return None
        return self._of_kind(node, kind)

    def effect(self, text: str) -> Effect | None:
        """The effect that a text describes."""
        try:
            node = parse_effect(text)
        except ExpressionSyntaxError as fault:
            self.faults.append(Fault("expression", fault.message, fault.start, fault.end))
            return None
        if node.word not in EFFECTS:
            self._fault(node, f"no effect is named {node.word}{self._hint(node.word, EFFECTS)}", len(node.word))
            return None
        count, wanted = EFFECTS[node.word]
        if len(node.parts) != count:
            self._fault(node, f"{node.word} takes {wanted}, but {_operands(len(node.parts))} given")
            return None
        if node.word in ("open", "close"):
            spool = self._spool(node.parts[0])
            return None if spool is None else SetSpool(spool, Constant(node.word == "open"))
        return self._assignment(node)

    def _fault(self, node: Node, message: str, length: int | None = None, stage: Stage = "expression") -> None:
        if len(self.faults) < MOST_PROBLEMS:
            end = node.end if length is None else node.start + length
            self.faults.append(Fault(stage, message, node.start, end))

    def _hint(self, word: str, known: Iterable[str]) -> str:
        return did_you_mean(word, known) if len(self.faults) < MOST_PROBLEMS else ""

    def _assignment(self, node: Node) -> SetNumber | None:
        first = node.parts[0]
        if first.kind != "variable" or first.number != 1.0:
            self._fault(first, f"{node.word} changes a variable such as Character.Property, without a coefficient")
            target = None
        else:
            target = self._variable(first)
        operands = [self._of_kind(part, Kind.NUMBER) for part in node.parts[1:]]
        values = [operand for operand in operands if operand is not None]
        if target is None or len(values) < len(operands):
            return None
        match node.word:
            case "set":
                value = values[0]
            case "nudge":
                value = Operation("Nudge", (target, values[0]))
            case "blend":
                value = Operation("Blend", (target, values[0], values[1]))
            case "reverse":
                value = Operation("Arithmetic Negation", (target,))
            case _:
                value = approach(target, values[0])
        return SetNumber(target, value)

    def _of_kind(self, node: Node, kind: Kind) -> Expression | None:
        tree = self._tree(node)
        if tree is None or kind_of(tree) is kind:
            return tree
        wanted = "a number" if kind is Kind.NUMBER else "a condition"
        found = "a condition" if kind_of(tree) is Kind.BOOLEAN else "a number"
        self._fault(node, f"{wanted} is needed here, and this is {found}")
        return None

    def _tree(self, node: Node) -> Expression | None:
        match node.kind:
            case "number":
                if abs(node.number) > LIMIT:
                    self._fault(node, f"constants lie between -{LIMIT} and {LIMIT}")
                    return None
                return Constant(node.number)
            case "boolean":
                return Constant(node.number == 1.0)
            case "variable":
                return self._variable(node)
            case "name":
                self._fault(node, f"{node.word} alone has no value; write Character.Property")
                return None
            case "call":
                return self._call(node)
            case "not":
                return self._operation("Not", node, Kind.BOOLEAN)
            case "negate":
                return self._operation("Arithmetic Negation", node, Kind.NUMBER)
            case "and" | "or":
                return self._operation(node.kind.capitalize(), node, Kind.BOOLEAN)
            case "compare":
                return self._operation(COMPARISONS[node.word], node, Kind.NUMBER)
            case _:
                return self._equals(node)

    def _operation(self, operator: str, node: Node, kind: Kind) -> Operation | None:
        operands = [self._of_kind(part, kind) for part in node.parts]
        trees = tuple(operand for operand in operands if operand is not None)
        return Operation(operator, trees) if len(trees) == len(operands) else None

    def _same_kind(self, first: Node, others: tuple[Node, ...]) -> tuple[Kind, list[Expression]] | None:
        """The trees of parts that must agree in type with the first one."""
        head = self._tree(first)
        if head is None:
            for part in others:
                self._tree(part)
            return None
        kind = kind_of(head)
        rest = [self._of_kind(part, kind) for part in others]
        trees = [head, *(tree for tree in rest if tree is not None)]
        return (kind, trees) if len(trees) == len(rest) + 1 else None

    def _equals(self, node: Node) -> Operation | None:
        same = self._same_kind(node.parts[0], node.parts[1:])
        if same is None:
            return None
        operator = "Equals (numbers)" if same[0] is Kind.NUMBER else "Equals (booleans)"
        return Operation(operator, tuple(same[1]))

    def _if(self, node: Node) -> Operation | None:
        count = len(node.parts)
        if count < 3 or count % 2 == 0:
            self._fault(node, f"if takes condition, value, ..., value otherwise, but {_operands(count)} given")
            return None
        conditions = [self._of_kind(part, Kind.BOOLEAN) for part in node.parts[:-1:2]]
        results = (*node.parts[1:-1:2], node.parts[-1])
        same = self._same_kind(results[0], results[1:])
        if same is None:
            return None
        trees: list[Expression] = []
        for condition, result in zip(conditions, same[1][:-1], strict=True):
            if condition is None:
                return None
            trees += [condition, result]
        return Operation("If Then", (*trees, same[1][-1]))

    def _call(self, node: Node) -> Expression | None:
        name, count = node.word, len(node.parts)
        if name == "if":
            return self._if(node)
        if name in ("seen", "unseen"):
            return self._event(node)
        if name in ("active", "inactive"):
            if count != 1:
                self._fault(node, f"{name} takes a spool, but {_operands(count)} given")
                return None
            spool = self._spool(node.parts[0])
            return None if spool is None else SpoolStatus(spool, negated=name == "inactive")
        if name not in FUNCTIONS:
            known = (*FUNCTIONS, *STATUS, "if")
            self._fault(node, f"no function is named {name}{self._hint(name, known)}", len(name))
            return None
        operator, least, most = FUNCTIONS[name]
        if count < least or (most is not None and count > most):
            wanted = f"{least} operand{'s' if least > 1 else ''}" if least == most else f"{least} operands or more"
            self._fault(node, f"{name} takes {wanted}, but {_operands(count)} given")
            return None
        return self._operation(operator, node, Kind.NUMBER)

    def _spool(self, node: Node) -> str | None:
        if node.kind != "name":
            self._fault(node, "a spool is needed here")
        elif node.word not in self.names.spools:
            message = f"no spool is named {node.word}{self._hint(node.word, self.names.spools)}"
            self._fault(node, message, stage="references")
        else:
            return node.word
        return None

    def _event(self, node: Node) -> Event | None:
        if not 1 <= len(node.parts) <= 3 or node.parts[0].kind != "name":
            self._fault(
                node, f"{node.word} takes an encounter, and after it perhaps positions of an option and a reaction"
            )
            return None
        name, places = node.parts[0], node.parts[1:]
        if name.word not in self.names.encounters:
            message = f"no encounter has the id {name.word}{self._hint(name.word, self.names.encounters)}"
            self._fault(name, message, stage="references")
            return None
        for part in places:
            if part.kind != "number" or not part.number.is_integer() or part.number < 0:
                self._fault(part, "a position is needed here: 0, 1, 2 ...")
                return None
        at = self.names.encounters[name.word]
        positions = [int(part.number) for part in places]
        options = self.names.shape[at]
        if positions and positions[0] >= len(options):
            self._fault(
                places[0], f"{name.word} has no such option; it has {len(options)}, counted from 0", stage="references"
            )
            return None
        if len(positions) == 2 and positions[1] >= options[positions[0]]:
            count = options[positions[0]]
            self._fault(
                places[1],
                f"that option of {name.word} has no such reaction; it has {count}, counted from 0",
                stage="references",
            )
            return None
        negated = node.word == "unseen"
        if not positions:
            return Event(at, negated=negated)
        option = (at, positions[0])
        return Event(at, option, (*option, positions[1]) if len(positions) == 2 else None, negated)

    def _variable(self, node: Node) -> Variable | None:
        character, name = node.parts[0].word, node.parts[1].word
        if not abs(node.number) <= MOST_COEFFICIENT:
            self._fault(node, "coefficients lie between -1 and 1")
            return None
        if character not in self.names.characters:
            message = f"no character is named {character}{self._hint(character, self.names.characters)}"
            self._fault(node.parts[0], message, stage="references")
            return None
        values = self.names.characters[character]
        if name not in values:
            message = f"{character} has no property {name}{self._hint(name, values)}"
            self._fault(node.parts[1], message, stage="references")
            return None
        perceived = values[name]
        if len(node.parts) == 2:
            if perceived is not None:
                message = f"{character}.{name} needs the perceived character: {character}.{name}[...]"
                self._fault(node, message, stage="references")
                return None
            return Variable(character, (name,), node.number)
        other = node.parts[2]
        if perceived is None:
            self._fault(node, f"{character}.{name} is a number, not a value for each character", stage="references")
            return None
        if other.word not in perceived:
            message = f"{character} has no {name} for {other.word}{self._hint(other.word, perceived)}"
            self._fault(other, message, stage="references")
            return None
        return Variable(character, (name, other.word), node.number)


def _operands(count: int) -> str:
    return "none is" if count == 0 else "1 is" if count == 1 else f"{count} are"
