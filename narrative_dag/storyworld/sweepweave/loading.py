"""The two loaders behind one door."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from narrative_dag.storyworld.model import Mode, Storyworld
from narrative_dag.storyworld.sweepweave.extended import load_extended
from narrative_dag.storyworld.sweepweave.files import read_document
from narrative_dag.storyworld.sweepweave.official import load_official
from narrative_dag.storyworld.sweepweave.report import Notice, Report


@dataclass(frozen=True, slots=True)
class Loaded:
    """A storyworld and what was lost on the way in, in document order of discovery."""

    world: Storyworld
    report: tuple[Notice, ...]


def load(path: str | Path, mode: Mode) -> Loaded:
    """The storyworld in a `.json` or `.json.gz` file.

    Raises:
        StoryworldError: the file cannot be read or the mode refuses it; names file, place and reason.
    """
    return loads(read_document(Path(path)), mode, str(path))


def loads(document: Mapping[str, Any], mode: Mode, where: str = "document") -> Loaded:
    """The storyworld in a parsed document; `where` names it in errors.

    Raises:
        StoryworldError: the mode refuses it; names file, place and reason.
    """
    report = Report(where)
    if not isinstance(document, Mapping):
        report.refuse("", "the top level is no object")
    world = (load_official if mode is Mode.OFFICIAL else load_extended)(document, report)
    return Loaded(world, tuple(report.notices))
