import json
from pathlib import Path

import pytest

from narrative_dag.config import CycleConfig
from narrative_dag.stages.imports import import_worlds, read_import, read_refusals
from narrative_dag.stages.play import play_storyworlds
from narrative_dag.storyworld.model import Mode
from narrative_dag.tables import TABLES

WORLDS = Path(__file__).parents[2].parent / "shared" / "sweepweave" / "worlds"


def test_without_a_folder_nothing_is_imported(tmp_path: Path) -> None:
    imported = import_worlds(CycleConfig(), None, tmp_path / "out")
    assert imported.storyworlds.num_rows == 0
    assert imported.storyworlds.schema == TABLES["storyworlds"].schema
    assert read_refusals(tmp_path / "out") == ()


def test_files_that_are_no_storyworlds_are_listed_with_reasons_and_stop_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "worlds"
    folder.mkdir()
    (folder / "a.json").write_text("{")
    (folder / "b.json").write_text(json.dumps({"sweepweave_version": "9.9.9"}))
    (folder / "c.json.gz").write_bytes(b"no gzip")
    (folder / "notes.txt").write_text("not looked at")
    imported = import_worlds(CycleConfig(), folder, tmp_path / "out")
    assert [refusal.file for refusal in imported.refused] == ["a.json", "b.json", "c.json.gz"]
    assert all(refusal.reason for refusal in imported.refused)
    assert read_refusals(tmp_path / "out") == imported.refused


@pytest.mark.skipif(not WORLDS.is_dir(), reason="the real storyworlds are not here")
def test_real_storyworlds_are_imported_and_played(tmp_path: Path) -> None:
    imported = import_worlds(CycleConfig(), WORLDS, tmp_path / "out")
    names = imported.storyworlds["text"].to_pylist()
    assert len(names) + len(imported.refused) == len(list(WORLDS.glob("*.json.gz")))
    assert [refusal.file for refusal in imported.refused] == ["w19.json.gz"]
    config = CycleConfig(imported_playthroughs=2, max_steps=10)
    nothing = TABLES["storyworlds"].schema.empty_table()
    rollouts, _ = play_storyworlds(config, "cycle-0000", nothing, imported.storyworlds, tmp_path / "out")
    assert set(rollouts["source"].to_pylist()) == {"imported"}
    played = set(rollouts["storyworld_id"].to_pylist())
    assert played <= set(imported.storyworlds["storyworld_id"].to_pylist())
    assert len(played) >= len(names) - 2


@pytest.mark.skipif(not WORLDS.is_dir(), reason="the real storyworlds are not here")
def test_a_file_that_the_official_loader_degrades_is_read_as_dialect() -> None:
    assert read_import(WORLDS / "w07.json.gz").mode is Mode.OFFICIAL
    assert read_import(WORLDS / "w20.json.gz").mode is Mode.EXTENDED
