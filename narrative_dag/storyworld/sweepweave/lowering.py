"""Lowering: a storyworld that plays alike under official semantics and that a project file can hold.

Every expression becomes one of official operators with the same value in every state; what only the dialect does
(prefix reads, clamped assignments, the opening page, member order) becomes variables, operators, gates and spools. An
official storyworld that needs nothing of that stays as it is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from narrative_dag.storyworld.engine import Playthrough
from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.model import (
    Character,
    Encounter,
    Key,
    Mode,
    Option,
    Property,
    Reaction,
    Storyworld,
)
from narrative_dag.storyworld.script import Constant, Event, Operation, Variable
from narrative_dag.storyworld.sweepweave.arithmetic import Arithmetic, truth
from narrative_dag.storyworld.sweepweave.identifiers import WILD, unique, unused
from narrative_dag.storyworld.sweepweave.lowered_scripts import Approximation, Scripts
from narrative_dag.storyworld.sweepweave.membership import Membership, arrange
from narrative_dag.storyworld.sweepweave.ranges import Ranges
from narrative_dag.storyworld.sweepweave.variables import Variables


@dataclass(frozen=True, slots=True)
class Lowering:
    """An official storyworld that plays like another one, and how the two correspond.

    `variables` has the new key of each old variable, `encounters` the old position of each new encounter; options and
    reactions keep their positions. `approximations` lists what is equal only up to rounding.
    """

    world: Storyworld
    variables: Mapping[Key, Key]
    encounters: tuple[int, ...]
    approximations: tuple[Approximation, ...]


def lower(world: Storyworld, approximate: bool = False) -> Lowering:
    """The storyworld in official semantics.

    Args:
        world: any storyworld, official or extended.
        approximate: put up with products that are equal only up to rounding; they are listed.

    Raises:
        StoryworldError: something has no exact official form and `approximate` is false, or a number is not finite;
            names the place in `world`, positions as loaded.
    """
    for (character, keyring), value in world.initial.items():
        if not math.isfinite(value):
            raise StoryworldError(
                f"{value} is no number that a file can hold", where=f"{character}.{'.'.join(keyring)}"
            )
    ranges = Ranges(world)
    members = arrange(world.spools, len(world.encounters))
    variables = Variables(world, ranges)
    characters, helper = _helper(world, variables)
    arithmetic = Arithmetic(helper)
    scripts = Scripts(world, ranges, variables, members, arithmetic)
    lowered = _Lowering(world, scripts, members)
    encounters = [lowered.encounter(position) for position in members.order]
    about = scripts.text(world.about, "about_text")
    inexact = scripts.approximations
    if inexact and not approximate:
        raise StoryworldError(
            f"{inexact[0].form} has no exact form under official semantics",
            where=inexact[0].place,
            hint="--approximate accepts a difference of " + inexact[0].bound,
        )
    result = replace(
        world,
        mode=Mode.OFFICIAL,
        encounters=_distinct(encounters, lowered.targets),
        spools=members.spools,
        properties=tuple(variables.properties),
        declared=frozenset(variables.declared),
        initial=variables.initial,
        tables=frozenset(variables.tables),
        about=about,
    )
    if arithmetic.used:
        result = _with_helper(result, characters, helper)
    first = Playthrough(world).page
    if first is not None and world.mode is Mode.EXTENDED:
        result = _with_opening(result, members.places[first.encounter])
    return Lowering(result, variables.keys, members.order, tuple(inexact))


def _helper(world: Storyworld, variables: Variables) -> tuple[tuple[Character, ...], Variable]:
    """The cast with someone in it, and the variable of that one's that is always 1."""
    cast = world.characters or (Character("constants", "Constants", "it"),)
    property_id = unused("one", {prop.id for prop in variables.properties})
    return cast, Variable(cast[0].id, (property_id,))


def _with_helper(world: Storyworld, cast: tuple[Character, ...], helper: Variable) -> Storyworld:
    id_ = helper.keyring[0]
    return replace(
        world,
        characters=cast,
        properties=(*world.properties, Property(id_, "one, for constants beyond 0.99", 0, 1.0)),
        declared=world.declared | {(helper.character, id_)},
        initial={**world.initial, (helper.character, helper.keyring): 1.0},
    )


def _with_opening(world: Storyworld, first: int) -> Storyworld:
    """The storyworld with later acceptability for those pages that would open it instead of `first`."""
    while True:
        page = Playthrough(world).page
        if page is None or page.encounter == first:
            return world
        encounters = list(world.encounters)
        winner = encounters[page.encounter]
        # the first page stays seen, so that from then on the gate is what it was
        opened = Event(first)
        gate = winner.acceptability
        later = opened if gate == Constant(True) else Operation("And", (truth(gate), opened))
        encounters[page.encounter] = replace(winner, acceptability=later)
        world = replace(world, encounters=tuple(encounters))


def _distinct(encounters: Sequence[Encounter], targets: set[int]) -> tuple[Encounter, ...]:
    """The encounters with ids that each name one thing, the kept ones unchanged."""
    reserved = {WILD} & {encounters[target].id for target in targets}
    pages = unique([encounter.id for encounter in encounters], "encounter", reserved)
    options = iter(unique([option.id for e in encounters for option in e.options], "option"))
    reactions = iter(unique([r.id for e in encounters for option in e.options for r in option.reactions], "reaction"))
    return tuple(
        replace(
            encounter,
            id=id_,
            options=tuple(
                replace(
                    option,
                    id=next(options),
                    reactions=tuple(replace(reaction, id=next(reactions)) for reaction in option.reactions),
                )
                for option in encounter.options
            ),
        )
        for encounter, id_ in zip(encounters, pages, strict=True)
    )


class _Lowering:
    """The parts of a storyworld with lowered scripts."""

    def __init__(self, world: Storyworld, scripts: Scripts, members: Membership) -> None:
        self.world, self.scripts, self.places = world, scripts, members.places
        self.targets: set[int] = set()

    def encounter(self, position: int) -> Encounter:
        encounter, path = self.world.encounters[position], f"encounters[{position}]"
        return replace(
            encounter,
            text=self.scripts.text(encounter.text, f"{path}.text_script"),
            acceptability=self.scripts.gate(encounter.acceptability, f"{path}.acceptability_script"),
            desirability=self.scripts.desirability(encounter.desirability, f"{path}.desirability_script"),
            options=tuple(self.option(o, f"{path}.options[{i}]") for i, o in enumerate(encounter.options)),
        )

    def option(self, option: Option, path: str) -> Option:
        reactions = tuple(self.reaction(r, f"{path}.reactions[{i}]") for i, r in enumerate(option.reactions))
        # an option without reactions does what one empty reaction does, and the loader objects to it
        silent = Reaction(option.id, Constant(""), Constant(0.0), None)
        return replace(
            option,
            text=self.scripts.text(option.text, f"{path}.text_script"),
            visibility=self.scripts.gate(option.visibility, f"{path}.visibility_script"),
            performability=self.scripts.gate(option.performability, f"{path}.performability_script"),
            reactions=reactions or (silent,),
        )

    def reaction(self, reaction: Reaction, path: str) -> Reaction:
        consequence = None if reaction.consequence is None else self.places[reaction.consequence]
        if consequence is not None:
            self.targets.add(consequence)
        effects = [self.scripts.effect(e, f"{path}.after_effects[{i}]") for i, e in enumerate(reaction.effects)]
        return replace(
            reaction,
            text=self.scripts.text(reaction.text, f"{path}.text_script"),
            desirability=self.scripts.desirability(reaction.desirability, f"{path}.desirability_script"),
            consequence=consequence,
            effects=tuple(effect for group in effects for effect in group),
        )
