"""Sparse autoencoders of the states met in play: one for each seed of the configuration, with their training log."""

import dagster as dg

from assets.keys import CYCLE, GPU, cycles
from narrative_dag.progress import Progress
from narrative_dag.report.sae_page import markdown_image
from narrative_dag.sae.experiment import PICTURE_FILE
from narrative_dag.stages.autoencode import train_saes
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
    """A folder of safetensors with a page that compares them; table `training_log`."""
    with house.stage(context, progress) as stage:
        pages = stage.table("rollouts")
        stage.record(
            house.compute.run(
                lambda: train_saes(stage.config, stage.cycle, pages, stage.out, stage.work, stage.progress)
            )
        )
        image = markdown_image(
            (stage.out / PICTURE_FILE).read_text(encoding="utf-8"), "held-out FVU over L0, and loss over steps"
        )
        stage.note("comparison", dg.MetadataValue.md(image))
    return stage.result()
