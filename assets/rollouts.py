"""Playthroughs of the cycle's storyworlds, and of the imported ones, by seeded random choice: one row a page."""

import dagster as dg

from assets.keys import CYCLE, cycles, table_metadata
from narrative_dag.partitions import IMPORTED
from narrative_dag.progress import Progress
from narrative_dag.stages.play import play_storyworlds
from resources.house import House


@dg.asset(
    group_name=CYCLE,
    partitions_def=cycles,
    deps=["storyworlds", "imported_storyworlds"],
    kinds={"parquet"},
    description=__doc__,
    metadata=table_metadata("rollouts"),
)
def rollouts(
    context: dg.AssetExecutionContext, house: House, progress: dg.ResourceParam[Progress]
) -> dg.MaterializeResult[None]:
    """Table `rollouts`."""
    with house.stage(context, progress) as stage:
        imported = stage.table("storyworlds", IMPORTED)
        files = stage.artifact("imported_storyworlds", IMPORTED)
        pages, figures = play_storyworlds(
            stage.config, stage.cycle, stage.table("storyworlds"), imported, files, stage.progress
        )
        stage.write("rollouts", pages)
        stage.measure(figures)
    return stage.result()
