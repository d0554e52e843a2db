"""Seed storyworlds: drafts from the combinatorial author, flaws included, for the first policy to learn from."""

import dagster as dg

from assets.keys import BOOTSTRAP, table_metadata
from narrative_dag.progress import Progress
from narrative_dag.stages.seeds import write_seeds
from resources.house import House


@dg.asset(group_name=BOOTSTRAP, kinds={"parquet"}, description=__doc__, metadata=table_metadata("storyworlds"))
def seed_storyworlds(
    context: dg.AssetExecutionContext, house: House, progress: dg.ResourceParam[Progress]
) -> dg.MaterializeResult[None]:
    """Table `storyworlds` under the key `seeds`."""
    with house.stage(context, progress) as stage:
        worlds = write_seeds(stage.config, stage.progress)
        stage.write("storyworlds", worlds)
        stage.measure_share("validity", worlds, "valid")
    return stage.result()
