"""Sparse autoencoders of the states met in play: one for each seed of the configuration, with their training log."""

import dagster as dg

from assets.keys import CYCLE, GPU, cycles
from narrative_dag.stages.autoencode import train_saes
from narrative_dag.stages.result import Progress
from resources.house import House


@dg.asset(
    group_name=CYCLE,
    partitions_def=cycles,
    deps=["rollouts"],
    pool=GPU,
    kinds={"pytorch", "mlflow"},
    description=__doc__,
)
def sae_checkpoint(
    context: dg.AssetExecutionContext, house: House, progress: dg.ResourceParam[Progress]
) -> dg.MaterializeResult[None]:
    """A folder of safetensors; table `training_log`."""
    with house.stage(context, progress) as stage:
        pages = stage.table("rollouts")
        stage.record(
            house.compute.run(
                lambda: train_saes(stage.config, stage.cycle, pages, stage.out, stage.work, stage.progress)
            )
        )
    return stage.result()
