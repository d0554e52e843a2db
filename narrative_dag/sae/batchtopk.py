"""BatchTopK: the states of a batch share their active features, k each on average."""

from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeVar

import numpy as np
from pydantic import Field

from narrative_dag.sae.architecture import ArchitectureConfig, Array, Batch, Parameters
from narrative_dag.sae.jumprelu import Thresholded
from narrative_dag.sae.largest import LargestConfig

if TYPE_CHECKING:
    import torch

WINDOW = 0.02
"""Share of a training over which the threshold of inference is averaged."""


class BatchSelectionConfig(LargestConfig):
    """How many features fire."""

    k: int = Field(default=20, ge=1, description="mean number of active features of a state")


class BatchTopKConfig(BatchSelectionConfig):
    """Loss: mean squared error."""

    architecture: Literal["batchtopk"] = Field(default="batchtopk", description="name in the registry")


BatchSelectionT = TypeVar("BatchSelectionT", bound=BatchSelectionConfig)


class BatchSelection(Thresholded[BatchSelectionT], Generic[BatchSelectionT]):
    """Training: the b * k largest pre-activations of a batch of b states. Inference: those above a threshold.

    The threshold is the running mean of the smallest active pre-activation of a batch.
    """

    @property
    def tied(self) -> bool:
        """As configured."""
        return self.config.tied

    def buffers(self, d: int) -> Parameters:
        """The threshold of inference."""
        import torch

        return {"threshold": torch.tensor(0.0)}

    def weights(self, parameters: Parameters, buffers: Parameters) -> Parameters:
        """As every architecture, and the threshold for each feature."""
        threshold = buffers["threshold"].expand(self.config.k_features)
        return {**super().weights(parameters, buffers), "threshold": threshold}

    def activate(self, pre: "torch.Tensor", buffers: Parameters) -> "torch.Tensor":
        """`pre` where it is positive and among the batch's b * k largest, else 0; equal ones are all kept."""
        least = pre.flatten().topk(len(pre) * self.config.k, sorted=False).values.min()
        return pre * ((pre >= least) & (pre > 0))

    def floors(self, pre: Array, buffers: Parameters) -> Array:
        """The batch's b * k-th largest, for every row."""
        place = pre.size - len(pre) * self.config.k
        return np.full(len(pre), np.partition(pre, place, axis=None)[place])

    def penalize_codes(
        self, codes: "torch.Tensor", code_gradients: "torch.Tensor", rows: int, buffers: Parameters, batch: Batch
    ) -> "torch.Tensor | None":
        """No penalty; the threshold follows the smallest code."""
        import torch

        threshold = buffers["threshold"]
        smallest = torch.where(codes > 0, codes, torch.inf).min() if codes.numel() else threshold
        # a batch in which nothing fires tells nothing
        smallest = torch.where(smallest.isfinite(), smallest, threshold)
        threshold.lerp_(smallest, min(1.0, batch.pace / WINDOW))
        return None


class BatchTopK(BatchSelection[BatchTopKConfig]):
    """As the selection says (Bussmann et al. 2024, arXiv 2412.06410)."""

    config_type: ClassVar[type[ArchitectureConfig]] = BatchTopKConfig
