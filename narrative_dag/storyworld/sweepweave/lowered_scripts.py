"""Scripts of any storyworld as official ones: expression by expression, place by place."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.model import Effect, Mode, SetNumber, SetSpool, Storyworld
from narrative_dag.storyworld.script import (
    Constant,
    Event,
    Expression,
    Kind,
    Operation,
    SpoolStatus,
    Variable,
    is_number,
    kind_of,
    walk,
)
from narrative_dag.storyworld.sweepweave.arithmetic import (
    NULL_BOOLEAN,
    NULL_NUMBER,
    Arithmetic,
    TooLargeError,
    boolean_or_null,
    is_a_number,
    number_or_null,
    truth,
)
from narrative_dag.storyworld.sweepweave.membership import Membership
from narrative_dag.storyworld.sweepweave.products import Factor, product
from narrative_dag.storyworld.sweepweave.ranges import Ranges
from narrative_dag.storyworld.sweepweave.value_types import Types, always_number, never_number, types_of
from narrative_dag.storyworld.sweepweave.variables import Variables

_UNBOUNDED = "at most 2**-61 of a factor, and 2**-52 of the product where a factor is beyond 2**50"
_SMALL = 12
"""Nodes of an expression that may stand twice where that makes a form that every engine plays."""


@dataclass(frozen=True, slots=True)
class Approximation:
    """A place whose official form is equal only up to rounding, what stands there, and how far it can be off."""

    place: str
    form: str
    bound: str


class Scripts:
    """Lowers the scripts of one storyworld; `approximations` grows on the way."""

    def __init__(
        self, world: Storyworld, ranges: Ranges, variables: Variables, members: Membership, arithmetic: Arithmetic
    ) -> None:
        self.official = world.mode is Mode.OFFICIAL
        self.ranges, self.variables, self.arithmetic = ranges, variables, arithmetic
        self.places, self.runs = members.places, members.runs
        self.approximations: list[Approximation] = []

    def text(self, script: Expression, path: str) -> Expression:
        """A script in a text place; the empty text where it is never one."""
        found = self.tree(script, path)
        if kind_of(found) is Kind.STRING:
            return found
        return Operation("Concatenate", (found,)) if Types.STRING in types_of(found) else Constant("")

    def gate(self, script: Expression, path: str) -> Expression:
        """A script in a boolean place, which any value fits."""
        found = self.tree(script, path)
        return Constant(False) if types_of(found) is Types.NULL and not self.official else found

    def desirability(self, script: Expression, path: str) -> Expression:
        """A script in the place of a desirability; -1, which is never chosen, where it is never a number."""
        found = self.tree(script, path)
        fits = kind_of(found) is Kind.NUMBER
        if never_number(found) and not (fits and self.official):
            return self.arithmetic.constant(-1.0)
        return found if fits else number_or_null(found)

    def effect(self, effect: Effect, path: str) -> tuple[Effect, ...]:
        """The effects that do the same; none where it never changes anything."""
        if isinstance(effect, SetSpool):
            return self._set_spool(effect, path)
        target = self.variables.target(effect.target)
        value = self.tree(effect.value, f"{path}.to")
        if target is None or never_number(value):
            return ()
        if not self.official:
            value = self._assigned(effect, target, value)
            target = replace(target, coefficient=1.0)
        return (SetNumber(target, value if kind_of(value) is Kind.NUMBER else number_or_null(value)),)

    def _set_spool(self, effect: SetSpool, path: str) -> tuple[Effect, ...]:
        value = self.tree(effect.value, f"{path}.to")
        if Types.BOOLEAN not in types_of(value):
            return ()
        if kind_of(value) is not Kind.BOOLEAN:
            value = boolean_or_null(value)
        first = self.runs[effect.spool][0]
        # while the runs are switched one by one, each asks its own status, which is still the old one
        return tuple(SetSpool(run, _renamed(value, first, run)) for run in self.runs[effect.spool])

    def _assigned(self, effect: SetNumber, target: Variable, value: Expression) -> Expression:
        """The value times the target's coefficient, cut to [-1, 1] where it could leave that."""
        coefficient = effect.target.coefficient
        value = self.arithmetic.times(value, coefficient)
        interval = self.ranges.interval(effect.value)
        if interval is not None and all(abs(end * coefficient) <= 1.0 for end in interval):
            return value
        cut = Operation("Maximum of", (value, self.arithmetic.constant(-1.0)))
        cut = Operation("Minimum of", (cut, self.arithmetic.constant(1.0)))
        if always_number(value):
            return cut
        return Operation("If Then", (is_a_number(value), cut, replace(target, coefficient=1.0)))

    def tree(self, expression: Expression, path: str) -> Expression:
        """The expression with the same value in every state, of official operators."""
        match expression:
            case Constant(value=value):
                return self._constant(float(value), path) if is_number(value) else expression
            case Variable():
                if not math.isfinite(expression.coefficient):
                    raise StoryworldError("the coefficient is not finite", where=path)
                return self.variables.read(expression, self.arithmetic)
            case SpoolStatus(spool=spool):
                return replace(expression, spool=self.runs[spool][0])
            case Event():
                return self._event(expression)
        operands = [self.tree(operand, f"{path}.operands[{i}]") for i, operand in enumerate(expression.operands)]
        try:
            return self._operation(expression, operands, path)
        except TooLargeError:
            raise StoryworldError(
                f"{expression.operator} nests so much that its official form would be too large", where=path
            ) from None

    def _constant(self, value: float, path: str) -> Expression:
        if not math.isfinite(value):
            raise StoryworldError(f"{value} is no number that a file can hold", where=path)
        return self.arithmetic.constant(value)

    def _event(self, event: Event) -> Expression:
        if event.encounter is None:
            return Constant(event.negated)
        option, reaction = event.option, event.reaction
        if option is None and reaction is not None:
            # a reaction runs only when its option is chosen
            option = reaction[:2]
        return Event(
            self.places[event.encounter],
            None if option is None else (self.places[option[0]], option[1]),
            None if reaction is None else (self.places[reaction[0]], *reaction[1:]),
            event.negated,
        )

    def _operation(self, source: Operation, operands: list[Expression], path: str) -> Expression:
        name, arithmetic = source.operator, self.arithmetic
        match name:
            case "Addition":
                return arithmetic.total(operands)
            case "Subtraction":
                return arithmetic.total([operands[0], *(arithmetic.scale(x, -1.0) for x in operands[1:])])
            case "Absolute Difference":
                return Operation(
                    "Absolute Value", (arithmetic.total([operands[0], arithmetic.scale(operands[1], -1)]),)
                )
            case "Multiplication":
                return self._product(source, operands, path)
            case "Clamp":
                return arithmetic.between(operands[0], operands[1], operands[2])
            case "Not Equal To":
                return self._different(source, operands)
            case "Logical And" | "Logical Or":
                conditions = [self._truth(*pair) for pair in zip(source.operands, operands, strict=True)]
                return conditions[0] if len(conditions) == 1 else Operation(name[8:], tuple(conditions))
            case "Neither And nor Or" | "Equals (neither)":
                return NULL_BOOLEAN
            case "Equals (numbers)" | "Equals (booleans)" | "Equal To" if len(operands) < 2:
                return NULL_BOOLEAN
            case "Greater Than" | "Greater Than or Equal To" | "Less Than" | "Less Than or Equal To" if (
                len(operands) < 2
            ):
                return NULL_BOOLEAN
            case "If Then" if len(operands) < 3:
                return operands[-1] if operands else NULL_NUMBER
            case "Equals (numbers)" if kind_of(operands[0]) is not Kind.NUMBER:
                operands[0] = number_or_null(operands[0])
            case "Equals (booleans)" if kind_of(operands[0]) is not Kind.BOOLEAN:
                operands[0] = boolean_or_null(operands[0])
            case "Arithmetic Mean" | "Maximum of" | "Minimum of" if len(operands) == 1:
                operands = operands * 2
        return Operation(name, tuple(operands))

    def _product(self, source: Operation, operands: Sequence[Expression], path: str) -> Expression:
        """The factors one by one from the left, as the operator rounds."""
        found = self.arithmetic.numbers_only(operands[:1], operands[0])
        for n, operand in enumerate(operands[1:], start=1):
            before, factor = source.operands[0], source.operands[n]
            if n > 1:
                before = Operation("Multiplication", source.operands[:n])
            left, right = self.arithmetic.value_of(found), self.arithmetic.value_of(operand)
            if right is not None:
                found = self.arithmetic.times(found, right)
            elif left is not None:
                found = self.arithmetic.times(operand, left)
            elif never_number(found) or never_number(operand):
                return NULL_NUMBER
            else:
                result = product(self.arithmetic, self._factor(found, before), self._factor(operand, factor))
                found = result.expression
                if result.error:
                    bound = f"at most {result.error:.2g}" if math.isfinite(result.error) else _UNBOUNDED
                    self.approximations.append(Approximation(path, "a product of two expressions", bound))
        return found

    def _different(self, source: Operation, operands: Sequence[Expression]) -> Expression:
        if len(operands) < 2:
            return NULL_BOOLEAN
        if all(_small(operand) and self.ranges.interval(operand) is not None for operand in source.operands):
            # the player has no equality of numbers; where none is NaN the two strict comparisons say the same
            return Operation("Or", tuple(Operation(name, tuple(operands)) for name in ("Greater Than", "Less Than")))
        return Operation("Not", (Operation("Equal To", tuple(operands)),))

    def _truth(self, source: Expression, lowered: Expression) -> Expression:
        if always_number(lowered) and _small(lowered) and self.ranges.interval(source) is not None:
            # the player has no If Then
            sides = (Operation(name, (lowered, Constant(0.0))) for name in ("Greater Than", "Less Than"))
            return Operation("Or", tuple(sides))
        return truth(lowered)

    def _factor(self, expression: Expression, source: Expression) -> Factor:
        return Factor(expression, self.ranges.interval(source), self.ranges.grid(source))


def _small(expression: Expression) -> bool:
    """Whether writing it twice costs little."""
    return len(walk(expression)) <= _SMALL


def _renamed(expression: Expression, old: str, new: str) -> Expression:
    """The expression asking for another spool's status."""
    if isinstance(expression, SpoolStatus) and expression.spool == old:
        return replace(expression, spool=new)
    if isinstance(expression, Operation):
        return Operation(expression.operator, tuple(_renamed(x, old, new) for x in expression.operands))
    return expression
