"""Autoencoders of a linear encoder, an activation and a linear decoder, with gradients written out.

The decoder bias is not subtracted from the input: the encoder bias absorbs it, which saves a sixth of the work. On a
CPU, codes with few active features are decoded and differentiated by `sparse_kernel`, which computes what the dense
products do, at the active features alone; `CROSSOVER` says what few is.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from narrative_dag.sae.architecture import Architecture, Array, Batch, ConfigT, GradientStep, Parameters

if TYPE_CHECKING:
    import torch

CROSSOVER = 0.13
"""Share of active codes up to which the sparse kernels are faster than dense products on a CPU.

Measured: they are equal between 0.10 and 0.15, for 256 to 4,096 features of 128 and 768 dimensions.
"""


class SparseCodes(NamedTuple):
    """Codes of a batch by rows: row r has `features[starts[r]:starts[r + 1]]` and the same part of `values`."""

    starts: npt.NDArray[np.int64]
    features: npt.NDArray[np.int64]
    values: Array


class Linear(Architecture[ConfigT]):
    """Encoder `x W_enc^T + b_enc`, an activation, decoder `z W_dec + b_dec`; loss: mean squared error and penalties.

    Shapes: x [b, d], pre-activations and codes [b, k].
    """

    sparse: ClassVar[bool] = True
    """The sparse kernels can be used.

    The loss depends on a code's pre-activation only where the code is positive, and `floors` says what `activate` does.
    """

    @property
    def tied(self) -> bool:
        """The encoder is the decoder: there is no parameter W_enc, and W_dec has the gradients of both."""
        return False

    def initial(self, d: int, seed: int, label_width: int = 0) -> Parameters:
        """As every architecture; no W_enc where it is tied."""
        parameters = super().initial(d, seed, label_width)
        if self.tied:
            del parameters["W_enc"]
        return parameters

    def weights(self, parameters: Parameters, buffers: Parameters) -> Parameters:
        """As every architecture; a tied encoder is the decoder's transpose."""
        return super().weights({**parameters, "W_enc": self.encoder(parameters)}, buffers)

    def encoder(self, parameters: Parameters) -> "torch.Tensor":
        """Encoder rows, [k, d]."""
        return parameters["W_dec" if self.tied else "W_enc"]

    def reset(self, parameters: Parameters, features: "torch.Tensor", directions: "torch.Tensor", size: float) -> None:
        """As every architecture; the rows of a tied encoder are the decoder's."""
        encoder = self.encoder(parameters)
        super().reset({**parameters, "W_enc": encoder}, features, directions, 1.0 if self.tied else size)

    @abstractmethod
    def activate(self, pre: "torch.Tensor", buffers: Parameters) -> "torch.Tensor":
        """Codes from pre-activations in training; zero where a feature does not fire, else the pre-activation."""

    def floors(self, pre: Array, buffers: Parameters) -> Array | None:
        """The least pre-activation of each row that fires if it is positive, [b]: `activate` on a CPU; None: any."""
        return None

    def revive(self, pre: "torch.Tensor", most: int) -> "tuple[torch.Tensor, torch.Tensor]":
        """Codes of dead features for the auxiliary loss, at most `most` a row, and their slopes; both like `pre`."""
        codes = pre.relu()
        if pre.shape[1] > most:
            codes = codes * (codes >= codes.topk(most, dim=1).values[:, -1:])
        return codes, (codes > 0).to(pre.dtype)

    def penalize_codes(
        self, codes: "torch.Tensor", code_gradients: "torch.Tensor", rows: int, buffers: Parameters, batch: Batch
    ) -> "torch.Tensor | None":
        """Adds the penalty's gradient to `code_gradients` in place; the penalty, or None where there is none.

        Both tensors are [b, k], or [m], the active ones alone, for sparse architectures; `rows` is b. What is added for
        a code of zero is ignored.
        """
        return None

    def penalize_weights(self, parameters: Parameters, gradients: Parameters) -> "torch.Tensor | None":
        """Adds the penalty's gradient to `gradients` in place; the penalty, or None where there is none."""
        return None

    def gradients(
        self, parameters: Parameters, buffers: Parameters, batch: Batch, gradients: Parameters
    ) -> GradientStep:
        """Gradients of mean squared error (over batch and dimensions) plus penalties plus the auxiliary loss.

        The auxiliary loss (AuxK; Gao et al. 2024, arXiv 2406.04093) asks the features listed in `dead` to reconstruct
        what the living ones leave over; the residual is a constant in it.
        """
        import torch

        x = batch.x
        if batch.dtype is None:
            pre = torch.addmm(parameters["b_enc"], x, self.encoder(parameters).T)
        else:
            pre = product(x, self.encoder(parameters).T, batch.dtype).add_(parameters["b_enc"])
        codes = self._sparse_codes(pre, buffers, batch)
        if codes is None:
            step, error = self._dense(parameters, buffers, batch, gradients, pre)
        else:
            step, error = self._sparse(parameters, buffers, batch, gradients, codes)
        loss = step.loss
        weight_penalty = self.penalize_weights(parameters, gradients)
        if weight_penalty is not None:
            loss = loss + weight_penalty
        if batch.dead is not None and batch.aux_weight > 0:
            loss = loss + self._auxiliary(parameters, gradients, batch, pre, error, batch.dead)
        return GradientStep(loss, step.fired)

    def _sparse_codes(self, pre: "torch.Tensor", buffers: Parameters, batch: Batch) -> SparseCodes | None:
        import torch

        if not self.sparse or pre.device.type != "cpu" or pre.dtype != torch.float32 or batch.dtype is not None:
            return None
        from narrative_dag.sae.sparse_kernel import compress

        values = pre.numpy()
        floors = self.floors(values, buffers)
        floors = np.zeros(len(values), dtype=values.dtype) if floors is None else floors
        few, starts, features, active = compress(values, floors, int(CROSSOVER * values.size))
        return SparseCodes(starts, features, active) if few else None

    def _dense(
        self, parameters: Parameters, buffers: Parameters, batch: Batch, gradients: Parameters, pre: "torch.Tensor"
    ) -> "tuple[GradientStep, torch.Tensor]":
        import torch

        x, W_dec = batch.x, parameters["W_dec"]
        codes = self._codes(pre, buffers)
        error = product(codes, W_dec, batch.dtype).add_(parameters["b_dec"]).sub_(x)
        loss = sum_of_squares(error) / error.numel()
        upstream = error * (2.0 / error.numel())
        code_gradients = product(upstream, W_dec.T, batch.dtype)
        penalty = self.penalize_codes(codes, code_gradients, len(x), buffers, batch)
        if penalty is not None:
            loss = loss + penalty
        product(codes.T, upstream, batch.dtype, out=gradients["W_dec"])
        torch.sum(upstream, 0, out=gradients["b_dec"])
        self._encoder_gradients(codes, code_gradients, batch, gradients)
        # a feature fired in this batch exactly when some row passed a gradient to its bias
        return GradientStep(loss, gradients["b_enc"] != 0), error

    def _encoder_gradients(
        self, codes: "torch.Tensor", code_gradients: "torch.Tensor", batch: Batch, gradients: Parameters
    ) -> None:
        """Writes those of encoder and encoder bias; a tied encoder's are added to what `W_dec` has already."""
        import torch

        pre_gradients = torch.ops.aten.threshold_backward(code_gradients, codes, 0.0)
        if self.tied:
            gradients["W_dec"].add_(product(pre_gradients.T, batch.x, batch.dtype))
        else:
            product(pre_gradients.T, batch.x, batch.dtype, out=gradients["W_enc"])
        torch.sum(pre_gradients, 0, out=gradients["b_enc"])

    def _codes(self, pre: "torch.Tensor", buffers: Parameters) -> "torch.Tensor":
        if not self.sparse or pre.device.type != "cpu":
            return self.activate(pre, buffers)
        import torch

        # numpy selects several times faster than torch on a CPU
        floors = self.floors(pre.numpy(), buffers)
        if floors is None:
            return self.activate(pre, buffers)
        return pre * ((pre >= torch.from_numpy(floors)[:, None]) & (pre > 0))

    def _sparse(
        self, parameters: Parameters, buffers: Parameters, batch: Batch, gradients: Parameters, codes: SparseCodes
    ) -> "tuple[GradientStep, torch.Tensor]":
        import torch

        from narrative_dag.sae.sparse_kernel import code_gradients, reconstruct, weight_gradients

        x, W_dec = batch.x.numpy(), parameters["W_dec"].numpy()
        error = np.empty_like(x)
        squares = reconstruct(*codes, W_dec, parameters["b_dec"].numpy(), x, error)
        loss = torch.tensor(squares / error.size)
        scale = 2.0 / error.size
        slopes = code_gradients(codes.starts, codes.features, error, scale, W_dec)
        penalty = self.penalize_codes(torch.from_numpy(codes.values), torch.from_numpy(slopes), len(x), buffers, batch)
        if penalty is not None:
            loss = loss + penalty
        fired = weight_gradients(
            *codes,
            slopes,
            error,
            scale,
            x,
            gradients["W_dec"].numpy(),
            self.encoder(gradients).numpy(),
            gradients["b_enc"].numpy(),
        )
        remainder = torch.from_numpy(error)
        torch.sum(remainder, 0, out=gradients["b_dec"]).mul_(scale)
        return GradientStep(loss, torch.from_numpy(fired)), remainder

    def _auxiliary(
        self,
        parameters: Parameters,
        gradients: Parameters,
        batch: Batch,
        pre: "torch.Tensor",
        error: "torch.Tensor",
        dead: "torch.Tensor",
    ) -> "torch.Tensor":
        decoder = parameters["W_dec"][dead]
        codes, slopes = self.revive(pre[:, dead], max(1, batch.x.shape[1] // 2))
        remainder = (codes @ decoder).add_(error)
        upstream = remainder * (2.0 * batch.aux_weight / remainder.numel())
        pre_gradients = (upstream @ decoder.T).mul_(slopes)
        gradients["W_dec"].index_add_(0, dead, codes.T @ upstream)
        self.encoder(gradients).index_add_(0, dead, pre_gradients.T @ batch.x)
        gradients["b_enc"].index_add_(0, dead, pre_gradients.sum(0))
        return batch.aux_weight * remainder.square().sum() / remainder.numel()


def product(
    left: "torch.Tensor", right: "torch.Tensor", dtype: "torch.dtype | None", out: "torch.Tensor | None" = None
) -> "torch.Tensor":
    """Matrix product in `dtype` (None: that of the operands), returned as the operands' type, or written to `out`."""
    import torch

    if dtype is None:
        return torch.mm(left, right) if out is None else torch.mm(left, right, out=out)
    narrow = (left.to(dtype) @ right.to(dtype)).to(left.dtype)
    return narrow if out is None else out.copy_(narrow)


def sum_of_squares(tensor: "torch.Tensor") -> "torch.Tensor":
    """Of a contiguous tensor, in one pass."""
    flat = tensor.view(-1)
    return flat.dot(flat)
