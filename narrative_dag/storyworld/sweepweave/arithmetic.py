"""Exact arithmetic out of official operators.

The editor has no addition and no multiplication, but `Blend(0, e, w)` is 0 * (1 - t) + e * t with t = (w + 1) / 2: the
correctly rounded product of e and t whenever w = 2t - 1 and w + 1 are representable. They are for every t from 1/4 to
2**50, and for smaller t on a grid of 2**-54. All forms here rest on that, on the exactness of scaling by powers of two,
and on constants beyond the editor's bound being coefficients of a helper variable that is always 1.

Results equal the dialect's operators as `==` compares numbers (the sign of a zero may differ; nothing in a script can
tell) as long as no number that occurs is beyond 2**960 or, other than 0, below 2**-960 in absolute value.
"""

import math
from collections.abc import Sequence

from narrative_dag.storyworld.script import LIMIT, Constant, Expression, Operation, Variable, is_number
from narrative_dag.storyworld.sweepweave.value_types import Types, always_number, never_number, types_of

NULL_NUMBER = Operation("Arithmetic Negation", (Constant(True),))
"""Null in a numeric place, without a notice of the loader."""
NULL_BOOLEAN = Operation("Not", (Constant(0.0),))
"""Null in a boolean place."""

LARGEST = 20_000
"""Most nodes of an expression that is repeated."""
_MOST_SHIFT = 40
"""Greatest power of two by which one Blend scales."""
_FOLDED = ("Arithmetic Negation", "Absolute Value", "Arithmetic Mean", "Maximum of", "Minimum of", "Blend", "If Then")
_SWAPPED = {"Maximum of": "Minimum of", "Minimum of": "Maximum of"}


def power_of_two(value: float) -> bool:
    """Whether a value is plus or minus a power of two."""
    return value != 0 and math.isfinite(value) and abs(math.frexp(value)[0]) == 0.5


def _results(operands: Sequence[Expression]) -> list[int]:
    """The positions of an If Then's results, the last operand included."""
    last = len(operands) - 1
    return [last] if last < 2 else [*range(1, last, 2), last]


def _foldable(expression: Operation) -> bool:
    """Whether a factor can move into the operands without changing which of them count."""
    if expression.operator == "If Then":
        # a result that is a boolean is taken; scaled it would be null and fall to the last operand
        results = [types_of(expression.operands[i]) for i in _results(expression.operands)]
        return all(found in Types.NUMBER | Types.NULL for found in results)
    return expression.operator in _FOLDED


class TooLargeError(Exception):
    """An exact form would have to repeat an expression of more than `LARGEST` nodes."""


def node_count(expression: Expression) -> int:
    """The number of nodes of an expression that an exact form repeats; raises TooLargeError."""
    count = 0
    waiting = [expression]
    while waiting:
        found = waiting.pop()
        count += 1
        if count > LARGEST:
            raise TooLargeError
        if isinstance(found, Operation):
            waiting += found.operands
    return count


class Arithmetic:
    """Builds expressions of official operators.

    Args:
        one: a variable whose value is always 1. `used` tells whether any expression needed it.
    """

    def __init__(self, one: Variable) -> None:
        self._one = one
        self.used = False

    def constant(self, value: float) -> Expression:
        """A number; beyond the editor's bound a coefficient of the helper variable."""
        if abs(value) <= LIMIT:
            return Constant(value)
        self.used = True
        return Variable(self._one.character, self._one.keyring, value)

    def value_of(self, expression: Expression) -> float | None:
        """The number that an expression is in every state; None where it may vary."""
        match expression:
            case Constant(value=value) if is_number(value):
                return float(value)
            case Variable(character=character, keyring=keyring, coefficient=coefficient):
                helper = (character, keyring) == (self._one.character, self._one.keyring)
                return coefficient if helper else None
        return None

    def scale(self, expression: Expression, factor: float) -> Expression:
        """The value times plus or minus a power of two; null where the value is no number."""
        if never_number(expression):
            return NULL_NUMBER
        if factor == 1:
            return expression if types_of(expression) in Types.NUMBER | Types.NULL else number_or_null(expression)
        match expression:
            case Constant(value=value) if is_number(value):
                return self.constant(factor * float(value))
            case Variable(character=character, keyring=keyring, coefficient=coefficient):
                return Variable(character, keyring, factor * coefficient)
            case Operation(operator=name, operands=operands) if _foldable(expression):
                match name:
                    case "Arithmetic Negation":
                        return self.scale(operands[0], -factor)
                    case "Absolute Value" if factor < 0:
                        return Operation("Arithmetic Negation", (self.scale(expression, -factor),))
                    case "Blend":
                        scaled = (self.scale(operands[0], factor), self.scale(operands[1], factor), operands[2])
                        return Operation(name, scaled)
                    case "If Then":
                        results = _results(operands)
                        parts = [self.scale(x, factor) if i in results else x for i, x in enumerate(operands)]
                        return Operation(name, tuple(parts))
                if factor < 0:
                    name = _SWAPPED.get(name, name)
                return Operation(name, tuple(self.scale(operand, factor) for operand in operands))
        if factor < 0:
            inner = Operation("Arithmetic Negation", (expression,))
            return inner if factor == -1 else self._weighted(inner, -factor)
        return self._weighted(expression, factor)

    def _weighted(self, expression: Expression, weight: float) -> Expression:
        """`Blend(0, expression, 2 * weight - 1)`, in steps where the weight is far from 1."""
        exponent = math.frexp(weight)[1]
        if abs(exponent) > _MOST_SHIFT:
            step = math.ldexp(1.0, _MOST_SHIFT if exponent > 0 else -_MOST_SHIFT)
            return self._weighted(self._weighted(expression, step), weight / step)
        return Operation("Blend", (Constant(0.0), expression, self.constant(2.0 * weight - 1.0)))

    def times(self, expression: Expression, factor: float) -> Expression:
        """The value times any constant, rounded once; null where the value is no number."""
        if power_of_two(factor):
            return self.scale(expression, factor)
        match expression:
            case Constant(value=value) if is_number(value):
                return self.constant(float(value) * factor)
            case Variable(character=character, keyring=keyring, coefficient=own) if power_of_two(own):
                return Variable(character, keyring, own * factor)
        if never_number(expression):
            return NULL_NUMBER
        weight = abs(factor)
        shift = 1.0
        while not _reached(weight * shift):
            shift *= 2.0
        return self._weighted(self.scale(expression, math.copysign(1.0, factor) / shift), weight * shift)

    def total(self, terms: Sequence[Expression]) -> Expression:
        """The sum, left to right; null where a term is no number."""
        if len(terms) == 1:
            return self.numbers_only(terms, terms[0])
        count = 2
        while count < len(terms):
            count *= 2
        filling = (Constant(0.0),) * (count - len(terms))
        if all(_light(term) for term in terms):
            scaled = tuple(self.scale(term, float(count)) for term in terms)
            return self.numbers_only(terms, Operation("Arithmetic Mean", scaled + filling))
        mean = Operation("Arithmetic Mean", (*terms, *filling))
        return self.numbers_only(terms, self._weighted(mean, float(count)))

    def between(self, value: Expression, low: Expression, high: Expression) -> Expression:
        """`min(max(value, low), high)`; null where one of them is no number."""
        clamped = Operation("Minimum of", (Operation("Maximum of", (value, low)), high))
        return self.numbers_only((value, low, high), clamped)

    def numbers_only(self, operands: Sequence[Expression], value: Expression) -> Expression:
        """The value where all operands are numbers, else null; raises TooLargeError."""
        if any(never_number(operand) for operand in operands):
            return NULL_NUMBER
        doubtful = [operand for operand in operands if not always_number(operand)]
        for operand in doubtful:
            node_count(operand)
            value = Operation("If Then", (is_a_number(operand), value, NULL_NUMBER))
        return value


def _reached(weight: float) -> bool:
    """Whether a Blend's weight can be exactly this."""
    blend = 2.0 * weight - 1.0
    return weight >= 0.25 or ((blend + 1.0) / 2.0 == weight and math.fsum((2.0 * weight, -1.0, -blend)) == 0.0)


def _light(expression: Expression) -> bool:
    """Whether scaling moves into the leaves and wraps nothing."""
    if not isinstance(expression, Operation):
        return True
    if not _foldable(expression):
        return False
    operands = expression.operands
    scaled = operands[:2] if expression.operator == "Blend" else operands
    if expression.operator == "If Then":
        scaled = tuple(operands[i] for i in _results(operands))
    return all(_light(operand) for operand in scaled)


def number_or_null(expression: Expression) -> Expression:
    """The value where it is a number, else null; of static type number."""
    return Operation("Minimum of", (expression, expression))


def boolean_or_null(expression: Expression) -> Expression:
    """The value where it is a boolean, else null; of static type boolean."""
    return Operation("And", (expression, expression))


def is_a_number(expression: Expression) -> Expression:
    """True where the value is a number, else null."""
    # Equals of fewer than two numbers is null, and Or of fewer than two booleans is too
    return Operation("Or", (Operation("Equals (numbers)", (Constant(0.0), expression)), Constant(True)))


def truth(expression: Expression) -> Expression:
    """The value as a condition counts it: true or false in every state."""
    if types_of(expression) is Types.BOOLEAN:
        return expression
    return Operation("If Then", (expression, Constant(True), Constant(False)))
