"""What the expressions of a draft can name: characters with their properties, spools, encounters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from narrative_dag.storyworld.draft.document import MAIN_SPOOL, Draft, spools_of
from narrative_dag.storyworld.draft.problem import Problem, did_you_mean, is_name, step


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a draft.

    `characters[name][property]` is None for a number and the perceived characters for a perceived property.
    `encounters` maps an id to its position, `shape[position]` lists the reaction count of each option.
    """

    characters: Mapping[str, Mapping[str, frozenset[str] | None]]
    spools: Mapping[str, bool]
    encounters: Mapping[str, int]
    shape: Sequence[Sequence[int]]


def names_of(draft: Draft) -> Names:
    """The names of a valid draft; of encounters that share an id the first has it."""
    characters = {
        name: {p: frozenset(v) if isinstance(v, dict) else None for p, v in values.items()}
        for name, values in draft.characters.items()
    }
    encounters: dict[str, int] = {}
    for position, encounter in enumerate(draft.encounters):
        encounters.setdefault(encounter.id, position)
    shape = [[len(option.reactions) for option in encounter.options] for encounter in draft.encounters]
    return Names(characters, spools_of(draft), encounters, shape)


def names_in(value: Any) -> Names:
    """The names that can be made out in a JSON value that is no valid draft; what does not fit is passed over."""

    def members(of: Any, key: str) -> dict[str, Any]:
        found = of.get(key) if isinstance(of, dict) else None
        return found if isinstance(found, dict) else {}

    def items(of: Any, key: str) -> list[Any]:
        found = of.get(key) if isinstance(of, dict) else None
        return found if isinstance(found, list) else []

    characters = {
        name: {p: frozenset(v) if isinstance(v, dict) else None for p, v in values.items()}
        for name, values in members(value, "characters").items()
        if isinstance(values, dict)
    }
    encounters: dict[str, int] = {}
    for position, encounter in enumerate(items(value, "encounters")):
        if isinstance(encounter, dict) and isinstance(encounter.get("id"), str):
            encounters.setdefault(encounter["id"], position)
    shape = [[len(items(o, "reactions")) for o in items(e, "options")] for e in items(value, "encounters")]
    return Names(characters, members(value, "spools") or {MAIN_SPOOL: True}, encounters, shape)


def name_problems(draft: Draft, names: Names) -> list[Problem]:
    """Names that are reserved, repeated, unknown or used in two ways, outside of expressions."""
    return [*_cast_problems(draft), *_encounter_problems(draft, names)]


def _cast_problems(draft: Draft) -> list[Problem]:
    found: list[Problem] = []
    depth: dict[str, tuple[bool, str]] = {}
    for character, values in draft.characters.items():
        place = step("characters", character)
        if not is_name(character):
            found.append(_reserved(place, character))
        for name, value in values.items():
            inner = step(place, name)
            if not is_name(name):
                found.append(_reserved(inner, name))
            perceived = isinstance(value, dict)
            before, whose = depth.setdefault(name, (perceived, character))
            if before != perceived:
                kinds = ("a number", "a value for each perceived character")
                message = f"{name} is {kinds[perceived]} here, but {kinds[before]} for {whose}"
                found.append(Problem("references", inner, message))
            if isinstance(value, dict):
                found += _perceived_problems(draft, character, inner, value)
    return found


def _perceived_problems(draft: Draft, character: str, place: str, value: Mapping[str, float]) -> list[Problem]:
    found: list[Problem] = []
    for other in value:
        if other == character:
            found.append(Problem("references", step(place, other), f"{character} cannot perceive {character}"))
        elif other not in draft.characters:
            message = f"no character is named {other}{did_you_mean(other, draft.characters)}"
            found.append(Problem("references", step(place, other), message))
    return found


def _reserved(path: str, name: str) -> Problem:
    return Problem("references", path, f"{name} is a reserved word and can name nothing")


def _encounter_problems(draft: Draft, names: Names) -> list[Problem]:
    found = [_reserved(step("spools", spool), spool) for spool in names.spools if not is_name(spool)]
    for position, encounter in enumerate(draft.encounters):
        place = f"encounters[{position}]"
        if not is_name(encounter.id):
            found.append(_reserved(f"{place}.id", encounter.id))
        first = names.encounters[encounter.id]
        if first != position:
            message = f"encounters[{first}] already has the id {encounter.id}"
            found.append(Problem("references", f"{place}.id", message))
        found += _spool_problems(encounter.spool, f"{place}.spool", place, names)
        for o, option in enumerate(encounter.options):
            for r, reaction in enumerate(option.reactions):
                if reaction.to is not None and reaction.to not in names.encounters:
                    message = f"no encounter has the id {reaction.to}{did_you_mean(reaction.to, names.encounters)}"
                    found.append(Problem("references", f"{place}.options[{o}].reactions[{r}].to", message))
    return found


def _spool_problems(spool: str | tuple[str, ...] | None, path: str, place: str, names: Names) -> list[Problem]:
    if spool is None:
        if len(names.spools) == 1:
            return []
        return [Problem("references", place, f"spool is missing: the draft has {len(names.spools)} spools")]
    listed = [(path, spool)] if isinstance(spool, str) else [(step(path, i), name) for i, name in enumerate(spool)]
    return [
        Problem("references", where, f"no spool is named {name}{did_you_mean(name, names.spools)}")
        for where, name in listed
        if name not in names.spools
    ]
