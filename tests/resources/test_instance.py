import subprocess
import sys

import dagster as dg
import pytest

from narrative_dag.errors import NarrativeError
from narrative_dag.home import INSTANCE_CONFIG, Home, worlds_folder
from resources.instance import PROCESS, close_abandoned_runs, exclusive, open_instance, process_tags


@dg.job
def nothing():
    pass


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Home:
    home = Home.at(tmp_path_factory.mktemp("instance") / "home")
    with open_instance(home):
        return home


def test_the_instance_is_made_whole_with_the_repositorys_configuration(home):
    assert (home.dagster / "dagster.yaml").read_bytes() == INSTANCE_CONFIG.read_bytes()
    assert [path.name for path in home.root.iterdir()] == ["dagster"]


def test_an_older_configuration_is_replaced(home):
    (home.dagster / "dagster.yaml").write_text("telemetry: {enabled: true}\n")
    with open_instance(home) as instance:
        assert not instance.telemetry_enabled


def test_runs_of_killed_commands_are_closed_and_no_others(home):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    host = process_tags()[PROCESS].rpartition(":")[0]
    started = {"status": dg.DagsterRunStatus.STARTED}
    with open_instance(home) as instance:
        dead = instance.create_run_for_job(nothing, tags={PROCESS: f"{host}:{gone.stdout.strip()}"}, **started)
        mine = instance.create_run_for_job(nothing, tags=process_tags(), **started)
        elsewhere = instance.create_run_for_job(nothing, tags={PROCESS: "another-host:1"}, **started)
        served = instance.create_run_for_job(nothing, **started)
        assert close_abandoned_runs(instance) == [dead.run_id]
        assert instance.get_run_by_id(dead.run_id).status == dg.DagsterRunStatus.FAILURE
        for run in (mine, elsewhere, served):
            assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.STARTED


def test_one_command_at_a_time_materializes_in_a_home(home):
    with exclusive(home), pytest.raises(NarrativeError, match="another command"), exclusive(home):
        pass
    with exclusive(home):
        pass


def test_the_home_is_the_option_then_the_variable_then_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NARRATIVE_HOME", raising=False)
    assert Home.at().root == tmp_path / ".narrative"
    monkeypatch.setenv("NARRATIVE_HOME", str(tmp_path / "named"))
    assert Home.at().root == tmp_path / "named"
    assert Home.at(tmp_path / "given").root == tmp_path / "given"


def test_a_home_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NarrativeError, match="not a folder"):
        Home.at(tmp_path / "file")


def test_the_folder_of_worlds_must_exist(tmp_path, monkeypatch):
    monkeypatch.delenv("NARRATIVE_WORLDS", raising=False)
    assert worlds_folder() is None
    monkeypatch.setenv("NARRATIVE_WORLDS", str(tmp_path))
    assert worlds_folder() == tmp_path
    monkeypatch.setenv("NARRATIVE_WORLDS", str(tmp_path / "nowhere"))
    with pytest.raises(NarrativeError, match="no such folder"):
        worlds_folder()
