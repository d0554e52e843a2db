"""The base policy: a language model warm-started on the seed storyworlds, and the reference of every later cycle."""

import dagster as dg

from assets.keys import BOOTSTRAP, GPU
from narrative_dag.progress import Progress
from narrative_dag.stages.base import train_base_policy
from resources.house import House


@dg.asset(
    group_name=BOOTSTRAP,
    deps=["seed_storyworlds"],
    pool=GPU,
    kinds={"pytorch", "huggingface"},
    description=__doc__,
)
def base_policy(
    context: dg.AssetExecutionContext, house: House, progress: dg.ResourceParam[Progress]
) -> dg.MaterializeResult[None]:
    """A Hugging Face folder, and its training log."""
    with house.stage(context, progress) as stage:
        seeds = stage.table("storyworlds")
        stage.record(
            house.compute.run(lambda: train_base_policy(stage.config, seeds, stage.out, stage.work, stage.progress))
        )
    return stage.result()
