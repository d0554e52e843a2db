import dagster as dg
import pytest

from assets.seed_storyworlds import seed_storyworlds
from assets.storyworlds import storyworlds
from narrative_dag.partitions import SEEDS
from resources.compute import Compute
from resources.house import House
from resources.progress import log_progress


def materialize(home, asset: dg.AssetsDefinition, key: str | None) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [asset],
        partition_key=key,
        resources={"house": House(home=str(home), compute=Compute()), "progress": log_progress()},
        raise_on_error=False,
    )


def failure_of(result: dg.ExecuteInProcessResult):
    return next(event for event in result.all_events if event.is_step_failure).step_failure_data


@pytest.mark.parametrize(
    ("key", "parent"),
    [("cycle-0000", "base_policy of seeds"), ("cycle-0006", "policy_checkpoint of cycle-0005")],
)
def test_a_cycle_without_its_parent_fails_at_once_and_says_what_is_missing(tmp_path, key, parent):
    result = materialize(tmp_path / "home", storyworlds, key)
    failure = failure_of(result)
    assert f"storyworlds of {key} needs {parent}" in failure.error.message
    assert failure.user_failure_data is not None
    assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    assert not (tmp_path / "home").exists()


def test_a_second_run_of_a_materialization_fails_at_once_and_names_the_first(tmp_path):
    house = House(home=str(tmp_path / "home"), compute=Compute())
    with house.artifacts.claim("seed_storyworlds", SEEDS, "run one"):
        left = house.artifacts.folder / "seed_storyworlds" / f".{SEEDS}.half"
        left.mkdir(parents=True)
        failure = failure_of(materialize(tmp_path / "home", seed_storyworlds, None))
        assert left.is_dir()
    assert "seed_storyworlds of seeds is held by run one" in failure.error.message
    assert failure.user_failure_data is not None
    assert house.lineage.find("seed_storyworlds", SEEDS) is None


def test_a_catalog_file_that_cannot_be_written_does_not_fail_what_is_stored(tmp_path, config, monkeypatch, capfd):
    monkeypatch.setenv("NARRATIVE_CONFIG", str(config))
    home = tmp_path / "a[1]"
    (home / "catalog.duckdb").mkdir(parents=True)
    assert materialize(home, seed_storyworlds, None).success
    assert "the catalog file is not renewed" in capfd.readouterr().err
    catalog = House(home=str(home), compute=Compute()).catalog
    assert catalog.query("SELECT count(*) FROM storyworlds WHERE cycle = 'seeds'").item() == 10
