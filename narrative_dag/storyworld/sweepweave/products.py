"""Products of two expressions out of Blend, exact wherever a factor's grid is known.

`Blend(0, b, 2a - 1)` is the rounded product of a and b when the weight is representable. It is for a >= 1/4, and below
that on a grid of 2**-54. So an If Then scales abs(a) by 2**s, with s by its size, two powers of two at a time, until
the grid of a guarantees the rest, and a second Blend takes 2**s back and gives the sign: one rounding in all.
"""

import math
from dataclasses import dataclass

from narrative_dag.storyworld.script import Constant, Expression, Operation
from narrative_dag.storyworld.sweepweave.arithmetic import Arithmetic, node_count
from narrative_dag.storyworld.sweepweave.ranges import Interval

MOST_BRANCHES = 24
"""Sizes of a factor that a product tells apart at most, for each sign."""
_APPROXIMATE_SHIFT = 8
_WEIGHT_GRID = -54
_GREATEST_WEIGHT = 2.0**50


@dataclass(frozen=True, slots=True)
class Factor:
    """One side of a product: its official expression, and what is known of its values (None: nothing)."""

    expression: Expression
    interval: Interval | None
    grid: int | None

    @property
    def shift(self) -> int | None:
        """The even exponent that brings the grid to that of weights; None where no number of branches does."""
        if self.grid is None or self.interval is None or max(map(abs, self.interval)) > _GREATEST_WEIGHT:
            return None
        shift = max(0, _WEIGHT_GRID - self.grid)
        shift += shift % 2
        return shift if shift < 2 * MOST_BRANCHES else None


@dataclass(frozen=True, slots=True)
class Product:
    """The expression of a product; `error` bounds its absolute difference from the rounded product, 0 when exact."""

    expression: Expression
    error: float


def product(arithmetic: Arithmetic, left: Factor, right: Factor) -> Product:
    """The product of two expressions, null where one is no number; raises TooLargeError."""
    pairs = [(left, right), (right, left)]
    exact = [(weight.shift, weight, other) for weight, other in pairs if weight.shift is not None]
    if exact:
        shift, weight, other = min(exact, key=lambda found: (found[0] + 2) * node_count(found[1].expression))
        error = 0.0
    else:
        weight, other = min(pairs, key=lambda pair: (pair[0].interval is None, node_count(pair[0].expression)))
        shift, error = _APPROXIMATE_SHIFT, _error(weight, other)
    value = _blends(arithmetic, weight, other.expression, shift)
    return Product(arithmetic.numbers_only((left.expression, right.expression), value), error)


def _error(weight: Factor, other: Factor) -> float:
    if other.interval is None or weight.interval is None or max(map(abs, weight.interval)) > _GREATEST_WEIGHT:
        return math.inf
    most = max(map(abs, other.interval))
    # the weight is off by 2**-55 before it is scaled back, and the two roundings of so small a product can differ
    return most * math.ldexp(1.0, _WEIGHT_GRID + 1 - _APPROXIMATE_SHIFT)


def _blends(arithmetic: Arithmetic, weight: Factor, other: Expression, shift: int) -> Expression:
    low, high = weight.interval or (-math.inf, math.inf)
    least = max(low, -high, 0.0)
    if high <= 0:
        size = arithmetic.scale(weight.expression, -1.0)
    else:
        size = weight.expression if low >= 0 else Operation("Absolute Value", (weight.expression,))
    scales: list[Expression] = []
    undone: list[Expression] = []
    signs = [1.0] if low >= 0 else [-1.0] if high <= 0 else [1.0, -1.0]
    for s in range(0, shift + 1, 2):
        bound = math.ldexp(0.25, -s)
        last = s == shift or least >= bound
        # the mean of 4a and -2 is 2a - 1
        mean = Operation("Arithmetic Mean", (arithmetic.scale(size, math.ldexp(4.0, s)), arithmetic.constant(-2.0)))
        scales += [mean] if last else [_at_least(size, bound), mean]
        for sign in signs:
            factor = arithmetic.constant(math.ldexp(sign, 1 - s) - 1.0)
            final = last and sign == signs[-1]
            edge = 0.0 if last else bound
            undone += [factor] if final else [_at_least(arithmetic.scale(weight.expression, sign), edge), factor]
        if last:
            break
    product_of_sizes = Operation("Blend", (Constant(0.0), other, _chosen(scales)))
    if len(undone) == 1 and shift == 0 and signs == [1.0]:
        return product_of_sizes
    return Operation("Blend", (Constant(0.0), product_of_sizes, _chosen(undone)))


def _chosen(operands: list[Expression]) -> Expression:
    return operands[0] if len(operands) == 1 else Operation("If Then", tuple(operands))


def _at_least(value: Expression, bound: float) -> Expression:
    return Operation("Greater Than or Equal To", (value, Constant(bound)))
