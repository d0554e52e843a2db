"""Bounds of what expressions and variables can be worth, and the grids that their values lie on.

Intervals are exact under rounding: every operator here rounds a monotone function, so the rounded images of the ends
bound the rounded images of everything between them. An interval of None means unbounded or possibly no number at all.

A grid is an exponent g such that the value is always a whole multiple of 2**g. The lemma behind them: for doubles u and
c, c not 0, the rounded sum u + c is a multiple of ulp(c) / 2. For where abs(u) >= abs(c) / 2 both u and c are
multiples, and rounding keeps that; elsewhere the sum is at least abs(c) / 2, so its own ulp is a multiple. Hence what a
variable is nudged to by constants lies on a grid, however often. Values below 2**-1000 are left out of account.
"""

import functools
import itertools
import math
import operator
from collections.abc import Iterator, Sequence

from narrative_dag.storyworld.engine import Engine
from narrative_dag.storyworld.model import Key, SetNumber, Storyworld
from narrative_dag.storyworld.script import LIMIT, Constant, Expression, Operation, Variable, clamp, is_number
from narrative_dag.storyworld.sweepweave.value_types import Types, types_of

Interval = tuple[float, float]

FINEST = -1000
"""Exponent below which a grid counts as none."""
_EVERYTHING = 1000
"""The grid of zero, which is a multiple of everything."""


def number_effects(world: Storyworld) -> Iterator[SetNumber]:
    """Every effect on a variable, in document order."""
    for _, _, option in world.options():
        for reaction in option.reactions:
            yield from (effect for effect in reaction.effects if isinstance(effect, SetNumber))


def lowest_bit(value: float) -> int:
    """The greatest g such that a finite value is a multiple of 2**g; a great number for 0."""
    if value == 0:
        return _EVERYTHING
    _, denominator = value.as_integer_ratio()
    numerator = abs(value.as_integer_ratio()[0])
    return (numerator & -numerator).bit_length() - denominator.bit_length()


def _half_ulp(value: float) -> int:
    return math.frexp(math.ulp(value))[1] - 2


def _hull(intervals: Sequence[Interval | None]) -> Interval | None:
    known = [interval for interval in intervals if interval is not None]
    if not known or len(known) < len(intervals):
        return None
    return min(low for low, _ in known), max(high for _, high in known)


class Ranges:
    """What is known of a storyworld's numbers before any play.

    Args:
        world: any storyworld; its mode decides how variables are read and whether assignments are clamped to [-1, 1].
    """

    def __init__(self, world: Storyworld) -> None:
        self.engine = Engine(world)
        self.initial = world.initial
        self.written: dict[Key, list[SetNumber]] = {}
        for effect in number_effects(world):
            key: Key | None = (effect.target.character, effect.target.keyring)
            if self.engine.official:
                key = self.engine.write_key((effect.target.character, effect.target.keyring))
            if key is not None:
                self.written.setdefault(key, []).append(effect)
        self._grids: dict[Key, int] = {key: lowest_bit(value) for key, value in world.initial.items()}
        self._settle_grids()

    def sources(self, variable: Variable) -> tuple[tuple[Key, ...], bool]:
        """The keys that a variable may read, in the order in which they are tried, and whether it may read 0 instead.

        Neither: it reads null.
        """
        wanted = (variable.character, variable.keyring)
        if self.engine.official:
            key = self.engine.read_key(wanted)
            return ((), False) if key is None else ((key,), key not in self.initial)
        found: list[Key] = []
        for key in self.engine.prefixes(wanted):
            if key in self.initial:
                return (*found, key), False
            if key in self.written:
                found.append(key)
        return tuple(found), True

    def _of_key(self, key: Key) -> Interval | None:
        start = self.initial.get(key)
        interval = None if start is None else (start, start)
        if key not in self.written:
            return interval
        if self.engine.official:
            return None
        return (-1.0, 1.0) if interval is None else _hull([interval, (-1.0, 1.0)])

    def interval(self, expression: Expression) -> Interval | None:
        """The least and the greatest number that the value can be; meaningless where it is no number."""
        if isinstance(expression, Constant):
            value = expression.value
            return (float(value), float(value)) if is_number(value) else None
        if isinstance(expression, Variable):
            keys, zero = self.sources(expression)
            found = _hull([*(self._of_key(key) for key in keys), *([(0.0, 0.0)] if zero else [])])
            return None if found is None else _ordered(expression.coefficient * end for end in found)
        if not isinstance(expression, Operation):
            return None
        if expression.operator == "If Then":
            operands = expression.operands
            last = len(operands) - 1
            results = operands[-1:] if last < 2 else [*operands[1:last:2], operands[last]]
            return _hull([self.interval(result) for result in results])
        ends = [self.interval(operand) for operand in expression.operands]
        known = [end for end in ends if end is not None]
        return _finite(_image(expression, known)) if len(known) == len(ends) else None

    def grid(self, expression: Expression) -> int | None:
        """The exponent of a grid that the value lies on, where one is known."""
        found = self._grid(expression)
        return None if found is None or found < FINEST else found

    def _settle_grids(self) -> None:
        for _ in range(8):
            before = dict(self._grids)
            for key, effects in self.written.items():
                for effect in effects:
                    value = self._grid(effect.value)
                    if value is not None:
                        value += lowest_bit(effect.target.coefficient)
                    found = FINEST - 1 if value is None else value
                    if not self.engine.official:
                        # the clamp of assignments may cut to 1
                        found = min(found, 0)
                    self._grids[key] = min(self._grids.get(key, _EVERYTHING), found)
            if before == self._grids:
                return
        for key in self.written:
            self._grids[key] = FINEST - 1

    def _grid(self, expression: Expression) -> int | None:
        if isinstance(expression, Constant):
            return lowest_bit(float(expression.value)) if is_number(expression.value) else None
        if isinstance(expression, Variable):
            keys, _ = self.sources(expression)
            finest = min((self._grids.get(key, _EVERYTHING) for key in keys), default=_EVERYTHING)
            return finest + lowest_bit(expression.coefficient) if finest >= FINEST else None
        if not isinstance(expression, Operation):
            return None
        operands = expression.operands
        match expression.operator:
            case "Nudge" if isinstance(operands[1], Constant) and is_number(operands[1].value):
                step = float(operands[1].value)
                by = self._grid(operands[0]) if step == 0 else _half_ulp(step)
                return None if by is None else min(by, lowest_bit(LIMIT))
            case "Desideratum":
                return min(_half_ulp(LIMIT), lowest_bit(LIMIT))
            case "Addition" | "Subtraction":
                return self._sum(operands)
            case "Multiplication":
                return self._product(operands)
            case "Absolute Value" | "Arithmetic Negation" | "Maximum of" | "Minimum of" | "Clamp":
                return self._finest(operands)
            case "Absolute Difference":
                return self._sum(operands)
            case "If Then" if len(operands) > 2:
                return self._finest([*operands[1 : len(operands) - 1 : 2], operands[-1]])
        return None

    def _finest(self, operands: Sequence[Expression]) -> int | None:
        found = [self._grid(operand) for operand in operands]
        known = [grid for grid in found if grid is not None]
        return min(known) if known and len(known) == len(found) else None

    def _product(self, operands: Sequence[Expression]) -> int | None:
        found = [self._grid(operand) for operand in operands]
        return None if None in found else sum(grid for grid in found if grid is not None)

    def _sum(self, operands: Sequence[Expression]) -> int | None:
        running: int | None = _EVERYTHING
        for operand in operands:
            own = self._grid(operand)
            running = None if running is None or own is None else min(running, own)
            if isinstance(operand, Constant) and is_number(operand.value) and operand.value:
                step = _half_ulp(float(operand.value))
                running = step if running is None else max(running, step)
        return running


def _ordered(ends: Iterator[float]) -> Interval:
    found = list(ends)
    return min(found), max(found)


def _finite(interval: Interval | None) -> Interval | None:
    return interval if interval is not None and all(math.isfinite(end) for end in interval) else None


def _total(numbers: Sequence[float]) -> float:
    # left to right like the operators, and unlike the built-in sum, which compensates in later Pythons
    return functools.reduce(operator.add, numbers, 0.0)


def _products(left: Interval, right: Interval) -> Interval:
    return _ordered(a * b for a, b in itertools.product(left, right))


def _image(operation: Operation, ends: Sequence[Interval]) -> Interval | None:
    """The interval of an operation from those of its operands."""
    lows, highs = [low for low, _ in ends], [high for _, high in ends]
    match operation.operator:
        case "Nudge" | "Desideratum":
            return -LIMIT, LIMIT
        case "Arithmetic Negation":
            return -highs[0], -lows[0]
        case "Absolute Value":
            return _absolute(ends[0])
        case "Absolute Difference":
            return _absolute((lows[0] - highs[1], highs[0] - lows[1]))
        case "Maximum of" | "Minimum of" as name:
            # operands that are no numbers are left out, so with one of those only the hull is sure
            if all(types_of(operand) is Types.NUMBER for operand in operation.operands):
                pick = max if name == "Maximum of" else min
                return pick(lows), pick(highs)
            return min(lows), max(highs)
        case "Addition":
            return _total(lows), _total(highs)
        case "Subtraction":
            low, high = ends[0]
            for below, above in ends[1:]:
                low, high = low - above, high - below
            return low, high
        case "Multiplication":
            product = (1.0, 1.0)
            for factor in ends:
                product = _products(product, factor)
            return product
        case "Clamp":
            return clamp(lows[0], lows[1], lows[2]), clamp(highs[0], highs[1], highs[2])
        case "Arithmetic Mean" if all(types_of(operand) is Types.NUMBER for operand in operation.operands):
            return _total(lows) / len(lows), _total(highs) / len(highs)
        case "Blend":
            weight = (lows[2] + 1.0) / 2.0, (highs[2] + 1.0) / 2.0
            first = _products(ends[0], (1.0 - weight[1], 1.0 - weight[0]))
            second = _products(ends[1], weight)
            return first[0] + second[0], first[1] + second[1]
    return None


def _absolute(interval: Interval) -> Interval:
    low, high = interval
    return (0.0 if low <= 0.0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))
