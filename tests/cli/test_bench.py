"""`narrative-dag bench`: one line of JSON with what was measured here."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from narrative_dag.cli.app import app
from narrative_dag.errors import NarrativeError
from narrative_dag.storyworld.authors import AuthorConfig, author
from narrative_dag.storyworld.draft import compile_text
from narrative_dag.storyworld.sweepweave import convert


def test_the_simulator_is_measured_beside_the_interpreter_on_every_playable_world(tmp_path: Path) -> None:
    config = AuthorConfig(quality_low=1, quality_high=1)
    for i, draft in enumerate(author(2, config, 3)):
        document = convert(compile_text(draft.text).world).document
        (tmp_path / f"world{i}.json").write_text(json.dumps(document))
    (tmp_path / "broken.json").write_text("{}")
    result = CliRunner().invoke(app, ["bench", "simulator", "--worlds", str(tmp_path), "--seconds", "0.01"])
    assert result.exit_code == 0
    figures = json.loads(result.stdout.splitlines()[-1])
    assert figures["worlds"] == 2
    assert [world["file"] for world in figures["by_world"]] == ["world0.json", "world1.json"]
    speeds = [world["steps_per_cpu_second"] for world in figures["by_world"]]
    assert figures["median_steps_per_cpu_second"] == sum(speeds) / 2
    for world in figures["by_world"]:
        assert world["steps_per_cpu_second"] > world["steps_per_cpu_second_recorded"] > 0
        ratio = world["steps_per_cpu_second"] / world["interpreter_steps_per_cpu_second"]
        assert world["ratio_to_interpreter"] == pytest.approx(ratio)
        assert world["ratio_to_interpreter"] > 20
    assert figures["median_steps_per_cpu_second_recorded"] > 0
    assert 0 < figures["draft_ms"] < 50
    assert figures["drafts_seconds"] > 0


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_folder_without_worlds_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(app, ["bench", "simulator", "--worlds", str(tmp_path / name)])
    assert isinstance(result.exception, NarrativeError)
    assert name in str(result.exception)
