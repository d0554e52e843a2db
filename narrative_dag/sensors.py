"""The chain: a finished cycle starts the next one, as far as its tag says."""

import dagster as dg

from narrative_dag.jobs import UNTIL, cycle_job
from narrative_dag.partitions import cycle_key, cycle_number

PARTITION = "dagster/partition"


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[cycle_job],
    request_job=cycle_job,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def next_cycle(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
    """Request cycle N + 1 when a run of cycle N succeeded and its tag `cycles/until` names a later one."""
    tags = context.dagster_run.tags
    if UNTIL not in tags or PARTITION not in tags:
        return dg.SkipReason(f"the run has no tag {UNTIL}")
    number, until = cycle_number(tags[PARTITION]), cycle_number(tags[UNTIL])
    if number >= until:
        return dg.SkipReason(f"{tags[PARTITION]} was the last of its chain")
    return dg.RunRequest(
        run_key=f"{context.dagster_run.run_id}/next", partition_key=cycle_key(number + 1), tags={UNTIL: tags[UNTIL]}
    )
