import multiprocessing
import os
import signal

import pytest

from resources.artifacts import ArtifactError, Artifacts
from resources.locks import HeldError


@pytest.fixture
def artifacts(tmp_path) -> Artifacts:
    return Artifacts(tmp_path / "artifacts", tmp_path / "work")


def put(artifacts: Artifacts, text: str, cycle: str = "cycle-0000") -> None:
    claim = artifacts.claim("sae_checkpoint", cycle, "the test")
    with claim, artifacts.publish("sae_checkpoint", cycle) as folder:
        (folder / "sae").mkdir()
        (folder / "sae" / "weights.safetensors").write_text(text)


def test_a_published_folder_is_found(artifacts):
    put(artifacts, "one")
    path = artifacts.path("sae_checkpoint", "cycle-0000")
    assert path == artifacts.folder / "sae_checkpoint" / "cycle-0000"
    assert (path / "sae" / "weights.safetensors").read_text() == "one"
    assert artifacts.size("sae_checkpoint", "cycle-0000") == 3


def test_publishing_again_replaces_the_folder_and_leaves_nothing(artifacts):
    put(artifacts, "one")
    first = artifacts.content_hash("sae_checkpoint", "cycle-0000")
    put(artifacts, "two")
    assert artifacts.content_hash("sae_checkpoint", "cycle-0000") != first
    put(artifacts, "one")
    assert artifacts.content_hash("sae_checkpoint", "cycle-0000") == first
    assert [p.name for p in (artifacts.folder / "sae_checkpoint").iterdir()] == ["cycle-0000"]


def fail_publishing(artifacts: Artifacts) -> None:
    claim = artifacts.claim("sae_checkpoint", "cycle-0000", "the test")
    with claim, artifacts.publish("sae_checkpoint", "cycle-0000") as folder:
        (folder / "half").write_text("x")
        raise ZeroDivisionError


def test_a_failure_leaves_what_was_there(artifacts):
    put(artifacts, "one")
    with pytest.raises(ZeroDivisionError):
        fail_publishing(artifacts)
    assert (artifacts.path("sae_checkpoint", "cycle-0000") / "sae" / "weights.safetensors").read_text() == "one"
    assert [p.name for p in (artifacts.folder / "sae_checkpoint").iterdir()] == ["cycle-0000"]


def die_publishing(artifacts: Artifacts) -> None:
    claim = artifacts.claim("sae_checkpoint", "cycle-0000", "the test")
    with claim, artifacts.publish("sae_checkpoint", "cycle-0000") as folder:
        (folder / "half").write_text("x")
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_publisher_leaves_nothing_published(artifacts):
    process = multiprocessing.get_context("spawn").Process(target=die_publishing, args=(artifacts,))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert not artifacts.has("sae_checkpoint", "cycle-0000")
    put(artifacts, "one")
    assert [p.name for p in (artifacts.folder / "sae_checkpoint").iterdir()] == ["cycle-0000"]


def publish_slowly(artifacts: Artifacts, begun, go) -> None:
    claim = artifacts.claim("sae_checkpoint", "cycle-0000", "run one")
    with claim, artifacts.publish("sae_checkpoint", "cycle-0000") as folder:
        (folder / "weights.safetensors").write_text("first")
        begun.set()
        go.wait(30)


def test_a_second_writer_is_turned_away_and_the_first_is_not_disturbed(artifacts):
    context = multiprocessing.get_context("spawn")
    begun, go = context.Event(), context.Event()
    first = context.Process(target=publish_slowly, args=(artifacts, begun, go))
    first.start()
    assert begun.wait(30)
    try:
        with pytest.raises(HeldError, match="held by run one"):
            put(artifacts, "second")
        put(artifacts, "another cycle", "cycle-0001")
    finally:
        go.set()
        first.join(30)
    assert first.exitcode == 0
    assert (artifacts.path("sae_checkpoint", "cycle-0000") / "weights.safetensors").read_text() == "first"


def test_a_missing_artefact_says_which(artifacts):
    with pytest.raises(ArtifactError, match="policy_checkpoint, cycle-0004: no such artefact"):
        artifacts.path("policy_checkpoint", "cycle-0004")


def test_work_survives_for_the_same_inputs_only(artifacts):
    folder = artifacts.working_folder("sae_checkpoint", "cycle-0000", "inputs")
    (folder / "epoch-3").write_text("x")
    assert (artifacts.working_folder("sae_checkpoint", "cycle-0000", "inputs") / "epoch-3").exists()
    assert not (artifacts.working_folder("sae_checkpoint", "cycle-0000", "other inputs") / "epoch-3").exists()


def test_work_is_removed_when_the_stage_is_finished(artifacts):
    artifacts.working_folder("sae_checkpoint", "cycle-0000", "inputs")
    artifacts.discard_work("sae_checkpoint", "cycle-0000")
    assert not (artifacts.work / "sae_checkpoint" / "cycle-0000").exists()
    artifacts.discard_work("sae_checkpoint", "cycle-0000")
