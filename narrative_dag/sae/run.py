"""One autoencoder in training."""

from typing import TYPE_CHECKING, Any

import numpy as np

from narrative_dag.sae.adam import Adam
from narrative_dag.sae.architecture import Architecture, Array, Batch, Parameters
from narrative_dag.sae.config import RunConfig
from narrative_dag.sae.registry import build

if TYPE_CHECKING:
    import torch

USUAL = ("W_enc", "W_dec", "b_enc", "b_dec")


class Run:
    """Parameters, optimiser, and since when features have been silent.

    Args:
        config: architecture, learning rate, seed of the initial weights.
        d: dimensions of a state.
        label_width: labels of a state; 0: none.
        device: where the tensors live.
        betas: Adam's.
    """

    def __init__(
        self, config: RunConfig, d: int, label_width: int, device: "torch.device", betas: tuple[float, float]
    ) -> None:
        import torch

        self.config = config
        self.architecture: Architecture[Any] = build(config.architecture)
        initial = self.architecture.initial(d, config.seed, label_width)
        self.parameters: Parameters = {name: tensor.contiguous().to(device) for name, tensor in initial.items()}
        self.buffers: Parameters = {name: t.to(device) for name, t in self.architecture.buffers(d).items()}
        self.gradients: Parameters = {name: torch.zeros_like(tensor) for name, tensor in self.parameters.items()}
        self.adam = Adam(self.parameters, self.gradients, self.architecture.unit_rows, *betas)
        self.fired = torch.zeros(config.architecture.k_features, dtype=torch.bool, device=device)
        self.silent = torch.zeros_like(self.fired)
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self.dead: torch.Tensor | None = None
        self.best, self.best_step = float("inf"), 0

    def advance(self, batch: Batch, rate: float) -> None:
        """One step on one batch."""
        step = self.architecture.gradients(self.parameters, self.buffers, batch, self.gradients)
        self.adam.step(rate)
        self.fired |= step.fired
        self.loss += step.loss

    def close_window(self) -> None:
        """Takes the features that stayed silent in the window as dead for the next one."""
        self.silent = ~self.fired
        self.fired = self.fired.new_zeros(self.fired.shape)
        self.find_dead()

    def find_dead(self) -> None:
        """Lists the silent features."""
        indices = self.silent.nonzero().flatten()
        self.dead = indices if len(indices) else None

    @property
    def finite(self) -> bool:
        """The training has not diverged: every weight of inference is a finite number."""
        return all(np.isfinite(array).all() for array in self.weights().values())

    def weights(self) -> dict[str, Array]:
        """Weights of inference on normalised states, as arrays, which may be the parameters' own memory: to read."""
        weights = self.architecture.weights(self.parameters, self.buffers)
        return {name: np.ascontiguousarray(tensor.float().cpu().numpy()) for name, tensor in weights.items()}

    def measure(self, states: Array) -> dict[str, float]:
        """Reconstruction and sparsity on normalised states [n, d], by the rule of inference."""
        weights = self.weights()
        extras = {name: value for name, value in weights.items() if name not in USUAL}
        codes = self.architecture.infer(states @ weights["W_enc"] + weights["b_enc"], extras)
        error = codes @ weights["W_dec"] + weights["b_dec"] - states
        total = max(float(np.square(states, dtype=np.float64).sum()), 1e-12)
        return {
            "fvu": float(np.square(error, dtype=np.float64).sum()) / total,
            "l0": float(np.count_nonzero(codes > 0)) / len(states),
            "silent": float(self.silent.float().mean()),
            **{name: float(value) for name, value in self.buffers.items() if value.ndim == 0},
        }

    def resample(self, states: Array, rng: np.random.Generator) -> None:
        """Starts dead features anew at badly reconstructed states (Bricken et al. 2023, "Towards Monosemanticity").

        Args:
            states: normalised, [n, d]; one is drawn for each feature with a probability that grows with the square of
                its squared error.
            rng: draws them.
        """
        import torch

        if self.dead is None or len(self.dead) == len(self.silent):
            return
        weights = self.weights()
        extras = {name: value for name, value in weights.items() if name not in USUAL}
        codes = self.architecture.infer(states @ weights["W_enc"] + weights["b_enc"], extras)
        error = np.square(codes @ weights["W_dec"] + weights["b_dec"] - states, dtype=np.float64).sum(axis=1)
        # nothing is left to explain, or the run diverged
        if not error.any() or not np.isfinite(error).all():
            return
        chosen = states[rng.choice(len(states), len(self.dead), p=error**2 / np.sum(error**2))]
        chosen = chosen / np.maximum(np.linalg.norm(chosen, axis=1, keepdims=True), 1e-8)
        alive = np.linalg.norm(weights["W_enc"][:, ~self.silent.cpu().numpy()], axis=0).mean()
        directions = torch.from_numpy(chosen).to(self.silent.device)
        self.architecture.reset(self.parameters, self.dead, directions, self.architecture.reset_size * float(alive))
        self.adam.forget(self.dead, self.architecture.shared)
        self.silent, self.dead = torch.zeros_like(self.silent), None

    def tensors(self) -> Parameters:
        """All that the rest of the training depends on, under names of their own; `restore` reads them."""
        tensors = {"silent": self.silent, "fired": self.fired, "loss": self.loss}
        groups = {"parameter": self.parameters, "buffer": self.buffers}
        groups |= {"first": self.adam.first, "second": self.adam.second}
        return tensors | {f"{group}.{name}": value for group, named in groups.items() for name, value in named.items()}

    def restore(self, arrays: dict[str, Any], step: int) -> None:
        """Takes over what `tensors` gave after `step` steps, as arrays."""
        import torch

        for name, tensor in self.tensors().items():
            # a file has no arrays of dimension 0
            tensor.copy_(torch.from_numpy(np.array(arrays[name])).reshape(tensor.shape))
        self.adam.count = step
        self.find_dead()
