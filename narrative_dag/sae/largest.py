"""What autoencoders share that keep the k largest pre-activations of each state and add a term to the loss."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import numpy as np
from pydantic import Field, model_validator

from narrative_dag.sae.architecture import ArchitectureConfig, Array, Parameters
from narrative_dag.sae.linear import Linear

if TYPE_CHECKING:
    import torch


class LargestConfig(ArchitectureConfig):
    """A budget of active features."""

    k: int = Field(default=20, ge=1, description="largest number of active features of a state")
    tied: bool = Field(
        default=True, description="the encoder is the decoder's transpose: features are steadier from seed to seed"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.k > self.k_features:
            raise ValueError(f"k = {self.k} is above k_features = {self.k_features}")
        return self


LargestConfigT = TypeVar("LargestConfigT", bound=LargestConfig)


class Largest(Linear[LargestConfigT], Generic[LargestConfigT]):
    """The k largest pre-activations, those below zero dropped; equal ones at the k-th place are all kept."""

    @property
    def tied(self) -> bool:
        """As configured."""
        return self.config.tied

    def infer(self, pre: Array, extras: Mapping[str, Array]) -> Array:
        """`pre` where it is positive and at least the row's k-th largest, else 0."""
        return np.where((pre >= kth_largest(pre, self.config.k)[:, None]) & (pre > 0), pre, np.float32(0))

    def activate(self, pre: "torch.Tensor", buffers: Parameters) -> "torch.Tensor":
        """`pre` where it is positive and at least the row's k-th largest, else 0."""
        threshold = pre.topk(self.config.k, dim=1).values[:, -1:]
        return pre * ((pre >= threshold) & (pre > 0))

    def floors(self, pre: Array, buffers: Parameters) -> Array:
        """The row's k-th largest."""
        return kth_largest(pre, self.config.k)

    def exported(self, weights: Mapping[str, Array]) -> tuple[dict[str, object], dict[str, Array]]:
        """SAELens's `topk`; what else the weights hold is for this project alone."""
        usual = {name: weights[name] for name in ("W_enc", "W_dec", "b_enc", "b_dec")}
        return {"architecture": "topk", "k": self.config.k}, usual


def kth_largest(rows: Array, k: int) -> Array:
    """The k-th largest number of each row, [n]."""
    # numpy's vectorised selection is several times faster on a CPU than torch.topk
    place = rows.shape[1] - k
    return np.ascontiguousarray(np.partition(rows, place, axis=1)[:, place])
