import shutil
from pathlib import Path

import pytest

from resources.tracking import EXPERIMENT, Point, Tracking


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mlflow")
    Tracking(folder).client().search_experiments()
    return folder


@pytest.fixture
def tracking(store, tmp_path) -> Tracking:
    shutil.copytree(store, tmp_path / "mlflow")
    return Tracking(tmp_path / "mlflow")


@pytest.fixture
def model(tmp_path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.safetensors").write_bytes(b"weights")
    return folder


def runs(tracking: Tracking) -> list[tuple[str, str, str]]:
    client = tracking.client()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    found = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    return [(run.data.tags["stage"], run.data.tags["cycle"], run.info.status) for run in found]


def test_a_run_holds_tags_parameters_and_metrics(tracking):
    with tracking.run("sae_checkpoint", "cycle-0000", {"dagster_run": "d1"}) as run:
        run.log_params({"config": {"sae": {"width": 64}, "seed": 7}})
        run.log_metrics({"fvu": 0.25})
        run.log_history([Point("loss", value, step) for step, value in enumerate([3.0, 2.0, 1.0])])
    made = tracking.client().get_run(run.run_id)
    assert made.info.status == "FINISHED"
    assert made.data.tags["dagster_run"] == "d1"
    assert made.data.params == {"config.sae.width": "64", "config.seed": "7"}
    assert made.data.metrics == {"fvu": 0.25, "loss": 1.0}
    assert [m.value for m in tracking.client().get_metric_history(run.run_id, "loss")] == [3.0, 2.0, 1.0]


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_run_says_how_it_ended(tracking, error, status):
    with pytest.raises(error), tracking.run("sae_checkpoint", "cycle-0000", {}):
        raise error
    assert runs(tracking) == [("sae_checkpoint", "cycle-0000", status)]


def test_a_run_left_open_by_a_killed_process_is_closed_by_the_next(tracking):
    killed = tracking.run("sae_checkpoint", "cycle-0000", {})
    killed.__enter__()
    elsewhere = tracking.run("sae_checkpoint", "cycle-0001", {})
    elsewhere.__enter__()
    with tracking.run("sae_checkpoint", "cycle-0000", {}):
        pass
    assert sorted(runs(tracking)) == [
        ("sae_checkpoint", "cycle-0000", "FINISHED"),
        ("sae_checkpoint", "cycle-0000", "KILLED"),
        ("sae_checkpoint", "cycle-0001", "RUNNING"),
    ]


def test_models_are_registered_once_for_a_content(tracking, model, tmp_path, monkeypatch):
    import mlflow

    with tracking.run("sae_checkpoint", "cycle-0000", {}) as run:
        first = run.register("narrative-sae", model, "h1")
        assert run.register("narrative-sae", model, "h1") == first
    with tracking.run("sae_checkpoint", "cycle-0001", {}) as run:
        second = run.register("narrative-sae", model, "h1")
    assert (first, second) == ("1", "2")
    assert tracking.version_of("narrative-sae", "cycle-0001", "h1").version in (2, "2")
    assert tracking.version_of("narrative-sae", "cycle-0001", "h2") is None
    tracking.crown("narrative-sae", second)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.tracking_uri)
    fetched = mlflow.artifacts.download_artifacts("models:/narrative-sae@champion", dst_path=str(tmp_path / "fetched"))
    assert (Path(fetched) / "weights.safetensors").read_bytes() == b"weights"


def test_only_safetensors_and_text_are_stored(tracking, model):
    with tracking.run("sae_checkpoint", "cycle-0000", {}) as run:
        run.register("narrative-sae", model, "h1")
    stored = [p.name for p in (tracking.folder / "artifacts").rglob("*") if p.is_file()]
    assert stored == ["weights.safetensors"]


def test_nobody_is_champion_until_crowned(tracking, model):
    assert tracking.champion("narrative-policy") is None
    with tracking.run("policy_checkpoint", "cycle-0000", {}) as run:
        version = run.register("narrative-policy", model, "h1", score=0.5)
    assert tracking.champion("narrative-policy") is None
    tracking.crown("narrative-policy", version)
    assert tracking.champion("narrative-policy").tags["score"] == "0.5"
