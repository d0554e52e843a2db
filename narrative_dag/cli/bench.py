"""`narrative-dag bench`: figures, each as one line of JSON."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Measure the product on this machine.", no_args_is_help=True)


@app.command()
def simulator(
    worlds: Annotated[Path, typer.Option(help="a folder of SweepWeave files (.json, .json.gz)")],
    seconds: Annotated[float, typer.Option(min=0.01, help="CPU seconds of each measurement, about")] = 0.1,
) -> None:
    """Steps per CPU second of the compiled simulator and of the interpreter, on the same plays, on one core."""
    from narrative_dag.bench.simulator import figures, measure_worlds
    from narrative_dag.cli.cycle import reporter

    with reporter() as progress:
        speeds = measure_worlds(worlds, seconds, progress)
    print(json.dumps(figures(speeds)))
