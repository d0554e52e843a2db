"""What the expressions of a draft can name: characters with their properties, spools, encounters."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from narrative_dag.storyworld.draft.document import MAIN_SPOOL, Draft, DraftEncounter, spools_of
from narrative_dag.storyworld.draft.problem import Part, Problem, did_you_mean, is_name, step


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


def name_problems(draft: Draft, names: Names) -> Iterator[Problem]:
    """Names that are reserved, repeated, unknown or used in two ways, outside of expressions; found one by one."""
    yield from _cast_problems(draft)
    for spool in names.spools:
        if not is_name(spool):
            yield _reserved(step("spools", spool), spool, "key")
    for position, encounter in enumerate(draft.encounters):
        yield from _encounter_problems(position, encounter, names)


def _cast_problems(draft: Draft) -> Iterator[Problem]:
    depth: dict[str, tuple[bool, str]] = {}
    for character, values in draft.characters.items():
        place = step("characters", character)
        if not is_name(character):
            yield _reserved(place, character, "key")
        for name, value in values.items():
            inner = step(place, name)
            if not is_name(name):
                yield _reserved(inner, name, "key")
            perceived = isinstance(value, dict)
            before, whose = depth.setdefault(name, (perceived, character))
            if before != perceived:
                kinds = ("a number", "a value for each perceived character")
                yield Problem(
                    "references", inner, f"{name} is {kinds[perceived]} here, but {kinds[before]} for {whose}"
                )
            if isinstance(value, dict):
                yield from _perceived_problems(draft, character, inner, value)


def _perceived_problems(draft: Draft, character: str, place: str, value: Mapping[str, float]) -> Iterator[Problem]:
    for other in value:
        if other == character:
            message = f"{character} cannot perceive {character}"
        elif other not in draft.characters:
            message = f"no character is named {other}{did_you_mean(other, draft.characters)}"
        else:
            continue
        yield Problem("references", step(place, other), message, part="key")


def _reserved(path: str, name: str, part: Part = "value") -> Problem:
    return Problem("references", path, f"{name} is a reserved word and can name nothing", part=part)


def _encounter_problems(position: int, encounter: DraftEncounter, names: Names) -> Iterator[Problem]:
    place = f"encounters[{position}]"
    if not is_name(encounter.id):
        yield _reserved(f"{place}.id", encounter.id)
    first = names.encounters[encounter.id]
    if first != position:
        yield Problem("references", f"{place}.id", f"encounters[{first}] already has the id {encounter.id}")
    yield from _spool_problems(encounter.spool, f"{place}.spool", place, names)
    for o, option in enumerate(encounter.options):
        for r, reaction in enumerate(option.reactions):
            if reaction.to is not None and reaction.to not in names.encounters:
                message = f"no encounter has the id {reaction.to}{did_you_mean(reaction.to, names.encounters)}"
                yield Problem("references", f"{place}.options[{o}].reactions[{r}].to", message)


def _spool_problems(spool: str | tuple[str, ...] | None, path: str, place: str, names: Names) -> Iterator[Problem]:
    if spool is None:
        if len(names.spools) != 1:
            message = f"spool is missing: the draft has {len(names.spools)} spools"
            yield Problem("references", place, message, part="end")
        return
    listed = [(path, spool)] if isinstance(spool, str) else [(step(path, i), name) for i, name in enumerate(spool)]
    for where, name in listed:
        if name not in names.spools:
            yield Problem("references", where, f"no spool is named {name}{did_you_mean(name, names.spools)}")
