"""The standard autoencoder: ReLU codes, squared error, an L1 penalty on codes and an L2 penalty on weights."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from narrative_dag.sae.architecture import Architecture, ArchitectureConfig, Array, Parameters

if TYPE_CHECKING:
    import torch


class StandardConfig(ArchitectureConfig):
    """Loss: mean squared error + `l1` * mean over rows of |z|_1 + `l2` * (|W_enc|^2 + |W_dec|^2)."""

    architecture: Literal["standard"] = Field(default="standard", description="name in the registry")
    l1: float = Field(default=8e-3, ge=0, description="weight of the L1 norm of a row's codes, inputs at unit variance")
    l2: float = Field(default=1e-6, ge=0, description="weight of the squared Frobenius norms of encoder and decoder")


class Standard(Architecture[StandardConfig]):
    """ReLU with L1 and L2 penalties (Bricken et al. 2023, "Towards Monosemanticity")."""

    config_type: ClassVar[type[ArchitectureConfig]] = StandardConfig

    def infer(self, pre: Array, extras: Mapping[str, Array]) -> Array:
        """`max(pre, 0)`."""
        return np.maximum(pre, np.float32(0))

    def activate(self, pre: "torch.Tensor") -> "torch.Tensor":
        """`max(pre, 0)`."""
        return pre.relu()

    def revive(self, pre: "torch.Tensor", most: int) -> "tuple[torch.Tensor, torch.Tensor]":
        """`exp(pre - max of the feature's pre)`: a feature below zero everywhere has no ReLU gradient.

        Exponential codes after Jermyn and Templeton (2024, "Ghost Grads"); the shift, held constant, keeps the gradient
        from vanishing for a feature that is far below zero.
        """
        codes = (pre - pre.max(dim=0).values).exp_()
        if pre.shape[1] > most:
            codes = codes * (codes >= codes.topk(most, dim=1).values[:, -1:])
        return codes, codes

    def penalize_codes(self, codes: "torch.Tensor", code_gradients: "torch.Tensor") -> "torch.Tensor | None":
        """L1, whose gradient is constant where a code is positive."""
        if self.config.l1 == 0:
            return None
        code_gradients.add_(self.config.l1 / codes.shape[0])
        return self.config.l1 * codes.sum() / codes.shape[0]

    def penalize_weights(self, parameters: Parameters, gradients: Parameters) -> "torch.Tensor | None":
        """L2 of encoder and decoder."""
        if self.config.l2 == 0:
            return None
        names = ("W_enc", "W_dec")
        for name in names:
            gradients[name].add_(parameters[name], alpha=2.0 * self.config.l2)
        return self.config.l2 * (parameters["W_enc"].square().sum() + parameters["W_dec"].square().sum())
