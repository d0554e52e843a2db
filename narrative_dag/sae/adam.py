"""Adam over the parameters of one autoencoder, with rows of unit norm (Kingma and Ba 2015, arXiv 1412.6980)."""

import math
from collections.abc import Collection
from typing import TYPE_CHECKING

from narrative_dag.sae.architecture import Parameters

if TYPE_CHECKING:
    import torch

EPSILON = 1e-8


class Adam:
    """Steps `parameters` in place.

    For the parameters named by `unit_rows` the gradient's part along each row is dropped before the step and the rows
    are brought back to unit norm after it. On a CPU all that is one pass over the memory.

    Args:
        parameters: float tensors; changed by `step`.
        gradients: of the same names and shapes; `step` reads what they hold then.
        unit_rows: names of parameters.
        beta1: decay of the gradient's mean.
        beta2: decay of the gradient's square.

    Attributes:
        first: means of the gradients.
        second: means of their squares.
        count: steps made.
    """

    def __init__(
        self, parameters: Parameters, gradients: Parameters, unit_rows: Collection[str], beta1: float, beta2: float
    ) -> None:
        import torch

        self._parameters, self._gradients, self._unit_rows = parameters, gradients, frozenset(unit_rows)
        self._betas = beta1, beta2
        self.first = {name: torch.zeros_like(value) for name, value in parameters.items()}
        self.second = {name: torch.zeros_like(value) for name, value in parameters.items()}
        self.count = 0
        self._arrays = [
            (tuple(_rows(group[name]).numpy() for group in (parameters, gradients, self.first, self.second)), name)
            for name, weights in parameters.items()
            if weights.device.type == "cpu"
        ]

    def step(self, rate: float) -> None:
        """One step with this learning rate."""
        self.count += 1
        beta1, beta2 = self._betas
        rate = rate / (1 - beta1**self.count)
        correction = 1 / math.sqrt(1 - beta2**self.count)
        if self._arrays:
            from narrative_dag.sae.sparse_kernel import adam

            for (w, g, m, v), name in self._arrays:
                adam(w, g, m, v, rate, beta1, beta2, correction, EPSILON, name in self._unit_rows)
            return
        for name, weights in self._parameters.items():
            moments = self._gradients[name], self.first[name], self.second[name]
            _step(weights, *moments, rate, beta1, beta2, correction, name in self._unit_rows)

    def forget(self, features: "torch.Tensor", shared: Collection[str]) -> None:
        """Sets the moments of these rows (indices) to 0, in all parameters but the `shared` ones."""
        for moments in (self.first, self.second):
            for name, value in moments.items():
                if name not in shared:
                    value[features] = 0.0


def _rows(tensor: "torch.Tensor") -> "torch.Tensor":
    return tensor if tensor.ndim == 2 else tensor.view(1, -1)


def _step(
    weights: "torch.Tensor",
    gradient: "torch.Tensor",
    first: "torch.Tensor",
    second: "torch.Tensor",
    rate: float,
    beta1: float,
    beta2: float,
    correction: float,
    unit: bool,
) -> None:
    if unit:
        gradient.addcmul_((gradient * weights).sum(1, keepdim=True), weights, value=-1.0)
    first.lerp_(gradient, 1 - beta1)
    second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    weights.addcdiv_(first, second.sqrt().mul_(correction).add_(EPSILON), value=-rate)
    if unit:
        weights.div_(weights.norm(dim=1, keepdim=True).clamp_min_(1e-8))
