"""The feature tables of a cycle: which feature fires where, and what is known about each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from narrative_dag.affordances.correlation import open_options_correlation
from narrative_dag.affordances.errors import AffordanceError
from narrative_dag.affordances.options import open_options
from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.rollouts import state_matrix
from narrative_dag.sae.stability import stability

LABEL_TERMS = 3
LABEL_SHARE = 0.4
"""A dimension enters a label when its weight is at least this share of the largest."""

_FEATURES = pl.Schema(
    {
        "storyworld_id": pl.String,
        "playthrough": pl.Int32,
        "step": pl.Int32,
        "sae": pl.Int32,
        "feature": pl.Int32,
        "activation": pl.Float32,
    }
)
_CATALOG = pl.Schema(
    {
        "sae": pl.Int32,
        "feature": pl.Int32,
        "density": pl.Float64,
        "mean_activation": pl.Float64,
        "stability": pl.Float64,
        "label": pl.String,
        "open_options_correlation": pl.Float64,
        "top_storyworld": pl.String,
        "top_playthrough": pl.Int32,
        "top_step": pl.Int32,
    }
)


def feature_tables(
    rollouts: pl.DataFrame, saes: Sequence[FoldedSae], dimension_names: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The tables `features` and `feature_catalog` of the pages in `rollouts`.

    Cosines (stability) and labels are in units of each dimension's standard deviation over the pages.

    Raises:
        AffordanceError: an autoencoder or the names do not fit the states.
    """
    states = state_matrix(rollouts)
    d = states.shape[1]
    if len(dimension_names) != d or any(sae.d != d for sae in saes):
        raise AffordanceError(
            f"states have {d} dimensions, {len(dimension_names)} names were given, "
            f"autoencoders read {sorted({sae.d for sae in saes})}"
        )
    deviation = states.std(axis=0, dtype=np.float64)
    # a dimension that never varies here says nothing about these pages: infinite unit, no weight
    scale = np.where((states == states[:1]).all(axis=0), np.inf, deviation)
    options = open_options(rollouts)
    features, catalog = [], []
    for index, sae in enumerate(saes):
        codes = sae.encode(states)
        features.append(_long(rollouts, codes, index))
        labels = [label(row, dimension_names) for row in sae.W_dec / scale]
        catalog.append(_catalog(rollouts, codes, index, labels, stability(saes, index, scale), options))
    if not saes:
        return pl.DataFrame(schema=_FEATURES), pl.DataFrame(schema=_CATALOG)
    return pl.concat(features), pl.concat(catalog)


def label(weights: npt.NDArray[np.floating[Any]], names: Sequence[str]) -> str:
    """The dimensions that weights [d] move most, signed, strongest first, e.g. `+slot0.Trust -turn`; may be empty."""
    size = np.abs(weights)
    order = np.argsort(-size, kind="stable")[:LABEL_TERMS]
    kept = [i for i in order if size[i] > 0 and size[i] >= LABEL_SHARE * size[order[0]]]
    return " ".join(f"{'+' if weights[i] > 0 else '-'}{names[i]}" for i in kept)


def _long(rollouts: pl.DataFrame, codes: npt.NDArray[np.float32], index: int) -> pl.DataFrame:
    rows, columns = np.nonzero(codes > 0)
    return (
        rollouts.select("storyworld_id", "playthrough", "step")[rows]
        .with_columns(
            sae=pl.lit(index),
            feature=pl.Series(columns),
            activation=pl.Series(codes[rows, columns]),
        )
        .cast(_FEATURES)
    )


def _catalog(
    rollouts: pl.DataFrame,
    codes: npt.NDArray[np.float32],
    index: int,
    labels: list[str],
    stable: npt.NDArray[np.float64],
    options: npt.NDArray[np.float64],
) -> pl.DataFrame:
    firing = (codes > 0).sum(axis=0)
    alive = firing > 0
    correlation = open_options_correlation(codes, options)
    top = rollouts.select("storyworld_id", "playthrough", "step")[codes.argmax(axis=0)]
    frame = pl.DataFrame(
        {
            "sae": np.full(len(firing), index),
            "feature": np.arange(len(firing)),
            "density": firing / len(codes),
            "mean_activation": codes.sum(axis=0, dtype=np.float64) / np.maximum(firing, 1),
            "stability": stable,
            "label": labels,
            "open_options_correlation": pl.Series(correlation).fill_nan(None),
            "top_storyworld": top["storyworld_id"],
            "top_playthrough": top["playthrough"],
            "top_step": top["step"],
        }
    )
    known = pl.Series(alive)
    return frame.with_columns(
        pl.when(known).then(pl.col(name)) for name in ("top_storyworld", "top_playthrough", "top_step")
    ).cast(_CATALOG)
