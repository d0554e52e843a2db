"""The draft: the compact JSON document that the policy writes and the seed generators emit."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from narrative_dag.storyworld.draft.problem import LONGEST_NAME, NAME_PATTERN
from narrative_dag.storyworld.script import LIMIT

MAIN_SPOOL = "main"
"""The spool, active from the start, of a draft that lists none."""

Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=LONGEST_NAME)]
Number = Annotated[float, Field(ge=-LIMIT, le=LIMIT, allow_inf_nan=False)]
Perceived = dict[Name, Number]


def _tag_of_number(value: Any) -> str:
    return "perceived" if isinstance(value, Mapping) else "number"


def _tag_of_spool(value: Any) -> str:
    return "spool" if isinstance(value, str) else "spools"


PropertyValue = Annotated[
    Annotated[Number, Tag("number")] | Annotated[Perceived, Tag("perceived")], Discriminator(_tag_of_number)
]
SpoolNames = Annotated[
    Annotated[Name, Tag("spool")] | Annotated[tuple[Name, ...], Field(strict=False), Tag("spools")],
    Discriminator(_tag_of_spool),
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DraftReaction(_Part):
    """An outcome of an option."""

    text: str = Field(description="What the player reads after choosing.")
    weight: str = Field("0", description="Number expression; the reaction with the greatest weight above -1 happens.")
    do: Annotated[tuple[str, ...], Field(strict=False)] = Field((), description="Effects, run in order.")
    to: Name | None = Field(None, description="Id of the next encounter; absent or null: wild selection.")


class DraftOption(_Part):
    """A choice."""

    text: str = Field(description="What the player can choose.")
    show: str = Field("true", description="Condition for the option to be visible.")
    performable: str = Field("true", alias="if", description="Condition for the visible option to be choosable.")
    reactions: Annotated[tuple[DraftReaction, ...], Field(strict=False)] = Field(
        min_length=1, description="Outcomes, at least one."
    )


class DraftEncounter(_Part):
    """A page; an ending when it has no options."""

    id: Name = Field(description="Name, unique among encounters.")
    spool: SpoolNames | None = Field(
        None,
        description="The spool that it belongs to, or a list of them, empty for a page that only `to` leads to; "
        "may be absent when the draft has one spool.",
    )
    title: str | None = Field(None, description="Title; the id when absent.")
    text: str = Field(description="What the player reads.")
    when: str = Field("true", description="Condition for wild selection to consider the encounter.")
    urgency: str = Field("0", description="Number expression; wild selection takes the greatest above -1.")
    options: Annotated[tuple[DraftOption, ...], Field(strict=False)] = Field((), description="Choices, in order.")


class Draft(_Part):
    """A storyworld as the policy writes it; the order of characters, properties, spools and lists is kept."""

    theme: str = Field(description="What the story is about, a word or a phrase.")
    title: str = Field(description="Title of the story.")
    characters: dict[Name, dict[Name, PropertyValue]] = Field(
        description="Each character's properties with their starting values: a number, or for what the character "
        "thinks of others an object with a number for each of them. A property belongs to those who list it."
    )
    spools: Annotated[dict[Name, bool], Field(min_length=1)] | None = Field(
        None, description="Sets of encounters: whether each is active at the start. Absent: one active spool, `main`."
    )
    encounters: Annotated[tuple[DraftEncounter, ...], Field(strict=False)] = Field(
        min_length=1, description="Pages; earlier ones win ties."
    )


def spools_of(draft: Draft) -> dict[str, bool]:
    """The spools and whether they start active, the implied `main` included."""
    return {MAIN_SPOOL: True} if draft.spools is None else draft.spools


def members_of(encounter: DraftEncounter, spools: Mapping[str, bool]) -> tuple[str, ...] | None:
    """The spools of an encounter, each once; None when it names none and there are several to choose from."""
    match encounter.spool:
        case None:
            return tuple(spools) if len(spools) == 1 else None
        case str(name):
            return (name,)
        case names:
            return tuple(dict.fromkeys(names))


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of drafts; expressions are strings in it."""
    schema = _with_closed_keys(Draft.model_json_schema(by_alias=True))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:narrative-dag:draft",
        **schema,
        "title": "narrative-dag draft",
    }


def _with_closed_keys(schema: Any) -> Any:
    """A schema in which keys that break a pattern are refused: pydantic's `patternProperties` lets them pass."""
    if isinstance(schema, list):
        return [_with_closed_keys(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _with_closed_keys(value) for key, value in schema.items()}
    if "patternProperties" in closed:
        [(pattern, values)] = closed.pop("patternProperties").items()
        closed["propertyNames"] = {**closed.get("propertyNames", {}), "pattern": pattern}
        closed["additionalProperties"] = values
    return closed


def plain_number(value: float) -> float | int:
    """A number as it is written: whole ones without a point, no negative zero."""
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else value


def _characters(draft: Draft) -> dict[str, Any]:
    def plain(value: float | dict[str, float]) -> Any:
        return {k: plain_number(v) for k, v in value.items()} if isinstance(value, dict) else plain_number(value)

    return {name: {p: plain(v) for p, v in values.items()} for name, values in draft.characters.items()}


def _without_defaults(pairs: Sequence[tuple[str, Any, Any]]) -> dict[str, Any]:
    return {key: value for key, value, default in pairs if value != default}


def to_document(draft: Draft) -> dict[str, Any]:
    """The plain JSON document: keys in writing order, defaults left out, expressions as they stand."""

    def reaction(r: DraftReaction) -> dict[str, Any]:
        rest = _without_defaults([("weight", r.weight, "0"), ("do", list(r.do), []), ("to", r.to, None)])
        return {"text": r.text, **rest}

    def option(o: DraftOption) -> dict[str, Any]:
        rest = _without_defaults([("show", o.show, "true"), ("if", o.performable, "true")])
        return {"text": o.text, **rest, "reactions": [reaction(r) for r in o.reactions]}

    def encounter(e: DraftEncounter) -> dict[str, Any]:
        spool = list(e.spool) if isinstance(e.spool, tuple) else e.spool
        return {
            "id": e.id,
            **_without_defaults([("spool", spool, None), ("title", e.title, None)]),
            "text": e.text,
            **_without_defaults([("when", e.when, "true"), ("urgency", e.urgency, "0")]),
            **_without_defaults([("options", [option(o) for o in e.options], [])]),
        }

    return {
        "theme": draft.theme,
        "title": draft.title,
        "characters": _characters(draft),
        **_without_defaults([("spools", draft.spools, None)]),
        "encounters": [encounter(e) for e in draft.encounters],
    }


def dumps(draft: Draft) -> str:
    """The draft as compact JSON text, theme first, defaults left out, no spaces between tokens."""
    return json.dumps(to_document(draft), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def looks_like_draft(document: object) -> bool:
    """Whether a parsed JSON file is meant as a draft rather than as a SweepWeave project.

    A draft has `encounters`, no `sweepweave_version`, and `characters` by name in an object instead of a list.
    """
    return (
        isinstance(document, Mapping)
        and "sweepweave_version" not in document
        and isinstance(document.get("encounters"), list)
        and not isinstance(document.get("characters"), list)
        and not isinstance(document.get("spools"), list)
    )
