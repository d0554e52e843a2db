"""Charts as SVG text: lines, points, outlines of histograms, a matrix. Equal data gives equal bytes.

Colours and dashes are classes (`c0` ... `c9`, `d0` ...), which the page or the picture around a chart defines, so that
a chart follows a light or a dark theme. Marks carry `data-run` and their values; `page.js` shows them.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from narrative_dag.report.axes import Axis, Scale, number, scale_of

COLORS = 10
DASHES = 4
WIDTH, HEIGHT = 440.0, 300.0
"""Size of a chart, in the units of its viewBox; about one CSS pixel where three stand side by side."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 14.0, 12.0, 46.0


class Style(NamedTuple):
    """How a run is told from others in every chart: colour and marker of its kind, dash and size of its seed."""

    run: int
    color: int
    dash: int

    @property
    def attributes(self) -> str:
        """Classes and the run's number, for any element."""
        return f'class="c{self.color % COLORS} d{self.dash % DASHES}" data-run="{self.run}"'


class Series(NamedTuple):
    """Values of one run over x; pairs that an axis cannot show (not finite, or not positive on a log axis) are gaps."""

    style: Style
    name: str
    x: Sequence[float]
    y: Sequence[float]


def lines(series: Sequence[Series], x: Axis, y: Axis) -> str:
    """One line a series."""
    frame = _Frame.around(series, x, y)
    body = []
    for one in series:
        if not (shown := frame.shown(one)):
            continue
        values = f'data-x="{_list(a for a, _ in shown)}" data-y="{_list(b for _, b in shown)}"'
        body.append(f'<path {one.style.attributes} d="{frame.path(shown)}" data-name="{escape(one.name)}" {values}/>')
    return frame.svg("lines", "".join(body), empty=not body)


def points(series: Sequence[Series], curves: Sequence[Series], x: Axis, y: Axis) -> str:
    """A marker for each value; `curves` are plain lines with a cross at each value and a name, for comparison."""
    frame = _Frame.around([*series, *curves], x, y)
    body = []
    for curve in curves:
        if not (shown := frame.shown(curve)):
            continue
        tip = _tip(f"{curve.name}: " + ", ".join(f"{number(a)}: {number(b)}" for a, b in shown))
        body.append(f'<path class="curve d{curve.style.dash % DASHES}" d="{frame.path(shown)}" data-tip="{tip}"/>')
        crosses = "".join(f"M{frame.x(a) - 3:.1f} {frame.y(b):.1f}h6m-3 -3v6" for a, b in shown)
        body.append(f'<path class="curve" d="{crosses}"/>')
        a, b = shown[0]
        left = frame.x(a) < WIDTH / 2
        place = f'x="{frame.x(a) + (7 if left else -7):.1f}" y="{frame.y(b) - 6:.1f}"'
        body.append(
            f'<text class="note" {place} text-anchor="{"start" if left else "end"}">{escape(curve.name)}</text>'
        )
    for one in series:
        for a, b in frame.shown(one):
            tip = _tip(f"{one.name}\n{x.label}: {number(a)}\n{y.label}: {number(b)}")
            marker = _marker(one.style.color, frame.x(a), frame.y(b))
            body.append(f'<path {one.style.attributes} d="{marker}" data-tip="{tip}"/>')
    return frame.svg("points", "".join(body), empty=not body)


def outlines(series: Sequence[Series], edges: Sequence[float], x: Axis, y: Axis) -> str:
    """The outline of a histogram for each series; its y are the counts between neighbouring `edges`."""
    high = max((max(one.y, default=0.0) for one in series), default=0.0)
    frame = _Frame(scale_of(edges, x, _LEFT, WIDTH - _RIGHT), scale_of([0.0, high], y, HEIGHT - _BOTTOM, _TOP), x, y)
    body = []
    for one in series:
        corners = [(edges[0], 0.0)]
        for i, count in enumerate(one.y):
            corners += [(edges[i], count), (edges[i + 1], count)]
        corners.append((edges[-1], 0.0))
        bins = (f"{number(edges[i])} to {number(edges[i + 1])}: {number(count)}" for i, count in enumerate(one.y))
        tip = _tip(f"{one.name}\n" + "\n".join(bins))
        body.append(f'<path {one.style.attributes} d="{frame.path(corners)}" data-tip="{tip}"/>')
    return frame.svg("outlines", "".join(body), empty=not body)


def matrix(names: Sequence[str], values: Sequence[Sequence[float]], styles: Sequence[Style], what: str) -> str:
    """A square of shares in [0, 1], row against column: opacity is the value, written into the cell where it fits."""
    side = HEIGHT - 30.0
    cell = side / max(len(names), 1)
    left, top = (WIDTH - side) / 2, 22.0
    body = []
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            place = f'x="{left + j * cell:.1f}" y="{top + i * cell:.1f}" width="{cell:.2f}" height="{cell:.2f}"'
            tip = _tip(f"{names[i]}\n{names[j]}\n{what}: {number(value)}")
            opacity = min(max(value, 0.0), 1.0) if math.isfinite(value) else 0.0
            body.append(f'<rect class="cell" {place} fill-opacity="{opacity:.3f}" data-tip="{tip}"/>')
            if cell >= 26:
                at = f'x="{left + (j + 0.5) * cell:.1f}" y="{top + (i + 0.5) * cell + 4:.1f}"'
                bold = ' class="value strong"' if opacity > 0.6 else ' class="value"'
                body.append(f'<text{bold} {at} text-anchor="middle">{value:.2f}</text>')
        middle = (i + 0.5) * cell
        for x, y in ((left - 10, top + middle), (left + middle, top - 10)):
            body.append(f'<path {styles[i].attributes} d="{_marker(styles[i].color, x, y)}"/>')
    return _svg("matrix", "".join(body))


def swatch(style: Style) -> str:
    """A line and a marker, for legends and tables."""
    marker = _marker(style.color, 15.0, 7.0)
    return (
        f'<svg class="swatch" viewBox="0 0 30 14" width="30" height="14" aria-hidden="true"><g {style.attributes}>'
        f'<path class="dash" d="M0 7L30 7"/><path class="marker" d="{marker}"/></g></svg>'
    )


class _Frame(NamedTuple):
    """Scales, axes, grid and labels of a chart."""

    x: Scale
    y: Scale
    x_axis: Axis
    y_axis: Axis

    @classmethod
    def around(cls, series: Sequence[Series], x: Axis, y: Axis) -> "_Frame":
        shown = [pair for one in series for pair in _shown(one, x, y)]
        across, upward = [a for a, _ in shown], [b for _, b in shown]
        return cls(scale_of(across, x, _LEFT, WIDTH - _RIGHT), scale_of(upward, y, HEIGHT - _BOTTOM, _TOP), x, y)

    def shown(self, series: Series) -> list[tuple[float, float]]:
        return _shown(series, self.x_axis, self.y_axis)

    def path(self, pairs: Sequence[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{self.x(a):.1f} {self.y(b):.1f}" for a, b in pairs)

    def svg(self, kind: str, body: str, *, empty: bool) -> str:
        parts = ['<g class="grid">']
        for value in self.x.ticks():
            at = self.x(value)
            parts.append(f'<path d="M{at:.1f} {_TOP}V{HEIGHT - _BOTTOM}"/>')
            parts.append(f'<text x="{at:.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">{number(value)}</text>')
        for value in self.y.ticks():
            at = self.y(value)
            parts.append(f'<path d="M{_LEFT} {at:.1f}H{WIDTH - _RIGHT}"/>')
            parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{number(value)}</text>')
        parts.append("</g>")
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        parts.append(f'<text class="label" x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">')
        parts.append(f"{escape(self.x_axis.label)}</text>")
        turn = f'transform="translate(13 {(HEIGHT - _BOTTOM + _TOP) / 2}) rotate(-90)"'
        parts.append(f'<text class="label" {turn} text-anchor="middle">{escape(self.y_axis.label)}</text>')
        if empty:
            nothing = f'x="{middle}" y="{HEIGHT / 2}" text-anchor="middle"'
            parts.append(f'<text class="note" {nothing}>nothing to show</text>')
        axes = f'data-label-x="{escape(self.x_axis.label)}" data-label-y="{escape(self.y_axis.label)}"'
        return _svg(kind, "".join([*parts, f'<g class="marks">{body}</g>']), axes)


def _tip(text: str) -> str:
    # a plain line break in an attribute is a blank to XML
    return escape(text).replace("\n", "&#10;")


def _shown(series: Series, x: Axis, y: Axis) -> list[tuple[float, float]]:
    return [(a, b) for a, b in zip(series.x, series.y, strict=True) if x.shows(a) and y.shows(b)]


def _svg(kind: str, body: str, attributes: str = "") -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart {kind}" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" '
        f'role="img" {attributes}>{body}</svg>'
    )


def _marker(kind: int, x: float, y: float) -> str:
    """The path of a marker of about 9 units: round, square, diamond, up, down, by turns."""
    match kind % 5:
        case 0:
            return f"M{x - 4.5:.1f} {y:.1f}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z"
        case 1:
            return f"M{x - 4:.1f} {y - 4:.1f}h8v8h-8Z"
        case 2:
            return f"M{x:.1f} {y - 5.5:.1f}l5.5 5.5l-5.5 5.5l-5.5 -5.5Z"
        case 3:
            return f"M{x:.1f} {y - 5:.1f}l5 9h-10Z"
        case _:
            return f"M{x:.1f} {y + 5:.1f}l5 -9h-10Z"


def _list(values: Iterable[float]) -> str:
    return ",".join(f"{value:.5g}" for value in values)
