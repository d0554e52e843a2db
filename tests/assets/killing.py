"""Runs of one cycle in a process of their own that kills itself at a chosen moment."""

import json
import multiprocessing
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from small_cycles import Command

from narrative_dag.home import Home

LOADED = ["torch", "transformers", "mlflow", "dagster", "narrative_dag.definitions", "narrative_dag.cli.cycle"]


@dataclass(frozen=True)
class Checkpoint:
    """When a stage has saved one."""

    asset: str
    cycle: str


@dataclass(frozen=True)
class Part:
    """At the first progress of a part of a stage."""

    what: str


@dataclass(frozen=True)
class Record:
    """Around the lineage row of a stage."""

    asset: str
    after: bool


Moment = Checkpoint | Part | Record
Line = tuple[str, int, int]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run(command: Command, moment: Moment, told: Path) -> None:
    from narrative_dag.cli.cycle import run_cycles
    from resources.lineage import Lineage

    os.environ.clear()
    os.environ.update(command.environment)
    home = Home.at(command.home)
    if isinstance(moment, Record):
        record = Lineage.record

        def dying(self, entry):
            if entry.asset == moment.asset and not moment.after:
                die()
            record(self, entry)
            if entry.asset == moment.asset:
                die()

        Lineage.record = dying
    with told.open("w") as lines:

        def progress(what: str, done: int, total: int) -> None:
            print(json.dumps([what.partition(",")[0], done, total]), file=lines, flush=True)
            if isinstance(moment, Part) and what == moment.what and done < total:
                die()
            if isinstance(moment, Checkpoint):
                work = home.work / moment.asset / moment.cycle / "checkpoints"
                if any(path.is_file() for path in work.rglob("*")):
                    die()

        run_cycles(home, 1, progress)


def run_killed(command: Command, moment: Moment, told: Path) -> list[Line]:
    """What the run told before it was killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    process = context.Process(target=run, args=(command, moment, told))
    process.start()
    process.join(300)
    assert process.exitcode == -signal.SIGKILL, (moment, process.exitcode)
    return [tuple(json.loads(line)) for line in told.read_text().splitlines()]


def about(lines: list[Line], what: str) -> list[int]:
    """How much was done at each progress of a part."""
    return [done for subject, done, _ in lines if subject == what]
