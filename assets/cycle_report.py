"""The cycle on one page: the figures of every stage."""

import dagster as dg

from assets.keys import CYCLE, cycles
from narrative_dag.progress import Progress
from narrative_dag.stages.report import report
from resources.house import House


@dg.asset(
    group_name=CYCLE,
    partitions_def=cycles,
    deps=[
        "storyworlds",
        "rollouts",
        "sae_checkpoint",
        "feature_table",
        "affordance_coupling",
        "reward_model",
        "policy_checkpoint",
    ],
    kinds={"mlflow"},
    description=__doc__,
)
def cycle_report(
    context: dg.AssetExecutionContext, house: House, progress: dg.ResourceParam[Progress]
) -> dg.MaterializeResult[None]:
    """A Markdown page and the cycle's headline figures."""
    with house.stage(context, progress) as stage:
        figures, page = report(stage.config, stage.cycle, stage.figures())
        (stage.out / "report.md").write_text(page)
        stage.measure(figures)
        stage.note("report", dg.MetadataValue.md(page))
    return stage.result()
