import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from narrative_dag.errors import NarrativeError
from narrative_dag.home import INSTANCE_CONFIG, Home, worlds_folder
from resources.instance import (
    PROCESS,
    close_runs_of_commands,
    close_runs_of_servers,
    exclusive,
    open_instance,
    process_tags,
    serving,
)


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


def closed(instance, made) -> set[tuple[str, dg.DagsterRunStatus]]:
    return {key for key, run in made.items() if instance.get_run_by_id(run).status == dg.DagsterRunStatus.FAILURE}


def test_abandoned_runs_are_closed_by_who_knows_them_to_be_dead(home):
    queued, started = dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "all"), nothing.name)
    tags = {"command": process_tags(), "command elsewhere": {PROCESS: "another-host:1"}, "server": {}}
    with open_instance(home) as instance:
        made = {
            (of, status): instance.create_run_for_job(
                nothing, tags=tags[of], status=status, remote_job_origin=origin
            ).run_id
            for of in tags
            for status in (queued, started)
        }
        of_commands = {key for key in made if key[0] != "server"}
        assert set(close_runs_of_commands(instance)) == {made[key] for key in of_commands}
        assert closed(instance, made) == of_commands
        assert close_runs_of_servers(instance) == [made["server", started]]
        assert closed(instance, made) == set(made) - {("server", queued)}


@pytest.mark.parametrize(("lock", "said"), [(exclusive, "another command"), (serving, "servers are running")])
def test_one_holder_at_a_time(home, lock, said):
    with lock(home), pytest.raises(NarrativeError, match=said), lock(home):
        pass
    with lock(home):
        pass


def test_servers_hold_the_home_after_the_command_that_started_them_was_killed(home):
    with serving(home) as descriptor:
        server = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(descriptor,))
    try:
        with pytest.raises(NarrativeError, match="servers are running"), serving(home):
            pass
    finally:
        server.communicate(b"\n")
    with serving(home):
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
