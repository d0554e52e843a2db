"""The state vector: a pure, versioned function of the state of play, the same for every storyworld.

It never looks at options, gates or availability: what is open on a page cannot leak into the vector that predicts it.
Numbers are clipped to [-BOUND, BOUND] (imported storyworlds may leave [-1, 1]), everything else lies in [0, 1].
"""

import hashlib
import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from narrative_dag.states.vocabulary import SHARED_PROPERTIES
from narrative_dag.storyworld.engine import State
from narrative_dag.storyworld.model import Key, Storyworld
from narrative_dag.tables import STATE_DIMENSIONS

ENCODER_VERSION = "1"
"""Changes whenever a dimension changes its meaning."""

BOUND = 2.0
"""Bound of every number in the vector; a NaN becomes 0."""

CHARACTER_SLOTS = 4
HASHED_DIMENSIONS = 16
SPOOL_SLOTS = 8
ENCOUNTER_SLOTS = 12
TURNS = (1, 2, 3, 5, 8)
"""Last turns of the turn buckets; one more bucket takes the rest."""

# first dimension of each part, in the order of `dimension_names`
PROPERTIES = len(SHARED_PROPERTIES)
VALUES = 0
MEAN = VALUES + CHARACTER_SLOTS * PROPERTIES
LOWEST = MEAN + PROPERTIES
HIGHEST = LOWEST + PROPERTIES
PERCEIVED = HIGHEST + PROPERTIES
HASHED = PERCEIVED + PROPERTIES
PRESENT = HASHED + HASHED_DIMENSIONS
TURN = PRESENT + CHARACTER_SLOTS
SPOOLS = TURN + 2 + len(TURNS) + 1
CURRENT = SPOOLS + SPOOL_SLOTS + 1
SEEN = CURRENT + ENCOUNTER_SLOTS
HISTORY = SEEN + ENCOUNTER_SLOTS


def dimension_names() -> list[str]:
    """The name of every dimension, in order; unique."""
    slots = range(CHARACTER_SLOTS)
    buckets = [f"to_{last}" for last in TURNS] + [f"after_{TURNS[-1]}"]
    return [
        *(f"value.{slot}.{name}" for slot in slots for name in SHARED_PROPERTIES),
        *(f"{part}.{name}" for part in ("mean", "lowest", "highest", "perceived") for name in SHARED_PROPERTIES),
        *(f"other.{i}" for i in range(HASHED_DIMENSIONS)),
        *(f"present.{slot}" for slot in slots),
        *("turn.log", "turn.per_encounter"),
        *(f"turn.{bucket}" for bucket in buckets),
        *(f"spool.{i}" for i in range(SPOOL_SLOTS)),
        "spools.active",
        *(f"encounter.{i}" for i in range(ENCOUNTER_SLOTS)),
        *(f"seen.{i}" for i in range(ENCOUNTER_SLOTS)),
        *("history.seen", "history.revisits", "history.moved"),
    ]


def clip(value: float) -> float:
    """A number as the vector holds it."""
    if math.isnan(value):
        return 0.0
    return min(max(value, -BOUND), BOUND)


def turn_bucket(turn: int) -> int:
    """The bucket of a turn, from 0."""
    return sum(turn > last for last in TURNS)


class Member(NamedTuple):
    """A variable, the dimension of its own (-1: none) and its clipped starting number."""

    key: Key
    own: int
    start: float


class Group(NamedTuple):
    """The variables whose mean is one dimension; `shared` is the shared property whose extremes they make, or -1."""

    dimension: int
    shared: int
    members: tuple[Member, ...]


class Encoder:
    """Encodes states of one storyworld; dimensions mean the same for all storyworlds.

    * `value.SLOT.PROPERTY`: number of the character in that place of the file (first four characters).
    * `mean`, `lowest`, `highest`: over all characters that have the property; `perceived`: mean over what characters
      think of others (keyrings of two or more keys).
    * `other.I`: mean of the numbers hashed there: properties outside the vocabulary, by character place and name.
    * `present.SLOT`: the storyworld has that character.
    * `turn`: log(1 + turn) / log(61), turn over twice the encounters (both at most 1), and one bucket of six.
    * `spool.I`: the spool in that place is active; `spools.active`: share of active spools.
    * `encounter.I`: the player stands on an encounter whose position modulo 12 is I; `seen.I`: share of those entered.
    * `history`: share of encounters seen; share of turns that were revisits; mean absolute change of the numbers.

    Args:
        world: the storyworld whose states come.

    Attributes:
        world: that storyworld.
        collisions: starting variables hashed to a dimension that an earlier, differently named one occupies.
        encounters: number of encounters, at least 1.
        shares: what an encounter that was seen adds to each dimension of `seen`.
    """

    def __init__(self, world: Storyworld) -> None:
        self.world = world
        self._initial = world.initial
        self._slots = {character.id: i for i, character in enumerate(world.characters)}
        self._names = {p.id: p.name for p in world.properties}
        self._vocabulary = {name.casefold(): i for i, name in enumerate(SHARED_PROPERTIES)}
        self._spools = [spool.id for spool in world.spools]
        self.encounters = max(1, len(world.encounters))
        folded = [len(range(i, len(world.encounters), ENCOUNTER_SLOTS)) for i in range(ENCOUNTER_SLOTS)]
        self.shares = [1.0 / count if count else 0.0 for count in folded]
        self._groups = self.groups(self._initial)
        self.collisions = self._count_collisions()

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
        for slot in range(min(CHARACTER_SLOTS, len(self._slots))):
            vector[PRESENT + slot] = 1.0
        self._turn(state.turn, vector)
        active = 0
        for i, spool in enumerate(self._spools):
            if spool in state.active_spools:
                active += 1
                if i < SPOOL_SLOTS:
                    vector[SPOOLS + i] = 1.0
        vector[SPOOLS + SPOOL_SLOTS] = active / len(self._spools) if self._spools else 0.0
        vector[CURRENT + page_encounter % ENCOUNTER_SLOTS] = 1.0
        for encounter in state.encounters:
            slot = encounter % ENCOUNTER_SLOTS
            vector[SEEN + slot] += self.shares[slot]
        seen = len(state.encounters)
        vector[HISTORY] = seen / self.encounters
        vector[HISTORY + 1] = (state.turn - seen) / max(1, state.turn)
        return np.array(vector, dtype=np.float32)

    def _numbers(self, state: State, vector: list[float]) -> None:
        numbers, initial = state.numbers, self._initial
        if len(numbers) > len(initial):
            groups = self.groups((*initial, *sorted(key for key in numbers if key not in initial)))
        else:
            groups = self._groups
        moved = 0.0
        for group in groups:
            total = distance = 0.0
            lowest, highest = BOUND, -BOUND
            for key, own, start in group.members:
                raw = numbers[key]
                value = raw if -BOUND <= raw <= BOUND else clip(raw)
                total += value
                distance += abs(value - start)
                lowest, highest = min(lowest, value), max(highest, value)
                if own >= 0:
                    vector[own] = value
            vector[group.dimension] = total / len(group.members)
            moved += distance
            if group.shared >= 0:
                vector[LOWEST + group.shared], vector[HIGHEST + group.shared] = lowest, highest
        if numbers:
            vector[HISTORY + 2] = min(moved / len(numbers), 1.0)

    def groups(self, keys: Iterable[Key]) -> tuple[Group, ...]:
        """The variables by the dimension that holds their mean, in the order of the dimensions; members in order.

        The order decides how sums are rounded.
        """
        members: dict[int, list[Member]] = {}
        for key in keys:
            slot, shared, other = self._place(key)
            dimension = HASHED + other if other >= 0 else PERCEIVED + shared if slot < 0 else MEAN + shared
            own = VALUES + slot * PROPERTIES + shared if 0 <= slot < CHARACTER_SLOTS else -1
            members.setdefault(dimension, []).append(Member(key, own, clip(self._initial.get(key, 0.0))))
        return tuple(
            Group(dimension, dimension - MEAN if dimension < MEAN + PROPERTIES else -1, tuple(members[dimension]))
            for dimension in sorted(members)
        )

    def _place(self, key: Key) -> tuple[int, int, int]:
        """(character slot or -1 for a perception, shared property, hashed dimension or -1)."""
        character, keyring = key
        property_id = keyring[0] if keyring else ""
        shared = self._vocabulary.get(self._names.get(property_id, property_id).casefold(), -1)
        if shared >= 0:
            return (self._slots.get(character, CHARACTER_SLOTS) if len(keyring) == 1 else -1, shared, -1)
        digest = hashlib.sha256(self._hashed_name(key).encode()).digest()
        return (-1, -1, int.from_bytes(digest[:4], "big") % HASHED_DIMENSIONS)

    def _hashed_name(self, key: Key) -> str:
        character, keyring = key
        property_id = keyring[0] if keyring else ""
        depth = "perceived" if len(keyring) > 1 else "own"
        return f"{self._slots.get(character, -1)}/{self._names.get(property_id, property_id)}/{depth}"

    def _count_collisions(self) -> int:
        occupied: dict[int, str] = {}
        collided: set[str] = set()
        for key in sorted(self._initial):
            other = self._place(key)[2]
            if other >= 0 and occupied.setdefault(other, self._hashed_name(key)) != self._hashed_name(key):
                collided.add(self._hashed_name(key))
        return len(collided)

    def turns(self, turn: int) -> tuple[float, float]:
        """`turn.log` and `turn.per_encounter`."""
        return min(math.log1p(turn) / math.log(61.0), 1.0), min(turn / (2.0 * self.encounters), 1.0)

    def _turn(self, turn: int, vector: list[float]) -> None:
        vector[TURN : TURN + 2] = self.turns(turn)
        vector[TURN + 2 + turn_bucket(turn)] = 1.0
