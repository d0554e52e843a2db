"""SweepWeave storyworlds from a folder: what can be played joins the rollouts, the rest is listed with reasons."""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from narrative_dag.config import CycleConfig
from narrative_dag.progress import Progress, silent
from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.model import Mode, Storyworld
from narrative_dag.storyworld.sweepweave import NoticeKind, loads
from narrative_dag.storyworld.sweepweave.files import read_document
from narrative_dag.tables import TABLES

REFUSALS = "refused.json"
"""File beside the imported ones: what was refused, as JSON."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was not imported, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportResult:
    """Table `storyworlds` of what was imported, and what was refused."""

    storyworlds: pa.Table
    refused: tuple[Refusal, ...]


def read_import(path: Path) -> Storyworld:
    """A SweepWeave file under official semantics when the official loader takes it whole, else under the dialect's,
    else under official ones with what that loader leaves.

    Raises:
        StoryworldError: both modes refuse the file; the message has both reasons.
    """
    reasons = []
    degraded = None
    document = read_document(path)
    for mode in (Mode.OFFICIAL, Mode.EXTENDED):
        try:
            loaded = loads(document, mode, str(path))
        except StoryworldError as error:
            reasons.append(f"{mode.value}: {error}")
            continue
        if mode is Mode.EXTENDED or all(notice.kind is NoticeKind.IGNORED for notice in loaded.report):
            return loaded.world
        degraded = loaded.world
    if degraded is not None:
        return degraded
    raise StoryworldError("; ".join(reasons), where=path.name)


def import_worlds(config: CycleConfig, folder: Path | None, out: Path, progress: Progress = silent) -> ImportResult:
    """Import every `.json` and `.json.gz` file of a folder.

    Args:
        config: not read; imports depend on the files alone.
        folder: where the files are; None imports nothing.
        out: a new folder that receives a copy of every imported file, so that cycles do not depend on the originals.
        progress: called for every file.
    """
    out.mkdir(parents=True, exist_ok=True)
    files = sorted([*folder.glob("*.json"), *folder.glob("*.json.gz")]) if folder else []
    rows: list[dict[str, Any]] = []
    refused = []
    for i, path in enumerate(files):
        try:
            world = read_import(path)
        except StoryworldError as error:
            refused.append(Refusal(path.name, str(error)))
        else:
            shutil.copyfile(path, out / path.name)
            rows.append(_row(len(rows), path, world))
        progress("import", i + 1, len(files))
    (out / REFUSALS).write_text(json.dumps([asdict(refusal) for refusal in refused], indent=1), encoding="utf-8")
    return ImportResult(pa.Table.from_pylist(rows, schema=TABLES["storyworlds"].schema), tuple(refused))


def read_refusals(folder: Path) -> tuple[Refusal, ...]:
    """What an import refused, from the folder that it filled."""
    return tuple(Refusal(**entry) for entry in json.loads((folder / REFUSALS).read_text(encoding="utf-8")))


def _row(position: int, path: Path, world: Storyworld) -> dict[str, Any]:
    return {
        "position": position,
        "storyworld_id": hashlib.sha256(path.read_bytes()).hexdigest(),
        "source": "imported",
        "prompt": "",
        "text": path.name,
        "tokens": 0,
        "truncated": False,
        "valid_json": True,
        "valid": True,
        "title": world.title,
        "theme": world.theme,
    }
