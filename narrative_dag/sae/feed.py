"""Batches of normalised states, from step to step: what a training reads."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from narrative_dag.sae.architecture import Array
from narrative_dag.sae.sources import StateSource

if TYPE_CHECKING:
    import torch


class Normalization(NamedTuple):
    """Centre and scale per dimension, both float64 [d]."""

    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]

    def apply(self, states: Array) -> Array:
        """`(states - mean) / scale`, in place; float32 [n, d]."""
        from narrative_dag.sae.sparse_kernel import normalize

        normalize(states, self.mean.astype(np.float32), (1.0 / self.scale).astype(np.float32))
        return states


def normalization(
    mean: npt.NDArray[np.floating[Any]], deviation: npt.NDArray[np.floating[Any]], floor: float
) -> Normalization:
    """Centre and scale from mean and standard deviation per dimension, [d].

    A scale is never below `floor` times the root mean square standard deviation: noise in an almost constant dimension
    is not blown up to the size of the others. Where nothing varies at all, scales are 1.
    """
    deviation = np.asarray(deviation, dtype=np.float64)
    smallest = floor * float(np.sqrt(np.mean(deviation**2)))
    scale = np.maximum(deviation, smallest) if smallest > 0 else np.ones_like(deviation)
    return Normalization(np.asarray(mean, dtype=np.float64), scale)


def epoch_steps(source: StateSource, batch_size: int) -> int:
    """Batches of an epoch."""
    return sum(_batches(rows, batch_size) for rows in source.block_sizes())


def _batches(rows: int, batch_size: int) -> int:
    return max(1, rows // batch_size)


class Feed:
    """The batches of all epochs, in an order that depends on source, seed and batch size alone.

    A block of m states becomes max(1, m // batch_size) batches of nearly equal size.

    Args:
        source: where the states come from.
        batch_size: states of a batch, about.
        seed: of the order.
        normalization: what is done to states.
        device: where the batches are wanted.
    """

    def __init__(
        self, source: StateSource, batch_size: int, seed: int, normalization: Normalization, device: "torch.device"
    ) -> None:
        self._source, self._seed, self._normalization, self._device = source, seed, normalization, device
        self._batch_size = batch_size
        self.epoch_steps = epoch_steps(source, batch_size)

    def batches(self, start: int) -> "Iterator[tuple[torch.Tensor, torch.Tensor | None]]":
        """States [b, d] and labels [b, a] from step `start` on, without end."""
        import torch

        epoch, skipped = divmod(start, self.epoch_steps)
        while True:
            for block in self._source.epoch(epoch, self._seed):
                count = _batches(len(block.states), self._batch_size)
                if skipped >= count:
                    skipped -= count
                    continue
                states = torch.from_numpy(self._normalization.apply(block.states)).to(self._device)
                labels = None if block.labels is None else torch.from_numpy(block.labels).to(self._device)
                rows = len(states)
                for i in range(skipped, count):
                    part = slice(i * rows // count, (i + 1) * rows // count)
                    yield states[part], None if labels is None else labels[part]
                skipped = 0
            epoch += 1
