import dagster as dg
import pytest

from narrative_dag.home import Home
from narrative_dag.partitions import BOOTSTRAP, STAGES, bootstrap_key, parents_of
from narrative_dag.tables import TABLES
from resources.catalog import Catalog
from resources.compute import Compute
from resources.house import MODELS, TRACKED, House
from resources.instance import open_instance
from resources.tracking import EXPERIMENT, SCORE

CYCLES = ("cycle-0000", "cycle-0001")


@pytest.fixture(scope="module")
def house(finished) -> House:
    return House(home=str(finished[0].home), compute=Compute())


@pytest.fixture(scope="module")
def instance(finished):
    with open_instance(Home.at(finished[0].home)) as instance:
        yield instance


@pytest.fixture(scope="module")
def catalog(house) -> Catalog:
    return house.catalog


def everything() -> list[tuple[str, str]]:
    return [(asset, bootstrap_key(asset)) for asset in BOOTSTRAP] + [(s, c) for c in CYCLES for s in STAGES]


def test_the_command_ends_with_what_it_made(finished):
    said = finished[1]
    assert said["bootstrap"] == list(BOOTSTRAP)
    assert [cycle["cycle"] for cycle in said["cycles"]] == list(CYCLES)
    for cycle in said["cycles"]:
        assert cycle["made"] == list(STAGES)
        assert set(cycle["content_hashes"]) == set(STAGES)
        assert cycle["figures"]


def test_every_table_but_none_else_is_in_the_warehouse(house):
    assert {path.name for path in house.place.warehouse.iterdir()} <= set(TABLES)
    for cycle in CYCLES:
        for table in TABLES:
            assert house.warehouse.parts(table, cycle), table


def test_every_materialization_has_its_lineage(house):
    for asset, cycle in everything():
        entry = house.lineage.find(asset, cycle)
        assert entry is not None, (asset, cycle)
        assert [(p.asset, p.cycle) for p in entry.parents] == list(parents_of(asset, cycle))
        for parent in entry.parents:
            assert parent.content_hash == house.lineage.find(parent.asset, parent.cycle).content_hash


def test_content_hashes_are_those_of_what_is_stored(house):
    for cycle in CYCLES:
        for asset, table in {"storyworlds": "storyworlds", "rollouts": "rollouts"}.items():
            assert house.lineage.find(asset, cycle).content_hash == house.warehouse.content_hash(table, cycle)
        for asset in ("sae_checkpoint", "policy_checkpoint"):
            assert house.lineage.find(asset, cycle).content_hash == house.artifacts.content_hash(asset, cycle)


def test_no_work_is_left(house):
    assert not [path for path in house.place.work.rglob("*") if path.is_file()]
    assert not list(house.place.root.rglob(".making.*"))


def test_weights_are_safetensors(house):
    names = {path.suffix for path in house.place.artifacts.rglob("*") if path.is_file()}
    assert ".safetensors" in names
    assert not names & {".pt", ".pth", ".bin", ".pkl", ".pickle", ".joblib"}


@pytest.mark.parametrize("asset", STAGES)
def test_dagster_knows_every_partition_its_version_and_its_figures(house, instance, asset):
    assert instance.get_materialized_partitions(dg.AssetKey(asset)) == set(CYCLES)
    for cycle in CYCLES:
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[cycle]), limit=1
        ).records
        made = records[0].asset_materialization
        entry = house.lineage.find(asset, cycle)
        assert made.tags["dagster/data_version"] == entry.content_hash
        assert isinstance(made.metadata["seconds"].value, float)
        for name in entry.metrics:
            assert name in made.metadata


def test_runs_are_one_a_cycle_and_all_succeeded(instance):
    runs = instance.get_runs()
    assert sorted(run.tags.get("dagster/partition", "") for run in runs) == ["", *CYCLES]
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}


def test_mlflow_has_one_run_a_stage_and_cycle(house):
    client = house.tracking.client()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id])
    found = sorted((run.data.tags["stage"], run.data.tags["cycle"], run.info.status) for run in runs)
    assert found == sorted((asset, cycle, "FINISHED") for asset, cycle in everything() if asset in TRACKED)
    for run in runs:
        entry = house.lineage.find(run.data.tags["stage"], run.data.tags["cycle"])
        assert entry.mlflow_run == run.info.run_id
        assert run.data.tags["dagster_run"] == entry.dagster_run


def test_models_have_a_version_a_cycle_and_the_best_policy_is_champion(house):
    client = house.tracking.client()
    scores = {}
    for asset, model in MODELS.items():
        versions = client.search_model_versions(f"name = '{model}'")
        assert sorted(version.tags["cycle"] for version in versions) == list(CYCLES)
        for version in versions:
            assert version.tags["content_hash"] == house.lineage.find(asset, version.tags["cycle"]).content_hash
            if asset == "policy_checkpoint":
                scores[version.tags["cycle"]] = float(version.tags[SCORE])
    best = CYCLES[0] if scores[CYCLES[0]] >= scores[CYCLES[1]] else CYCLES[1]
    for model in MODELS.values():
        assert house.tracking.champion(model).tags["cycle"] == best


def test_a_query_walks_from_a_reward_to_the_text_the_states_and_the_features(catalog):
    sql = """
        SELECT s.text, r.state, f.feature, v.score
        FROM verdicts v
        JOIN storyworlds s USING (cycle, storyworld_id)
        JOIN rollouts r USING (cycle, storyworld_id)
        JOIN features f USING (cycle, storyworld_id, playthrough, step)
        WHERE v.component = 'reward' AND s.position = v.position
        LIMIT 5
    """
    rows = catalog.query(sql)
    assert rows.columns == ["text", "state", "feature", "score"]
    if catalog.query("SELECT count(*) FROM storyworlds WHERE source = 'policy' AND valid").item():
        assert len(rows) == 5
        assert len(rows["state"][0]) == 128


def test_the_query_command_prints_rows(finished):
    printed = finished[0].run(
        "query", "SELECT cycle, count(*) AS n FROM storyworlds GROUP BY cycle ORDER BY cycle", "--json"
    )
    assert '{"cycle":"cycle-0000","n":8}' in printed.splitlines()
