"""From a draft to a storyworld under official semantics."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from narrative_dag.storyworld.draft.document import Draft, DraftEncounter, DraftOption, DraftReaction, members_of
from narrative_dag.storyworld.draft.names import Names, name_problems, names_in, names_of
from narrative_dag.storyworld.draft.problem import MOST_PROBLEMS, DraftError, Problem, step
from narrative_dag.storyworld.draft.resolve import Resolver
from narrative_dag.storyworld.model import (
    Character,
    Effect,
    Encounter,
    Key,
    Mode,
    Option,
    Property,
    Reaction,
    Spool,
    Storyworld,
)
from narrative_dag.storyworld.script import Constant, Event, Expression, Kind, evaluate, is_number, truthy

_UNREADABLE = Constant(False)


class _Opening:
    """The state before the first page: nothing seen, initial numbers, spools as they start."""

    def __init__(self, initial: Mapping[Key, float], spools: Mapping[str, bool]) -> None:
        self.initial, self.spools = initial, spools

    def number(self, character: str, keyring: tuple[str, ...]) -> float | None:
        return self.initial.get((character, keyring), 0.0)

    def occurred(self, event: Event) -> bool:
        return False

    def active(self, spool: str) -> bool:
        return self.spools[spool]


def compile_draft(draft: Draft) -> Storyworld:
    """The storyworld that a draft describes, in mode `official`.

    Ids: characters, properties, spools and encounters keep their names; option 1 of encounter `e2` is `e2.1`, its first
    reaction `e2.1.0`. A property belongs to the characters that list it; properties are in order of first appearance.
    Raises DraftError with up to `MOST_PROBLEMS` problems, without spans: names, expressions, no encounter that can open
    the story.
    """
    names = names_of(draft)
    compiler = _Compiler(names)
    found = list(islice(name_problems(draft, names), MOST_PROBLEMS))
    encounters = tuple(compiler.encounter(i, encounter) for i, encounter in enumerate(draft.encounters))
    found += compiler.problems
    if found:
        raise DraftError(found[:MOST_PROBLEMS])
    world = _assemble(draft, names, encounters)
    obstacle = _obstacle(world)
    if obstacle is not None:
        message = (
            "no encounter of an active spool can open the story: `when` is false or `urgency` too low for all of them"
        )
        raise DraftError([Problem("references", obstacle, message)])
    return world


def _assemble(draft: Draft, names: Names, encounters: tuple[Encounter, ...]) -> Storyworld:
    initial: dict[Key, float] = {}
    tables: set[Key] = set()
    depths: dict[str, int] = {}
    for character, values in draft.characters.items():
        for name, value in values.items():
            if isinstance(value, dict):
                depths[name] = 1
                tables.add((character, (name,)))
                initial.update({(character, (name, other)): number + 0.0 for other, number in value.items()})
            else:
                depths[name] = 0
                initial[character, (name,)] = value + 0.0
    members: dict[str, list[int]] = {name: [] for name in names.spools}
    for position, encounter in enumerate(draft.encounters):
        for name in members_of(encounter, names.spools) or ():
            members[name].append(position)
    return Storyworld(
        title=draft.title,
        theme=draft.theme,
        mode=Mode.OFFICIAL,
        characters=tuple(Character(name, name) for name in draft.characters),
        properties=tuple(Property(name, name, depth) for name, depth in depths.items()),
        declared=frozenset((character, name) for character, values in draft.characters.items() for name in values),
        initial=initial,
        tables=frozenset(tables),
        spools=tuple(Spool(name, name, active, tuple(members[name])) for name, active in names.spools.items()),
        encounters=encounters,
    )


def _obstacle(world: Storyworld) -> str | None:
    """The path of the first value that keeps the story from opening; None when an encounter can open it."""
    opening = _Opening(world.initial, {spool.id: spool.starts_active for spool in world.spools})
    first: str | None = None
    for spool in world.spools:
        for position in spool.members if spool.starts_active else ():
            encounter = world.encounters[position]
            urgency = evaluate(encounter.desirability, opening)
            wanted = is_number(urgency) and isinstance(urgency, float | int) and urgency > -1.0
            if not wanted:
                first = first or f"encounters[{position}].urgency"
            elif not truthy(evaluate(encounter.acceptability, opening)):
                first = first or f"encounters[{position}].when"
            else:
                return None
    if first is None:
        closed = next((spool for spool in world.spools if spool.members and not spool.starts_active), None)
        first = "encounters[0].spool" if closed is None else step("spools", closed.id)
    return first


class _Compiler:
    """Builds the parts of a storyworld; once `MOST_PROBLEMS` are found it reads no more expressions."""

    def __init__(self, names: Names) -> None:
        self.resolver = Resolver(names)
        self.problems: list[Problem] = []

    @property
    def full(self) -> bool:
        return len(self.problems) >= MOST_PROBLEMS

    def report(self, path: str) -> None:
        faults = self.resolver.faults
        if faults:
            self.problems += [Problem(f.stage, path, f.message, f.start, f.start, f.end) for f in faults]
            faults.clear()

    def script(self, text: str, kind: Kind, path: str) -> Expression:
        if self.full:
            return _UNREADABLE
        tree = self.resolver.expression(text, kind)
        self.report(path)
        return _UNREADABLE if tree is None else tree

    def effect(self, text: str, path: str) -> Effect | None:
        if self.full:
            return None
        effect = self.resolver.effect(text)
        self.report(path)
        return effect

    def encounter(self, position: int, encounter: DraftEncounter) -> Encounter:
        path = f"encounters[{position}]"
        return Encounter(
            id=encounter.id,
            title=encounter.id if encounter.title is None else encounter.title,
            text=Constant(encounter.text),
            acceptability=self.script(encounter.when, Kind.BOOLEAN, f"{path}.when"),
            desirability=self.script(encounter.urgency, Kind.NUMBER, f"{path}.urgency"),
            options=tuple(
                self.option(f"{encounter.id}.{o}", option, f"{path}.options[{o}]")
                for o, option in enumerate(encounter.options)
            ),
        )

    def option(self, name: str, option: DraftOption, path: str) -> Option:
        return Option(
            id=name,
            text=Constant(option.text),
            visibility=self.script(option.show, Kind.BOOLEAN, f"{path}.show"),
            performability=self.script(option.performable, Kind.BOOLEAN, f"{path}.if"),
            reactions=tuple(
                self.reaction(f"{name}.{r}", reaction, f"{path}.reactions[{r}]")
                for r, reaction in enumerate(option.reactions)
            ),
        )

    def reaction(self, name: str, reaction: DraftReaction, path: str) -> Reaction:
        effects = [self.effect(text, f"{path}.do[{i}]") for i, text in enumerate(reaction.do)]
        return Reaction(
            id=name,
            text=Constant(reaction.text),
            desirability=self.script(reaction.weight, Kind.NUMBER, f"{path}.weight"),
            consequence=None if reaction.to is None else self.resolver.names.encounters.get(reaction.to),
            effects=tuple(effect for effect in effects if effect is not None),
        )


def expression_problems(value: Any) -> list[Problem]:
    """Problems inside the expressions of a JSON value that is no valid draft, as far as it resembles one."""
    compiler = _Compiler(names_in(value))
    for path, text, kind in _expressions(value):
        if compiler.full:
            break
        if kind is None:
            compiler.effect(text, path)
        else:
            compiler.script(text, kind, path)
    return compiler.problems


def _expressions(value: Any) -> Iterator[tuple[str, str, Kind | None]]:
    """Every expression that can be found: path, text and type, None for an effect."""

    def items(of: Any, key: str, path: str) -> Iterator[tuple[Any, str]]:
        found = of.get(key) if isinstance(of, dict) else None
        for i, item in enumerate(found if isinstance(found, list) else []):
            yield item, f"{path}.{key}[{i}]" if path else f"{key}[{i}]"

    def scripts(of: Any, path: str, kinds: Mapping[str, Kind]) -> Iterator[tuple[str, str, Kind | None]]:
        for key, kind in kinds.items():
            if isinstance(of, dict) and isinstance(of.get(key), str):
                yield f"{path}.{key}", of[key], kind

    for encounter, e in items(value, "encounters", ""):
        yield from scripts(encounter, e, {"when": Kind.BOOLEAN, "urgency": Kind.NUMBER})
        for option, o in items(encounter, "options", e):
            yield from scripts(option, o, {"show": Kind.BOOLEAN, "if": Kind.BOOLEAN})
            for reaction, r in items(option, "reactions", o):
                yield from scripts(reaction, r, {"weight": Kind.NUMBER})
                for text, path in items(reaction, "do", r):
                    if isinstance(text, str):
                        yield path, text, None
