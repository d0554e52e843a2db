"""The state vector: a pure, versioned function of the state of play, the same for every storyworld.

It never looks at options, gates or availability: what is open on a page cannot leak into the vector that predicts it.

It is made to be taken apart by a sparse autoencoder: most dimensions are signed and rest at 0, so that each of them
holds two directions a dictionary can find, up and down; the others are graded codes in [0, 1]. docs/sae/
storyworld-states.md has what was measured. Imported storyworlds may leave [-1, 1]: numbers are clipped to
[-BOUND, BOUND].
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from narrative_dag.states.vocabulary import SHARED_PROPERTIES
from narrative_dag.storyworld.engine import State
from narrative_dag.storyworld.model import Key, Storyworld
from narrative_dag.tables import STATE_DIMENSIONS

ENCODER_VERSION = "2"
"""Changes whenever a dimension changes its meaning."""

BOUND = 1.0
"""Bound of every number in the vector; a NaN becomes 0."""

CHARACTER_SLOTS = 4
SPOOL_SLOTS = 8
ENCOUNTER_SLOTS = 12
TURN_CENTRES = (1, 2, 4, 8, 16, 32)
"""Turns at which one turn dimension is 1 and the others are 0; between two of them both share, by the logarithm."""

# first dimension of each part, in the order of `dimension_names`
PROPERTIES = len(SHARED_PROPERTIES)
VALUES = 0
PERCEIVED = VALUES + CHARACTER_SLOTS * PROPERTIES
NUMBERS = PERCEIVED + CHARACTER_SLOTS * (CHARACTER_SLOTS - 1)
"""How many dimensions hold numbers; as many more, from here on, hold how far those have moved since the start."""
CHANGES = NUMBERS
TURN = CHANGES + NUMBERS
SPOOLS = TURN + len(TURN_CENTRES)
CURRENT = SPOOLS + SPOOL_SLOTS
SEEN = CURRENT + ENCOUNTER_SLOTS
HISTORY = SEEN + ENCOUNTER_SLOTS


def dimension_names() -> list[str]:
    """The name of every dimension, in order; unique. A `~` stands for the names that are hashed to the same place."""
    slots = range(CHARACTER_SLOTS)
    traits = [f"{slot}.{name}~" for slot in slots for name in SHARED_PROPERTIES]
    pairs = [f"{slot}.{other}" for slot in slots for other in slots if slot != other]
    return [
        *(f"value.{trait}" for trait in traits),
        *(f"perceived.{pair}" for pair in pairs),
        *(f"value_change.{trait}" for trait in traits),
        *(f"perceived_change.{pair}" for pair in pairs),
        *(f"turn.{centre}" for centre in TURN_CENTRES),
        *(f"spool.{i}" for i in range(SPOOL_SLOTS)),
        *(f"encounter.{i}" for i in range(ENCOUNTER_SLOTS)),
        *(f"seen.{i}" for i in range(ENCOUNTER_SLOTS)),
        *("history.revisits", "history.moved"),
    ]


def clip(value: float) -> float:
    """A number as the vector holds it."""
    if math.isnan(value):
        return 0.0
    return min(max(value, -BOUND), BOUND)


def turn_code(turn: int) -> list[float]:
    """The turn dimensions: hat functions of log2(turn) about the centres, sum 1; turns after the last one are alike."""
    position = min(math.log2(max(turn, 1)), len(TURN_CENTRES) - 1.0)
    return [max(0.0, 1.0 - abs(position - i)) for i in range(len(TURN_CENTRES))]


def fold_sizes(count: int, slots: int) -> list[int]:
    """How many of `count` things in a row share each slot, when thing i goes to slot i modulo `slots`."""
    return [len(range(i, count, slots)) for i in range(slots)]


class Member(NamedTuple):
    """A variable and its clipped starting number."""

    key: Key
    start: float


class Group(NamedTuple):
    """The variables whose mean is one dimension."""

    dimension: int
    members: tuple[Member, ...]


class Encoder:
    """Encodes states of one storyworld; dimensions mean the same for all storyworlds.

    * `value.SLOT.PROPERTY~`: mean of the numbers of the characters whose place in the file is SLOT, modulo 4, under
      that name of the shared vocabulary or any other name that is hashed to its place.
    * `perceived.SLOT.OTHER`: mean of what a character at SLOT thinks of one at OTHER, whatever the property (keyrings
      of two or more keys); a place that coincides with the character's own counts as the next one.
    * `value_change`, `perceived_change`: the same for the numbers' distances from the start.
    * `turn.CENTRE`: see `turn_code`.
    * `spool.I`: share of the spools at places I, I + 8, ... that are active.
    * `encounter.I`: the player stands on an encounter whose position modulo 12 is I; `seen.I`: share of those entered.
    * `history`: share of turns that were revisits; mean absolute change of the numbers.

    Args:
        world: the storyworld whose states come.

    Attributes:
        world: that storyworld.
        collisions: starting variables that share a dimension with an earlier one.
        spool_sizes, encounter_sizes: how many spools and encounters share each dimension.
    """

    def __init__(self, world: Storyworld) -> None:
        self.world = world
        self._initial = world.initial
        self._slots = {character.id: i for i, character in enumerate(world.characters)}
        self._names = {p.id: p.name for p in world.properties}
        self._vocabulary = {name.casefold(): i for i, name in enumerate(SHARED_PROPERTIES)}
        self._spools = [spool.id for spool in world.spools]
        self.spool_sizes = fold_sizes(len(self._spools), SPOOL_SLOTS)
        self.encounter_sizes = fold_sizes(len(world.encounters), ENCOUNTER_SLOTS)
        self._groups = self.groups(self._initial)
        self.collisions = len(self._initial) - len(self._groups)

    def encode(self, state: State, page_encounter: int) -> npt.NDArray[np.float32]:
        """The vector of a state.

        Args:
            state: a state of play of this encoder's storyworld.
            page_encounter: position of the encounter that the player stands on.

        Returns:
            float32, shape (STATE_DIMENSIONS,).
        """
        vector = [0.0] * STATE_DIMENSIONS
        self._numbers(state, vector)
        vector[TURN:SPOOLS] = turn_code(state.turn)
        active = (i for i, spool in enumerate(self._spools) if spool in state.active_spools)
        vector[SPOOLS:CURRENT] = _shares(active, self.spool_sizes)
        vector[CURRENT + page_encounter % ENCOUNTER_SLOTS] = 1.0
        vector[SEEN:HISTORY] = _shares(state.encounters, self.encounter_sizes)
        vector[HISTORY] = (state.turn - len(state.encounters)) / max(1, state.turn)
        return np.array(vector, dtype=np.float32)

    def _numbers(self, state: State, vector: list[float]) -> None:
        numbers, initial = state.numbers, self._initial
        if len(numbers) > len(initial):
            groups = self.groups((*initial, *sorted(key for key in numbers if key not in initial)))
        else:
            groups = self._groups
        moved = 0.0
        for group in groups:
            total = change = distance = 0.0
            for key, start in group.members:
                raw = numbers[key]
                value = raw if -BOUND <= raw <= BOUND else clip(raw)
                total += value
                change += value - start
                distance += abs(value - start)
            vector[group.dimension] = total / len(group.members)
            vector[CHANGES + group.dimension] = clip(change / len(group.members))
            moved += distance
        if numbers:
            vector[HISTORY + 1] = min(moved / len(numbers), 1.0)

    def groups(self, keys: Iterable[Key]) -> tuple[Group, ...]:
        """The variables by the dimension that holds their mean, in the order of the dimensions; members in order.

        The order decides how sums are rounded.
        """
        members: dict[int, list[Member]] = {}
        for key in keys:
            members.setdefault(self._dimension(key), []).append(Member(key, clip(self._initial.get(key, 0.0))))
        return tuple(Group(dimension, tuple(members[dimension])) for dimension in sorted(members))

    def _dimension(self, key: Key) -> int:
        character, keyring = key
        slot = self._slot(character)
        if len(keyring) > 1:
            other = self._slot(keyring[1])
            if other == slot:
                other = (slot + 1) % CHARACTER_SLOTS
            return PERCEIVED + slot * (CHARACTER_SLOTS - 1) + (other if other < slot else other - 1)
        property_id = keyring[0] if keyring else ""
        name = self._names.get(property_id, property_id).casefold()
        trait = self._vocabulary.get(name)
        if trait is None:
            trait = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % PROPERTIES
        return VALUES + slot * PROPERTIES + trait

    def _slot(self, character: str) -> int:
        return self._slots.get(character, 0) % CHARACTER_SLOTS


def _shares(positions: Iterable[int], sizes: Sequence[int]) -> list[float]:
    """The share of each slot's places that are among `positions`; 0 for a slot without places."""
    counts = [0] * len(sizes)
    for position in positions:
        counts[position % len(sizes)] += 1
    return [count / size if size else 0.0 for count, size in zip(counts, sizes, strict=True)]
