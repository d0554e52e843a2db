"""What is trained in a measurement, the same for every library."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """An autoencoder of `k_features` features on states of `d` dimensions, mean 0 and variance 1 in each.

    `k`: active features of a state (TopK). `l1`: weight of a state's L1 norm beside its mean squared error (standard).
    The learning rate rises over the first `warmup` share of the steps and falls over the last `decay` share.
    """

    d: int
    k_features: int
    architecture: Literal["standard", "topk"]
    epochs: int
    batch_size: int = 256
    k: int = 20
    l1: float = 8e-3
    lr: float = 3e-3
    warmup: float = 0.05
    decay: float = 0.2
    device: Literal["cpu", "cuda"] = "cpu"

    def steps(self, rows: int) -> int:
        """Optimiser steps of a training on that many states."""
        return self.epochs * batches(rows, self.batch_size)


class Trained(NamedTuple):
    """States that were trained on, each counted as often as it was seen; and what the autoencoder makes of states."""

    states: int
    reconstruct: Callable[[Array], Array]


Train = Callable[[Array, Case], Trained]
"""Trains from scratch on states [n, d] with seed 0."""


def batches(rows: int, batch_size: int) -> int:
    """Batches of an epoch, nearly equal, none smaller than `batch_size`."""
    return max(1, rows // batch_size)


def shuffled(states: "torch.Tensor", case: Case) -> "Iterator[torch.Tensor]":
    """The batches of all epochs, every state once an epoch, gathered once an epoch."""
    import torch

    generator = torch.Generator().manual_seed(0)
    count = batches(len(states), case.batch_size)
    for _ in range(case.epochs):
        order = torch.randperm(len(states), generator=generator).to(states.device)
        yield from states[order].tensor_split(count)


def by_torch(reconstruct: "Callable[[torch.Tensor], Any]", device: str = "cpu") -> Callable[[Array], Array]:
    """A function of arrays from one of tensors."""
    import torch

    def of_arrays(states: Array) -> Array:
        with torch.no_grad():
            array: Array = reconstruct(torch.from_numpy(states).to(device)).cpu().numpy()
        return array

    return of_arrays
