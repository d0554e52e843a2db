import os
from pathlib import Path

import pytest

from narrative_dag import durable


def names(folder: Path) -> set[str]:
    return set(os.listdir(folder))


def test_a_file_is_written_and_replaced_whole(tmp_path: Path) -> None:
    durable.write(tmp_path / "a", b"first")
    durable.write(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"second"
    assert names(tmp_path) == {"a"}


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory"):
        durable.write(tmp_path / "a", b"first")
    assert names(tmp_path) == {"a"}


def test_a_folder_takes_its_place_at_the_end_and_not_before(tmp_path: Path) -> None:
    with durable.folder(tmp_path / "new" / "a") as passing:
        (passing / "x").write_text("1")
        assert not (tmp_path / "new" / "a").exists()
    with durable.folder(tmp_path / "new" / "a") as passing:
        (passing / "y").write_text("2")
        assert names(tmp_path / "new" / "a") == {"x"}
    assert names(tmp_path / "new" / "a") == {"y"}
    assert names(tmp_path / "new") == {"a"}


def test_an_exception_leaves_what_was_there(tmp_path: Path) -> None:
    with durable.folder(tmp_path / "a") as passing:
        (passing / "x").write_text("1")

    def stop_half_way() -> None:
        with durable.folder(tmp_path / "a") as passing:
            (passing / "x").write_text("2")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        stop_half_way()
    assert (tmp_path / "a" / "x").read_text() == "1"
    assert names(tmp_path) == {"a"}
