"""The Dagster code location: assets, checks, jobs, the nightly schedule, the chain, and the stores."""

import dagster as dg

import assets
from assets.checks import CHECKS
from narrative_dag.jobs import bootstrap_job, cycle_job
from narrative_dag.progress import Progress
from narrative_dag.schedules import nightly_cycles
from narrative_dag.sensors import next_cycle
from resources.compute import Compute
from resources.house import House
from resources.progress import log_progress


def compose(house: House, progress: Progress) -> dg.Definitions:
    """Everything in the code location, on these stores, telling its progress there."""
    return dg.Definitions(
        assets=dg.load_assets_from_package_module(assets),
        asset_checks=CHECKS,
        jobs=[bootstrap_job, cycle_job],
        schedules=[nightly_cycles],
        sensors=[next_cycle],
        resources={"house": house, "progress": progress},
        executor=dg.in_process_executor,
    )


defs = compose(House(compute=Compute()), log_progress())
