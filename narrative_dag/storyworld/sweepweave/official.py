"""A project file as the official editor's loader reads it: some items vanish, some faults stop it."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from narrative_dag.storyworld.model import (
    Character,
    Effect,
    Encounter,
    Mode,
    Option,
    Property,
    Reaction,
    SetNumber,
    SetSpool,
    Spool,
    Storyworld,
)
from narrative_dag.storyworld.script import Constant, Kind
from narrative_dag.storyworld.sweepweave.document import (
    Json,
    References,
    StartingValues,
    as_list,
    as_object,
    as_text,
    covered,
    depth_of,
    identifier,
    number_or_none,
    readable_version,
)
from narrative_dag.storyworld.sweepweave.official_scripts import OfficialScripts
from narrative_dag.storyworld.sweepweave.report import Report

_STAMPS = ("creation_index", "creation_time", "modified_time")
_CHARACTER = ("id", "name", "pronoun", "bnumber_properties", *_STAMPS)
_PROPERTY = (
    *("property_type", "id", "property_name", "depth", "default_value"),
    *("attribution_target", "affected_characters", *_STAMPS),
)
_SPOOL = ("id", "spool_name", "encounters", *_STAMPS)
_ENCOUNTER = (
    *("id", "title", "text_script", "acceptability_script", "desirability_script", "earliest_turn", "latest_turn"),
    *("options", "connected_spools", *_STAMPS, "graph_position_x", "graph_position_y"),
)
_OPTION = ("id", "text_script", "visibility_script", "performability_script", "reactions")
_REACTION = ("id", "text_script", "desirability_script", "consequence_id")
_POINTER = ("pointer_type", "character", "coefficient", "keyring")

_Position = TypeVar("_Position")

Item = tuple[str, Mapping[str, Json]]
"""A place in the document and the object there."""


def load_official(document: Mapping[str, Json], report: Report) -> Storyworld:
    """The storyworld that the editor has after loading the document.

    Raises:
        StoryworldError: a fault that stops the editor's loader.
    """
    version = document.get("sweepweave_version")
    if not readable_version(version):
        reason = "is missing" if version is None else f"{str(version)[:40]!r} is not read"
        report.refuse("sweepweave_version", reason, "the official loader reads 0.1.0 to 0.1.9 and 0.0.34 to 0.0.38")
    for key in ("characters", "spools", "encounters", "authored_properties"):
        if key not in document:
            report.refuse(key, "is missing")
        as_list(document[key], key, report)
    cast = _last_of_each(_complete(document["characters"], "characters", _CHARACTER, report), "character", report)
    order = list(cast)
    properties, declared = _properties(document["authored_properties"], order, report)
    values = _starting_values(cast, declared, report)
    spools = _last_of_each(_spool_items(document["spools"], report), "spool", report)
    references = References(frozenset(cast), frozenset(spools), declared)
    pages = _pages(document["encounters"], references, report)
    scripts = OfficialScripts(references, report)
    encounters = tuple(_encounter(page, options, scripts, report) for page, options in pages)
    members = _members([page for page, _ in pages], references.spools, report)
    about = Constant("") if "about_text" not in document else scripts.text(document["about_text"], "about_text")
    for id_, (path, item) in spools.items():
        listed = [e for e in item["encounters"] if isinstance(e, str)] if isinstance(item["encounters"], list) else []
        if sorted(listed) != sorted(encounters[e].id for e in members[id_]):
            report.ignored(f"{path}.encounters", "differs from the encounters that connect to the spool, which rule")
    return Storyworld(
        title=as_text(document.get("storyworld_title")),
        mode=Mode.OFFICIAL,
        characters=tuple(Character(i, as_text(c["name"]), as_text(c["pronoun"])) for i, (_, c) in cast.items()),
        properties=properties,
        declared=declared,
        initial=values.numbers,
        tables=frozenset(values.tables),
        spools=tuple(
            Spool(i, as_text(s["spool_name"]), s["starts_active"] is True, tuple(members[i]))
            for i, (_, s) in spools.items()
        ),
        encounters=encounters,
        author=as_text(document.get("storyworld_author")),
        theme=as_text(document.get("meta_description")),
        about=about,
    )


def _require(item: Mapping[str, Json], keys: Sequence[str], path: str, report: Report) -> None:
    for key in keys:
        if key not in item:
            report.refuse(path, f"lacks {key}")


def _complete(items: Sequence[Json], path: str, keys: Sequence[str], report: Report) -> list[Item]:
    """The objects that have all keys; the others are skipped."""
    found = []
    for i, value in enumerate(items):
        place = f"{path}[{i}]"
        item = as_object(value, place, report)
        missing = [key for key in keys if key not in item]
        if missing:
            report.dropped(place, f"skipped, for it lacks {', '.join(missing)}")
        else:
            found.append((place, item))
    return found


def _last_of_each(items: Sequence[Item], what: str, report: Report) -> dict[str, Item]:
    """The items by id; of several with one id only the last can be pointed to."""
    kept: dict[str, Item] = {}
    for path, item in items:
        id_ = identifier(item, path, report)
        if id_ in kept:
            report.dropped(kept.pop(id_)[0], f"a later {what} has the id {id_}")
        kept[id_] = (path, item)
    return kept


def _properties(
    items: Sequence[Json], cast: Sequence[str], report: Report
) -> tuple[tuple[Property, ...], frozenset[tuple[str, str]]]:
    kept = []
    for path, item in _complete(items, "authored_properties", _PROPERTY, report):
        if item["property_type"] == "bounded number":
            kept.append((path, item))
        else:
            report.dropped(f"{path}.property_type", "skipped, for it is no bounded number")
    properties: list[Property] = []
    declared: set[tuple[str, str]] = set()
    for id_, (path, item) in _last_of_each(kept, "property", report).items():
        depth = depth_of(item["depth"], f"{path}.depth", report)
        default = number_or_none(item["default_value"])
        properties.append(Property(id_, as_text(item["property_name"]), depth, default or 0.0))
        owners = covered(item["attribution_target"], item["affected_characters"], cast, path, report)
        declared.update((owner, id_) for owner in owners)
    return tuple(properties), frozenset(declared)


def _starting_values(cast: Mapping[str, Item], declared: frozenset[tuple[str, str]], report: Report) -> StartingValues:
    values = StartingValues()

    def copy(character: str, keyring: tuple[str, ...], value: Json, path: str) -> None:
        number = number_or_none(value)
        if number is not None:
            values.numbers[character, keyring] = number
        elif isinstance(value, Mapping):
            values.tables.add((character, keyring))
            if len(keyring) > 9:
                report.refuse(path, "perceptions are nested too deeply")
            for key, below in value.items():
                copy(character, (*keyring, str(key)), below, f"{path}.{key}")
        else:
            report.dropped(path, "is neither a number nor a table")

    for character, (path, item) in cast.items():
        for id_, value in as_object(item["bnumber_properties"], f"{path}.bnumber_properties", report).items():
            place = f"{path}.bnumber_properties.{id_}"
            if (character, id_) in declared:
                copy(character, (id_,), value, place)
            else:
                report.dropped(place, "erased, for no authored property gives it to the character")
    return values


def _spool_items(items: Sequence[Json], report: Report) -> list[Item]:
    found = _complete(items, "spools", _SPOOL, report)
    for path, item in found:
        if "starts_active" not in item:
            report.refuse(path, "lacks starts_active")
        if not isinstance(item["starts_active"], bool):
            report.refuse(f"{path}.starts_active", "is no boolean")
    return found


Page = tuple[Item, list[tuple[Item, list[Item]]]]
"""An encounter with its kept options and their reactions."""


def _pages(items: Sequence[Json], references: References, report: Report) -> list[Page]:
    """The encounters' parts in order; fills the references, so that scripts can point forward."""
    pages: list[Page] = []
    for e, value in enumerate(items):
        place = f"encounters[{e}]"
        item = as_object(value, place, report)
        _require(item, _ENCOUNTER, place, report)
        id_ = identifier(item, place, report)
        if id_ in references.encounters:
            report.misread(place, f"an earlier encounter has the id {id_}: pointers and consequences mean this one")
        references.encounters[id_] = e
        options: list[tuple[Item, list[Item]]] = []
        as_list(item["options"], f"{place}.options", report)
        for option_item in _complete(item["options"], f"{place}.options", _OPTION, report):
            reactions = _reaction_items(option_item, report)
            o = len(options)
            options.append((option_item, reactions))
            _register(option_item, (e, o), references.options, report)
            for r, reaction_item in enumerate(reactions):
                _register(reaction_item, (e, o, r), references.reactions, report)
        pages.append(((place, item), options))
    return pages


def _register(item: Item, position: _Position, ids: dict[str, _Position], report: Report) -> None:
    id_ = identifier(item[1], item[0], report)
    if id_ in ids:
        report.misread(item[0], f"an earlier one has the id {id_}: event pointers mean this one")
    ids[id_] = position


def _reaction_items(option: Item, report: Report) -> list[Item]:
    path = f"{option[0]}.reactions"
    found = []
    for r, value in enumerate(as_list(option[1]["reactions"], path, report)):
        place = f"{path}[{r}]"
        item = as_object(value, place, report)
        _require(item, _REACTION, place, report)
        found.append((place, item))
    if not found:
        report.misread(path, "is empty: choosing the option runs nothing and selects wildly")
    return found


def _members(pages: Sequence[Item], spools: frozenset[str], report: Report) -> dict[str, list[int]]:
    members: dict[str, list[int]] = {id_: [] for id_ in spools}
    for e, (path, item) in enumerate(pages):
        place = f"{path}.connected_spools"
        for i, id_ in enumerate(as_list(item["connected_spools"], place, report)):
            if not isinstance(id_, str) or id_ not in members:
                report.dropped(f"{place}[{i}]", "no such spool")
            elif e not in members[id_]:
                members[id_].append(e)
    return members


def _encounter(
    page: Item, options: Sequence[tuple[Item, list[Item]]], scripts: OfficialScripts, report: Report
) -> Encounter:
    path, item = page
    earliest, latest = number_or_none(item["earliest_turn"]), number_or_none(item["latest_turn"])
    if earliest is not None and earliest > 1:
        report.ignored(f"{path}.earliest_turn", "turn limits do nothing in play")
    if latest is not None and latest < 999:
        report.ignored(f"{path}.latest_turn", "turn limits do nothing in play")
    return Encounter(
        item["id"],
        as_text(item["title"]),
        scripts.text(item["text_script"], f"{path}.text_script"),
        scripts.gate(item["acceptability_script"], f"{path}.acceptability_script"),
        scripts.number(item["desirability_script"], f"{path}.desirability_script"),
        tuple(
            Option(
                option["id"],
                scripts.text(option["text_script"], f"{place}.text_script"),
                scripts.gate(option["visibility_script"], f"{place}.visibility_script"),
                scripts.gate(option["performability_script"], f"{place}.performability_script"),
                tuple(_reaction(reaction, scripts, report) for reaction in reactions),
            )
            for (place, option), reactions in options
        ),
    )


def _reaction(placed: Item, scripts: OfficialScripts, report: Report) -> Reaction:
    path, item = placed
    text = scripts.text(item["text_script"], f"{path}.text_script")
    desirability = scripts.number(item["desirability_script"], f"{path}.desirability_script")
    wanted = item["consequence_id"]
    consequence = None
    if wanted != "wild":
        consequence = scripts.references.encounters.get(wanted) if isinstance(wanted, str) else None
        if consequence is None:
            report.defaulted(f"{path}.consequence_id", "no such encounter: becomes wild")
    effects = []
    if "after_effects" in item:
        place = f"{path}.after_effects"
        for i, value in enumerate(as_list(item["after_effects"], place, report)):
            effect = _effect(as_object(value, f"{place}[{i}]", report), f"{place}[{i}]", scripts, report)
            if effect is not None:
                effects.append(effect)
    return Reaction(item["id"], text, desirability, consequence, tuple(effects))


def _effect(item: Mapping[str, Json], path: str, scripts: OfficialScripts, report: Report) -> Effect | None:
    missing = [key for key in ("effect_type", "Set", "to") if key not in item]
    if missing:
        report.dropped(path, f"dropped, for it lacks {', '.join(missing)}")
        return None
    match item["effect_type"]:
        case "Bounded Number Effect":
            return _number_effect(item, path, scripts, report)
        case "Spool Effect":
            return _spool_effect(item, path, scripts, report)
    report.dropped(f"{path}.effect_type", "unknown effect type")
    return None


def _number_effect(item: Mapping[str, Json], path: str, scripts: OfficialScripts, report: Report) -> Effect | None:
    pointer = as_object(item["Set"], f"{path}.Set", report)
    if any(key not in pointer for key in _POINTER) or pointer["pointer_type"] != "Bounded Number Pointer":
        report.dropped(f"{path}.Set", "no complete Bounded Number Pointer: the effect is dropped")
        return None
    target = scripts.variable(pointer, f"{path}.Set")
    if target is None:
        return None
    if not isinstance(item["to"], Mapping):
        report.refuse(f"{path}.to", "is no script")
    if "script_element_type" not in item["to"]:
        report.dropped(f"{path}.to", "no script_element_type: the effect is dropped")
        return None
    value = scripts.effect_value(item["to"], f"{path}.to", Kind.NUMBER)
    if value is None:
        report.defaulted(f"{path}.to", "the script parses to nothing: the effect sets 0")
        value = Constant(0.0)
    return SetNumber(target, value)


def _spool_effect(item: Mapping[str, Json], path: str, scripts: OfficialScripts, report: Report) -> Effect | None:
    if not isinstance(item["Set"], str) or item["Set"] not in scripts.references.spools:
        report.dropped(f"{path}.Set", "no such spool: the effect is dropped")
        return None
    value = scripts.effect_value(item["to"], f"{path}.to", Kind.BOOLEAN)
    if value is None:
        report.dropped(f"{path}.to", "the script parses to nothing: the effect does nothing")
        return None
    return SetSpool(item["Set"], value)
