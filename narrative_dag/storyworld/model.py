"""The immutable storyworld: what every reader produces and every engine plays.

Names are SweepWeave's. References are resolved: a consequence is a position in `encounters`, a spool's members are
positions, an event names objects by position. What a file lost on the way in is in its load report, not here.
"""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from narrative_dag.storyworld.script import Constant, Expression, Variable


class Mode(enum.Enum):
    """Whose semantics hold: the official editor and player, or the tolerant dialect found in real files."""

    OFFICIAL = "official"
    EXTENDED = "extended"


Key = tuple[str, tuple[str, ...]]
"""A variable: (character id, keyring)."""


@dataclass(frozen=True, slots=True)
class Character:
    """Someone with bounded numbers."""

    id: str
    name: str
    pronoun: str = "they"


@dataclass(frozen=True, slots=True)
class Property:
    """An authored property. `depth` 0: a trait; 1: what one thinks of another; 2: what one thinks another thinks."""

    id: str
    name: str
    depth: int = 0
    default: float = 0.0


@dataclass(frozen=True, slots=True)
class SetNumber:
    """Assign `value` times the target's coefficient."""

    target: Variable
    value: Expression


@dataclass(frozen=True, slots=True)
class SetSpool:
    """Activate or deactivate a spool."""

    spool: str
    value: Expression


Effect = SetNumber | SetSpool


@dataclass(frozen=True, slots=True)
class Reaction:
    """An outcome of an option; `consequence` is an encounter's position, None for wild selection."""

    id: str
    text: Expression
    desirability: Expression
    consequence: int | None
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """A choice behind two gates: visible, and performable when also visible."""

    id: str
    text: Expression
    visibility: Expression
    performability: Expression
    reactions: tuple[Reaction, ...]


@dataclass(frozen=True, slots=True)
class Encounter:
    """A page. Without options it is an ending."""

    id: str
    title: str
    text: Expression
    acceptability: Expression
    desirability: Expression
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class Spool:
    """A set of encounters that wild selection considers while active; `members` are positions, in order."""

    id: str
    name: str
    starts_active: bool
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Storyworld:
    """A storyworld, ready to play.

    `initial` holds the starting number of each variable; `tables` the (character, keyring prefix) pairs whose value is
    a table of perceived characters rather than a number; `declared` the (character id, property id) pairs that exist.
    """

    title: str
    mode: Mode
    characters: tuple[Character, ...]
    properties: tuple[Property, ...]
    declared: frozenset[tuple[str, str]]
    initial: Mapping[Key, float]
    spools: tuple[Spool, ...]
    encounters: tuple[Encounter, ...]
    tables: frozenset[Key] = frozenset()
    author: str = ""
    theme: str = ""
    about: Expression = field(default=Constant(""))

    def options(self) -> "Iterator[tuple[int, int, Option]]":
        """Every option with its encounter's position and its own."""
        for e, encounter in enumerate(self.encounters):
            for o, option in enumerate(encounter.options):
                yield e, o, option
