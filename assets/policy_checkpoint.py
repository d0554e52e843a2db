"""The policy after reinforcement learning on the cycle's reward, evaluated on fixed prompts."""

import dagster as dg

from assets.keys import CYCLE, GPU, cycles
from narrative_dag.partitions import SEEDS
from narrative_dag.progress import Progress
from narrative_dag.stages.improve import improve_policy
from resources.house import House


@dg.asset(
    group_name=CYCLE,
    partitions_def=cycles,
    deps=["storyworlds", "reward_model", "base_policy"],
    pool=GPU,
    kinds={"pytorch", "huggingface", "mlflow"},
    description=__doc__,
)
def policy_checkpoint(
    context: dg.AssetExecutionContext, house: House, progress: dg.ResourceParam[Progress]
) -> dg.MaterializeResult[None]:
    """A Hugging Face folder; table `training_log`."""
    with house.stage(context, progress) as stage:
        base, reward = stage.artifact("base_policy", SEEDS), stage.artifact("reward_model")
        worlds = stage.table("storyworlds")
        stage.record(
            house.compute.run(
                lambda: improve_policy(
                    stage.config, stage.cycle, stage.policy, base, reward, worlds, stage.out, stage.work, stage.progress
                )
            )
        )
    return stage.result()
