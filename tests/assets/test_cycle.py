import json
from dataclasses import replace

import dagster as dg
import numpy as np
import pytest
from small_worlds import REFUSED

from narrative_dag.cli import cycle as cycle_command
from narrative_dag.errors import NarrativeError
from narrative_dag.home import Home
from narrative_dag.partitions import BOOTSTRAP, IMPORTED, STAGES, bootstrap_key, parents_of
from narrative_dag.progress import silent
from narrative_dag.sae.experiment import PAGE_FILE, load_saes
from narrative_dag.sae.rollouts import state_matrix
from narrative_dag.stages.imports import read_refusals
from narrative_dag.tables import TABLES
from resources.catalog import Catalog
from resources.compute import Compute
from resources.house import MODELS, House
from resources.instance import open_instance
from resources.tracking import EXPERIMENT, SCORE

CYCLES = ("cycle-0000", "cycle-0001")


@pytest.fixture(scope="module")
def house(finished) -> House:
    return House(home=str(finished.command.home), compute=Compute())


@pytest.fixture(scope="module")
def instance(finished):
    with open_instance(Home.at(finished.command.home)) as instance:
        yield instance


@pytest.fixture(scope="module")
def catalog(house) -> Catalog:
    return house.catalog


def everything() -> list[tuple[str, str]]:
    return [(asset, bootstrap_key(asset)) for asset in BOOTSTRAP] + [(s, c) for c in CYCLES for s in STAGES]


def test_the_command_ends_with_what_it_made(finished):
    assert finished.first["bootstrap"] == list(BOOTSTRAP)
    cycles = [*finished.first["cycles"], *finished.second["cycles"]]
    assert [cycle["cycle"] for cycle in cycles] == list(CYCLES)
    for cycle in cycles:
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
            if (parent.asset, cycle) != ("imported_storyworlds", CYCLES[0]):
                assert parent.content_hash == house.lineage.find(parent.asset, parent.cycle).content_hash


def test_imports_are_renewed_for_the_next_cycle_and_the_rest_of_the_bootstrap_is_kept(finished, house):
    assert finished.second["bootstrap"] == ["imported_storyworlds"]
    before, now = (
        next(p.content_hash for p in house.lineage.find("rollouts", cycle).parents if p.asset == "imported_storyworlds")
        for cycle in CYCLES
    )
    assert before != now == house.lineage.find("imported_storyworlds", IMPORTED).content_hash


def test_imported_storyworlds_are_played_and_refused_files_are_listed(house, instance, catalog):
    assert house.lineage.find("imported_storyworlds", IMPORTED).metrics == {"imported": 2.0, "refused": 1.0}
    played = catalog.query(
        "SELECT r.cycle, w.title, count(DISTINCT r.playthrough) AS playthroughs FROM rollouts r "
        "JOIN storyworlds w ON w.storyworld_id = r.storyworld_id AND w.cycle = 'imported' "
        "WHERE r.source = 'imported' GROUP BY ALL ORDER BY w.title"
    )
    assert played.rows() == [(CYCLES[1], "Harbour", 4), (CYCLES[1], "Orchard", 4)]
    event = instance.get_latest_materialization_event(dg.AssetKey("imported_storyworlds"))
    refused = event.asset_materialization.metadata["refused_files"].value
    assert [entry["file"] for entry in refused] == [REFUSED]
    assert refused[0]["reason"]
    assert [r.file for r in read_refusals(house.artifacts.path("imported_storyworlds", IMPORTED))] == [REFUSED]


def test_demo_says_that_it_keeps_cycles_made_from_other_files(finished):
    demo = ("demo", "--cycles", "2")
    assert "cycle run" not in finished.command.run(*demo).partition("Next:")[0]
    said = replace(finished.command, worlds=None).run(*demo)
    assert "NARRATIVE_WORLDS" in said.partition("Next:")[0]
    assert json.loads(said.splitlines()[-1])["imported"] == 2


def test_when_all_cycles_are_made_the_command_says_so(finished, monkeypatch):
    monkeypatch.setattr(cycle_command, "CYCLE_KEYS", CYCLES)
    with pytest.raises(NarrativeError, match="cycles are made"):
        cycle_command.run_cycles(Home.at(finished.command.home), 1, silent)


def test_content_hashes_are_those_of_what_is_stored(house):
    for cycle in CYCLES:
        for asset, table in {"storyworlds": "storyworlds", "rollouts": "rollouts"}.items():
            assert house.lineage.find(asset, cycle).content_hash == house.warehouse.content_hash(table, cycle)
        for asset in ("sae_checkpoint", "policy_checkpoint"):
            assert house.lineage.find(asset, cycle).content_hash == house.artifacts.content_hash(asset, cycle)


def test_no_work_is_left(house):
    assert {path.suffix for path in house.place.work.rglob("*") if path.is_file()} == {".lock"}
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
    assert sorted(run.tags.get("dagster/partition", "") for run in runs) == ["", "", *CYCLES]
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}


def test_mlflow_has_one_run_a_stage_and_cycle(house):
    client = house.tracking.client()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id])
    found = sorted((run.data.tags["stage"], run.data.tags["cycle"], run.info.status) for run in runs)
    imported_again = ("imported_storyworlds", IMPORTED, "FINISHED")
    assert found == sorted([*((asset, cycle, "FINISHED") for asset, cycle in everything()), imported_again])
    by_id = {run.info.run_id: run for run in runs}
    for asset, cycle in everything():
        entry = house.lineage.find(asset, cycle)
        run = by_id[entry.mlflow_run]
        assert (run.data.tags["stage"], run.data.tags["cycle"]) == (asset, cycle)
        assert run.data.tags["dagster_run"] == entry.dagster_run
        assert {name: run.data.metrics[name] for name in entry.metrics} == entry.metrics


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


def test_mlflow_loads_the_autoencoders_of_a_cycle_and_encodes_its_states(house, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", house.tracking.tracking_uri)
    model = mlflow.pyfunc.load_model(f"models:/{MODELS['sae_checkpoint']}/1")
    cycle = house.tracking.client().get_model_version(MODELS["sae_checkpoint"], "1").tags["cycle"]
    states = state_matrix(house.warehouse.read("rollouts", cycle))
    saes = load_saes(house.artifacts.path("sae_checkpoint", cycle))
    for i, sae in enumerate(saes):
        np.testing.assert_array_equal(model.predict(states, params={"sae": i}), sae.encode(states))


def test_autoencoders_have_a_page_in_their_artefact_and_a_picture_in_dagster(house, instance):
    for cycle in CYCLES:
        assert (house.artifacts.path("sae_checkpoint", cycle) / PAGE_FILE).read_text().count("<figure>") >= 6
    event = instance.get_latest_materialization_event(dg.AssetKey("sae_checkpoint"))
    picture = event.asset_materialization.metadata["comparison"].value
    assert "](data:image/svg+xml;base64," in picture
    assert len(picture) < 150_000


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
    printed = finished.command.run(
        "query", "SELECT cycle, count(*) AS n FROM storyworlds GROUP BY cycle ORDER BY cycle", "--json"
    )
    assert '{"cycle":"cycle-0000","n":8}' in printed.splitlines()
