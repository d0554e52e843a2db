"""`narrative-dag bench`: figures, each as one line of JSON."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Measure the product on this machine.", no_args_is_help=True)


class Device(StrEnum):
    """Where a measurement trains."""

    CPU = "cpu"
    CUDA = "cuda"


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


@app.command()
def sae(
    peers: Annotated[bool, typer.Option(help="also train with the libraries that `make peers` installs")] = False,
    quick: Annotated[bool, typer.Option(help="one round of short trainings: for a look, not for the record")] = False,
    device: Annotated[Device, typer.Option(help="cuda: speed on a GPU alone, beside a plain torch loop")] = Device.CPU,
    worlds: Annotated[Path | None, typer.Option(help="SweepWeave files beside the storyworlds of the authors")] = None,
) -> None:
    """States per CPU second of autoencoder training beside other loops and libraries, and what the autoencoders find.

    Every training has a process and a core of its own. A full measurement takes some minutes, with peers a quarter of
    an hour.
    """
    from narrative_dag.bench.sae import figures, gpu_speeds
    from narrative_dag.cli.cycle import reporter

    with reporter() as progress:
        if device is Device.CUDA:
            measured = gpu_speeds(progress, quick=quick)
        else:
            measured = figures(progress, peers=peers, quick=quick, worlds=worlds)
    print(json.dumps(measured))
