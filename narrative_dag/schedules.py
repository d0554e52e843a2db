"""The nightly schedule: the next cycles, as many as fit a night."""

import dagster as dg

from narrative_dag.jobs import UNTIL, cycle_job
from narrative_dag.partitions import CYCLE_KEYS, CYCLES, cycle_key, cycle_number
from resources.instance import UNFINISHED

NIGHTLY_CYCLES = 4
"""Cycles that a night's chain makes."""


def first_missing_cycle(instance: dg.DagsterInstance) -> str | None:
    """The first cycle without a report; None when all of them have one."""
    done = instance.get_materialized_partitions(dg.AssetKey("cycle_report"))
    return next((key for key in CYCLE_KEYS if key not in done), None)


@dg.schedule(job=cycle_job, cron_schedule="0 1 * * *", execution_timezone="UTC")
def nightly_cycles(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Request the first missing cycle; the sensor `next_cycle` continues the chain to the tag `cycles/until`."""
    running = context.instance.get_runs(dg.RunsFilter(job_name=cycle_job.name, statuses=list(UNFINISHED)), limit=1)
    if running:
        return dg.SkipReason(f"run {running[0].run_id} has not ended")
    key = first_missing_cycle(context.instance)
    if key is None:
        return dg.SkipReason(f"all {CYCLES} cycles are made")
    until = cycle_key(min(cycle_number(key) + NIGHTLY_CYCLES, CYCLES) - 1)
    return dg.RunRequest(partition_key=key, tags={UNTIL: until})
