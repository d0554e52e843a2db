import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from narrative_dag.definitions import defs
from narrative_dag.jobs import UNTIL, cycle_job
from narrative_dag.partitions import BOOTSTRAP, CYCLE_KEYS, IMPORTED, SEEDS, STAGES, cycle_key, parents_of
from narrative_dag.schedules import NIGHTLY_CYCLES, nightly_cycles
from narrative_dag.sensors import next_cycle

ROOT = Path(__file__).parents[1]

VALIDATE_CPU_SECONDS = 5.0
"""3.4 s of them are used; a training library at load time would double that."""

GRAPH = {
    "seed_storyworlds": set(),
    "imported_storyworlds": set(),
    "base_policy": {"seed_storyworlds"},
    "storyworlds": {"base_policy"},
    "rollouts": {"storyworlds", "imported_storyworlds"},
    "sae_checkpoint": {"rollouts"},
    "feature_table": {"rollouts", "sae_checkpoint"},
    "affordance_coupling": {"rollouts", "sae_checkpoint", "feature_table"},
    "reward_model": {"storyworlds", "rollouts", "sae_checkpoint", "affordance_coupling"},
    "policy_checkpoint": {"storyworlds", "reward_model", "base_policy"},
    "cycle_report": {
        "storyworlds",
        "rollouts",
        "sae_checkpoint",
        "feature_table",
        "affordance_coupling",
        "reward_model",
        "policy_checkpoint",
    },
}

CHECKS = {
    ("storyworlds", "schema", True),
    ("storyworlds", "a_valid_storyworld", True),
    ("rollouts", "schema", True),
    ("sae_checkpoint", "schema", True),
    ("sae_checkpoint", "finite_losses", True),
    ("feature_table", "schema", True),
    ("affordance_coupling", "schema", True),
    ("reward_model", "schema", True),
    ("policy_checkpoint", "schema", True),
    ("policy_checkpoint", "finite_losses", True),
    ("policy_checkpoint", "better_than_champion", False),
}


@pytest.fixture
def instance(tmp_path):
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        yield instance


def specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_the_definitions_load():
    dg.Definitions.validate_loadable(defs)


def test_the_asset_graph():
    assert {name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in specs().items()} == GRAPH


@pytest.mark.parametrize("key", ["cycle-0000", "cycle-0007"])
def test_what_a_stage_reads_is_what_dagster_orders(key):
    edges = {asset: {parent for parent, _ in parents_of(asset, key)} for asset in GRAPH}
    lagged = {"policy_checkpoint"} if key != "cycle-0000" else set()
    assert edges["storyworlds"] == (lagged or {"base_policy"})
    assert edges["policy_checkpoint"] == GRAPH["policy_checkpoint"] | lagged
    for asset in set(GRAPH) - {"storyworlds", "policy_checkpoint"}:
        assert edges[asset] == GRAPH[asset]


def test_a_cycle_starts_from_the_one_before():
    assert ("base_policy", SEEDS) in parents_of("storyworlds", "cycle-0000")
    assert ("policy_checkpoint", "cycle-0004") in parents_of("storyworlds", "cycle-0005")
    assert ("imported_storyworlds", IMPORTED) in parents_of("rollouts", "cycle-0005")


def test_groups_and_partitions():
    for name, spec in specs().items():
        assert spec.group_name == ("bootstrap" if name in BOOTSTRAP else "cycle")
        if name in STAGES:
            assert spec.partitions_def == dg.StaticPartitionsDefinition(list(CYCLE_KEYS))
        else:
            assert spec.partitions_def is None


def test_the_stages_that_train_or_generate_hold_the_gpu():
    nodes = defs.resolve_asset_graph()
    pooled = {key.to_user_string() for key in nodes.get_all_asset_keys() if "gpu" in nodes.get(key).pools}
    assert pooled == {"base_policy", "storyworlds", "sae_checkpoint", "reward_model", "policy_checkpoint"}


def test_the_checks():
    found = {
        (spec.asset_key.to_user_string(), spec.name, spec.blocking)
        for checks in defs.asset_checks or []
        for spec in checks.check_specs
    }
    assert found == CHECKS


def test_tables_have_their_columns_in_the_web_ui():
    schema = specs()["rollouts"].metadata["dagster/column_schema"]
    columns = getattr(schema, "schema", schema).columns
    assert [c.name for c in columns][-1] == "state"
    assert columns[0].description
    assert not columns[0].constraints.nullable


def test_loading_the_definitions_is_light_and_pulls_no_training_library():
    code = (
        "import sys, json, narrative_dag.definitions;"
        "print(json.dumps(sorted({'torch', 'numba', 'transformers', 'mlflow', 'ray', 'sklearn'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_dagster_validates_the_workspace_in_seconds(tmp_path):
    before = children_seconds()
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", str(ROOT / "workspace.yaml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=clean_environment(tmp_path))
    assert done.returncode == 0, done.stderr
    assert children_seconds() - before < VALIDATE_CPU_SECONDS


def children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def clean_environment(home: Path) -> dict[str, str]:
    return {**os.environ, "DAGSTER_HOME": str(home), "NARRATIVE_HOME": str(home)}


def test_the_instance_configuration_is_accepted(tmp_path):
    from narrative_dag.home import Home
    from resources.instance import open_instance

    with open_instance(Home.at(tmp_path / "home")) as instance:
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 1
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.run_monitoring_enabled


def report_materialized(instance: dg.DagsterInstance, *keys: str) -> None:
    for key in keys:
        instance.report_runless_asset_event(dg.AssetMaterialization("cycle_report", partition=key))


def test_the_schedule_requests_the_first_missing_cycle(instance):
    report_materialized(instance, "cycle-0000", "cycle-0001", "cycle-0003")
    request = nightly_cycles(dg.build_schedule_context(instance=instance))
    assert request.partition_key == "cycle-0002"
    assert request.tags == {UNTIL: cycle_key(2 + NIGHTLY_CYCLES - 1)}


def test_the_schedule_starts_at_the_beginning(instance):
    assert nightly_cycles(dg.build_schedule_context(instance=instance)).partition_key == "cycle-0000"


def test_the_schedule_waits_for_a_run_that_has_not_ended(instance):
    job = defs.resolve_job_def("cycle_job")
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": "cycle-0000"})
    assert isinstance(nightly_cycles(dg.build_schedule_context(instance=instance)), dg.SkipReason)


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ({"dagster/partition": "cycle-0003", UNTIL: "cycle-0005"}, "cycle-0004"),
        ({"dagster/partition": "cycle-0005", UNTIL: "cycle-0005"}, None),
        ({"dagster/partition": "cycle-0003"}, None),
    ],
)
def test_a_finished_cycle_starts_the_next_as_far_as_its_tag_says(instance, tags, wanted):
    run = instance.create_run_for_job(defs.resolve_job_def("cycle_job"), status=dg.DagsterRunStatus.SUCCESS, tags=tags)
    event = dg.DagsterEvent(event_type_value="PIPELINE_SUCCESS", job_name=cycle_job.name)
    context = dg.build_run_status_sensor_context(
        sensor_name="next_cycle", dagster_event=event, dagster_instance=instance, dagster_run=run
    )
    answer = next_cycle(context)
    if wanted is None:
        assert isinstance(answer, dg.SkipReason)
    else:
        assert (answer.partition_key, answer.tags[UNTIL]) == (wanted, tags[UNTIL])
