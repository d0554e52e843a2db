"""`narrative-dag world convert`, as a user runs it."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DRAFT = {
    "title": "D",
    "theme": "t",
    "characters": {"Mara": {"Trust": 0.2}},
    "encounters": [
        {"id": "e1", "text": "Start.", "options": [{"text": "Go", "reactions": [{"text": "Gone.", "to": "e2"}]}]},
        {"id": "e2", "text": "The end."},
    ],
}


def dialect(value: Any) -> dict[str, Any]:
    """A file of the dialect whose first page's option shows when the value is true."""
    option = {"id": "o", "visibility_script": value, "reactions": [{"id": "r", "consequence_id": "end"}]}
    return {
        "storyworld_title": "Dialect",
        "characters": [{"id": "ann", "bnumber_properties": {"Calm": 0.5, "Luck": 0.5}}],
        "encounters": [{"id": "start", "options": [option]}, {"id": "end"}],
    }


def product() -> dict[str, Any]:
    pointer = {"pointer_type": "Bounded Number Pointer", "character": "ann", "keyring": ["Calm"]}
    blended = {"operator_type": "Blend", "operands": [pointer, pointer, pointer]}
    return {"operator_type": "Multiplication", "operands": [blended, blended]}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.json"
    path.write_text(json.dumps(dialect({"operator_type": "Addition", "operands": [1.0, -0.25]})))
    return path


def run(*arguments: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from narrative_dag.cli.app import main; main()", "world", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def figures(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_file_of_the_dialect_becomes_a_project_with_nothing_to_remark(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json.gz"
    found = figures(run("convert", source, out))
    assert found == {
        "input": str(source),
        "output": str(out),
        "mode": "extended",
        "input_notices": found["input_notices"],
        "encounters": 2,
        "exact": True,
        "approximations": 0,
        "notices": 0,
    }
    assert found["input_notices"] > 0
    checked = run("check", out)
    assert len(checked.stdout.splitlines()) == 1
    assert figures(checked)["notices"] == 0
    assert json.loads(gzip.decompress(out.read_bytes()))["sweepweave_version"] == "0.1.9"
    # what is official already stays what it is, and equal input is an equal file
    again = tmp_path / "again.json.gz"
    assert figures(run("convert", out, again))["mode"] == "official"
    assert again.read_bytes() == out.read_bytes()


def test_drafts_convert_under_official_semantics(tmp_path: Path) -> None:
    path, out = tmp_path / "draft.json", tmp_path / "out.json"
    path.write_text(json.dumps(DRAFT))
    assert figures(run("convert", path, out))["mode"] == "official"
    assert [e["id"] for e in json.loads(out.read_text())["encounters"]] == ["e1", "e2"]


def test_what_has_no_exact_form_needs_leave_and_is_listed(source: Path, tmp_path: Path) -> None:
    effect = {"Set": {"pointer_type": "Property", "character": "ann", "keyring": ["Calm"]}, "to": product()}
    document = dialect(True)
    document["encounters"][0]["options"][0]["reactions"][0]["after_effects"] = [effect]
    source.write_text(json.dumps(document))
    out = tmp_path / "out.json"
    refused = run("convert", source, out)
    assert (refused.returncode, refused.stdout) == (1, "")
    place = "encounters[0].options[0].reactions[0].after_effects[0].to"
    assert refused.stderr.startswith(f"error: {source}: {place}: a product of two expressions")
    assert not out.exists()
    allowed = run("convert", source, out, "--approximate")
    found = figures(allowed)
    assert (found["exact"], found["approximations"]) == (False, 1)
    assert allowed.stdout.splitlines()[0].startswith(f"{place}: a product of two expressions differs by at most ")


def test_the_input_is_never_overwritten(source: Path, tmp_path: Path) -> None:
    before = source.read_bytes()
    linked = tmp_path / "link.json"
    linked.symlink_to(source)
    for out in (source, linked):
        done = run("convert", source, out)
        assert (done.returncode, done.stderr) == (1, f"error: {out}: OUT is IN (name another file)\n")
    assert source.read_bytes() == before


def test_what_is_no_file_is_not_replaced(source: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in (pipe, tmp_path):
        refused = run("convert", source, place)
        assert refused.returncode == 1
        assert "it is there and is no file" in refused.stderr
    assert pipe.is_fifo()


def test_a_mode_can_be_named_and_a_missing_folder_is_told(source: Path, tmp_path: Path) -> None:
    refused = run("convert", source, tmp_path / "out.json", "--mode", "official")
    assert refused.returncode == 1
    assert "sweepweave_version" in refused.stderr
    missing = run("convert", source, tmp_path / "none" / "out.json")
    assert (missing.returncode, "cannot be written" in missing.stderr) == (1, True)


def test_seeds_change_the_identity_alone(source: Path, tmp_path: Path) -> None:
    documents = []
    for seed in (1, 2):
        out = tmp_path / f"{seed}.json"
        figures(run("convert", source, out, "--seed", seed))
        documents.append(json.loads(out.read_text()))
    first, second = documents
    assert first["IFID"] != second["IFID"]
    strip = {"IFID", "creation_time", "modified_time"}
    texts = [[e["options"] for e in d["encounters"]] for d in documents]
    assert texts[0] == texts[1]
    assert first.keys() - strip == second.keys() - strip
