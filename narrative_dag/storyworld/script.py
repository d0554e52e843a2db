"""Scripts: the expression tree and the one definition of every operator.

Semantics: SweepWeave 0.1.9. A value is a number, a boolean, a string or `None` ("poison"). Evaluation has no side
effects and raises nothing. What a loader removes, pads or defaults happens before a tree is built; a tree holds what is
left. The interpreter calls `evaluate`; a compiler reads `OPERATORS` and the tree.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Value = float | bool | str | None

LIMIT = 0.99
"""The bound of constants (official mode), Nudge and Desideratum."""


class Kind(enum.Enum):
    """The static type of an expression's value."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    STRING = "string"
    NULL = "null"


@dataclass(frozen=True, slots=True)
class Constant:
    """A bare value."""

    value: float | bool | str


@dataclass(frozen=True, slots=True)
class Variable:
    """`coefficient` times the character's value at the keyring (property id, perceived character id, ...)."""

    character: str
    keyring: tuple[str, ...]
    coefficient: float = 1.0


@dataclass(frozen=True, slots=True)
class Event:
    """Whether an encounter was entered and, when named, its option and reaction were ever chosen.

    `encounter` is a position in `Storyworld.encounters` (None: nothing selected, never occurred), `option` is
    (encounter, option) positions, `reaction` (encounter, option, reaction) positions: history is kept by object.
    """

    encounter: int | None
    option: tuple[int, int] | None = None
    reaction: tuple[int, int, int] | None = None
    negated: bool = False


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """Whether a spool is active now."""

    spool: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator applied to operands; `operator` is a key of `OPERATORS`."""

    operator: str
    operands: "tuple[Expression, ...]"


Expression = Constant | Variable | Event | SpoolStatus | Operation


class Reader(Protocol):
    """What an expression may ask of a state of play."""

    def number(self, character: str, keyring: tuple[str, ...]) -> float | None:
        """The value at a keyring, before any coefficient; None when it does not exist."""

    def occurred(self, event: Event) -> bool:
        """Whether the event is in the history (`negated` is not applied)."""

    def active(self, spool: str) -> bool:
        """Whether the spool is active."""


def is_number(value: Value) -> bool:
    """Whether a value is numeric (booleans are not)."""
    return isinstance(value, float | int) and not isinstance(value, bool)


def truthy(value: Value) -> bool:
    """A value in a boolean place: 0, "" and null are false."""
    return bool(value)


def clamp(value: float, low: float = -LIMIT, high: float = LIMIT) -> float:
    """`min(max(value, low), high)`."""
    return min(max(value, low), high)


Numbers = Sequence[float]


def _strict(rule: Callable[[Numbers], Value]) -> Callable[[Sequence[Value]], Value]:
    """A rule over numbers that is null as soon as one operand is not a number."""

    def apply(values: Sequence[Value]) -> Value:
        numbers = [v for v in values if isinstance(v, float)]
        if len(numbers) < len(values):
            numbers = [float(v) for v in values if v is not None and not isinstance(v, bool | str)]
        return rule(numbers) if len(numbers) == len(values) else None

    return apply


def _filtered(rule: Callable[[Numbers], Value]) -> Callable[[Sequence[Value]], Value]:
    """A rule over those operands that are numbers; the others are ignored."""

    def apply(values: Sequence[Value]) -> Value:
        return rule([float(v) for v in values if v is not None and not isinstance(v, bool | str)])

    return apply


def _comparison(rule: Callable[[float, float], bool]) -> Callable[[Sequence[Value]], Value]:
    return _strict(lambda x: rule(x[0], x[1]) if len(x) >= 2 else None)


def _sum(numbers: Numbers) -> float:
    total = 0.0
    for number in numbers:
        total += number
    return total


def _subtraction(numbers: Numbers) -> float:
    rest = numbers[0]
    for number in numbers[1:]:
        rest -= number
    return rest


def _product(numbers: Numbers) -> float:
    product = 1.0
    for number in numbers:
        product *= number
    return product


def _mean(numbers: Numbers) -> float:
    return _sum(numbers) / len(numbers) if numbers else 0.0


def _blend(x: Numbers) -> float:
    t = (x[2] + 1.0) / 2.0
    return x[0] * (1.0 - t) + x[1] * t


def _nudge(x: Numbers) -> float:
    return clamp(x[0] * (1.0 - abs(x[1])) + x[1])


def _desideratum(values: Sequence[Value]) -> Value:
    x, y = values[0], values[1]
    if x is None or y is None or isinstance(x, bool | str) or isinstance(y, bool | str):
        return -LIMIT
    return clamp(LIMIT - abs(x - y))


def _boolean(rule: Callable[[Sequence[bool]], bool]) -> Callable[[Sequence[Value]], Value]:
    def apply(values: Sequence[Value]) -> Value:
        booleans = [v for v in values if isinstance(v, bool)]
        return rule(booleans) if len(booleans) >= 2 else None

    return apply


def _not(values: Sequence[Value]) -> Value:
    return not values[0] if isinstance(values[0], bool) else None


def _equals(values: Sequence[Value], wanted: type) -> Value:
    usable = [v for v in values if (isinstance(v, bool) if wanted is bool else is_number(v))]
    return all(v == usable[0] for v in usable) if len(usable) >= 2 else None


def _if_then(values: Sequence[Value]) -> Value:
    if len(values) <= 2:
        return values[-1] if values else None
    last = len(values) - 1
    for i in range(0, last, 2):
        if truthy(values[i]):
            return values[last] if values[i + 1] is None else values[i + 1]
    return values[last]


def _concatenate(values: Sequence[Value]) -> Value:
    return "".join(v for v in values if isinstance(v, str))


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator: its name, what it takes and gives, and its rule on operand values.

    `least` and `most` bound the operand count that a tree may hold (most None: any); `output` None means that it
    follows an operand (If Then).
    """

    name: str
    least: int
    most: int | None
    operand: Kind | None
    output: Kind | None
    apply: Callable[[Sequence[Value]], Value]
    official: bool = True


_N, _B, _S = Kind.NUMBER, Kind.BOOLEAN, Kind.STRING

OPERATORS: Mapping[str, Operator] = {
    op.name: op
    for op in (
        Operator("Absolute Value", 1, 1, _N, _N, _strict(lambda x: abs(x[0]))),
        Operator("Arithmetic Negation", 1, 1, _N, _N, _strict(lambda x: -1.0 * x[0])),
        Operator("Greater Than", 0, 2, _N, _B, _comparison(lambda a, b: a > b)),
        Operator("Greater Than or Equal To", 0, 2, _N, _B, _comparison(lambda a, b: a >= b)),
        Operator("Less Than", 0, 2, _N, _B, _comparison(lambda a, b: a < b)),
        Operator("Less Than or Equal To", 0, 2, _N, _B, _comparison(lambda a, b: a <= b)),
        Operator("Equal To", 0, 2, _N, _B, _comparison(lambda a, b: a == b)),
        Operator("Not Equal To", 0, 2, _N, _B, _comparison(lambda a, b: a != b), official=False),
        Operator("Arithmetic Mean", 1, None, _N, _N, _filtered(_mean)),
        Operator("Blend", 3, 3, _N, _N, _strict(_blend)),
        Operator("Nudge", 2, 2, _N, _N, _strict(_nudge)),
        Operator("Desideratum", 2, 2, _N, _N, _desideratum),
        Operator("Maximum of", 1, None, _N, _N, _filtered(lambda x: max(x) if x else None)),
        Operator("Minimum of", 1, None, _N, _N, _filtered(lambda x: min(x) if x else None)),
        Operator("And", 2, None, _B, _B, _boolean(all)),
        Operator("Or", 2, None, _B, _B, _boolean(any)),
        Operator("Neither And nor Or", 0, None, _B, _B, lambda values: None),
        Operator("Not", 1, 1, _B, _B, _not),
        Operator("Equals (numbers)", 0, None, _N, _B, lambda values: _equals(values, float)),
        Operator("Equals (booleans)", 0, None, _B, _B, lambda values: _equals(values, bool)),
        Operator("Equals (neither)", 0, None, None, _B, lambda values: None),
        Operator("If Then", 0, None, None, None, _if_then),
        Operator("Concatenate", 0, None, _S, _S, _concatenate),
        Operator("Addition", 1, None, _N, _N, _strict(_sum), official=False),
        Operator("Subtraction", 1, None, _N, _N, _strict(_subtraction), official=False),
        Operator("Multiplication", 1, None, _N, _N, _strict(_product), official=False),
        Operator("Absolute Difference", 2, 2, _N, _N, _strict(lambda x: abs(x[0] - x[1])), official=False),
        Operator("Clamp", 3, 3, _N, _N, _strict(lambda x: clamp(x[0], x[1], x[2])), official=False),
        Operator("Logical And", 1, None, None, _B, lambda v: all(truthy(x) for x in v), official=False),
        Operator("Logical Or", 1, None, None, _B, lambda v: any(truthy(x) for x in v), official=False),
    )
}
"""Every operator by name. Comparator and boolean subtypes are operators of their own; `Equals` is split by the static
type of its first operand; "Neither And nor Or" stands for a Boolean Comparator of unknown subtype (always null)."""


def kind_of(expression: Expression) -> Kind:
    """The static type of an expression: an If Then has its second operand's (its only one's, if single)."""
    match expression:
        case Constant(value=bool()) | Event() | SpoolStatus():
            return Kind.BOOLEAN
        case Constant(value=str()):
            return Kind.STRING
        case Constant() | Variable():
            return Kind.NUMBER
        case Operation(operator=name, operands=operands):
            output = OPERATORS[name].output
            if output is not None:
                return output
            return kind_of(operands[1] if len(operands) > 1 else operands[0]) if operands else Kind.NULL


def equals_operator(first: Expression | None) -> str:
    """The `Equals` operator that fits the first remaining operand."""
    kind = Kind.NULL if first is None else kind_of(first)
    return {Kind.NUMBER: "Equals (numbers)", Kind.BOOLEAN: "Equals (booleans)"}.get(kind, "Equals (neither)")


def evaluate(expression: Expression, reader: Reader) -> Value:
    """The value of an expression in a state of play."""
    if isinstance(expression, Constant):
        return expression.value
    if isinstance(expression, Variable):
        number = reader.number(expression.character, expression.keyring)
        return None if number is None else expression.coefficient * number
    if isinstance(expression, Operation):
        return OPERATORS[expression.operator].apply([evaluate(operand, reader) for operand in expression.operands])
    if isinstance(expression, Event):
        return reader.occurred(expression) is not expression.negated
    return reader.active(expression.spool) is not expression.negated


def walk(expression: Expression) -> "list[Expression]":
    """The expression and everything below it, parents first."""
    found = [expression]
    if isinstance(expression, Operation):
        for operand in expression.operands:
            found.extend(walk(operand))
    return found
