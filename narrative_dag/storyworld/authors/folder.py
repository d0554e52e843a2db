"""The folder of a series of drafts: which series it holds, and files in it that are there whole or not at all."""

import json
from pathlib import Path
from typing import Any

from narrative_dag import durable
from narrative_dag.errors import NarrativeError

MANIFEST = "drafts.json"
"""File beside the shards that says which series they are."""

FILES_MANIFEST = "drafts.manifest"
"""The same beside drafts that are one JSON file each."""


def claim(out: Path, name: str, wanted: dict[str, Any]) -> None:
    """Make the folder, or see that it holds this series in this kind of files; leftovers of a kill are removed.

    Args:
        out: the folder.
        name: `MANIFEST` or `FILES_MANIFEST`.
        wanted: what the series is, as JSON has it.

    Raises:
        NarrativeError: it holds something else, or cannot be made.
    """
    if out.exists() and not out.is_dir():
        raise NarrativeError("not a folder", where=str(out), hint="name a new folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "name a folder that can be written"
        raise NarrativeError(f"the folder cannot be made: {error.strerror}", where=str(out), hint=hint) from error
    other = FILES_MANIFEST if name == MANIFEST else MANIFEST
    if (out / other).exists():
        raise NarrativeError(
            "the folder holds drafts in files of another kind", where=str(out), hint="give a new folder"
        )
    manifest = out / name
    if manifest.exists():
        found = _parsed(manifest)
        if found != wanted:
            message = f"the folder holds another series of drafts: {_difference(found, wanted)}"
            raise NarrativeError(message, where=str(out), hint="give a new folder")
    elif any(out.glob("part-*.parquet")):
        raise NarrativeError(f"there are shards but no {MANIFEST}", where=str(out), hint="give a new folder")
    for leftover in out.glob(".part-*.tmp"):
        leftover.unlink(missing_ok=True)
    if not manifest.exists():
        write_file(manifest, json.dumps(wanted, indent=1, sort_keys=True).encode())


def write_file(path: Path, content: bytes) -> None:
    """Write a file of the folder whole.

    Raises:
        NarrativeError: it cannot be written; nothing is left of it.
    """
    try:
        durable.write(path, content)
    except OSError as error:
        hint = "files that are whole stay; the same command goes on from them"
        raise NarrativeError(f"cannot be written: {error.strerror}", where=str(path), hint=hint) from error


def _parsed(manifest: Path) -> dict[str, Any]:
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise NarrativeError(
            "does not say which drafts the folder holds", where=str(manifest), hint="give a new folder"
        )
    return found


def _difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """What tells two series apart, in words."""
    old, new = ({**manifest, **manifest.get("config", {}), "config": None} for manifest in (found, wanted))
    names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    return "; ".join(f"{name} is {json.dumps(old.get(name))}, not {json.dumps(new.get(name))}" for name in names)
