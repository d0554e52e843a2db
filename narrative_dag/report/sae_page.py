"""The comparison of autoencoders as one HTML file that needs nothing else, and as a still picture.

Charts are SVG, so that the page is small (its own script and style are 9 kB), loads nothing, prints, and shows its
figures without a script too; the script adds hovering, hiding runs and sorting.
"""

import base64
import itertools
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from narrative_dag.report.axes import Axis, number
from narrative_dag.report.charts import HEIGHT, WIDTH, Series, Style, lines, matrix, outlines, points, swatch
from narrative_dag.report.sae_comparison import Comparison
from narrative_dag.sae.metrics import DENSITY_EDGES, SaeMetrics

_HERE = Path(__file__).parent
_ABBREVIATIONS = {"fvu": "FVU", "l0": "L0", "mcc": "MCC", "pca": "PCA", "kmeans": "k-means"}
_HISTORIES: Mapping[str, tuple[Axis, str]] = {
    "loss": (Axis("loss", log=True), "What each architecture minimises, mean over the steps since the last point."),
    "fvu": (Axis("FVU", log=True), "Unexplained variance of a fixed sample of training states, scaled."),
    "l0": (Axis("active features a state"), "Mean number of active features of the same states."),
    "silent": (Axis("share of features", low=0.0), "Features that fired on no state of the last window."),
    "dead": (Axis("share of features", low=0.0), "Features that fired on no state of the last window."),
}
_TITLES = {"loss": "Loss", "fvu": "FVU in training", "l0": "L0 in training"}
_TITLES |= dict.fromkeys(("silent", "dead"), "Dead features in training")
_ROUNDING = 1e-9
"""FVU below which a method leaves nothing but rounding errors, which would stretch a logarithmic axis."""

_STEPS = Axis("optimiser steps", low=0.0)


def comparison_page(comparison: Comparison) -> str:
    """The page; equal comparisons give equal text."""
    styles = comparison.styles()
    legend = "".join(
        f'<button type="button" aria-pressed="true" data-run="{i}">{swatch(style)}{escape(run.name)}</button>'
        for i, (style, run) in enumerate(zip(styles, comparison.runs, strict=True))
    )
    figures = [
        _figure("L0 and FVU", _about_frontier(comparison), frontier(comparison)),
        *(_figure(*_history_text(name), _history(comparison, name)) for name in comparison.metrics()),
        _figure(
            "Density of features", "How many features fire on which share of held-out states.", _density(comparison)
        ),
    ]
    if len(comparison.runs) > 1:
        names = [run.name for run in comparison.runs]
        about = "Mean decoder cosine of every pair, features matched one to one; seeds of a kind should agree."
        figures.append(_figure("MCC", about, matrix(names, comparison.mcc, styles, "MCC")))
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            # an icon of its own: the browser asks for none
            '<link rel="icon" href="data:,">',
            f"<title>{escape(comparison.title)}</title>",
            f"<style>{_file('page.css')}{_file('charts.css')}</style></head><body>",
            f"<h1>{escape(comparison.title)}</h1>",
            f"<p>{len(comparison.runs)} autoencoders on the same states. FVU is the share of variance that is not "
            "explained, L0 the number of active features of a state. Click a name to hide a run.</p>",
            f'<nav class="legend" aria-label="runs">{legend}</nav>',
            f'<section class="charts">{"".join(figures)}</section>',
            "<h2>Held-out figures</h2>",
            _figures_table(comparison, styles),
            "<h2>Settings of the runs</h2>",
            _settings_table(comparison, styles),
            "<h2>Data and training</h2>",
            _definitions(comparison.facts),
            f'<div id="tip" role="status" hidden></div><script>{_file("page.js")}</script></body></html>\n',
        ]
    )


def picture(comparison: Comparison) -> str:
    """Frontier and loss side by side, an SVG on white with its style inside, for places that show images."""
    charts = [frontier(comparison), _history(comparison, "loss")]
    placed = "".join(
        chart.replace("<svg ", f'<svg x="{i * (WIDTH + 10):g}" y="4" width="{WIDTH:g}" height="{HEIGHT:g}" ', 1)
        for i, chart in enumerate(charts)
    )
    styles, rows = comparison.styles(), []
    for i, (style, run) in enumerate(zip(styles, comparison.runs, strict=True)):
        at = f"translate({16 + (i % 3) * 295} {HEIGHT + 10 + (i // 3) * 17})"
        label = f'<text x="36" y="11">{escape(run.name)}</text>'
        rows.append(f'<g class="chart" transform="{at}">{swatch(style)}{label}</g>')
    width, height = 2 * WIDTH + 10, HEIGHT + 18 + math.ceil(len(rows) / 3) * 17
    light = _file("page.css").partition("}")[0] + "}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}"><style>{light}{_file("charts.css")}</style>'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{placed}{"".join(rows)}</svg>'
    )


def markdown_image(svg: str, text: str) -> str:
    """A Markdown image with its bytes inside; `text` is what a reader hears who cannot see it."""
    return f"![{text}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def frontier(comparison: Comparison) -> str:
    """FVU over L0: a point a run, a curve an oracle."""
    styled = zip(comparison.styles(), comparison.runs, strict=True)
    runs = [Series(style, run.name, [run.metrics.l0], [run.metrics.fvu]) for style, run in styled]
    curves = [
        Series(Style(-1, 0, i), name, [active for active, _ in shown], [fvu for _, fvu in shown])
        for i, (name, curve) in enumerate(comparison.oracles.items())
        if (shown := [(active, fvu) for active, fvu in curve if fvu >= _ROUNDING])
    ]
    return points(runs, curves, Axis("L0, active features a state", low=0.0), Axis("FVU, held out", log=True))


def _about_frontier(comparison: Comparison) -> str:
    names = " and ".join(name for name, curve in comparison.oracles.items() if curve)
    known = f" Curves: {names} with as many components." if names else ""
    return f"Held-out states: further down and to the left is better.{known}"


def _history_text(metric: str) -> tuple[str, str]:
    about = _HISTORIES[metric][1] if metric in _HISTORIES else "As logged in training."
    return _TITLES.get(metric, _words(metric)), about


def _history(comparison: Comparison, metric: str) -> str:
    axis = _HISTORIES[metric][0] if metric in _HISTORIES else Axis(_words(metric))
    series = comparison.history(metric)
    if axis.log and not any(axis.shows(value) for one in series for value in one.y):
        # an architecture may have a loss that is never positive
        axis = axis._replace(log=False)
    return lines(series, _STEPS, axis)


def _density(comparison: Comparison) -> str:
    # the first bin begins at 0, which a logarithmic axis cannot show
    edges = [DENSITY_EDGES[0] ** 2 / DENSITY_EDGES[1], *DENSITY_EDGES]
    styled = zip(comparison.styles(), comparison.runs, strict=True)
    series = [Series(style, run.name, edges[1:], run.metrics.density_histogram) for style, run in styled]
    x = Axis("density, share of states", log=True, low=edges[0], high=edges[-1])
    return outlines(series, edges, x, Axis("features", low=0.0))


def _figures_table(comparison: Comparison, styles: Sequence[Style]) -> str:
    names = list(dict.fromkeys(name for run in comparison.runs for name in run.figures))
    heads = ['<th data-sort="text">run</th>']
    for name in names:
        field = SaeMetrics.model_fields.get(name)
        about = escape(field.description or "") if field else ""
        heads.append(f'<th data-sort="number" title="{about}">{escape(_words(name))}</th>')
    rows = []
    for style, run in zip(styles, comparison.runs, strict=True):
        values = [run.figures.get(name, math.nan) for name in names]
        cells = "".join(f'<td data-value="{value!r}">{_shown(value)}</td>' for value in values)
        rows.append(f'<tr data-run="{style.run}">{_run_cell(style, run.name)}{cells}</tr>')
    return _table(heads, rows)


def _settings_table(comparison: Comparison, styles: Sequence[Style]) -> str:
    names = list(dict.fromkeys(itertools.chain.from_iterable(run.settings for run in comparison.runs)))
    heads = ["<th>run</th>", *(f"<th>{escape(name)}</th>" for name in names)]
    rows = []
    for style, run in zip(styles, comparison.runs, strict=True):
        cells = "".join(f"<td>{_setting(run.settings[name]) if name in run.settings else ''}</td>" for name in names)
        rows.append(f'<tr data-run="{style.run}">{_run_cell(style, run.name)}{cells}</tr>')
    return _table(heads, rows)


def _run_cell(style: Style, name: str) -> str:
    return f'<td data-value="{escape(name)}">{swatch(style)}{escape(name)}</td>'


def _table(heads: Sequence[str], rows: Sequence[str]) -> str:
    head, body = "".join(heads), "".join(rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _definitions(facts: Mapping[str, Any]) -> str:
    shown = (f"<div><dt>{escape(name)}</dt><dd>{_setting(value)}</dd></div>" for name, value in facts.items())
    return f"<dl>{''.join(shown)}</dl>"


def _figure(title: str, about: str, chart: str) -> str:
    return f"<figure><figcaption><b>{escape(title)}</b>{escape(about)}</figcaption>{chart}</figure>"


def _words(name: str) -> str:
    return " ".join(_ABBREVIATIONS.get(word, word) for word in name.split("_"))


def _shown(value: float) -> str:
    return number(value) if isinstance(value, int) or abs(value) >= 10 else number(round(value, 4))


def _setting(value: Any) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return escape(", ".join(f"{name} {_setting(one)}" for name, one in value.items()))
    if isinstance(value, list | tuple):
        return ", ".join(_setting(one) for one in value)
    return escape(str(value))


def _file(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
