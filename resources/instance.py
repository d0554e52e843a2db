"""The persistent Dagster instance of a home, and the runs that a killed process left open in it."""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg

from narrative_dag.errors import NarrativeError
from narrative_dag.home import Home

PROCESS = "narrative/process"
"""Run tag: host and process id of the command that executes the run."""

UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
"""States of a run that has not ended."""


def process_tags() -> dict[str, str]:
    """The tag of runs that this process executes."""
    return {PROCESS: f"{socket.gethostname()}:{os.getpid()}"}


def _alive(process: str) -> bool:
    host, _, pid = process.rpartition(":")
    return host != socket.gethostname() or Path(f"/proc/{pid}").exists()


def _make_instance(home: Home) -> None:
    """Make the stores aside and rename the folder, so that none is half made."""
    home.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.root, prefix=".making.") as folder:
        passing = Home(Path(folder))
        with dg.DagsterInstance.from_config(str(passing.prepare_dagster())) as instance:
            instance.get_runs_count()
        with suppress(OSError):
            passing.dagster.rename(home.dagster)


@contextmanager
def open_instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """The instance in `<home>/dagster`, made on first use."""
    if not home.dagster.exists():
        _make_instance(home)
    with dg.DagsterInstance.from_config(str(home.prepare_dagster())) as instance:
        yield instance


def close_abandoned_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark as failed every unfinished run whose command, on this host, is gone; their ids.

    Left open, they would count against `max_concurrent_runs` for ever.
    """
    closed = []
    for run in instance.get_runs(dg.RunsFilter(statuses=list(UNFINISHED))):
        process = run.tags.get(PROCESS)
        if process is not None and not _alive(process):
            instance.report_run_failed(run, f"process {process} was killed")
            closed.append(run.run_id)
    return closed


@contextmanager
def exclusive(home: Home) -> Iterator[None]:
    """Hold a home for one command that materializes.

    Raises:
        NarrativeError: another one holds it.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    with (home.root / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NarrativeError(
                "another command is materializing here", where=str(home.root), hint="wait for it, or use another home"
            ) from error
        yield
