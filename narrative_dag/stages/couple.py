"""Coupling: how much the features tell about which options are open."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from narrative_dag.affordances.measure import measure_coupling
from narrative_dag.config import CycleConfig
from narrative_dag.progress import Progress, silent
from narrative_dag.sae.experiment import load_saes
from narrative_dag.sae.rollouts import state_matrix
from narrative_dag.tables import TABLES


def couple(
    config: CycleConfig, cycle: str, rollouts: pa.Table, saes: Path, progress: Progress = silent
) -> tuple[pa.Table, dict[str, float]]:
    """Table `affordance_coupling` of the first autoencoder, and the headline figures.

    Figures that cannot be computed (no affordance is decidable) are absent.

    Args:
        config: permutations, bins, split and bootstrap.
        cycle: partition key.
        rollouts: table `rollouts`.
        saes: folder of autoencoders.
        progress: called before and after.
    """
    progress("measure coupling", 0, 1)
    frame = pl.DataFrame(rollouts)
    codes = load_saes(saes)[0].encode(state_matrix(frame))
    measured = measure_coupling(frame, codes, config.seed_of(cycle, "couple"), config.coupling)
    summary = measured.summary
    metrics: dict[str, float] = {
        "affordances": summary.affordances,
        "decidable": summary.decidable,
        "too_few_pages": summary.too_few_pages,
        "constant": summary.constant,
        "significant_pairs": summary.significant_pairs,
        "coupled_features": summary.coupled_features,
        "max_bits": summary.max_bits,
        "features_above_04": summary.features_above_04,
        "best_bits": summary.best_bits,
    }
    correlations = measured.open_options_correlation
    if np.isfinite(correlations).any():
        metrics["max_open_options_correlation"] = float(np.nanmax(np.abs(correlations)))
    if summary.u_s is not None:
        metrics |= {"u_s": summary.u_s.value, "u_s_low": summary.u_s.low, "u_s_high": summary.u_s.high}
    metrics |= {f"u_s_{name}": share.value for name, share in summary.controls.items()}
    for name, margin in summary.margins.items():
        metrics |= {
            f"u_s_over_{name}": margin.value,
            f"u_s_over_{name}_low": margin.low,
            f"u_s_over_{name}_high": margin.high,
        }
    if summary.seen_share is not None:
        metrics["seen_share"] = summary.seen_share
    progress("measure coupling", 1, 1)
    return measured.table.to_arrow().cast(TABLES["affordance_coupling"].schema), metrics
