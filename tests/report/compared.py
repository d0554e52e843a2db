"""A comparison with known figures: three seeds of one architecture and one autoencoder of another."""

import numpy as np

from narrative_dag.report.sae_comparison import Comparison, compared_runs, pca_points, shared_settings
from narrative_dag.sae.config import RunConfig, SaeConfig
from narrative_dag.sae.metrics import DENSITY_EDGES, SaeMetrics
from narrative_dag.sae.standard import StandardConfig
from narrative_dag.sae.topk import TopKConfig
from narrative_dag.sae.trainer_state import LogRow

TOPK = TopKConfig(k_features=64, k=8)
RUNS = (
    *(RunConfig(architecture=TOPK, lr=0.01, seed=seed) for seed in range(3)),
    RunConfig(architecture=StandardConfig(k_features=64, l1=0.02), lr=0.003),
)
CONFIG = SaeConfig(runs=RUNS, epochs=12, batch_size=96)
STEPS = range(10, 110, 10)


def metrics(i: int) -> SaeMetrics:
    bins = tuple(10 * i + j for j in range(len(DENSITY_EDGES)))
    return SaeMetrics(
        rows=321,
        fvu=0.1 + 0.01 * i,
        fvu_scaled=0.2,
        fvu_pca=0.5,
        reconstruction_bias=1.0,
        l0=8.0 + i,
        l0_quantiles=(1, 2, 3, 4, 5),
        dead_share=0.25 * i,
        density_histogram=bins,
    )


def log() -> list[LogRow]:
    rows = []
    for step in STEPS:
        for i, run in enumerate(RUNS):
            values = {"loss": (1 + i) / step, "fvu": 0.5 / step, "l0": 8.0 + i, "silent": 0.5 - step / 300, "gate": 7.0}
            rows += [LogRow(step, run.name, name, value) for name, value in values.items()]
    return [*rows, LogRow(110, RUNS[0].name, "heldout_fvu", 0.1), LogRow(110, "all", "mcc", 0.5)]


def comparison() -> Comparison:
    measured = [metrics(i) for i in range(len(RUNS))]
    mcc = np.eye(len(RUNS)) * 0.58 + 0.42
    return Comparison(
        "Autoencoders of <one> cycle",
        {"training states": 1284, **shared_settings(CONFIG)},
        compared_runs(RUNS, measured, log()),
        mcc.tolist(),
        {"PCA": pca_points(measured), "k-means": [(4.0, 0.9), (8.0, 0.7)]},
    )
