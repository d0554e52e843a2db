"""How much each feature tells about which options are open, given where the player stands, in bits."""

import dagster as dg

from assets.keys import CYCLE, cycles, table_metadata
from narrative_dag.progress import Progress
from narrative_dag.stages.couple import couple
from resources.house import House


@dg.asset(
    group_name=CYCLE,
    partitions_def=cycles,
    deps=["rollouts", "sae_checkpoint", "feature_table"],
    kinds={"parquet"},
    description=__doc__,
    metadata=table_metadata("affordance_coupling"),
)
def affordance_coupling(
    context: dg.AssetExecutionContext, house: House, progress: dg.ResourceParam[Progress]
) -> dg.MaterializeResult[None]:
    """Table `affordance_coupling`."""
    with house.stage(context, progress) as stage:
        coupling, metrics = couple(
            stage.config, stage.cycle, stage.table("rollouts"), stage.artifact("sae_checkpoint"), stage.progress
        )
        stage.write("affordance_coupling", coupling)
        stage.measure(metrics)
    return stage.result()
