"""Matryoshka: nested dictionaries, each of which reconstructs by itself."""

from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from narrative_dag.sae.architecture import ArchitectureConfig, Batch, GradientStep, Parameters
from narrative_dag.sae.batchtopk import BatchSelection, BatchSelectionConfig
from narrative_dag.sae.linear import SparseCodes, product

if TYPE_CHECKING:
    import torch


class MatryoshkaConfig(BatchSelectionConfig):
    """Loss: the mean over the prefixes of the mean squared error that the prefix alone leaves."""

    architecture: Literal["matryoshka"] = Field(default="matryoshka", description="name in the registry")
    shares: tuple[float, ...] = Field(
        default=(1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0),
        min_length=1,
        description="sizes of the prefixes as shares of the dictionary, rising to 1",
    )

    @model_validator(mode="after")
    def _nested(self) -> Self:
        if self.shares[-1] != 1 or not self.shares[0] > 0 or list(self.shares) != sorted(set(self.shares)):
            raise ValueError(f"shares rise from above 0 to 1, got {self.shares}")
        return self

    @property
    def prefixes(self) -> tuple[int, ...]:
        """Features of each prefix, rising; shares that come to the same number of features are one prefix."""
        return tuple(sorted({max(1, round(share * self.k_features)) for share in self.shares}))


class Matryoshka(BatchSelection[MatryoshkaConfig]):
    """Features are chosen as by BatchTopK, among all of them; every prefix decodes its part of them.

    Early features learn what is general and are not absorbed by later, more special ones (Bussmann et al. 2025, arXiv
    2503.17547). The prefixes share the decoder bias. A feature's error is the sum of the errors of the prefixes that
    hold it, so that all prefixes together cost one decoding.
    """

    config_type: ClassVar[type[ArchitectureConfig]] = MatryoshkaConfig

    def _parts(self) -> list[slice]:
        """The features that each prefix adds to the one before."""
        ends = self.config.prefixes
        return [slice(start, end) for start, end in zip((0, *ends), ends, strict=False)]

    def _dense(
        self, parameters: Parameters, buffers: Parameters, batch: Batch, gradients: Parameters, pre: "torch.Tensor"
    ) -> "tuple[GradientStep, torch.Tensor]":
        import torch

        x, W_dec, parts = batch.x, parameters["W_dec"], self._parts()
        codes = self._codes(pre, buffers)
        errors, error = [], parameters["b_dec"] - x
        for part in parts:
            error = product(codes[:, part], W_dec[part], batch.dtype).add_(error)
            errors.append(error)
        weight = 1.0 / (len(parts) * x.numel())
        loss = torch.stack([e.square().sum() for e in errors]).sum() * weight
        code_gradients = torch.empty_like(codes)
        upstream = torch.zeros_like(x)
        for part, remainder in zip(reversed(parts), reversed(errors), strict=True):
            upstream.add_(remainder, alpha=2.0 * weight)
            code_gradients[:, part] = product(upstream, W_dec[part].T, batch.dtype)
            product(codes[:, part].T, upstream, batch.dtype, out=gradients["W_dec"][part])
        self.penalize_codes(codes, code_gradients, len(x), buffers, batch)
        torch.sum(upstream, 0, out=gradients["b_dec"])
        self._encoder_gradients(codes, code_gradients, batch, gradients)
        return GradientStep(loss, gradients["b_enc"] != 0), error

    def _sparse(
        self, parameters: Parameters, buffers: Parameters, batch: Batch, gradients: Parameters, codes: SparseCodes
    ) -> "tuple[GradientStep, torch.Tensor]":
        import torch

        from narrative_dag.sae.sparse_kernel import code_gradients, reconstruct, weight_gradients

        x, W_dec, parts = batch.x.numpy(), parameters["W_dec"].numpy(), self._parts()
        chosen = [_part(codes, part) for part in parts]
        squares = 0.0
        errors: list[np.ndarray] = []
        # the kernel adds to a bias and subtracts a target: the error before this part, with its sign turned
        bias, target = parameters["b_dec"].numpy(), x
        for part, own in zip(parts, chosen, strict=True):
            error = np.empty_like(x)
            squares += reconstruct(*own, W_dec[part], bias, target, error)
            errors.append(error)
            bias, target = np.zeros_like(bias), -error
        weight = 1.0 / (len(parts) * x.size)
        upstream = np.zeros_like(x)
        g_dec, g_enc, g_bias = (g.numpy() for g in (gradients["W_dec"], self.encoder(gradients), gradients["b_enc"]))
        fired = []
        for part, own, remainder in zip(reversed(parts), reversed(chosen), reversed(errors), strict=True):
            upstream += remainder
            slopes = code_gradients(own.starts, own.features, upstream, 2.0 * weight, W_dec[part])
            outputs = g_dec[part], g_enc[part], g_bias[part]
            fired.append(weight_gradients(*own, slopes, upstream, 2.0 * weight, x, *outputs))
        values = torch.from_numpy(codes.values)
        self.penalize_codes(values, torch.empty_like(values), len(x), buffers, batch)
        torch.sum(torch.from_numpy(upstream), 0, out=gradients["b_dec"]).mul_(2.0 * weight)
        step = GradientStep(torch.tensor(squares * weight), torch.from_numpy(np.concatenate(fired[::-1])))
        return step, torch.from_numpy(errors[-1])


def _part(codes: SparseCodes, part: slice) -> SparseCodes:
    """The codes of some features, counted from the first of them."""
    inside = (codes.features >= part.start) & (codes.features < part.stop)
    before = np.concatenate([[0], np.cumsum(inside)])
    return SparseCodes(before[codes.starts], codes.features[inside] - part.start, codes.values[inside])
