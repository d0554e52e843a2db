import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from narrative_dag.cli.app import app
from narrative_dag.errors import NarrativeError
from narrative_dag.reward.verifiers import StoryWorldVerifiers


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_written_drafts_score_and_richer_ones_score_more(tmp_path: Path) -> None:
    rewards = {}
    for quality in ("0.1", "0.9"):
        folder = tmp_path / quality
        run("author", "--count", "12", "--quality", quality, "--out", str(folder))
        files = sorted(str(file) for file in folder.glob("*.json"))
        assert len(files) == 12
        lines = [json.loads(line) for line in run("score", "--json", *files).splitlines()]
        assert [line["file"] for line in lines] == files
        assert all(set(line["components"]) == set(StoryWorldVerifiers.weights) for line in lines)
        rewards[quality] = sum(line["reward"] for line in lines) / 12
    assert rewards["0.9"] > rewards["0.1"] + 0.1


def test_a_score_says_why(tmp_path: Path) -> None:
    file = tmp_path / "broken.json"
    file.write_text('{"title": "T"')
    output = run("score", str(file))
    assert "reward 0.000" in output
    assert "valid_json" in output


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(NarrativeError, match=r"none\.json"):
        run("score", str(tmp_path / "none.json"))
