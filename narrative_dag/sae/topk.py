"""The TopK autoencoder: each state keeps its k largest positive pre-activations, so sparsity needs no penalty."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from narrative_dag.sae.architecture import Architecture, ArchitectureConfig, Array

if TYPE_CHECKING:
    import torch


class TopKConfig(ArchitectureConfig):
    """Loss: mean squared error."""

    architecture: Literal["topk"] = Field(default="topk", description="name in the registry")
    k: int = Field(default=20, ge=1, description="largest number of active features of a state")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.k > self.k_features:
            raise ValueError(f"k = {self.k} is above k_features = {self.k_features}")
        return self


class TopK(Architecture[TopKConfig]):
    """The k largest pre-activations, those below zero dropped (Gao et al. 2024, arXiv 2406.04093).

    Equal pre-activations at the k-th place are all kept, in training and in inference.
    """

    config_type: ClassVar[type[ArchitectureConfig]] = TopKConfig

    def infer(self, pre: Array, extras: Mapping[str, Array]) -> Array:
        """`pre` where it is positive and at least the row's k-th largest, else 0."""
        return np.where((pre >= self._threshold(pre)) & (pre > 0), pre, np.float32(0))

    def activate(self, pre: "torch.Tensor") -> "torch.Tensor":
        """`pre` where it is positive and at least the row's k-th largest, else 0."""
        import torch

        if pre.device.type == "cpu":
            # numpy's vectorised selection is several times faster on a CPU than torch.topk
            threshold = torch.from_numpy(self._threshold(pre.numpy()))
        else:
            threshold = pre.topk(self.config.k, dim=1).values[:, -1:]
        below = threshold.nextafter(torch.full_like(threshold, -torch.inf)).clamp_min_(0.0)
        # one fused pass: `pre` where `pre - below` is positive
        kept: torch.Tensor = torch.ops.aten.threshold_backward(pre, pre - below, 0.0)
        return kept

    def inference_config(self) -> dict[str, object]:
        """The number of kept features."""
        return {"k": self.config.k}

    def _threshold(self, pre: Array) -> Array:
        place = pre.shape[1] - self.config.k
        threshold: Array = np.partition(pre, place, axis=1)[:, place : place + 1]
        return threshold
