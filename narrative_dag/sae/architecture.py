"""What an autoencoder architecture is: a configuration, an inference rule on arrays, and gradients on tensors.

Most architectures are a linear encoder, an activation and a linear decoder: they derive from `narrative_dag.sae.linear`
and say little more than their activation and penalty. The others derive from `Architecture` itself; the trainer knows
nothing but the methods below.
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


class Batch(NamedTuple):
    """What one step sees.

    Attributes:
        x: normalised states, [b, d].
        labels: affordances to predict, [b, a], NaN where there is none; None without labels.
        dead: indices of the features that have been silent for a window; None when there are none.
        aux_weight: weight of the loss that revives them; 0: none.
        seed: of the noise of this step, different for each step and each seed of a run.
        pace: one over the number of steps of the training; what adapts over steps adapts in units of it.
        dtype: of the large products; None: as the parameters.
    """

    x: "torch.Tensor"
    labels: "torch.Tensor | None" = None
    dead: "torch.Tensor | None" = None
    aux_weight: float = 0.0
    seed: int = 0
    pace: float = 1e-3
    dtype: "torch.dtype | None" = None


class GradientStep(NamedTuple):
    """What one batch gives beside its gradients: the loss (scalar) and which features fired (bool, [k])."""

    loss: "torch.Tensor"
    fired: "torch.Tensor"


ConfigT = TypeVar("ConfigT", bound=ArchitectureConfig)


class Architecture(ABC, Generic[ConfigT]):
    """One kind of autoencoder. An instance holds its configuration and nothing else.

    In training a feature is a row: W_enc [k, d], W_dec [k, d]; weights of inference have W_enc [d, k].
    """

    config_type: ClassVar[type[ArchitectureConfig]]
    unit_rows: ClassVar[tuple[str, ...]] = ("W_dec",)
    """Parameters whose rows the trainer keeps at unit norm; the gradient along them is dropped."""

    shared: ClassVar[tuple[str, ...]] = ("b_dec",)
    """Parameters without a row, or a number, for each feature."""

    learns_labels: ClassVar[bool] = False
    """It cannot be trained without labels."""
    reset_size: ClassVar[float] = 1.0
    """Length of a resampled feature's encoder row, as a share of the living ones' mean."""

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @abstractmethod
    def infer(self, pre: Array, extras: Mapping[str, Array]) -> Array:
        """Codes from pre-activations `x W_enc + b_enc`, both [n, k], in numpy; `extras` are the other weights."""

    @abstractmethod
    def gradients(
        self, parameters: Parameters, buffers: Parameters, batch: Batch, gradients: Parameters
    ) -> GradientStep:
        """Fills `gradients`, which has the names and shapes of `parameters`, and updates `buffers` in place."""

    def initial(self, d: int, seed: int, label_width: int = 0) -> Parameters:
        """Unit-norm random decoder rows, the encoder equal to them, zero biases (float32, CPU).

        Raises:
            SaeError: the architecture needs labels and `label_width` is 0.
        """
        import torch

        # a stream of its own: data drawn with the same integer seed must not share the dictionary's numbers
        generator = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, 0x5AE]).generate_state(1)[0]))
        decoder = torch.randn(self.config.k_features, d, generator=generator)
        decoder /= decoder.norm(dim=1, keepdim=True)
        return {
            "W_enc": decoder.clone(),
            "W_dec": decoder,
            "b_enc": torch.zeros(self.config.k_features),
            "b_dec": torch.zeros(d),
        }

    def buffers(self, d: int) -> Parameters:
        """What changes in training without a gradient (thresholds, controllers), float32, CPU; empty for most."""
        return {}

    def weights(self, parameters: Parameters, buffers: Parameters) -> Parameters:
        """W_enc [d, k], W_dec [k, d], b_enc [k], b_dec [d] and any extra weights of inference."""
        return {**parameters, "W_enc": parameters["W_enc"].T}

    def reset(self, parameters: Parameters, features: "torch.Tensor", directions: "torch.Tensor", size: float) -> None:
        """Starts `features` (indices) anew, in place: unit `directions` [n, d], encoder rows `size` times as long."""
        parameters["W_dec"][features] = directions
        parameters["W_enc"][features] = size * directions
        parameters["b_enc"][features] = 0.0

    def exported(self, weights: Mapping[str, Array]) -> tuple[dict[str, object], dict[str, Array]]:
        """Fields of cfg.json beyond the sizes, and tensors, as SAELens names them, of folded inference weights.

        Extra weights that the tensors do not hold are saved beside them.
        """
        return {"architecture": "standard"}, dict(weights)

    def imported(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """The inverse of `exported`: weights of inference from all tensors of a checkpoint.

        Raises:
            KeyError: a tensor is missing.
        """
        return dict(tensors)
