"""JumpReLU: every feature has a threshold of its own, trained with a straight-through estimator."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Generic, Literal

import numpy as np
from pydantic import Field

from narrative_dag.sae.architecture import ArchitectureConfig, Array, Batch, ConfigT, GradientStep, Parameters
from narrative_dag.sae.linear import Linear, penalty_control

if TYPE_CHECKING:
    import torch


class JumpReLUConfig(ArchitectureConfig):
    """Loss: mean squared error + `l0` * mean L0.

    States are normalised before training, so that `bandwidth` and `threshold` do not depend on the scale of raw ones.
    """

    architecture: Literal["jumprelu"] = Field(default="jumprelu", description="name in the registry")
    l0: float = Field(default=5e-3, gt=0, description="weight of the mean number of active features of a state")
    target_l0: float | None = Field(
        default=18.0,
        gt=0,
        description="active features of a state that the penalty, starting at `l0`, is moved to; None: `l0` stays",
    )
    bandwidth: float = Field(
        default=0.5,
        gt=0,
        description="width of the window around a threshold in which pre-activations move it, in standard deviations "
        "of a state's dimension, which are those of a random unit projection",
    )
    threshold: float = Field(default=0.5, gt=0, description="the thresholds at the start, in the same units")


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
    threshold, w the bandwidth, g the gradient of the mean squared error by the code and c the penalty's coefficient,
    `-(t / w) * (t * g + c / b)` of every pre-activation less than `w / 2` from t, summed over the b rows of the batch.
    Encoder and decoder learn from the mean squared error alone.
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
        """The penalty's coefficient, where it is controlled."""
        import torch

        return {} if self.config.target_l0 is None else {"l0_weight": torch.tensor(self.config.l0)}

    def weights(self, parameters: Parameters, buffers: Parameters) -> Parameters:
        """As every architecture, with the thresholds in place of their logarithms."""
        weights = super().weights(parameters, buffers)
        return {**weights, "threshold": weights.pop("log_threshold").exp()}

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
        coefficient = buffers.get("l0_weight", self.config.l0)
        threshold, width = buffers["threshold"], self.config.bandwidth
        near = (buffers["pre"] - threshold).abs() < width / 2
        slopes = (code_gradients * near).sum(0).mul_(threshold).add_(near.sum(0) * (coefficient / rows))
        buffers["log_threshold_gradient"].copy_(slopes.mul_(threshold).mul_(-1.0 / width))
        active = (codes > 0).sum() / rows
        penalty = coefficient * active
        if self.config.target_l0 is not None:
            penalty_control(buffers, "l0_weight", active, self.config.target_l0, batch.pace)
        return penalty

    def _dense(
        self, parameters: Parameters, buffers: Parameters, batch: Batch, gradients: Parameters, pre: "torch.Tensor"
    ) -> "tuple[GradientStep, torch.Tensor]":
        # what activation and penalty need to know of this step
        step = {
            "pre": pre,
            "threshold": parameters["log_threshold"].exp(),
            "log_threshold_gradient": gradients["log_threshold"],
        }
        return super()._dense(parameters, {**buffers, **step}, batch, gradients, pre)
