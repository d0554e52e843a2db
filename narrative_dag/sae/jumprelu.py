"""JumpReLU: every feature has a threshold of its own, trained with a straight-through estimator."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from narrative_dag.sae.architecture import ArchitectureConfig, Array, Batch, ConfigT, GradientStep, Parameters
from narrative_dag.sae.linear import Linear

if TYPE_CHECKING:
    import torch


STIFFNESS = 10.0
"""The quadratic penalty's weight over `l0`."""
MULTIPLIER_RATE = 5.0
"""A constant pull of the quadratic penalty is doubled by the multiplier in one part in so many of the training."""
FLOOR = 0.2
"""Smallest threshold, as a share of the bandwidth: the logarithm of a smaller one moves too slowly to come back."""


class JumpReLUConfig(ArchitectureConfig):
    """Loss: mean squared error + `l0` * L0, or, with T = `target_l0`, + 10 `l0` T (L0 / T - 1)^2 + m (L0 - T).

    L0 is the mean over the batch, m >= 0 a multiplier that grows while L0 is above T and shrinks below it. States are
    normalised before training, so that `bandwidth` and `threshold` do not depend on the scale of raw ones.
    """

    architecture: Literal["jumprelu"] = Field(default="jumprelu", description="name in the registry")
    l0: float = Field(default=5e-3, gt=0, description="weight of L0, or of its excess over the target")
    target_l0: float | None = Field(
        default=20.0, gt=0, description="mean number of active features of a state; None: what `l0` makes of it"
    )
    bandwidth: float = Field(
        default=0.5,
        gt=0,
        description="width of the window around a threshold in which pre-activations move it; the unit is the standard "
        "deviation of a normalised state along a dimension",
    )
    threshold: float = Field(default=1.0, gt=0, description="the thresholds at the start, in the same unit")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.target_l0 is not None and self.target_l0 > self.k_features:
            raise ValueError(f"target_l0 = {self.target_l0:g} is above k_features = {self.k_features}")
        return self


class Thresholded(Linear[ConfigT], Generic[ConfigT]):
    """Inference by a threshold for each feature, the weight `threshold` [k]; SAELens calls it `jumprelu`."""

    def infer(self, pre: Array, extras: Mapping[str, Array]) -> Array:
        """`pre` where it is positive and above its feature's threshold, else 0."""
        return np.where((pre > extras["threshold"]) & (pre > 0), pre, np.float32(0))

    def exported(self, weights: Mapping[str, Array]) -> tuple[dict[str, object], dict[str, Array]]:
        """SAELens's `jumprelu`; its comparison is strict, too."""
        return {"architecture": "jumprelu"}, dict(weights)


class JumpReLU(Thresholded[JumpReLUConfig]):
    """Pre-activations above a trained threshold, unchanged (Rajamanoharan et al. 2024, arXiv 2407.14435).

    The parameter is the thresholds' logarithm, `log_threshold` [k]. Its gradient is the paper's estimate: with t a
    threshold, w the bandwidth, g the gradient of the mean squared error by the code and c that of the penalty by L0,
    `-(t / w) * (t * g + c / b)` of every pre-activation less than `w / 2` from t, summed over the b rows of the batch.
    Encoder and decoder learn from the mean squared error alone. Beside the quadratic penalty the multiplier (method of
    multipliers, Hestenes 1969) cancels what the mean squared error gains by an L0 above the target.
    """

    config_type: ClassVar[type[ArchitectureConfig]] = JumpReLUConfig
    # pre-activations just below a threshold move it
    sparse: ClassVar[bool] = False

    def initial(self, d: int, seed: int, label_width: int = 0) -> Parameters:
        """As every architecture, and equal thresholds."""
        import torch

        log_threshold = torch.full((self.config.k_features,), math.log(self.config.threshold))
        return {**super().initial(d, seed, label_width), "log_threshold": log_threshold}

    def buffers(self, d: int) -> Parameters:
        """The multiplier of the excess, where there is a target."""
        import torch

        return {} if self.config.target_l0 is None else {"multiplier": torch.tensor(0.0)}

    def weights(self, parameters: Parameters, buffers: Parameters) -> Parameters:
        """As every architecture, with the thresholds in place of their logarithms."""
        weights = super().weights(parameters, buffers)
        thresholds = weights.pop("log_threshold").exp()
        return {**weights, "threshold": thresholds}

    def reset(self, parameters: Parameters, features: "torch.Tensor", directions: "torch.Tensor", size: float) -> None:
        """As every architecture; the thresholds, too, are those of the start, shortened as the encoder rows are."""
        super().reset(parameters, features, directions, size)
        parameters["log_threshold"][features] = math.log(self.config.threshold * size)

    def activate(self, pre: "torch.Tensor", buffers: Parameters) -> "torch.Tensor":
        """`pre` where it is above `buffers["threshold"]`, else 0."""
        return pre * (pre > buffers["threshold"])

    def penalize_codes(
        self, codes: "torch.Tensor", code_gradients: "torch.Tensor", rows: int, buffers: Parameters, batch: Batch
    ) -> "torch.Tensor | None":
        """L0, whose gradient goes to the thresholds alone, with theirs of the mean squared error; its controller."""
        active = (codes > 0).sum() / rows
        penalty, coefficient = self._penalty(active, buffers, batch)
        threshold, width = buffers["threshold"], self.config.bandwidth
        near = (buffers["pre"] - threshold).abs() < width / 2
        slopes = (code_gradients * near).sum(0).mul_(threshold).add_(near.sum(0) * (coefficient / rows))
        buffers["log_threshold_gradient"].copy_(slopes.mul_(threshold).mul_(-1.0 / width))
        return penalty

    def _penalty(
        self, active: "torch.Tensor", buffers: Parameters, batch: Batch
    ) -> "tuple[torch.Tensor, torch.Tensor | float]":
        """The penalty of a mean L0 and its derivative; then the multiplier moves."""
        weight, target = self.config.l0, self.config.target_l0
        if target is None:
            return weight * active, weight
        multiplier = buffers["multiplier"]
        excess = active / target - 1.0
        stiffness = STIFFNESS * weight
        penalty = (stiffness * excess + multiplier) * (active - target)
        # the first batches may be far off, and Adam remembers the square of a gradient for a thousand steps
        pull = 2.0 * stiffness * excess.clamp(-1.0, 1.0)
        coefficient = pull + multiplier
        # below zero it would grow without end where the states have no more features to give
        multiplier.add_(pull * min(1.0, MULTIPLIER_RATE * batch.pace)).clamp_min_(0.0)
        return penalty, coefficient

    def _dense(
        self, parameters: Parameters, buffers: Parameters, batch: Batch, gradients: Parameters, pre: "torch.Tensor"
    ) -> "tuple[GradientStep, torch.Tensor]":
        parameters["log_threshold"].clamp_min_(math.log(FLOOR * self.config.bandwidth))
        # what activation and penalty need to know of this step
        step = {
            "pre": pre,
            "threshold": parameters["log_threshold"].exp(),
            "log_threshold_gradient": gradients["log_threshold"],
        }
        return super()._dense(parameters, {**buffers, **step}, batch, gradients, pre)
