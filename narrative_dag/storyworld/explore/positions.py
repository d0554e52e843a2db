"""Positions in a storyworld as consecutive numbers, for arrays."""

from dataclasses import dataclass
from functools import cached_property

from narrative_dag.storyworld.model import Key, Storyworld
from narrative_dag.storyworld.script import Constant, Expression, Operation, Variable


@dataclass(frozen=True)
class Positions:
    """Every option, reaction and effect of a storyworld, numbered in file order.

    Attributes:
        world: the storyworld.
        options: (encounter, option) by number.
        reactions: (encounter, option, reaction) by number.
        effects: (encounter, option, reaction, effect) by number.
        first_option: number of each encounter's first option, and the count of all.
        first_reaction: number of each option's first reaction, and the count of all.
        first_effect: number of each reaction's first effect, and the count of all.
    """

    world: Storyworld
    options: tuple[tuple[int, int], ...]
    reactions: tuple[tuple[int, int, int], ...]
    effects: tuple[tuple[int, int, int, int], ...]
    first_option: tuple[int, ...]
    first_reaction: tuple[int, ...]
    first_effect: tuple[int, ...]

    @classmethod
    def of(cls, world: Storyworld) -> "Positions":
        """The positions of a storyworld."""
        options: list[tuple[int, int]] = []
        reactions: list[tuple[int, int, int]] = []
        effects: list[tuple[int, int, int, int]] = []
        first_option, first_reaction, first_effect = [0], [0], [0]
        for e, encounter in enumerate(world.encounters):
            for o, option in enumerate(encounter.options):
                options.append((e, o))
                for r, reaction in enumerate(option.reactions):
                    reactions.append((e, o, r))
                    effects += [(e, o, r, k) for k in range(len(reaction.effects))]
                    first_effect.append(len(effects))
                first_reaction.append(len(reactions))
            first_option.append(len(options))
        firsts = tuple(first_option), tuple(first_reaction), tuple(first_effect)
        return cls(world, tuple(options), tuple(reactions), tuple(effects), *firsts)

    @cached_property
    def gate_variables(self) -> tuple[Key, ...]:
        """The variables, as written, that visibilities, performabilities and acceptabilities read."""
        found: dict[Key, None] = {}
        for encounter in self.world.encounters:
            found |= dict.fromkeys(variables_of(encounter.acceptability))
            for option in encounter.options:
                found |= dict.fromkeys(variables_of(option.visibility))
                found |= dict.fromkeys(variables_of(option.performability))
        return tuple(found)


def variables_of(tree: Expression) -> list[Key]:
    """The variables in a script, as written, in order, each once."""
    found: dict[Key, None] = {}

    def visit(node: Expression) -> None:
        if isinstance(node, Variable):
            found[node.character, node.keyring] = None
        elif isinstance(node, Operation):
            for operand in node.operands:
                if not isinstance(operand, Constant):
                    visit(operand)

    visit(tree)
    return list(found)
