"""Storyworlds of one character and a page or two, built without a file."""

import dataclasses

from narrative_dag.storyworld.model import (
    Character,
    Encounter,
    Mode,
    Option,
    Property,
    Reaction,
    SetNumber,
    SetSpool,
    Storyworld,
)
from narrative_dag.storyworld.script import (
    Constant,
    Expression,
    Operation,
    Variable,
)

YES = Constant(True)


def with_numbers(**numbers: float) -> Storyworld:
    """A storyworld of one character with these traits, of no pages."""
    return Storyworld(
        title="T",
        mode=Mode.EXTENDED,
        characters=(Character("Ann", "Ann"),),
        properties=tuple(Property(name, name) for name in numbers),
        declared=frozenset(("Ann", name) for name in numbers),
        initial={("Ann", (name,)): value for name, value in numbers.items()},
        spools=(),
        encounters=(),
    )


def page(id_: str, *options: Option, urgency: float = 0.0, gate: Expression = YES) -> Encounter:
    """A page of a text."""
    return Encounter(id_, id_, Constant(id_), gate, Constant(urgency), options)


def option(*effects: SetNumber | SetSpool, gate: Expression = YES, to: int | None = None) -> Option:
    """An option with one reaction."""
    reaction = Reaction("r", Constant(""), Constant(0.0), to, effects)
    return Option("o", Constant(""), gate, Constant(True), (reaction,))


def scripts_of(world: Storyworld) -> list[Expression]:
    """Every script."""
    found = [world.about]
    for encounter in world.encounters:
        found += [encounter.text, encounter.acceptability, encounter.desirability]
    for _, _, option in world.options():
        found += [option.text, option.visibility, option.performability]
        for reaction in option.reactions:
            found += [reaction.text, reaction.desirability, *(effect.value for effect in reaction.effects)]
    return found


def written(world: Storyworld) -> Storyworld:
    """The storyworld with effects that leave x and y anywhere: nothing is known of their grids."""
    effects = tuple(
        SetNumber(Variable("Ann", (name,)), Operation("Blend", (Variable("Ann", (name,)),) * 3)) for name in ("x", "y")
    )
    yes = Constant(True)
    reaction = Reaction("r", Constant(""), Constant(0.0), None, effects)
    page = Encounter("e", "E", Constant(""), yes, Constant(0.0), (Option("o", Constant(""), yes, yes, (reaction,)),))
    return dataclasses.replace(world, encounters=(page,))
