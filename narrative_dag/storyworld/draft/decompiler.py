"""From a storyworld back to a draft, the canonical form of drafts, and their identities."""

import hashlib
import json
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from narrative_dag.storyworld.draft.compiler import compile_draft
from narrative_dag.storyworld.draft.document import MAIN_SPOOL, Draft, plain_number
from narrative_dag.storyworld.draft.printer import Labels, Printer
from narrative_dag.storyworld.draft.problem import DraftError, Problem, is_name
from narrative_dag.storyworld.model import Character as Person
from narrative_dag.storyworld.model import Encounter, Mode, Option, Property, Reaction, Spool, Storyworld
from narrative_dag.storyworld.script import LIMIT, Constant, Expression, Kind, Operation, kind_of


def decompile(world: Storyworld) -> Draft:
    """The canonical draft of a storyworld.

    Characters, properties and spools are called by their names where all of them are plain and different, else by
    their ids. A gate that is a number becomes "not equal to 0", as it counts. What play never reads is left out:
    pronouns, author, about text, property defaults. Raises DraftError that names the first place that a draft cannot
    express: another mode, perceptions of perceptions, constants or starting values beyond 0.99, operators without a
    word, computed text.
    """
    if world.mode is not Mode.OFFICIAL:
        raise _inexpressible("", f"mode {world.mode.value}")
    if not world.spools or not world.encounters:
        raise _inexpressible("", "a storyworld without spools or without encounters")
    labels = Labels(
        characters=_labels("characters", world.characters),
        properties=_labels("authored_properties", world.properties),
        spools=_labels("spools", world.spools),
        encounters=_encounter_labels(world),
    )
    draft = Draft.model_validate(_document(world, labels, prose=True))
    # what has words but no meaning in a draft: variables that do not exist, a story that cannot open
    compile_draft(draft)
    return draft


def canonical_text(world: Storyworld) -> str:
    """The canonical text of a storyworld that was compiled from a draft: compact JSON with sorted keys.

    The keys of `characters`, of each character and of `spools` keep their order, which has a meaning: earlier spools
    win ties, characters and properties are numbered.
    """
    labels = Labels(
        characters={c.id: c.id for c in world.characters},
        properties={p.id: p.id for p in world.properties},
        spools={s.id: s.id for s in world.spools},
        encounters=[e.id for e in world.encounters],
    )
    return _dump(_sorted(_document(world, labels, prose=True)))


def structural_text(world: Storyworld) -> str:
    """The canonical text of a storyworld without its prose, every name replaced by its position."""
    labels = Labels(
        characters={c.id: f"c{i}" for i, c in enumerate(world.characters)},
        properties={p.id: f"p{i}" for i, p in enumerate(world.properties)},
        spools={s.id: f"s{i}" for i, s in enumerate(world.spools)},
        encounters=[f"e{i}" for i in range(len(world.encounters))],
    )
    return _dump(_sorted(_document(world, labels, prose=False)))


def sha256(text: str) -> str:
    """The hex sha256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def _dump(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _sorted(document: dict[str, Any]) -> dict[str, Any]:
    def part(value: Any) -> Any:
        if isinstance(value, list):
            return [part(item) for item in value]
        return {key: part(value[key]) for key in sorted(value)} if isinstance(value, dict) else value

    keep = ("characters", "spools")
    return {key: document[key] if key in keep else part(document[key]) for key in sorted(document)}


def _inexpressible(path: str, what: str) -> DraftError:
    return DraftError([Problem("references", path, f"a draft cannot express {what}")])


def _labels(path: str, items: Sequence[Person | Property | Spool]) -> dict[str, str]:
    for pairs in ([(item.id, item.name) for item in items], [(item.id, item.id) for item in items]):
        labels = dict(pairs)
        if len(set(labels.values())) == len(items) and all(is_name(label) for label in labels.values()):
            return labels
    for i, item in enumerate(items):
        if not is_name(item.id):
            raise _inexpressible(f"{path}[{i}]", f"the name {item.name!r} (id {item.id!r})")
    raise _inexpressible(path, "two things with the same name")


def _encounter_labels(world: Storyworld) -> list[str]:
    labels: dict[str, None] = {}
    for i, encounter in enumerate(world.encounters):
        if not is_name(encounter.id) or encounter.id in labels:
            raise _inexpressible(f"encounters[{i}].id", f"the id {encounter.id!r}, which is repeated or no plain name")
        labels[encounter.id] = None
    return list(labels)


def _document(world: Storyworld, labels: Labels, prose: bool) -> dict[str, Any]:
    spools: list[list[str]] = [[] for _ in world.encounters]
    for i, spool in enumerate(world.spools):
        if list(spool.members) != sorted(set(spool.members)):
            raise _inexpressible(f"spools[{i}]", "a spool whose encounters are not in the order of the file")
        for position in spool.members:
            spools[position].append(labels.spools[spool.id])
    active = {labels.spools[spool.id]: spool.starts_active for spool in world.spools}
    writer = _Writer(world, Printer(labels), prose)
    document = {
        **({"theme": world.theme, "title": world.title} if prose else {}),
        "characters": _cast(world, labels),
        **({} if active == {MAIN_SPOOL: True} else {"spools": active}),
        "encounters": [writer.encounter(i, e, spools[i]) for i, e in enumerate(world.encounters)],
    }
    return document


def _cast(world: Storyworld, labels: Labels) -> dict[str, dict[str, Any]]:
    declared: dict[str, set[str]] = {character.id: set() for character in world.characters}
    for owner, name in world.declared:
        declared.setdefault(owner, set()).add(name)
    perceived: dict[tuple[str, str], set[str]] = {}
    for owner, keyring in world.initial:
        if len(keyring) == 2:
            perceived.setdefault((owner, keyring[0]), set()).add(keyring[1])
    properties = {prop.id: (i, prop) for i, prop in enumerate(world.properties)}
    place = {character.id: i for i, character in enumerate(world.characters)}
    cast: dict[str, dict[str, Any]] = {label: {} for label in labels.characters.values()}
    for c, character in enumerate(world.characters):
        values = cast[labels.characters[character.id]]
        for _, prop in sorted((properties[p] for p in declared[character.id] if p in properties), key=itemgetter(0)):
            path = f"characters[{c}].bnumber_properties.{prop.id}"
            if prop.depth > 1:
                raise _inexpressible(path, "what a character thinks that another one thinks")
            label = labels.properties[prop.id]
            if (character.id, (prop.id,)) in (world.initial if prop.depth else world.tables):
                raise _inexpressible(path, "a property whose value does not have its depth")
            if prop.depth == 0:
                values[label] = _number(world, character.id, (prop.id,), path)
                continue
            others = [other for other in perceived.get((character.id, prop.id), ()) if other in place]
            values[label] = {
                labels.characters[other]: _number(world, character.id, (prop.id, other), path)
                for other in sorted(others, key=place.__getitem__)
            }
    return cast


def _number(world: Storyworld, character: str, keyring: tuple[str, ...], path: str) -> float | int:
    value = world.initial.get((character, keyring), 0.0)
    if not abs(value) <= LIMIT:
        raise _inexpressible(path, f"the starting value {value!r}, beyond {LIMIT}")
    return plain_number(value)


class _Writer:
    def __init__(self, world: Storyworld, printer: Printer, prose: bool) -> None:
        self.world, self.printer, self.prose = world, printer, prose

    def text(self, text: Expression, path: str) -> dict[str, str]:
        if not isinstance(text, Constant) or not isinstance(text.value, str):
            raise _inexpressible(f"{path}.text_script", "computed text")
        return {"text": text.value} if self.prose else {}

    def script(self, key: str, tree: Expression, kind: Kind, default: str, path: str) -> dict[str, str]:
        if kind is Kind.BOOLEAN and kind_of(tree) is Kind.NUMBER:
            # a gate takes a number as "not 0"; in a draft it has to say so
            tree = Operation("Not", (Operation("Equals (numbers)", (tree, Constant(0.0))),))
        text = self.printer.at(f"{path}.{key}").expression(tree, kind)
        return {} if text == default else {key: text}

    def encounter(self, position: int, encounter: Encounter, spools: list[str]) -> dict[str, Any]:
        path = f"encounters[{position}]"
        one = len(spools) == 1
        titled = self.prose and encounter.title != encounter.id
        return {
            "id": self.printer.labels.encounters[position],
            **({} if one and len(self.world.spools) == 1 else {"spool": spools[0] if one else spools}),
            **({"title": encounter.title} if titled else {}),
            **self.text(encounter.text, path),
            **self.script("when", encounter.acceptability, Kind.BOOLEAN, "true", path),
            **self.script("urgency", encounter.desirability, Kind.NUMBER, "0", path),
            **(
                {"options": [self.option(o, f"{path}.options[{i}]") for i, o in enumerate(encounter.options)]}
                if encounter.options
                else {}
            ),
        }

    def option(self, option: Option, path: str) -> dict[str, Any]:
        if not option.reactions:
            raise _inexpressible(path, "an option without reactions")
        return {
            **self.text(option.text, path),
            **self.script("show", option.visibility, Kind.BOOLEAN, "true", path),
            **self.script("if", option.performability, Kind.BOOLEAN, "true", path),
            "reactions": [self.reaction(r, f"{path}.reactions[{i}]") for i, r in enumerate(option.reactions)],
        }

    def reaction(self, reaction: Reaction, path: str) -> dict[str, Any]:
        effects = [self.printer.at(f"{path}.do[{i}]").effect(effect) for i, effect in enumerate(reaction.effects)]
        to = reaction.consequence
        return {
            **self.text(reaction.text, path),
            **self.script("weight", reaction.desirability, Kind.NUMBER, "0", path),
            **({"do": effects} if effects else {}),
            **({} if to is None else {"to": self.printer.labels.encounters[to]}),
        }
