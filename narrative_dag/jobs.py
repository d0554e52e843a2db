"""Jobs: what comes before the first cycle, and one cycle."""

import dagster as dg

from assets.keys import BOOTSTRAP, CYCLE, cycles

UNTIL = "cycles/until"
"""Run tag: the last cycle of a chain."""

bootstrap_job = dg.define_asset_job(
    "bootstrap_job",
    selection=dg.AssetSelection.groups(BOOTSTRAP),
    description="Seeds, imports and the base policy.",
)

cycle_job = dg.define_asset_job(
    "cycle_job",
    selection=dg.AssetSelection.groups(CYCLE),
    partitions_def=cycles,
    description="One cycle, from the storyworlds to the report.",
)
