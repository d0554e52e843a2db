"""The frozen reward of the cycle: verifiers, weights and feature quality, and its verdicts on what was written."""

import dagster as dg

from assets.keys import CYCLE, GPU, cycles, table_metadata
from narrative_dag.progress import Progress
from narrative_dag.stages.reward import build_reward
from resources.house import House


@dg.asset(
    group_name=CYCLE,
    partitions_def=cycles,
    deps=["storyworlds", "rollouts", "sae_checkpoint", "affordance_coupling"],
    pool=GPU,
    kinds={"pytorch", "mlflow", "parquet"},
    description=__doc__,
    metadata=table_metadata("verdicts"),
)
def reward_model(
    context: dg.AssetExecutionContext, house: House, progress: dg.ResourceParam[Progress]
) -> dg.MaterializeResult[None]:
    """A reward bundle; table `verdicts`."""
    with house.stage(context, progress) as stage:
        worlds, pages = stage.table("storyworlds"), stage.table("rollouts")
        verdicts, result = house.compute.run(
            lambda: build_reward(
                stage.config, stage.cycle, worlds, pages, stage.artifact("sae_checkpoint"), stage.out, stage.progress
            )
        )
        stage.write("verdicts", verdicts)
        stage.record(result)
    return stage.result()
