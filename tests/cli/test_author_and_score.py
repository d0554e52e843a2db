import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from narrative_dag.cli.app import app
from narrative_dag.errors import NarrativeError
from narrative_dag.reward.verifiers import StoryWorldVerifiers


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def figures(*arguments: str) -> dict[str, float]:
    return dict(json.loads(run("author", *arguments).splitlines()[-1]))


def test_written_drafts_score_and_richer_ones_score_more(tmp_path: Path) -> None:
    rewards = {}
    for quality in ("0.1", "0.9"):
        folder = tmp_path / quality
        run("author", "--count", "12", "--quality", quality, "--format", "json", "--out", str(folder))
        files = sorted(str(file) for file in folder.glob("*.json"))
        assert len(files) == 12
        lines = [json.loads(line) for line in run("score", "--json", *files).splitlines()]
        assert [line["file"] for line in lines] == files
        assert all(set(line["components"]) == set(StoryWorldVerifiers.weights) for line in lines)
        rewards[quality] = sum(line["reward"] for line in lines) / 12
    assert rewards["0.9"] > rewards["0.1"] + 0.1


def test_shards_are_written_counted_and_kept(tmp_path: Path) -> None:
    arguments = (
        "--count",
        "30",
        "--style",
        "tolstoy=1,tokien=1",
        "--size",
        "12",
        "--spools",
        "2",
        "--out",
        str(tmp_path),
    )
    line = figures(*arguments)
    assert line["worlds"] == line["structural_hashes"] == line["texts"] == line["drawn"] == 30
    assert line["worlds_per_cpu_second"] > 1
    assert line["peak_rss_mb"] > 10
    table = pq.read_table(tmp_path / "part-00000.parquet")
    assert set(table["variables"].to_pylist()) == {12}
    assert set(table["style"].to_pylist()) == {"tolstoy", "tokien"}
    assert line["megabytes"] == pytest.approx(sum(table["characters_of_text"].to_pylist()) / 1e6, abs=1e-3)
    again = figures(*arguments)
    assert (again["worlds"], again["drawn"]) == (30, 0)


def test_folders_of_files_and_of_shards_are_kept_apart(tmp_path: Path) -> None:
    one = ("author", "--count", "2", "--style", "tokien", "--out", str(tmp_path))
    run(*one, "--format", "json")
    with pytest.raises(NarrativeError, match="files of another kind"):
        run(*one)
    with pytest.raises(NarrativeError, match="variables is 24, not 9"):
        run(*one, "--format", "json", "--size", "9")


def test_a_written_world_passes_the_check(tmp_path: Path) -> None:
    run("author", "--count", "1", "--style", "finemann", "--quality", "1", "--format", "json", "--out", str(tmp_path))
    [file] = tmp_path.glob("*.json")
    checked = json.loads(run("world", "check", "--json", str(file)))
    assert checked["refused"] is None
    assert checked["notices"] == []


def test_wrong_wishes_are_refused(tmp_path: Path) -> None:
    for arguments, message in (
        (("--style", "shakespeare"), "sketch"),
        (("--style", "tolstoy=much"), "no weight"),
        (("--size", "500", "--cast", "2"), "for each of the cast"),
        (("--size", "500"), "--size: sketches have no such knob"),
        (("--curriculum", "--motifs", "1"), "--motifs: a curriculum sets it by itself"),
    ):
        with pytest.raises(NarrativeError, match=message):
            run("author", "--count", "1", "--out", str(tmp_path / "out"), *arguments)


def test_a_score_says_why(tmp_path: Path) -> None:
    file = tmp_path / "broken.json"
    file.write_text('{"title": "T"')
    output = run("score", str(file))
    assert "reward 0.000" in output
    assert "valid_json" in output


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(NarrativeError, match=r"none\.json"):
        run("score", str(tmp_path / "none.json"))
