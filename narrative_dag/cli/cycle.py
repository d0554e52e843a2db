"""`narrative-dag cycle run`: the next cycles without a server, in the instance that the web UI shows."""

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from narrative_dag.errors import NarrativeError
from narrative_dag.home import Home
from narrative_dag.partitions import BOOTSTRAP, CYCLE_KEYS, CYCLES, STAGES, bootstrap_key, cycle_number, parents_of

if TYPE_CHECKING:
    import dagster as dg

    from narrative_dag.config import CycleConfig
    from narrative_dag.progress import Progress
    from resources.house import House

STAGE_LINE = re.compile(r" of (cycle-\d+|seeds|imported)$")
"""What the progress of a whole stage is called, as against a part of its work."""

FROZEN = ("seed_storyworlds", "base_policy")
"""What is kept once a cycle is finished, whatever the configuration says: later cycles are measured against it."""

app = typer.Typer(no_args_is_help=True, help="Cycles of play, features, reward and training.")


@app.callback()
def _cycle() -> None:
    """Cycles of play, features, reward and training."""


@app.command()
def run(
    cycles: Annotated[
        int, typer.Option(min=1, help="how many cycles to make, from the first that is not finished")
    ] = 1,
    home: Annotated[
        Path | None, typer.Option(help="folder of the stores; else NARRATIVE_HOME, else .narrative")
    ] = None,
    verbose: Annotated[bool, typer.Option(help="show Dagster's log")] = False,
) -> None:
    """Make the next cycles; after a kill, go on with the stage that was not finished."""
    place = Home.at(home)
    with reporter() as progress:
        made = run_cycles(place, cycles, progress, log_level="INFO" if verbose else "CRITICAL")
    print(json.dumps(made, sort_keys=True))


@contextmanager
def reporter() -> "Iterator[Progress]":
    """On a terminal's standard error bars of what is going on and a line a finished stage; on anything else lines."""
    from resources.progress import ProgressLines, subject

    if not sys.stderr.isatty():
        yield ProgressLines(lambda line: print(line, file=sys.stderr, flush=True))
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            key = subject(what)
            if done >= total:
                if key in tasks:
                    task = bars.tasks[bars.task_ids.index(tasks[key])]
                    if STAGE_LINE.search(key):
                        bars.console.print(f"{key}: {task.elapsed or 0.0:.1f} s", highlight=False)
                    bars.remove_task(tasks.pop(key))
                return
            if key not in tasks:
                tasks[key] = bars.add_task(what)
            bars.update(tasks[key], description=what, completed=done, total=total)

        yield show


@dataclass(frozen=True, slots=True)
class _Runner:
    instance: "dg.DagsterInstance"
    house: "House"
    config: "CycleConfig"
    progress: "Progress"
    log_level: str

    def unfinished(self, assets: tuple[str, ...], key: str | None) -> list[str]:
        """Assets not made from their present inputs, unknown to Dagster or not checked, and what is made from those.

        In order.
        """
        found: list[str] = []
        for asset in assets:
            place = key or bootstrap_key(asset)
            again = any(parent in found and at == place for parent, at in parents_of(asset, place))
            if (
                again
                or not self.house.finished(asset, place, self.config)
                or not materialized(self.instance, self.house, asset, key)
                or not self._checked(asset, place)
            ):
                found.append(asset)
        return found

    def _checked(self, asset: str, key: str) -> bool:
        """Whether every check of an asset ran on what is stored, and every blocking one passed."""
        from dagster._core.event_api import PartitionKeyFilter
        from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

        from assets.checks import CHECKS

        blocking = {spec.key: spec.blocking for c in CHECKS for spec in c.check_specs if spec.asset_key.path == [asset]}
        if not blocking:
            return True
        entry = self.house.lineage.find(asset, key)
        found = self.instance.event_log_storage.get_latest_asset_check_execution_by_key(
            list(blocking), partition_filter=PartitionKeyFilter(key=key)
        )
        passing: dict[bool, set[Status]] = {True: {Status.SUCCEEDED}, False: {Status.SUCCEEDED, Status.FAILED}}
        return entry is not None and all(
            check in found and found[check].run_id == entry.dagster_run and found[check].status in passing[must]
            for check, must in blocking.items()
        )

    def materialize(self, job: str, assets: list[str], key: str | None) -> None:
        """Run part of a job in this process.

        Raises:
            NarrativeError: a stage or a blocking check failed.
        """
        import dagster as dg

        from narrative_dag.definitions import compose
        from resources.instance import process_tags

        result = (
            compose(self.house, self.progress)
            .resolve_job_def(job)
            .execute_in_process(
                instance=self.instance,
                partition_key=key,
                asset_selection=[dg.AssetKey(asset) for asset in assets],
                run_config={"loggers": {"console": {"config": {"log_level": self.log_level}}}},
                tags=process_tags(),
                raise_on_error=False,
            )
        )
        if not result.success:
            reason, hint = _reason(result)
            raise NarrativeError(reason, where=f"{job} of {key}" if key else job, hint=hint)


def materialized(instance: "dg.DagsterInstance", house: "House", asset: str, key: str | None) -> bool:
    """Whether an asset, of a cycle or unpartitioned, is stored and Dagster's last materialization of it is that.

    A kill between the two leaves what is stored without its event.
    """
    import dagster as dg

    entry = house.lineage.find(asset, key or bootstrap_key(asset))
    if entry is None:
        return False
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=None if key is None else [key])
    records = instance.fetch_materializations(wanted, limit=1).records
    return bool(records) and records[0].run_id == entry.dagster_run


def _unmade(instance: "dg.DagsterInstance", house: "House", keys: tuple[str, ...]) -> Iterator[str]:
    return (key for key in keys if not materialized(instance, house, "cycle_report", key))


def missing_cycles(home: Home, count: int) -> list[str]:
    """Those of the first `count` cycles that have no report."""
    from resources.compute import Compute
    from resources.house import House
    from resources.instance import open_instance

    with open_instance(home) as instance:
        return list(_unmade(instance, House(home=str(home.root), compute=Compute()), CYCLE_KEYS[:count]))


def _reason(result: "dg.ExecuteInProcessResult") -> tuple[str, str]:
    """Why a run failed, and what to do: the first blocking check, or the first failed step's innermost cause."""
    again = "run it again to go on"
    for check in result.get_asset_check_evaluations():
        if not check.passed and check.blocking:
            failed = f"check {check.check_name} of {check.asset_key.to_user_string()} failed"
            return f"{failed}: {check.description or ''}", "the same inputs fail again: change the configuration"
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.error is not None:
            error = event.step_failure_data.error
            while error.cause is not None:
                error = error.cause
            return f"{event.step_key}: {error.message.strip()}", again
    return "the run failed", again


def run_cycles(home: Home, count: int, progress: "Progress", *, log_level: str = "CRITICAL") -> dict[str, Any]:
    """Make what comes before the first cycle where it is missing, then the next cycles.

    Stages that are finished with the same inputs are not made again. Imports follow `NARRATIVE_WORLDS`.

    Args:
        home: the folder of the stores.
        count: how many cycles.
        progress: called as stages go on.
        log_level: of Dagster's log on the terminal.

    Returns:
        `home`, `seconds`, and `cycles`: for each its key, the stages made, their content hashes and headline figures.

    Raises:
        NarrativeError: a stage or a blocking check failed, another command holds the home, or all cycles are made.
    """
    from narrative_dag.config import CycleConfig
    from resources.compute import Compute
    from resources.house import House
    from resources.instance import close_runs_of_commands, exclusive, open_instance

    started = time.monotonic()
    house = House(home=str(home.root), compute=Compute())
    with exclusive(home), open_instance(home) as instance:
        close_runs_of_commands(instance)
        runner = _Runner(instance, house, CycleConfig.from_environment(), progress, log_level)
        pending = list(islice(_unmade(instance, house, CYCLE_KEYS), count))
        if not pending:
            raise NarrativeError(f"all {CYCLES} cycles are made", where=str(home.root), hint="start another home")
        bootstrap = runner.unfinished(BOOTSTRAP, None)
        if cycle_number(pending[0]) > 0:
            stored = [asset for asset in FROZEN if house.lineage.find(asset, bootstrap_key(asset)) is not None]
            bootstrap = [asset for asset in bootstrap if asset not in stored]
        if bootstrap:
            runner.materialize("bootstrap_job", bootstrap, None)
        made = []
        for key in pending:
            stages = runner.unfinished(STAGES, key)
            runner.materialize("cycle_job", stages, key)
            entries = {stage: house.lineage.find(stage, key) for stage in STAGES}
            made.append(
                {
                    "cycle": key,
                    "made": stages,
                    "content_hashes": {stage: entry.content_hash for stage, entry in entries.items() if entry},
                    "figures": dict(entries["cycle_report"].metrics) if entries["cycle_report"] else {},
                    "seconds": sum(entry.seconds for entry in entries.values() if entry),
                }
            )
    return {
        "home": str(home.root),
        "bootstrap": bootstrap,
        "cycles": made,
        "seconds": round(time.monotonic() - started, 3),
    }
