"""Which types of value an expression can have, whatever the state of play.

Sound and not complete: a type that is left out never occurs, one that is named may not occur either.
"""

import enum
from collections.abc import Sequence

from narrative_dag.storyworld.script import OPERATORS, Constant, Expression, Kind, Operation, Variable


class Types(enum.Flag):
    """A set of types of value."""

    NUMBER = enum.auto()
    BOOLEAN = enum.auto()
    STRING = enum.auto()
    NULL = enum.auto()


_FILTERED = frozenset({"Maximum of", "Minimum of"})
_NEVER_NULL = frozenset({"Arithmetic Mean", "Desideratum", "Concatenate", "Logical And", "Logical Or"})
_ALWAYS_NULL = frozenset({"Neither And nor Or", "Equals (neither)"})
_TWO_OF_KIND = {
    "And": Types.BOOLEAN,
    "Or": Types.BOOLEAN,
    "Equals (booleans)": Types.BOOLEAN,
    "Equals (numbers)": Types.NUMBER,
}
_COMPARATORS = frozenset(
    name
    for name, operator in OPERATORS.items()
    if (operator.operand, operator.most) == (Kind.NUMBER, 2) and operator.output is Kind.BOOLEAN
)
_OF_KIND = {Kind.NUMBER: Types.NUMBER, Kind.BOOLEAN: Types.BOOLEAN, Kind.STRING: Types.STRING, Kind.NULL: Types.NULL}


def types_of(expression: Expression) -> Types:
    """The types that the value can have; a variable counts as a number, so it must be one that exists."""
    if isinstance(expression, Constant):
        value = expression.value
        return Types.BOOLEAN if isinstance(value, bool) else Types.STRING if isinstance(value, str) else Types.NUMBER
    if isinstance(expression, Variable):
        return Types.NUMBER
    if not isinstance(expression, Operation):
        return Types.BOOLEAN
    name = expression.operator
    if name == "If Then":
        return _if_then([types_of(operand) for operand in expression.operands])
    output = OPERATORS[name].output
    assert output is not None
    result = _OF_KIND[output]
    if name in _NEVER_NULL:
        return result
    if name in _ALWAYS_NULL:
        return Types.NULL
    operands = [types_of(operand) for operand in expression.operands]
    if name in _TWO_OF_KIND:
        return _enough(operands, _TWO_OF_KIND[name], 2, result)
    if name in _FILTERED:
        return _enough(operands, Types.NUMBER, 1, result)
    if name in _COMPARATORS and len(operands) < 2:
        return Types.NULL
    wanted = Types.BOOLEAN if name == "Not" else Types.NUMBER
    return _enough(operands, wanted, len(operands), result)


def _enough(operands: Sequence[Types], wanted: Types, least: int, result: Types) -> Types:
    """The result where at least so many operands are of a type, null where fewer are."""
    if sum(operand is wanted for operand in operands) >= least:
        return result
    possible = sum(wanted in operand for operand in operands)
    return Types.NULL if possible < least else result | Types.NULL


def _if_then(operands: Sequence[Types]) -> Types:
    if not operands:
        return Types.NULL
    found = operands[-1]
    if len(operands) > 2:
        for i in range(1, len(operands) - 1, 2):
            # a null result falls to the last operand
            found |= operands[i] & ~Types.NULL
    return found


def always_number(expression: Expression) -> bool:
    """Whether the value is a number in every state."""
    return types_of(expression) is Types.NUMBER


def never_number(expression: Expression) -> bool:
    """Whether the value is a number in no state."""
    return Types.NUMBER not in types_of(expression)
