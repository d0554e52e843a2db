import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from narrative_dag.errors import NarrativeError
from narrative_dag.storyworld.authors import AuthorConfig, MotifPlace, MotifReader, MotifStage, PlantedMotif, shards
from narrative_dag.storyworld.authors.folder import MANIFEST
from narrative_dag.storyworld.authors.rows import SCHEMA
from narrative_dag.storyworld.authors.shards import Series, write_shards
from narrative_dag.storyworld.draft import compile_text
from narrative_dag.storyworld.engine import Playthrough

TINY = AuthorConfig(style="tokien", variables=3, spools=1, encounters=4)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD", 30)
    monkeypatch.setattr(shards, "GROUP", 12)


def digest(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def test_rows_say_what_the_texts_are(tmp_path: Path) -> None:
    config = AuthorConfig(style={"sketch": 1, "tolstoy": 1}, broken_json=0.1, dangling=0.1)
    written = write_shards(Series(config, 5), 70, tmp_path)
    table = pq.read_table(sorted(tmp_path.glob("part-*.parquet")))
    assert table.schema.equals(SCHEMA)
    rows = table.to_pylist()
    assert [row["position"] for row in rows] == list(range(70)) == list(range(written.worlds))
    assert sum(len(row["text"]) for row in rows) == written.characters
    assert {row["flaw"] for row in rows} >= {None, "broken JSON", "dangling reference"}
    for row in rows:
        assert row["characters_of_text"] == len(row["text"])
        if "broken" in (row["flaw"] or "") or "dangling" in (row["flaw"] or ""):
            assert row["structural_hash"] is None
            assert row["storyworld_id"] == hashlib.sha256(row["text"].encode()).hexdigest()
            continue
        compiled = compile_text(row["text"])
        assert (row["storyworld_id"], row["structural_hash"]) == (compiled.storyworld_id, compiled.structural_hash)
        assert (row["theme"], row["title"]) == (compiled.draft.theme, compiled.draft.title)
        assert row["variables"] == len(compiled.world.initial)
        assert (row["spools"], row["encounters"]) == (len(compiled.world.spools), len(compiled.world.encounters))
        motifs = [planted(motif) for motif in row["motifs"]]
        assert len(MotifReader(compiled.world, motifs).stages(Playthrough(compiled.world).state)) == len(motifs)
    assert any(row["motifs"] for row in rows)


def planted(motif: dict[str, Any]) -> PlantedMotif:
    return PlantedMotif(
        id=motif["id"],
        kind=motif["kind"],
        characters=tuple(motif["characters"]),
        places=tuple(MotifPlace(**place) for place in motif["places"]),
        stages=tuple(MotifStage(**stage) for stage in motif["stages"]),
    )


def test_a_run_that_was_cut_off_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    series = Series(TINY, 9)
    write_shards(series, 100, whole)
    write_shards(series, 40, cut)
    (cut / ".part-00002.parquet.1.tmp").write_bytes(b"half")
    before = (cut / "part-00000.parquet").stat().st_mtime_ns
    written = write_shards(series, 100, cut)
    assert digest(cut) == digest(whole)
    assert (cut / "part-00000.parquet").stat().st_mtime_ns == before
    assert written.drawn - written.redrawn == 70
    again = write_shards(series, 100, cut)
    assert (again.worlds, again.drawn) == (100, 0)


def test_structures_that_are_there_are_drawn_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = Series.draft
    # every third draft comes out as the first one did, once or twice
    monkeypatch.setattr(
        Series, "draft", lambda self, i, attempt=0: draft(self, 0 if i % 3 == 0 and attempt < 2 else i, attempt % 2)
    )
    written = write_shards(Series(TINY, 9), 90, tmp_path)
    assert written.worlds == written.structures == written.texts == 90
    assert written.redrawn > 20
    hashes = pq.read_table(sorted(tmp_path.glob("part-*")))["structural_hash"].to_pylist()
    assert len(set(hashes)) == 90


def test_an_author_with_nothing_new_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = Series.draft
    monkeypatch.setattr(Series, "draft", lambda self, i, attempt=0: draft(self, 0, 0))
    monkeypatch.setattr(shards, "_MOST_ATTEMPTS", 5)
    with pytest.raises(NarrativeError, match="no new structure in 5 attempts at draft 1"):
        write_shards(Series(TINY, 9), 3, tmp_path)


def test_workers_write_the_same_bytes(tmp_path: Path) -> None:
    series = Series(AuthorConfig(style="finemann", variables=8, spools=2, encounters=8), 2)
    write_shards(series, 50, tmp_path / "one")
    write_shards(series, 50, tmp_path / "two", workers=2)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


def test_a_folder_keeps_one_series(tmp_path: Path) -> None:
    write_shards(Series(TINY, 1), 3, tmp_path)
    for other in (Series(TINY, 2), Series(AuthorConfig(), 1), Series(TINY, 1, curriculum=3)):
        with pytest.raises(NarrativeError, match="another series"):
            write_shards(other, 3, tmp_path)
    with pytest.raises(NarrativeError, match="seed is 1, not 2"):
        write_shards(Series(TINY, 2), 3, tmp_path)
    (tmp_path / MANIFEST).unlink()
    with pytest.raises(NarrativeError, match=r"no drafts\.json"):
        write_shards(Series(TINY, 1), 3, tmp_path)


def test_a_curriculum_goes_from_small_to_large(tmp_path: Path) -> None:
    series = Series(AuthorConfig(style="finemann"), 1, curriculum=12)
    write_shards(series, 12, tmp_path)
    table = pq.read_table(sorted(tmp_path.glob("part-*.parquet")))
    variables = table["variables"].to_pylist()
    assert variables == sorted(variables)
    assert (variables[0], variables[-1]) == (3, 1000)
    assert set(table["style"].to_pylist()) == {"finemann"}
    assert json.loads((tmp_path / MANIFEST).read_text())["curriculum"] == 12


def test_a_shorter_run_leaves_a_longer_one_as_it_is(tmp_path: Path) -> None:
    write_shards(Series(TINY, 1), 75, tmp_path)
    before = digest(tmp_path)
    for count in (40, 60, 74):
        with pytest.raises(NarrativeError, match="holds 75 drafts of this series already"):
            write_shards(Series(TINY, 1), count, tmp_path)
    assert digest(tmp_path) == before


def test_a_broken_shard_is_written_anew(tmp_path: Path) -> None:
    write_shards(Series(TINY, 1), 75, tmp_path)
    before = digest(tmp_path)
    (tmp_path / "part-00001.parquet").write_bytes(b"PAR1")
    write_shards(Series(TINY, 1), 75, tmp_path)
    assert digest(tmp_path) == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NarrativeError, match=r"file/below: the folder cannot be made: Not a directory"):
        write_shards(Series(TINY, 1), 3, tmp_path / "file" / "below")
    # a folder in the shard's place stands for whatever keeps a file from being put there
    (tmp_path / "out" / "part-00000.parquet").mkdir(parents=True)
    (tmp_path / "out" / MANIFEST).write_text(json.dumps(Series(TINY, 1).manifest()))
    with pytest.raises(NarrativeError, match=r"part-00000\.parquet: cannot be written: Is a directory"):
        write_shards(Series(TINY, 1), 3, tmp_path / "out")
    assert not list((tmp_path / "out").glob(".*"))
