"""The state vector: a pure, versioned function of the state of play, the same for every storyworld.

It never looks at options, gates or availability: what is open on a page cannot leak into the vector that predicts it.
Numbers are clipped to [-BOUND, BOUND] (imported storyworlds may leave [-1, 1]), everything else lies in [0, 1].
"""

import hashlib
import math
from collections.abc import Sequence

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
_TURNS = (1, 2, 3, 5, 8)
"""Last turns of the turn buckets; one more bucket takes the rest."""

_PROPERTIES = len(SHARED_PROPERTIES)
_MEAN = CHARACTER_SLOTS * _PROPERTIES
_LOWEST = _MEAN + _PROPERTIES
_HIGHEST = _LOWEST + _PROPERTIES
_PERCEIVED = _HIGHEST + _PROPERTIES
_HASHED = _PERCEIVED + _PROPERTIES
_PRESENT = _HASHED + HASHED_DIMENSIONS
_TURN = _PRESENT + CHARACTER_SLOTS
_SPOOLS = _TURN + 2 + len(_TURNS) + 1
_CURRENT = _SPOOLS + SPOOL_SLOTS + 1
_SEEN = _CURRENT + ENCOUNTER_SLOTS
_HISTORY = _SEEN + ENCOUNTER_SLOTS


def dimension_names() -> list[str]:
    """The name of every dimension, in order; unique."""
    slots = range(CHARACTER_SLOTS)
    buckets = [f"to_{last}" for last in _TURNS] + [f"after_{_TURNS[-1]}"]
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


def _clip(value: float) -> float:
    if math.isnan(value):
        return 0.0
    return min(max(value, -BOUND), BOUND)


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
        collisions: starting variables hashed to a dimension that an earlier, differently named one occupies.
    """

    def __init__(self, world: Storyworld) -> None:
        self._world = world
        self._initial = world.initial
        self._slots = {character.id: i for i, character in enumerate(world.characters)}
        self._names = {p.id: p.name for p in world.properties}
        self._vocabulary = {name.casefold(): i for i, name in enumerate(SHARED_PROPERTIES)}
        self._places: dict[Key, tuple[int, int, int]] = {}
        self._spools = [spool.id for spool in world.spools]
        self._encounters = max(1, len(world.encounters))
        folded = [len(range(i, len(world.encounters), ENCOUNTER_SLOTS)) for i in range(ENCOUNTER_SLOTS)]
        self._share = [1.0 / count if count else 0.0 for count in folded]
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
            vector[_PRESENT + slot] = 1.0
        self._turn(state.turn, vector)
        active = 0
        for i, spool in enumerate(self._spools):
            if spool in state.active_spools:
                active += 1
                if i < SPOOL_SLOTS:
                    vector[_SPOOLS + i] = 1.0
        vector[_SPOOLS + SPOOL_SLOTS] = active / len(self._spools) if self._spools else 0.0
        vector[_CURRENT + page_encounter % ENCOUNTER_SLOTS] = 1.0
        for encounter in state.encounters:
            slot = encounter % ENCOUNTER_SLOTS
            vector[_SEEN + slot] += self._share[slot]
        seen = len(state.encounters)
        vector[_HISTORY] = seen / self._encounters
        vector[_HISTORY + 1] = (state.turn - seen) / max(1, state.turn)
        return np.array(vector, dtype=np.float32)

    def _numbers(self, state: State, vector: list[float]) -> None:
        counts = [0] * _PROPERTIES
        perceived = [0] * _PROPERTIES
        hashed = [0] * HASHED_DIMENSIONS
        moved = 0.0
        initial, places = self._initial, self._places
        for key, raw in state.numbers.items():
            place = places.get(key)
            if place is None:
                place = places[key] = self._place(key)
            slot, shared, other = place
            value = raw if -BOUND <= raw <= BOUND else _clip(raw)
            moved += abs(value - _clip(initial.get(key, 0.0)))
            if other >= 0:
                hashed[other] += 1
                vector[_HASHED + other] += value
            elif slot < 0:
                perceived[shared] += 1
                vector[_PERCEIVED + shared] += value
            else:
                if slot < CHARACTER_SLOTS:
                    vector[slot * _PROPERTIES + shared] = value
                if not counts[shared] or value < vector[_LOWEST + shared]:
                    vector[_LOWEST + shared] = value
                if not counts[shared] or value > vector[_HIGHEST + shared]:
                    vector[_HIGHEST + shared] = value
                counts[shared] += 1
                vector[_MEAN + shared] += value
        _divide(vector, _MEAN, counts)
        _divide(vector, _PERCEIVED, perceived)
        _divide(vector, _HASHED, hashed)
        if state.numbers:
            vector[_HISTORY + 2] = min(moved / len(state.numbers), 1.0)

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

    def _turn(self, turn: int, vector: list[float]) -> None:
        vector[_TURN] = min(math.log1p(turn) / math.log(61.0), 1.0)
        vector[_TURN + 1] = min(turn / (2.0 * self._encounters), 1.0)
        bucket = sum(turn > last for last in _TURNS)
        vector[_TURN + 2 + bucket] = 1.0


def _divide(vector: list[float], start: int, counts: Sequence[int]) -> None:
    for i, count in enumerate(counts):
        if count > 1:
            vector[start + i] /= count
