"""The standard autoencoder: ReLU codes, squared error, an L1 penalty on codes and an L2 penalty on weights."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeVar

import numpy as np
from pydantic import Field

from narrative_dag.sae.architecture import ArchitectureConfig, Array, Batch, Parameters
from narrative_dag.sae.control import control, controlled
from narrative_dag.sae.linear import Linear, sum_of_squares

if TYPE_CHECKING:
    import torch


class L1Config(ArchitectureConfig):
    """An L1 penalty, fixed or controlled."""

    l1: float = Field(default=8e-3, ge=0, description="weight of the L1 norm of a row's codes, inputs at unit variance")
    target_l0: float | None = Field(
        default=None, gt=0, description="active features of a state that the penalty, starting at `l1`, is moved to"
    )


class StandardConfig(L1Config):
    """Loss: mean squared error + `l1` * mean over rows of |z|_1 + `l2` * (|W_enc|^2 + |W_dec|^2)."""

    architecture: Literal["standard"] = Field(default="standard", description="name in the registry")
    l2: float = Field(default=1e-6, ge=0, description="weight of the squared Frobenius norms of encoder and decoder")


L1ConfigT = TypeVar("L1ConfigT", bound=L1Config)


class Rectified(Linear[L1ConfigT], Generic[L1ConfigT]):
    """ReLU codes with an L1 penalty."""

    # as Bricken et al. 2023: a new feature should not disturb the others; one that competes for places is not so shy
    reset_size: ClassVar[float] = 0.2

    def infer(self, pre: Array, extras: Mapping[str, Array]) -> Array:
        """`max(pre, 0)`."""
        return np.maximum(pre, np.float32(0))

    def activate(self, pre: "torch.Tensor", buffers: Parameters) -> "torch.Tensor":
        """`max(pre, 0)`."""
        return pre.relu()

    def buffers(self, d: int) -> Parameters:
        """The penalty's coefficient, where it is controlled."""
        return {} if self.config.target_l0 is None else controlled(self.config.l1 or 1e-3)

    def revive(self, pre: "torch.Tensor", most: int) -> "tuple[torch.Tensor, torch.Tensor]":
        """`exp(pre - max of the feature's pre)`: a feature below zero everywhere has no ReLU gradient.

        Exponential codes after Jermyn and Templeton (2024, "Ghost Grads"); the shift, held constant, keeps the gradient
        from vanishing for a feature that is far below zero.
        """
        codes = (pre - pre.max(dim=0).values).exp_()
        if pre.shape[1] > most:
            codes = codes * (codes >= codes.topk(most, dim=1).values[:, -1:])
        return codes, codes

    def penalize_codes(
        self, codes: "torch.Tensor", code_gradients: "torch.Tensor", rows: int, buffers: Parameters, batch: Batch
    ) -> "torch.Tensor | None":
        """L1, whose gradient is constant where a code is positive; then its controller."""
        coefficient = buffers.get("l1", self.config.l1)
        if self.config.l1 == 0 and self.config.target_l0 is None:
            return None
        code_gradients.add_(coefficient / rows)
        penalty = codes.sum() * (coefficient / rows)
        if self.config.target_l0 is not None:
            active = codes.numel() if codes.ndim == 1 else (codes > 0).sum()
            control(buffers, active / rows, self.config.target_l0, batch.pace)
        return penalty


class Standard(Rectified[StandardConfig]):
    """ReLU with L1 and L2 penalties (Bricken et al. 2023, "Towards Monosemanticity")."""

    config_type: ClassVar[type[ArchitectureConfig]] = StandardConfig

    def penalize_weights(self, parameters: Parameters, gradients: Parameters) -> "torch.Tensor | None":
        """L2 of encoder and decoder."""
        if self.config.l2 == 0:
            return None
        names = ("W_enc", "W_dec")
        for name in names:
            gradients[name].add_(parameters[name], alpha=2.0 * self.config.l2)
        return self.config.l2 * sum_of_squares(parameters["W_enc"]).add_(sum_of_squares(parameters["W_dec"]))
