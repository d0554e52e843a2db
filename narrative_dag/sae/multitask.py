"""The multi-task autoencoder: TopK whose codes also predict, by a linear logistic head, which options are open.

Its features are trained on the labels. What they say about the same labels, on whatever rows, is no evidence of what an
autoencoder finds by itself: they have no place in a claim of coupling.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from narrative_dag.sae.architecture import ArchitectureConfig, Batch, GradientStep, Parameters
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.largest import Largest, LargestConfig
from narrative_dag.sae.linear import SparseCodes

if TYPE_CHECKING:
    import torch

_SLOPES, _LOSS = "head slopes", "head loss"


class MultiTaskConfig(LargestConfig):
    """Loss: mean squared error + `label_weight` * mean binary cross-entropy, in nats, over the labels that apply."""

    architecture: Literal["multitask"] = Field(default="multitask", description="name in the registry")
    label_weight: float = Field(default=0.1, ge=0, description="weight of the head's cross-entropy")


class MultiTask(Largest[MultiTaskConfig]):
    """Logits of the labels are `codes W_head + b_head`; labels are 0, 1 or, where there is no such option, NaN.

    Weights of inference hold `W_head` [k, a] and `b_head` [a], see `narrative_dag.sae.head`.
    """

    config_type: ClassVar[type[ArchitectureConfig]] = MultiTaskConfig
    learns_labels: ClassVar[bool] = True
    shared: ClassVar[tuple[str, ...]] = ("b_dec", "b_head")

    def initial(self, d: int, seed: int, label_width: int = 0) -> Parameters:
        """As every architecture; a head of zeros.

        Raises:
            SaeError: there are no labels.
        """
        import torch

        if label_width == 0:
            raise SaeError("multitask predicts labels, and the states have none", hint="--labels")
        head = {"W_head": torch.zeros(self.config.k_features, label_width), "b_head": torch.zeros(label_width)}
        return super().initial(d, seed, label_width) | head

    def reset(self, parameters: Parameters, features: "torch.Tensor", directions: "torch.Tensor", size: float) -> None:
        """As every architecture; the head ignores the feature at first."""
        super().reset(parameters, features, directions, size)
        parameters["W_head"][features] = 0.0

    def penalize_codes(
        self, codes: "torch.Tensor", code_gradients: "torch.Tensor", rows: int, buffers: Parameters, batch: Batch
    ) -> "torch.Tensor | None":
        """The head's part, which is at hand already."""
        code_gradients.add_(buffers[_SLOPES])
        return buffers[_LOSS]

    def _dense(
        self, parameters: Parameters, buffers: Parameters, batch: Batch, gradients: Parameters, pre: "torch.Tensor"
    ) -> "tuple[GradientStep, torch.Tensor]":
        loss, slopes = self._head(parameters, batch, gradients, self._codes(pre, buffers))
        return super()._dense(parameters, {**buffers, _SLOPES: slopes, _LOSS: loss}, batch, gradients, pre)

    def _sparse(
        self, parameters: Parameters, buffers: Parameters, batch: Batch, gradients: Parameters, codes: SparseCodes
    ) -> "tuple[GradientStep, torch.Tensor]":
        import torch

        places = torch.from_numpy(codes.features)
        rows = torch.repeat_interleave(torch.from_numpy(codes.starts).diff())
        dense = torch.zeros(len(batch.x), self.config.k_features)
        dense[rows, places] = torch.from_numpy(codes.values)
        loss, slopes = self._head(parameters, batch, gradients, dense)
        context = {**buffers, _SLOPES: slopes[rows, places], _LOSS: loss}
        return super()._sparse(parameters, context, batch, gradients, codes)

    def _head(
        self, parameters: Parameters, batch: Batch, gradients: Parameters, codes: "torch.Tensor"
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """Fills the head's gradients; its weighted loss, and the gradient by code, [b, k]."""
        import torch

        assert batch.labels is not None
        logits = torch.addmm(parameters["b_head"], codes, parameters["W_head"])
        applies = ~batch.labels.isnan()
        truth = batch.labels.nan_to_num().to(logits.dtype)
        share = self.config.label_weight / applies.sum().clamp(min=1).to(logits.dtype)
        loss = ((torch.nn.functional.softplus(logits) - truth * logits) * applies).sum() * share
        upstream = (logits.sigmoid() - truth) * applies * share
        torch.mm(codes.T, upstream, out=gradients["W_head"])
        torch.sum(upstream, 0, out=gradients["b_head"])
        return loss, upstream @ parameters["W_head"].T
