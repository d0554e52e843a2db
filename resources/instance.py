"""The persistent Dagster instance of a home, and the runs that a killed process left open in it."""

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import dagster as dg

from narrative_dag.home import Home
from resources.locks import HeldError, hold

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


def close_runs_of_commands(instance: dg.DagsterInstance) -> list[str]:
    """Mark as failed every unfinished run of a command; their ids. The caller holds `exclusive`: all of them are dead.

    Left open, they would count against `max_concurrent_runs` for ever.
    """
    return _close(instance, UNFINISHED, of_commands=True)


def close_runs_of_servers(instance: dg.DagsterInstance) -> list[str]:
    """Mark as failed every started run of the web UI and the daemon; their ids. The caller holds `serving`.

    Queued runs stay: the daemon starts them.
    """
    states = tuple(status for status in UNFINISHED if status != dg.DagsterRunStatus.QUEUED)
    return _close(instance, states, of_commands=False)


def _close(instance: dg.DagsterInstance, states: tuple[dg.DagsterRunStatus, ...], *, of_commands: bool) -> list[str]:
    closed = []
    for run in instance.get_runs(dg.RunsFilter(statuses=list(states))):
        process = run.tags.get(PROCESS)
        if (process is not None) == of_commands:
            instance.report_run_failed(run, f"{process or 'the server that ran it'} was killed")
            closed.append(run.run_id)
    return closed


@contextmanager
def exclusive(home: Home) -> Iterator[None]:
    """Hold a home for one command that materializes.

    Raises:
        HeldError: another one holds it.
    """
    with _held(home, ".lock", "another command is materializing here", "wait for it"):
        yield


@contextmanager
def serving(home: Home) -> Iterator[int]:
    """Hold a home for the servers of one `ui`; the descriptor to pass on to them, so that they hold it too.

    Raises:
        HeldError: servers, even of a killed `ui`, hold it.
    """
    with _held(home, ".servers.lock", "servers are running here", "stop them") as descriptor:
        yield descriptor


@contextmanager
def _held(home: Home, name: str, otherwise: str, hint: str) -> Iterator[int]:
    with ExitStack() as stack:
        try:
            descriptor = stack.enter_context(hold(home.root / name, process_tags()[PROCESS]))
        except HeldError as error:
            raise HeldError(
                f"{otherwise}, {error.message}", where=str(home.root), hint=f"{hint}, or use another home"
            ) from error
        yield descriptor
