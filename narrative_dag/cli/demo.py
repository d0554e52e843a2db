"""`narrative-dag demo`: seeds, warm start and three cycles on embedded defaults, and what they came to."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from narrative_dag.home import WORLDS_VARIABLE, Home
from narrative_dag.partitions import IMPORTED, STAGES, cycle_key

if TYPE_CHECKING:
    from rich.console import Console

    from narrative_dag.report.summary import CycleSummary
    from resources.house import House

DEMO_CYCLES = 3
SAMPLE_QUERY = (
    "select cycle, component, round(avg(score), 3) as score from verdicts group by all order by component, cycle"
)


def demo(
    home: Annotated[
        Path | None, typer.Option(help="folder of the stores; else NARRATIVE_HOME, else .narrative")
    ] = None,
    cycles: Annotated[int, typer.Option(min=1, help="cycles that there shall be")] = DEMO_CYCLES,
) -> None:
    """Run the whole loop, or what is missing of it, and sum it up; the last line is JSON."""
    from rich.console import Console

    from narrative_dag.cli.cycle import missing_cycles, reporter, run_cycles
    from narrative_dag.config import CycleConfig
    from resources.compute import Compute
    from resources.house import House

    started = time.monotonic()
    place = Home.at(home)
    house = House(home=str(place.root), compute=Compute())
    console = Console()
    if missing := missing_cycles(place, cycles):
        with reporter() as progress:
            run_cycles(place, len(missing), progress)
    elif not house.finished("imported_storyworlds", IMPORTED, CycleConfig.from_environment()):
        console.print(
            f"The files of {WORLDS_VARIABLE} or the configuration are not those of the cycles that exist: they are "
            "kept. `narrative-dag cycle run` makes the next cycle with the new ones.",
            highlight=False,
        )
    summaries = [_summary(house, cycle_key(n)) for n in range(cycles)]
    _tell(console, house, summaries)
    imports = house.lineage.find("imported_storyworlds", IMPORTED)
    metrics = dict(imports.metrics) if imports else {}
    line: dict[str, Any] = {
        "cycles": [summary.document() for summary in summaries],
        "imported": int(metrics.get("imported", 0)),
        "refused": int(metrics.get("refused", 0)),
        "total_seconds": round(time.monotonic() - started, 3),
    }
    print(json.dumps(line), flush=True)


def _summary(house: "House", cycle: str) -> "CycleSummary":
    from narrative_dag.report.summary import CycleSummary
    from narrative_dag.stages.report import headlines

    entries = {stage: entry for stage in STAGES if (entry := house.lineage.find(stage, cycle)) is not None}
    figures = headlines({stage: entry.metrics for stage, entry in entries.items()})
    return CycleSummary(cycle, figures, {stage: entry.seconds for stage, entry in entries.items()})


def _tell(console: "Console", house: "House", summaries: "list[CycleSummary]") -> None:
    from narrative_dag.report.summary import table
    from narrative_dag.stages.imports import read_refusals

    console.print(table(summaries))
    _tell_best(console, house, summaries[-1].cycle)
    folder = house.artifacts.path("imported_storyworlds", IMPORTED)
    for refusal in read_refusals(folder):
        console.print(f"refused {refusal.file}: {refusal.reason}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"\nEverything is in {house.place.root}. Next:")
    console.print(
        "  make ui                   Dagster on http://localhost:3000, MLflow on http://localhost:5000", soft_wrap=True
    )
    console.print(f'  .venv/bin/narrative-dag query "{SAMPLE_QUERY}"', soft_wrap=True, highlight=False)
    console.print("  .venv/bin/narrative-dag cycle run --cycles 2")
    console.print(
        f"  {WORLDS_VARIABLE}=FOLDER makes the next run import the SweepWeave files of a folder\n", soft_wrap=True
    )


def _tell_best(console: "Console", house: "House", cycle: str) -> None:
    """Print the storyworld of the cycle with the highest reward."""
    import polars as pl

    from narrative_dag.stages.reward import REWARD

    verdicts = house.warehouse.read("verdicts", cycle).filter(pl.col("component") == REWARD)
    best = verdicts.sort("score", "position", descending=[True, False]).head(1)
    if best.is_empty():
        return
    worlds = house.warehouse.read("storyworlds", cycle)
    text = worlds.filter(pl.col("position") == best["position"][0])["text"][0]
    console.print(f"\nThe best storyworld of {cycle}, reward {best['score'][0]:.3f}:")
    console.print(text, markup=False, highlight=False, soft_wrap=True)
