"""Storyworlds that the policy of the cycle before wrote; the base policy in the first cycle.

That checkpoint is no edge of the graph, since Dagster knows no loops: the asset fails before any work when it is
missing, and names it, with its content hash, in the metadata and the lineage table.
"""

import dagster as dg

from assets.keys import CYCLE, GPU, cycles, table_metadata
from narrative_dag.progress import Progress
from narrative_dag.stages.write import write_storyworlds
from resources.house import House


@dg.asset(
    group_name=CYCLE,
    partitions_def=cycles,
    deps=["base_policy"],
    pool=GPU,
    kinds={"pytorch", "parquet"},
    description=__doc__,
    metadata=table_metadata("storyworlds"),
)
def storyworlds(
    context: dg.AssetExecutionContext, house: House, progress: dg.ResourceParam[Progress]
) -> dg.MaterializeResult[None]:
    """Table `storyworlds`."""
    with house.stage(context, progress) as stage:
        written = house.compute.run(lambda: write_storyworlds(stage.config, stage.cycle, stage.policy, stage.progress))
        stage.write("storyworlds", written)
        stage.measure_share("validity", written, "valid")
    return stage.result()
