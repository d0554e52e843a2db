"""Axes of charts: from values to places, and round numbers to mark them with."""

import math
from collections.abc import Iterable
from typing import NamedTuple

_SMALLEST = 1e-250
"""The end of a logarithmic axis: room below it would be no number any more."""


class Axis(NamedTuple):
    """An axis: its label with the unit, whether it is logarithmic, and ends that it has whatever the values are."""

    label: str
    log: bool = False
    low: float | None = None
    high: float | None = None

    def shows(self, value: float) -> bool:
        """Whether the axis has a place for a value."""
        return math.isfinite(value) and (value > _SMALLEST or not self.log)


class Scale(NamedTuple):
    """Maps [low, high] to [start, end], linearly or by logarithms."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def __call__(self, value: float) -> float:
        """The place of a value."""
        low, high = self._turn(self.low), self._turn(self.high)
        return self.start + (self._turn(value) - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Four to nine round values inside, rising."""
        return _log_ticks(self.low, self.high) if self.log else _ticks(self.low, self.high)

    def _turn(self, value: float) -> float:
        return math.log10(value) if self.log else value


def scale_of(values: Iterable[float], axis: Axis, start: float, end: float) -> Scale:
    """The scale of an axis on which all `values` that it shows have a place, with a little room at free ends."""
    shown = [value for value in values if axis.shows(value)] or [1.0]
    low, high = min(shown), max(shown)
    if axis.log:
        factor = max((high / low) ** 0.05, 1.05)
        low, high = low / factor, high * factor
    else:
        room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
        low, high = low - room, high + room
    low = low if axis.low is None else axis.low
    high = high if axis.high is None else max(axis.high, low)
    if high <= low:
        high = low * 10 if axis.log else low + 1.0
    return Scale(low, high, start, end, axis.log)


def number(value: float) -> str:
    """A value for a reader: four digits, thousands as such, powers of ten where it is tiny or huge."""
    if not math.isfinite(value):
        return "-"
    if value != 0 and not 1e-4 <= abs(value) < 1e7:
        digits, _, power = f"{value:.3g}".partition("e")
        return f"{digits}e{int(power)}" if power else digits
    if abs(value) >= 1000 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # rounding keeps 0.30000000000000004 from being marked
    return [round(i * step, 12 - math.floor(math.log10(step))) for i in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    inside: list[float] = []
    for factors in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
        marks = [float(f"{factor}e{power}") for power in decades for factor in factors]
        inside = [mark for mark in marks if low <= mark <= high]
        if len(inside) >= 3:
            break
    if len(inside) < 2:
        return _ticks(low, high)
    return inside[:: math.ceil(len(inside) / 9)]
