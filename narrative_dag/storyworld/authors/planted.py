"""Planted motifs: the ground truth beside a world, and the stage of each on any state of play."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from narrative_dag.storyworld.draft.names import Names
from narrative_dag.storyworld.draft.resolve import Resolver
from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.model import Storyworld
from narrative_dag.storyworld.script import Expression, Kind, Reader, evaluate, truthy


@dataclass(frozen=True, slots=True)
class MotifStage:
    """A stage of a motif: what has come to pass, and the condition, in the language of drafts, that says so."""

    name: str
    condition: str


@dataclass(frozen=True, slots=True)
class MotifPlace:
    """A choice that belongs to a motif: an encounter's id and an option's position."""

    encounter: str
    option: int


@dataclass(frozen=True, slots=True)
class PlantedMotif:
    """One motif of a world: its kind, who it is about (roles a, b and perhaps c), where it happens, its stages."""

    id: str
    kind: str
    characters: tuple[str, ...]
    places: tuple[MotifPlace, ...]
    stages: tuple[MotifStage, ...]


class MotifReader:
    """The motifs of one storyworld, ready to be read on many states.

    Args:
        world: a storyworld compiled from the draft that the motifs were planted in; positions of encounters, options
            and reactions and all names are those of the draft.
        motifs: its motifs.

    Raises:
        StoryworldError: a condition that this storyworld cannot have.
    """

    def __init__(self, world: Storyworld, motifs: Iterable[PlantedMotif]) -> None:
        names = _names(world)
        self._stages: dict[str, tuple[Expression, ...]] = {}
        for motif in motifs:
            self._stages[motif.id] = tuple(_condition(stage.condition, names, motif.id) for stage in motif.stages)

    def stages(self, state: Reader) -> dict[str, int]:
        """For each motif the number of the last stage whose condition holds, counted from 1; 0 for none."""
        return {
            name: max((i for i, tree in enumerate(trees, start=1) if truthy(evaluate(tree, state))), default=0)
            for name, trees in self._stages.items()
        }


def motif_stages(world: Storyworld, motifs: Sequence[PlantedMotif], state: Reader) -> dict[str, int]:
    """The stage of each motif on a state of play, as `MotifReader.stages`; a pure function of its arguments."""
    return MotifReader(world, motifs).stages(state)


def _condition(text: str, names: Names, motif: str) -> Expression:
    resolver = Resolver(names)
    tree = resolver.expression(text, Kind.BOOLEAN)
    if tree is None:
        raise StoryworldError(resolver.faults[0].message, where=f"motif {motif}: {text}")
    return tree


def _names(world: Storyworld) -> Names:
    characters: dict[str, dict[str, frozenset[str] | None]] = {character.id: {} for character in world.characters}
    depths = {prop.id: prop.depth for prop in world.properties}
    perceived: dict[tuple[str, str], set[str]] = {}
    for owner, keyring in world.initial:
        if len(keyring) == 2:
            perceived.setdefault((owner, keyring[0]), set()).add(keyring[1])
    for owner, name in world.declared:
        others: Mapping[tuple[str, str], set[str]] = perceived
        characters[owner][name] = frozenset(others.get((owner, name), ())) if depths[name] else None
    return Names(
        characters,
        {spool.id: spool.starts_active for spool in world.spools},
        {encounter.id: position for position, encounter in enumerate(world.encounters)},
        [[len(option.reactions) for option in encounter.options] for encounter in world.encounters],
    )
