"""What a comparison of autoencoders shows: each run's settings, held-out figures and history, and what they share."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from narrative_dag.report.charts import COLORS, Series, Style
from narrative_dag.sae.config import RunConfig, SaeConfig
from narrative_dag.sae.metrics import SaeMetrics
from narrative_dag.sae.trainer_state import LogRow

HELD_OUT = "heldout_"
"""Prefix of the log's metrics that are held-out figures, measured once, and no history."""


class ComparedRun(NamedTuple):
    """An autoencoder: name, what it was trained with, held-out figures, and values over steps by metric."""

    name: str
    settings: Mapping[str, Any]
    metrics: SaeMetrics
    history: Mapping[str, tuple[Sequence[float], Sequence[float]]]

    @property
    def figures(self) -> dict[str, float]:
        """The held-out figures that are one number."""
        return {name: value for name, value in self.metrics.model_dump().items() if isinstance(value, float)}


class Comparison(NamedTuple):
    """Autoencoders side by side.

    Attributes:
        title: what was trained.
        facts: what all of them saw, and how, by name.
        runs: the autoencoders.
        mcc: mean correlation of every pair under the best matching, [runs, runs] with ones on the diagonal.
        oracles: (active components or features, FVU) of other methods, by name.
    """

    title: str
    facts: Mapping[str, Any]
    runs: Sequence[ComparedRun]
    mcc: Sequence[Sequence[float]]
    oracles: Mapping[str, Sequence[tuple[float, float]]]

    def styles(self) -> list[Style]:
        """A colour for each kind of run, a dash for each seed of a kind."""
        kinds: dict[str, list[int]] = {}
        for i, run in enumerate(self.runs):
            kinds.setdefault(kind_of(run.settings), []).append(i)
        found = [Style(0, 0, 0)] * len(self.runs)
        for color, members in enumerate(kinds.values()):
            for dash, i in enumerate(members):
                found[i] = Style(i, color % COLORS, dash + color // COLORS)
        return found

    def history(self, metric: str) -> list[Series]:
        """The runs that have a metric, over steps."""
        styled = zip(self.styles(), self.runs, strict=True)
        return [Series(style, run.name, *run.history[metric]) for style, run in styled if metric in run.history]

    def metrics(self) -> list[str]:
        """The metrics with a history, in the order of the log."""
        return list(dict.fromkeys(name for run in self.runs for name in run.history))


def kind_of(settings: Mapping[str, Any]) -> str:
    """What runs that differ by their seed alone have in common."""
    return json.dumps({name: value for name, value in settings.items() if name != "seed"}, sort_keys=True, default=str)


def settings_of(run: RunConfig) -> dict[str, Any]:
    """A run's own settings, flat: the architecture's fields, then its other ones."""
    fields = run.model_dump()
    return {**fields.pop("architecture"), **fields}


def compared_runs(runs: Sequence[RunConfig], metrics: Sequence[SaeMetrics], log: Iterable[LogRow]) -> list[ComparedRun]:
    """The runs of one training with their figures, in the same order, and their part of its log."""
    rows: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    for row in log:
        if not row.metric.startswith(HELD_OUT):
            steps, values = rows.setdefault(row.run, {}).setdefault(row.metric, ([], []))
            steps.append(row.step)
            values.append(row.value)
    return [
        ComparedRun(run.name, settings_of(run), found, rows.get(run.name, {}))
        for run, found in zip(runs, metrics, strict=True)
    ]


def shared_settings(config: SaeConfig) -> dict[str, Any]:
    """The settings that all runs of a training have in common, beside their own."""
    return config.model_dump(exclude={"runs"})


def pair_matrix(pairs: Sequence[float], count: int) -> list[list[float]]:
    """The symmetric matrix, ones on its diagonal, of values for (0, 1), (0, 2), ..., (1, 2), ...: [count, count]."""
    full = np.eye(count)
    full[np.triu_indices(count, 1)] = pairs
    return [[float(value) for value in row] for row in np.triu(full) + np.triu(full, 1).T]


def pca_points(metrics: Sequence[SaeMetrics]) -> list[tuple[float, float]]:
    """(components, FVU) of PCA with as many components as each run has active features, rising."""
    return sorted({(float(round(one.l0)), one.fvu_pca) for one in metrics})
