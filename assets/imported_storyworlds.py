"""Imported storyworlds: the SweepWeave files of the folder `NARRATIVE_WORLDS`, copied, to be played in every cycle.

Files that no engine mode accepts are listed with the reason and left out. Without a folder there are none.
"""

import dagster as dg

from assets.keys import BOOTSTRAP, table_metadata
from narrative_dag.home import worlds_folder
from narrative_dag.progress import Progress
from narrative_dag.stages.imports import import_worlds
from resources.house import House


@dg.asset(group_name=BOOTSTRAP, kinds={"parquet"}, description=__doc__, metadata=table_metadata("storyworlds"))
def imported_storyworlds(
    context: dg.AssetExecutionContext, house: House, progress: dg.ResourceParam[Progress]
) -> dg.MaterializeResult[None]:
    """Table `storyworlds` under the key `imported`, and the files."""
    with house.stage(context, progress) as stage:
        imported = import_worlds(stage.config, worlds_folder(), stage.out, stage.progress)
        stage.write("storyworlds", imported.storyworlds)
        stage.measure({"imported": imported.storyworlds.num_rows, "refused": len(imported.refused)})
        stage.note("refused_files", [{"file": r.file, "reason": r.reason} for r in imported.refused])
    return stage.result()
