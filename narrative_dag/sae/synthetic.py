"""States with a known dictionary: what an autoencoder should find, and how much of it was found."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from narrative_dag.sae.architecture import Array


class SyntheticStates(NamedTuple):
    """States [n, d], the unit-norm dictionary [atoms, d], the non-negative codes [n, atoms]; float32."""

    states: Array
    dictionary: Array
    codes: Array


def synthetic_states(
    n: int, d: int, atoms: int, active: int, seed: int, *, noise: float = 0.0, offset: float = 0.0
) -> SyntheticStates:
    """Sparse non-negative codes through a random unit dictionary.

    Each state has exactly `active` atoms with weights uniform in [0.5, 1.5], plus Gaussian noise of standard deviation
    `noise` per dimension, plus a constant random vector of standard deviation `offset`.
    """
    # a named stream: an autoencoder initialised from the same integer must not hold the truth already
    rng = np.random.default_rng([seed, 0x7247])
    dictionary = rng.standard_normal((atoms, d))
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    chosen = np.argpartition(rng.random((n, atoms)), active - 1, axis=1)[:, :active]
    codes = np.zeros((n, atoms))
    np.put_along_axis(codes, chosen, rng.uniform(0.5, 1.5, (n, active)), axis=1)
    states = codes @ dictionary + noise * rng.standard_normal((n, d)) + offset * rng.standard_normal(d)
    return SyntheticStates(states.astype(np.float32), dictionary.astype(np.float32), codes.astype(np.float32))


def recovered(decoder: npt.NDArray[np.floating[Any]], dictionary: Array, cosine: float = 0.9) -> float:
    """Share of the true atoms [atoms, d] that some decoder row [k, d] matches with at least this cosine."""
    norms = np.linalg.norm(decoder, axis=1, keepdims=True)
    rows = decoder / np.where(norms > 0, norms, 1.0)
    return float(np.mean((dictionary @ rows.T).max(axis=1) >= cosine))
