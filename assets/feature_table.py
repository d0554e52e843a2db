"""Which features fire on which pages, and a catalogue of the features: density, stability, label, strongest page."""

import dagster as dg

from assets.keys import CYCLE, cycles, table_metadata
from narrative_dag.progress import Progress
from narrative_dag.stages.features import tabulate
from resources.house import House


@dg.asset(
    group_name=CYCLE,
    partitions_def=cycles,
    deps=["rollouts", "sae_checkpoint"],
    kinds={"parquet", "duckdb"},
    description=__doc__,
    metadata=table_metadata("features"),
)
def feature_table(
    context: dg.AssetExecutionContext, house: House, progress: dg.ResourceParam[Progress]
) -> dg.MaterializeResult[None]:
    """Tables `features` and `feature_catalog`."""
    with house.stage(context, progress) as stage:
        features, catalog, metrics = tabulate(
            stage.config, stage.cycle, stage.table("rollouts"), stage.artifact("sae_checkpoint")
        )
        stage.write("features", features)
        stage.write("feature_catalog", catalog)
        stage.measure(metrics)
    return stage.result()
