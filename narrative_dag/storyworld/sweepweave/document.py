"""Parts of a document that both loaders read alike: shapes, numbers, versions, references, starting values."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from narrative_dag.storyworld.model import Key
from narrative_dag.storyworld.sweepweave.report import Report

Json = Any
"""What `json` gives: dict, list, str, float, int, bool or None."""

_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})", re.ASCII)

LEVELS = 150
"""Scripts nested more deeply are refused: evaluation is recursive."""


def number_or_none(value: Json) -> float | None:
    """A finite number as a double, else None (booleans are no numbers)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def readable_version(value: Json) -> bool:
    """Whether a version string is of a layout that is read: 0.0.34 to 0.0.38 and 0.1.0 to 0.1.9."""
    found = _VERSION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return False
    major, minor, patch = (int(part) for part in found.groups())
    return major == 0 and ((minor == 0 and 34 <= patch <= 38) or (minor == 1 and patch <= 9))


def as_object(value: Json, path: str, report: Report) -> Mapping[str, Json]:
    """The value as an object; refuses anything else."""
    if not isinstance(value, Mapping):
        report.refuse(path, "is no object")
    return value


def as_list(value: Json, path: str, report: Report) -> Sequence[Json]:
    """The value as a list; refuses anything else."""
    if not isinstance(value, list):
        report.refuse(path, "is no list")
    return value


def as_text(value: Json) -> str:
    """The value where it is a string, else ""."""
    return value if isinstance(value, str) else ""


def identifier(item: Mapping[str, Json], path: str, report: Report) -> str:
    """The item's `id`; refuses one that is missing or no string."""
    value = item.get("id")
    if not isinstance(value, str):
        report.refuse(path, "has no string id")
    return value


@dataclass(slots=True)
class References:
    """What scripts may point to; positions are those in the storyworld."""

    characters: frozenset[str]
    spools: frozenset[str]
    declared: frozenset[tuple[str, str]]
    encounters: dict[str, int] = field(default_factory=dict)
    options: dict[str, tuple[int, int]] = field(default_factory=dict)
    reactions: dict[str, tuple[int, int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class StartingValues:
    """Numbers by variable and the places that hold a table instead."""

    numbers: dict[Key, float] = field(default_factory=dict)
    tables: set[Key] = field(default_factory=set)


def covered(target: Json, affected: Json, characters: Sequence[str], path: str, report: Report) -> list[str]:
    """The characters that an authored property belongs to, in file order."""
    if target == "all cast members":
        return list(characters)
    if target == "some cast members":
        named = as_list(affected, f"{path}.affected_characters", report)
        for i, one in enumerate(named):
            if one not in characters:
                report.dropped(f"{path}.affected_characters[{i}]", "no such character")
        return [one for one in characters if one in named]
    if target != "storyworld":
        report.misread(f"{path}.attribution_target", "unknown target: the property belongs to nobody")
    return []


def depth_of(value: Json, path: str, report: Report) -> int:
    """A property's depth; refuses what is no whole number from 0 to 8."""
    number = number_or_none(value)
    if number is None or number != int(number) or not 0 <= number <= 8:
        report.refuse(path, "is no depth: a whole number from 0 to 8")
    return int(number)
