"""The gated autoencoder: one path decides which features fire, another how strongly, and L1 shrinks the first alone."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from narrative_dag.sae.architecture import ArchitectureConfig, Array, Batch, GradientStep, Parameters
from narrative_dag.sae.control import control
from narrative_dag.sae.linear import SparseCodes, product
from narrative_dag.sae.standard import L1Config, Rectified

if TYPE_CHECKING:
    import torch


class GatedConfig(L1Config):
    """Loss: mean squared error + `l1` * mean over rows of |relu(gate)|_1 + mean squared error of relu(gate), decoded.

    The last term takes the decoder as a constant. With `target_l0` the features that fire are counted.
    """

    architecture: Literal["gated"] = Field(default="gated", description="name in the registry")
    l1: float = Field(
        default=0.016, ge=0, description="weight of the L1 norm of a row's gates, inputs at unit variance"
    )


class Gated(Rectified[GatedConfig]):
    """Gate and magnitude share the encoder's rows (Rajamanoharan et al. 2024, arXiv 2404.16014).

    With u = x W_enc^T: gate = u + b_enc, magnitude = exp(r_mag) * u + b_mag, code = [gate > 0] * relu(magnitude).

    In inference the magnitude is an affine function of the gate's pre-activation, exp(r_mag) * gate + shift_mag with
    shift_mag = b_mag - exp(r_mag) * b_enc. Folding a centre m into b_enc moves b_mag by exp(r_mag) times as much, so
    that shift_mag stays what it is: the weights of inference hold it in place of b_mag.
    """

    config_type: ClassVar[type[ArchitectureConfig]] = GatedConfig

    def initial(self, d: int, seed: int, label_width: int = 0) -> Parameters:
        """As every architecture; both paths start equal."""
        import torch

        zeros = {name: torch.zeros(self.config.k_features) for name in ("r_mag", "b_mag")}
        return super().initial(d, seed, label_width) | zeros

    def weights(self, parameters: Parameters, buffers: Parameters) -> Parameters:
        """As every architecture, with `r_mag` and `shift_mag`."""
        weights = super().weights(parameters, buffers)
        b_mag = weights.pop("b_mag")
        return {**weights, "shift_mag": b_mag - parameters["r_mag"].exp() * parameters["b_enc"]}

    def reset(self, parameters: Parameters, features: "torch.Tensor", directions: "torch.Tensor", size: float) -> None:
        """As every architecture; both paths start equal."""
        super().reset(parameters, features, directions, size)
        parameters["r_mag"][features] = 0.0
        parameters["b_mag"][features] = 0.0

    def infer(self, pre: Array, extras: Mapping[str, Array]) -> Array:
        """`[pre > 0] * relu(exp(r_mag) * pre + shift_mag)`."""
        magnitudes = np.exp(extras["r_mag"]) * pre + extras["shift_mag"]
        return np.where(pre > 0, np.maximum(magnitudes, np.float32(0)), np.float32(0))

    def exported(self, weights: Mapping[str, Array]) -> tuple[dict[str, object], dict[str, Array]]:
        """SAELens's `gated`: the encoder bias is called b_gate, and b_mag is that of raw states."""
        # of raw states far from 0 the two terms are large and all but cancel
        slope = np.exp(weights["r_mag"].astype(np.float64))
        b_mag = (weights["shift_mag"] + slope * weights["b_enc"]).astype(np.float32)
        kept = {name: weights[name] for name in ("W_enc", "W_dec", "b_dec", "r_mag")}
        return {"architecture": "gated"}, {**kept, "b_gate": weights["b_enc"], "b_mag": b_mag}

    def imported(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """The inverse; `shift_mag` is reckoned where another tool has left it out."""
        weights = dict(tensors)
        weights["b_enc"], b_mag = weights.pop("b_gate"), weights.pop("b_mag")
        shift = b_mag - np.exp(weights["r_mag"].astype(np.float64)) * weights["b_enc"]
        weights.setdefault("shift_mag", shift.astype(np.float32))
        return weights

    def _dense(
        self, parameters: Parameters, buffers: Parameters, batch: Batch, gradients: Parameters, pre: "torch.Tensor"
    ) -> "tuple[GradientStep, torch.Tensor]":
        import torch

        x, W_dec, rows = batch.x, parameters["W_dec"], len(batch.x)
        linear = pre - parameters["b_enc"]
        slope = parameters["r_mag"].exp()
        magnitudes = linear * slope + parameters["b_mag"]
        gate = pre.relu()
        codes = magnitudes.relu() * (pre > 0)
        error = product(codes, W_dec, batch.dtype).add_(parameters["b_dec"]).sub_(x)
        gate_error = product(gate, W_dec, batch.dtype).add_(parameters["b_dec"]).sub_(x)
        scale = 2.0 / error.numel()
        upstream = error * scale
        by_magnitude = torch.ops.aten.threshold_backward(product(upstream, W_dec.T, batch.dtype), codes, 0.0)
        by_gate = product(gate_error * scale, W_dec.T, batch.dtype).add_(self._l1(buffers) / rows)
        by_gate = torch.ops.aten.threshold_backward(by_gate, gate, 0.0)
        product(codes.T, upstream, batch.dtype, out=gradients["W_dec"])
        product((by_magnitude * slope + by_gate).T, x, batch.dtype, out=gradients["W_enc"])
        torch.sum(by_gate, 0, out=gradients["b_enc"])
        torch.sum(by_magnitude, 0, out=gradients["b_mag"])
        torch.sum(by_magnitude * linear, 0, out=gradients["r_mag"]).mul_(slope)
        torch.sum(upstream, 0, out=gradients["b_dec"])
        squares = error.square().sum() + gate_error.square().sum()
        fires = codes > 0
        loss = squares / error.numel() + self._penalty(gate.sum(), fires.sum(), rows, buffers, batch)
        return GradientStep(loss, fires.any(0)), error

    def _sparse(
        self, parameters: Parameters, buffers: Parameters, batch: Batch, gradients: Parameters, codes: SparseCodes
    ) -> "tuple[GradientStep, torch.Tensor]":
        """The same at the open gates alone; `codes` are the gate's."""
        import torch

        from narrative_dag.sae.sparse_kernel import code_gradients, reconstruct, weight_gradients

        x, W_dec, b_dec, rows = batch.x.numpy(), parameters["W_dec"].numpy(), parameters["b_dec"].numpy(), len(batch.x)
        starts, features, gate = codes
        slope = parameters["r_mag"].exp().numpy()[features]
        linear = gate - parameters["b_enc"].numpy()[features]
        values = np.maximum(slope * linear + parameters["b_mag"].numpy()[features], np.float32(0))
        error, gate_error = np.empty_like(x), np.empty_like(x)
        squares = reconstruct(starts, features, values, W_dec, b_dec, x, error)
        squares += reconstruct(starts, features, gate, W_dec, b_dec, x, gate_error)
        scale = 2.0 / error.size
        by_magnitude = code_gradients(starts, features, error, scale, W_dec) * (values > 0)
        by_gate = code_gradients(starts, features, gate_error, scale, W_dec)
        by_gate += np.float32(float(self._l1(buffers)) / rows)
        weight_gradients(
            starts,
            features,
            values,
            by_magnitude * slope + by_gate,
            error,
            scale,
            x,
            gradients["W_dec"].numpy(),
            gradients["W_enc"].numpy(),
            gradients["b_enc"].numpy(),
        )
        sums = {"b_enc": by_gate, "b_mag": by_magnitude, "r_mag": by_magnitude * linear * slope}
        k = len(W_dec)
        for name, values_by_feature in sums.items():
            gradients[name].copy_(torch.from_numpy(np.bincount(features, values_by_feature, k)))
        remainder = torch.from_numpy(error)
        torch.sum(remainder, 0, out=gradients["b_dec"]).mul_(scale)
        fires = features[values > 0]
        penalty = self._penalty(torch.tensor(float(gate.sum())), torch.tensor(len(fires)), rows, buffers, batch)
        fired = torch.from_numpy(np.bincount(fires, minlength=k) > 0)
        return GradientStep(squares / error.size + penalty, fired), remainder

    def _l1(self, buffers: Parameters) -> "torch.Tensor | float":
        return buffers.get("l1", self.config.l1)

    def _penalty(
        self, gate: "torch.Tensor", active: "torch.Tensor", rows: int, buffers: Parameters, batch: Batch
    ) -> "torch.Tensor":
        """L1 of a batch with this sum of open gates; then its controller."""
        penalty = gate * (self._l1(buffers) / rows)
        if self.config.target_l0 is not None:
            control(buffers, active / rows, self.config.target_l0, batch.pace)
        return penalty
