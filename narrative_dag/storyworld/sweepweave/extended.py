"""A project file under the tolerant dialect: defaults for what is missing, refusal of what is unreadable."""

from collections.abc import Mapping, Sequence

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
from narrative_dag.storyworld.script import Constant
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
from narrative_dag.storyworld.sweepweave.extended_scripts import ExtendedScripts
from narrative_dag.storyworld.sweepweave.report import Report

Item = tuple[str, Mapping[str, Json]]
_EFFECT_TYPES = ("Bounded Number Effect", "Spool Effect", "Set", None)
_EVERY_ENCOUNTER = "every_encounter"
"""Id of the spool that stands in for a file without spools."""


def load_extended(document: Mapping[str, Json], report: Report) -> Storyworld:
    """The storyworld that the tolerant dialect reads.

    Raises:
        StoryworldError: anything that the dialect does not define.
    """
    version = document.get("sweepweave_version")
    if version is not None and not readable_version(version):
        report.refuse("sweepweave_version", f"{str(version)[:40]!r} is not read", "leave it out or say 0.1.9")
    if "encounters" not in document:
        report.refuse("encounters", "is missing")
    cast = _items(document, "characters", report)
    properties, declared = _properties(document, list(cast), report)
    values = _starting_values(cast, properties, declared, report)
    spools = _items(document, "spools", report)
    pages = _items(document, "encounters", report)
    spool_ids = frozenset(spools) or frozenset({_EVERY_ENCOUNTER})
    references = References(frozenset(cast), spool_ids, declared)
    options = _register(pages, references, report)
    scripts = ExtendedScripts(references, report)
    return Storyworld(
        title=as_text(document.get("storyworld_title")) or as_text(document.get("title")),
        mode=Mode.EXTENDED,
        characters=tuple(Character(i, _name(i, c), as_text(c.get("pronoun")) or "they") for i, (_, c) in cast.items()),
        properties=properties,
        declared=declared,
        initial=values.numbers,
        tables=frozenset(values.tables),
        spools=_spools(spools, pages, report),
        encounters=tuple(
            _encounter(id_, page, options[e], scripts, report) for e, (id_, page) in enumerate(pages.items())
        ),
        author=as_text(document.get("storyworld_author")),
        theme=as_text(document.get("meta_description")),
        about=Constant("")
        if document.get("about_text") is None
        else scripts.parse(document["about_text"], "about_text"),
    )


def _list(item: Mapping[str, Json], key: str, path: str, report: Report) -> Sequence[Json]:
    value = item.get(key)
    return [] if value is None else as_list(value, path, report)


def _items(document: Mapping[str, Json], key: str, report: Report) -> dict[str, Item]:
    found: dict[str, Item] = {}
    for i, value in enumerate(_list(document, key, key, report)):
        path = f"{key}[{i}]"
        item = as_object(value, path, report)
        id_ = identifier(item, path, report)
        if id_ in found:
            report.refuse(f"{path}.id", f"{id_} is the id of {found[id_][0]}")
        found[id_] = (path, item)
    return found


def _name(id_: str, item: Mapping[str, Json]) -> str:
    shown = item.get("name", item.get("name_text"))
    if isinstance(shown, Mapping):
        shown = shown.get("value")
    return as_text(shown) or id_


def _properties(
    document: Mapping[str, Json], cast: Sequence[str], report: Report
) -> tuple[tuple[Property, ...], frozenset[tuple[str, str]]]:
    properties: dict[str, Property] = {}
    declared: set[tuple[str, str]] = set()
    for i, value in enumerate(_list(document, "authored_properties", "authored_properties", report)):
        path = f"authored_properties[{i}]"
        item = as_object(value, path, report)
        id_ = identifier(item, path, report)
        if item.get("property_type", "bounded number") != "bounded number":
            report.dropped(f"{path}.property_type", "skipped, for it is no bounded number")
            continue
        if id_ in properties:
            report.dropped(path, f"an earlier property has the id {id_}: this one replaces it")
            declared = {pair for pair in declared if pair[1] != id_}
        for key in ("depth", "default_value", "attribution_target"):
            if key not in item:
                report.defaulted(f"{path}.{key}", "missing: depth 0, default 0, all cast members")
        default = number_or_none(item.get("default_value", 0.0))
        if default is None:
            report.refuse(f"{path}.default_value", "is no number")
        depth = depth_of(item.get("depth", 0), f"{path}.depth", report)
        properties[id_] = Property(id_, as_text(item.get("property_name")) or id_, depth, default)
        target = item.get("attribution_target", "all cast members")
        declared.update((one, id_) for one in covered(target, item.get("affected_characters"), cast, path, report))
    return tuple(properties.values()), frozenset(declared)


def _starting_values(
    cast: Mapping[str, Item], properties: Sequence[Property], declared: frozenset[tuple[str, str]], report: Report
) -> StartingValues:
    values = StartingValues()

    def copy(character: str, keyring: tuple[str, ...], value: Json, path: str) -> None:
        number = number_or_none(value)
        if number is not None:
            values.numbers[character, keyring] = number
        elif isinstance(value, Mapping) and len(keyring) < 10:
            values.tables.add((character, keyring))
            for key, below in value.items():
                copy(character, (*keyring, str(key)), below, f"{path}.{key}")
        else:
            report.refuse(path, "is neither a number nor a table")

    def create(character: str, keyring: tuple[str, ...], depth: int, default: float) -> None:
        if depth == 0:
            values.numbers[character, keyring] = default
            return
        values.tables.add((character, keyring))
        perceiver = character if len(keyring) == 1 else keyring[-1]
        for other in cast:
            if other != perceiver:
                create(character, (*keyring, other), depth - 1, default)

    for character, (path, item) in cast.items():
        present = item.get("bnumber_properties")
        table = {} if present is None else as_object(present, f"{path}.bnumber_properties", report)
        for id_, value in table.items():
            copy(character, (str(id_),), value, f"{path}.bnumber_properties.{id_}")
        for owned in properties:
            if owned.id not in table and (character, owned.id) in declared:
                if len(cast) ** owned.depth > 100_000:
                    report.refuse(path, f"{owned.id} has depth {owned.depth}: too many perceptions to create")
                report.defaulted(f"{path}.bnumber_properties.{owned.id}", f"absent: created as {owned.default:g}")
                create(character, (owned.id,), owned.depth, owned.default)
    return values


def _spools(spools: Mapping[str, Item], pages: Mapping[str, Item], report: Report) -> tuple[Spool, ...]:
    if not spools:
        report.defaulted("spools", "none: one active spool holds every encounter")
        return (Spool(_EVERY_ENCOUNTER, _EVERY_ENCOUNTER, True, tuple(range(len(pages)))),)
    members: dict[str, list[int]] = {id_: [] for id_ in spools}
    for e, (path, page) in enumerate(pages.values()):
        for i, id_ in enumerate(_list(page, "connected_spools", f"{path}.connected_spools", report)):
            if not isinstance(id_, str) or id_ not in members:
                report.dropped(f"{path}.connected_spools[{i}]", "no such spool")
            elif e not in members[id_]:
                members[id_].append(e)
    positions = {id_: e for e, id_ in enumerate(pages)}
    result = []
    for id_, (path, item) in spools.items():
        if not members[id_]:
            for i, listed in enumerate(_list(item, "encounters", f"{path}.encounters", report)):
                if isinstance(listed, str) and listed in positions:
                    members[id_].append(positions[listed])
                else:
                    report.dropped(f"{path}.encounters[{i}]", "no such encounter")
        active = item.get("starts_active")
        if active is None:
            report.defaulted(f"{path}.starts_active", "missing: becomes true")
        elif not isinstance(active, bool):
            report.refuse(f"{path}.starts_active", "is no boolean")
        result.append(Spool(id_, as_text(item.get("spool_name")) or id_, active is not False, tuple(members[id_])))
    return tuple(result)


Choices = list[tuple[Item, list[Item]]]
"""An encounter's options with their reactions."""


def _register(pages: Mapping[str, Item], references: References, report: Report) -> list[Choices]:
    """The options of every encounter; fills the references, so that scripts can point forward."""
    found: list[Choices] = []
    for e, (id_, (path, page)) in enumerate(pages.items()):
        references.encounters[id_] = e
        choices: Choices = []
        for o, value in enumerate(_list(page, "options", f"{path}.options", report)):
            place = f"{path}.options[{o}]"
            option = as_object(value, place, report)
            references.options[identifier(option, place, report)] = (e, o)
            reactions: list[Item] = []
            for r, below in enumerate(_list(option, "reactions", f"{place}.reactions", report)):
                spot = f"{place}.reactions[{r}]"
                reaction = as_object(below, spot, report)
                references.reactions[identifier(reaction, spot, report)] = (e, o, r)
                reactions.append((spot, reaction))
            if not reactions:
                report.refuse(place, "has no reactions")
            choices.append(((place, option), reactions))
        found.append(choices)
    return found


def _encounter(id_: str, page: Item, choices: Choices, scripts: ExtendedScripts, report: Report) -> Encounter:
    path, item = page
    return Encounter(
        id_,
        as_text(item.get("title")),
        scripts.in_place(item, "text_script", path, Constant("")),
        scripts.in_place(item, "acceptability_script", path, Constant(True)),
        scripts.in_place(item, "desirability_script", path, Constant(0.0)),
        tuple(
            Option(
                option["id"],
                scripts.in_place(option, "text_script", place, Constant("")),
                scripts.in_place(option, "visibility_script", place, Constant(True)),
                scripts.in_place(option, "performability_script", place, Constant(True)),
                tuple(_reaction(reaction, scripts, report) for reaction in reactions),
            )
            for (place, option), reactions in choices
        ),
    )


def _reaction(placed: Item, scripts: ExtendedScripts, report: Report) -> Reaction:
    path, item = placed
    wanted = item.get("consequence_id")
    consequence = None
    if wanted != "wild":
        consequence = scripts.references.encounters.get(wanted) if isinstance(wanted, str) else None
        if consequence is None:
            report.defaulted(f"{path}.consequence_id", "no such encounter: becomes wild")
    return Reaction(
        item["id"],
        scripts.in_place(item, "text_script", path, Constant("")),
        scripts.in_place(item, "desirability_script", path, Constant(0.0)),
        consequence,
        tuple(
            _effect(
                as_object(value, f"{path}.after_effects[{i}]", report), f"{path}.after_effects[{i}]", scripts, report
            )
            for i, value in enumerate(_list(item, "after_effects", f"{path}.after_effects", report))
        ),
    )


def _effect(item: Mapping[str, Json], path: str, scripts: ExtendedScripts, report: Report) -> Effect:
    kind = item.get("effect_type")
    if kind not in _EFFECT_TYPES:
        report.refuse(f"{path}.effect_type", f"unknown effect type {kind!r}"[:80])
    for key in ("Set", "to"):
        if key not in item:
            report.refuse(path, f"lacks {key}")
    value = scripts.parse(item["to"], f"{path}.to")
    if isinstance(item["Set"], str):
        return SetSpool(scripts.spool(item["Set"], f"{path}.Set"), value)
    return SetNumber(scripts.variable(as_object(item["Set"], f"{path}.Set", report), f"{path}.Set"), value)
