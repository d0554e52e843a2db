"""Feature tables: what fires where, and what is known of each feature."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from narrative_dag.affordances.catalog import feature_tables
from narrative_dag.config import CycleConfig
from narrative_dag.sae.experiment import load_saes
from narrative_dag.states.encoder import dimension_names
from narrative_dag.tables import TABLES


def tabulate(
    config: CycleConfig, cycle: str, rollouts: pa.Table, saes: Path
) -> tuple[pa.Table, pa.Table, dict[str, float]]:
    """Tables `features` and `feature_catalog`, and their figures.

    Args:
        config: not read.
        cycle: not read.
        rollouts: table `rollouts`.
        saes: folder of autoencoders.
    """
    features, catalog = feature_tables(pl.DataFrame(rollouts), load_saes(saes), dimension_names())
    live = catalog.filter(pl.col("density") > 0)
    metrics = {
        "live_features": float(len(live)),
        "median_density": float(np.median(live["density"].to_numpy())) if len(live) else 0.0,
        "mean_stability": float(live["stability"].to_numpy().mean()) if len(live) else 0.0,
    }
    return (
        features.to_arrow().cast(TABLES["features"].schema),
        catalog.to_arrow().cast(TABLES["feature_catalog"].schema),
        metrics,
    )
