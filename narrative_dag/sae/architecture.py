"""What an autoencoder architecture is: a configuration, an inference rule on arrays, and gradients on tensors.

An architecture that is a linear encoder, a pointwise or ranked activation and a linear decoder overrides `activate`,
`infer` and the penalties. One with more parameters (gates, thresholds, posterior variances) overrides `initial`,
`gradients` and `weights` as well; the trainer needs nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import torch

Array = npt.NDArray[np.float32]
Parameters = dict[str, "torch.Tensor"]


class ArchitectureConfig(BaseModel):
    """What every architecture is told; `architecture` names the class in the registry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str = Field(description="name in the registry")
    k_features: int = Field(default=256, ge=1, description="dictionary size: features of the autoencoder")


class GradientStep(NamedTuple):
    """One batch: gradients by parameter, the loss (scalar), and which features fired (bool, [k])."""

    gradients: Parameters
    loss: "torch.Tensor"
    fired: "torch.Tensor"


ConfigT = TypeVar("ConfigT", bound=ArchitectureConfig)


class Architecture(ABC, Generic[ConfigT]):
    """Encoder `x W_enc + b_enc`, an activation, decoder `z W_dec + b_dec`, with gradients written out.

    The decoder bias is not subtracted from the input: the encoder bias absorbs it, which saves a sixth of the work.
    Shapes: x [b, d], pre-activations and codes z [b, k], W_enc [d, k], W_dec [k, d].
    """

    config_type: ClassVar[type[ArchitectureConfig]]

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @abstractmethod
    def infer(self, pre: Array, extras: Mapping[str, Array]) -> Array:
        """Codes from pre-activations, both [n, k], without torch; `extras` are weights beyond the four usual ones."""

    @abstractmethod
    def activate(self, pre: "torch.Tensor") -> "torch.Tensor":
        """Codes from pre-activations in training; zero where a feature does not fire, else the pre-activation."""

    def revive(self, pre: "torch.Tensor", most: int) -> "tuple[torch.Tensor, torch.Tensor]":
        """Codes of dead features for the auxiliary loss, at most `most` a row, and their slopes; both like `pre`."""
        codes = pre.relu()
        if pre.shape[1] > most:
            codes = codes * (codes >= codes.topk(most, dim=1).values[:, -1:])
        return codes, (codes > 0).to(pre.dtype)

    def penalize_codes(self, codes: "torch.Tensor", code_gradients: "torch.Tensor") -> "torch.Tensor | None":
        """Adds the penalty's gradient to `code_gradients` in place; the penalty, or None where there is none."""
        return None

    def penalize_weights(self, parameters: Parameters, gradients: Parameters) -> "torch.Tensor | None":
        """Adds the penalty's gradient to `gradients` in place; the penalty, or None where there is none."""
        return None

    def inference_config(self) -> dict[str, object]:
        """The fields of cfg.json that inference needs beyond the sizes, under the names SAELens reads."""
        return {}

    def initial(self, d: int, seed: int) -> Parameters:
        """Unit-norm random decoder rows, the encoder as their transpose, zero biases (float32, CPU)."""
        import torch

        # a stream of its own: data drawn with the same integer seed must not share the dictionary's numbers
        generator = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, 0x5AE]).generate_state(1)[0]))
        decoder = torch.randn(self.config.k_features, d, generator=generator)
        decoder /= decoder.norm(dim=1, keepdim=True)
        return {
            "W_enc": decoder.T.contiguous(),
            "W_dec": decoder,
            "b_enc": torch.zeros(self.config.k_features),
            "b_dec": torch.zeros(d),
        }

    def weights(self, parameters: Parameters) -> Parameters:
        """W_enc, W_dec, b_enc, b_dec and any extra weights of inference, from the trained parameters."""
        return dict(parameters)

    def gradients(
        self, parameters: Parameters, x: "torch.Tensor", dead: "torch.Tensor | None" = None, aux_weight: float = 0.0
    ) -> GradientStep:
        """Gradients of mean squared error (over batch and dimensions) plus penalties plus the auxiliary loss.

        The auxiliary loss (AuxK; Gao et al. 2024, arXiv 2406.04093) asks the features listed in `dead` (indices) to
        reconstruct what the living ones leave over; the residual is a constant in it.
        """
        import torch

        W_enc, W_dec = parameters["W_enc"], parameters["W_dec"]
        pre = torch.addmm(parameters["b_enc"], x, W_enc)
        codes = self.activate(pre)
        error = torch.addmm(parameters["b_dec"], codes, W_dec).sub_(x)
        loss = error.square().sum() / error.numel()
        upstream = error * (2.0 / error.numel())
        code_gradients = upstream @ W_dec.T
        penalty = self.penalize_codes(codes, code_gradients)
        pre_gradients = torch.ops.aten.threshold_backward(code_gradients, codes, 0.0)
        bias_gradient = pre_gradients.sum(0)
        # a feature fired in this batch exactly when some row passed a gradient to its bias
        fired = bias_gradient != 0
        gradients = {
            "W_enc": x.T @ pre_gradients,
            "W_dec": codes.T @ upstream,
            "b_enc": bias_gradient,
            "b_dec": upstream.sum(0),
        }
        weight_penalty = self.penalize_weights(parameters, gradients)
        for term in (penalty, weight_penalty):
            if term is not None:
                loss = loss + term
        if dead is not None and aux_weight > 0:
            loss = loss + self._auxiliary(parameters, gradients, x, pre, error, dead, aux_weight)
        return GradientStep(gradients, loss, fired)

    def _auxiliary(
        self,
        parameters: Parameters,
        gradients: Parameters,
        x: "torch.Tensor",
        pre: "torch.Tensor",
        error: "torch.Tensor",
        dead: "torch.Tensor",
        weight: float,
    ) -> "torch.Tensor":
        decoder = parameters["W_dec"][dead]
        codes, slopes = self.revive(pre[:, dead], max(1, x.shape[1] // 2))
        remainder = (codes @ decoder).add_(error)
        upstream = remainder * (2.0 * weight / remainder.numel())
        pre_gradients = (upstream @ decoder.T).mul_(slopes)
        gradients["W_dec"].index_add_(0, dead, codes.T @ upstream)
        gradients["W_enc"].index_add_(1, dead, x.T @ pre_gradients)
        gradients["b_enc"].index_add_(0, dead, pre_gradients.sum(0))
        return weight * remainder.square().sum() / remainder.numel()

    def project(self, parameters: Parameters, gradients: Parameters) -> None:
        """Removes, in place, the part of the decoder's gradient along its unit-norm rows."""
        W_dec = parameters["W_dec"]
        gradient = gradients["W_dec"]
        gradient.addcmul_((gradient * W_dec).sum(1, keepdim=True), W_dec, value=-1.0)

    def constrain(self, parameters: Parameters) -> None:
        """Brings decoder rows back to unit norm, in place."""
        W_dec = parameters["W_dec"]
        W_dec.div_(W_dec.norm(dim=1, keepdim=True).clamp_min_(1e-8))
