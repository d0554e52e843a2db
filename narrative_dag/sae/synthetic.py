"""States with a known dictionary: what an autoencoder should find, and how much of it was found.

Two kinds of data are the suite that autoencoders of this project are held to: `EASY` and `HARD`. Both are plain: atoms
fire independently and equally often, without noise. The other fields of `SyntheticConfig` make data more like what
language models and stories give: rare atoms, atoms that fire together, atoms that imply others, noise, an offset.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from narrative_dag.sae.architecture import Array
from narrative_dag.sae.stability import matched_cosines, unit_rows

RECOVERED = 0.9
"""Cosine from which on an atom counts as found."""

Floats = npt.NDArray[np.floating[Any]]

# named streams: an autoencoder initialised from the same integer must not hold the truth already
_DICTIONARY, _STATES = 0x7247, 0x57A7


class SyntheticConfig(BaseModel):
    """How synthetic states are made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    d: int = Field(default=128, ge=1, description="dimensions of a state")
    atoms: int = Field(default=256, ge=1, description="unit-norm directions of the dictionary")
    active: int = Field(default=8, ge=1, description="atoms of every state: the true L0")
    noise: float = Field(default=0.0, ge=0, description="standard deviation of Gaussian noise per dimension")
    offset: float = Field(default=0.0, ge=0, description="standard deviation of a constant added to every state")
    zipf: float = Field(default=0.0, ge=0, description="atom i is drawn with weight (i + 1) ** -zipf; 0: equally often")
    topics: int = Field(default=0, ge=0, description="atoms i, i + topics, ... fire together; 0: independently")
    topic_strength: float = Field(
        default=1.0, ge=0, description="standard deviation over states of the logarithm of a topic's weight"
    )
    children: int = Field(
        default=0,
        ge=0,
        description="child atoms of every parent atom, which fire only beside it, half of a state's atoms; 0: none",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.active > self.atoms:
            raise ValueError(f"active = {self.active} is above atoms = {self.atoms}")
        if self.topics > self.atoms:
            raise ValueError(f"topics = {self.topics} is above atoms = {self.atoms}")
        if self.children and (self.active < 2 or self.parents < self.active - self.active // 2):
            raise ValueError(
                f"{self.atoms} atoms with {self.children} children each are too few, or active = {self.active} is"
            )
        if self.children and self.atoms % (1 + self.children):
            raise ValueError(f"atoms = {self.atoms} is no multiple of 1 + children = {1 + self.children}")
        return self

    @property
    def parents(self) -> int:
        """Atoms that fire by themselves; atom i above them is a child of atom i % parents."""
        return self.atoms // (1 + self.children)


EASY = SyntheticConfig(d=128, atoms=256, active=8)
"""Eight of 256 atoms in 128 dimensions: an L0 of 15 to 30 leaves less than a tenth of the variance unexplained."""

HARD = SyntheticConfig(d=128, atoms=256, active=20)
"""Twenty of 256 atoms in 128 dimensions: a linear encoder cannot tell them apart, yet the atoms can be found."""


class SyntheticStates(NamedTuple):
    """States [n, d], the unit-norm dictionary [atoms, d], the non-negative codes [n, atoms], the offset [d]; float32.

    Without noise `states = codes @ dictionary + offset`.
    """

    states: Array
    dictionary: Array
    codes: Array
    offset: Array


@dataclass(frozen=True)
class GroundTruth:
    """A dictionary from which any number of states can be drawn; float32, `dictionary` [atoms, d], `offset` [d]."""

    config: SyntheticConfig
    seed: int
    dictionary: Array
    offset: Array

    @classmethod
    def create(cls, config: SyntheticConfig, seed: int) -> "GroundTruth":
        """The truth of a seed: random unit directions and offset."""
        rng = np.random.default_rng([seed, _DICTIONARY])
        dictionary = unit_rows(rng.standard_normal((config.atoms, config.d)))
        offset = config.offset * rng.standard_normal(config.d)
        return cls(config, seed, dictionary.astype(np.float32), offset.astype(np.float32))

    def draw(self, n: int, part: int = 0) -> SyntheticStates:
        """`n` states; another `part` (from 0) gives fresh states of the same dictionary, for holding out.

        Each has exactly `active` atoms, with weights uniform in [0.5, 1.5].
        """
        config = self.config
        rng = np.random.default_rng([self.seed, _STATES, part])
        chosen = _choose(n, config, rng)
        codes = np.zeros((n, config.atoms), dtype=np.float32)
        np.put_along_axis(codes, chosen, rng.uniform(0.5, 1.5, chosen.shape).astype(np.float32), axis=1)
        states = codes @ self.dictionary + self.offset
        if config.noise:
            states += config.noise * rng.standard_normal(states.shape, dtype=np.float32)
        return SyntheticStates(states.astype(np.float32), self.dictionary, codes, self.offset)


def synthetic_states(
    n: int, d: int, atoms: int, active: int, seed: int, *, noise: float = 0.0, offset: float = 0.0
) -> SyntheticStates:
    """Sparse non-negative codes through a random unit dictionary: `n` plain states, see SyntheticConfig."""
    config = SyntheticConfig(d=d, atoms=atoms, active=active, noise=noise, offset=offset)
    return GroundTruth.create(config, seed).draw(n)


class Recovery(NamedTuple):
    """How much of a dictionary a decoder holds; cosines keep their sign, for codes are non-negative.

    `recovery` is the mean over atoms of the best cosine to any decoder row, `recovered` the share of atoms whose best
    cosine is at least RECOVERED. The `matched` figures count every decoder row for one atom only (Hungarian algorithm);
    an atom without a row counts 0.
    """

    recovery: float
    recovered: float
    matched_recovery: float
    matched_recovered: float


def recovery(decoder: Floats, dictionary: Floats) -> Recovery:
    """How much of the atoms [atoms, d] the decoder rows [k, d], of any norm, hold."""
    cosines = unit_rows(dictionary) @ unit_rows(decoder).T
    best, matched = cosines.max(axis=1), matched_cosines(cosines)
    atoms = len(dictionary)
    return Recovery(
        recovery=float(best.mean()),
        recovered=float((best >= RECOVERED).mean()),
        matched_recovery=float(matched.sum()) / atoms,
        matched_recovered=int((matched >= RECOVERED).sum()) / atoms,
    )


def chance_recovery(dictionary: Floats, k: int, seed: int, draws: int = 20) -> npt.NDArray[np.float64]:
    """The `recovery` of each of `draws` random dictionaries of `k` rows: what untrained weights get, [draws]."""
    rng = np.random.default_rng([seed, 0xC4A9CE])
    atoms = unit_rows(dictionary)
    rows = (unit_rows(rng.standard_normal((k, atoms.shape[1]))) for _ in range(draws))
    return np.array([(atoms @ drawn.T).max(axis=1).mean() for drawn in rows])


def recovered(decoder: Floats, dictionary: Floats, cosine: float = RECOVERED) -> float:
    """Share of the true atoms [atoms, d] that some decoder row [k, d] matches with at least this cosine."""
    return float(np.mean((unit_rows(dictionary) @ unit_rows(decoder).T).max(axis=1) >= cosine))


def _choose(n: int, config: SyntheticConfig, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """The atoms of each state, [n, active], drawn without replacement by weight (exponential races)."""
    weights = np.broadcast_to(np.arange(1, config.atoms + 1.0) ** -config.zipf, (n, config.atoms))
    if config.topics:
        topics = np.exp(config.topic_strength * rng.standard_normal((n, config.topics)))
        weights = weights * topics[:, np.arange(config.atoms) % config.topics]
    times = rng.standard_exponential((n, config.atoms)) / weights
    if not config.children:
        return _first(times, config.active)
    children = config.active // 2
    parents = _first(times[:, : config.parents], config.active - children)
    barred = np.ones((n, config.parents), dtype=np.bool_)
    np.put_along_axis(barred, parents, False, axis=1)
    times[:, config.parents :][np.tile(barred, config.children)] = np.inf
    return np.concatenate([parents, config.parents + _first(times[:, config.parents :], children)], axis=1)


def _first(times: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.intp]:
    return np.argpartition(times, count - 1, axis=1)[:, :count]
