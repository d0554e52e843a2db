"""Asset checks: blocking ones on what the next stage relies on, and the one that crowns a better policy."""

import math

import dagster as dg

from assets.keys import cycles
from narrative_dag.errors import NarrativeError
from resources.house import MODELS, House
from resources.stage import TRAINING_LOG
from resources.tracking import SCORE

TABLES_OF = {
    "storyworlds": ("storyworlds",),
    "rollouts": ("rollouts",),
    "sae_checkpoint": (TRAINING_LOG,),
    "feature_table": ("features", "feature_catalog"),
    "affordance_coupling": ("affordance_coupling",),
    "reward_model": ("verdicts", TRAINING_LOG),
    "policy_checkpoint": (TRAINING_LOG,),
}
"""Tables that each asset writes."""


def _schema_check(asset: str, tables: tuple[str, ...]) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset,
        name="schema",
        description=f"What is stored in {' and '.join(tables)} fits the documented columns.",
        blocking=True,
        partitions_def=cycles,
    )
    def schema(context: dg.AssetCheckExecutionContext, house: House) -> dg.AssetCheckResult:
        try:
            rows = {table: house.warehouse.arrow(table, context.partition_key).num_rows for table in tables}
        except NarrativeError as error:
            return dg.AssetCheckResult(passed=False, description=str(error))
        return dg.AssetCheckResult(passed=True, metadata={f"rows of {table}": n for table, n in rows.items()})

    return schema


def _finite_check(asset: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset,
        name="finite_losses",
        description="Every loss in the training log is a finite number, and there is one.",
        blocking=True,
        partitions_def=cycles,
    )
    def finite_losses(context: dg.AssetCheckExecutionContext, house: House) -> dg.AssetCheckResult:
        rows = house.warehouse.arrow(TRAINING_LOG, context.partition_key, part=asset).to_pylist()
        losses = [row for row in rows if "loss" in row["metric"]]
        wrong = [f"{row['metric']} at step {row['step']}" for row in losses if not math.isfinite(row["value"])]
        return dg.AssetCheckResult(
            passed=bool(losses) and not wrong,
            description="; ".join(wrong[:5]) if wrong else None,
            metadata={"losses": len(losses), "not finite": len(wrong)},
        )

    return finite_losses


@dg.asset_check(asset="storyworlds", blocking=True, partitions_def=cycles)
def a_valid_storyworld(context: dg.AssetCheckExecutionContext, house: House) -> dg.AssetCheckResult:
    """At least one storyworld of the cycle can be played."""
    written = house.warehouse.arrow("storyworlds", context.partition_key)
    valid = sum(written.column("valid").to_pylist())
    return dg.AssetCheckResult(
        passed=valid > 0,
        description=f"{valid} of {written.num_rows} storyworlds can be played",
        metadata={"valid": valid, "written": written.num_rows},
    )


@dg.asset_check(asset="policy_checkpoint", partitions_def=cycles)
def better_than_champion(context: dg.AssetCheckExecutionContext, house: House) -> dg.AssetCheckResult:
    """The policy's reward without feature quality, which is refitted every cycle, is above the champion's.

    Then the policy is crowned, with its autoencoders and reward.
    """
    cycle, tracking = context.partition_key, house.tracking
    name = MODELS["policy_checkpoint"]
    champion = tracking.champion(name)
    versions = {}
    for asset, model in MODELS.items():
        entry = house.lineage.find(asset, cycle)
        version = None if entry is None else tracking.version_of(model, cycle, entry.content_hash)
        if version is None:
            return dg.AssetCheckResult(passed=False, description=f"{model} has no version of {cycle}")
        versions[model] = version
    score = float(versions[name].tags[SCORE])
    best = -math.inf if champion is None else float(champion.tags[SCORE])
    held = champion is not None and champion.version == versions[name].version
    if score > best:
        for model, version in versions.items():
            tracking.crown(model, version.version)
    return dg.AssetCheckResult(
        passed=held or score > best,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"comparable_reward": score, "champion_before": "none" if champion is None else best},
    )


CHECKS: list[dg.AssetChecksDefinition] = [
    *(_schema_check(asset, tables) for asset, tables in TABLES_OF.items()),
    a_valid_storyworld,
    _finite_check("sae_checkpoint"),
    _finite_check("policy_checkpoint"),
    better_than_champion,
]
