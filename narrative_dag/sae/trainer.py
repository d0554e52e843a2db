"""One trainer for every architecture: several runs fed by one pass over the states, resumable to the bit.

Per batch each run gives its gradients, one fused Adam steps all of them, and decoder rows return to unit norm.
Nothing is read back from the device inside a step.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from narrative_dag.sae.architecture import Architecture, Array, Parameters
from narrative_dag.sae.config import RunConfig, SaeConfig
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.registry import build
from narrative_dag.sae.trainer_state import LogRow, TrainerState

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int], None]
_PROBE_ROWS = 2048


class SaeTraining(NamedTuple):
    """The trained autoencoders, in the order of `SaeConfig.runs`, folded; and the log."""

    saes: list[FoldedSae]
    log: list[LogRow]


class Normalization(NamedTuple):
    """Centre and scale per dimension, both float64 [d]."""

    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]


def normalization(states: npt.NDArray[np.floating[Any]], floor: float) -> Normalization:
    """Mean and standard deviation per dimension of states [n, d].

    A scale is never below `floor` times the root mean square standard deviation: noise in an almost constant dimension
    is not blown up to the size of the others. Where nothing varies at all, scales are 1.
    """
    mean = states.mean(axis=0, dtype=np.float64)
    deviation = states.std(axis=0, dtype=np.float64)
    smallest = floor * float(np.sqrt(np.mean(deviation**2)))
    return Normalization(mean, np.maximum(deviation, smallest) if smallest > 0 else np.ones_like(mean))


def train(
    states: Array,
    config: SaeConfig,
    seed: int,
    *,
    checkpoint_dir: Path | None = None,
    progress: Progress | None = None,
) -> SaeTraining:
    """Trains every run of `config` on states [n, d], float32, in memory.

    `seed` orders the batches; the runs' own seeds draw their initial weights. With `checkpoint_dir` the trainer's state
    is saved there every `checkpoint_every` of the steps, and a later call with the same arguments goes on from it; the
    weights are bit-identical to those of an uninterrupted training on the same machine.

    Raises:
        SaeError: the states are not a finite [n, d] array with n >= 2, or the saved state belongs to something else.
    """
    import torch

    states = _checked(states)
    trainer = _Trainer(states, config, seed)
    fingerprint = _fingerprint(states, config, seed) if checkpoint_dir is not None else ""
    if checkpoint_dir is not None and (saved := TrainerState.load(checkpoint_dir, fingerprint)) is not None:
        trainer.restore(saved)
    save_every = max(1, round(config.checkpoint_every * trainer.steps))
    report_every = max(1, trainer.steps // 200)
    with torch.no_grad(), _threads(config.threads):
        while trainer.step < trainer.steps:
            trainer.advance()
            if checkpoint_dir is not None and (trainer.step % save_every == 0 or trainer.step == trainer.steps):
                trainer.state(fingerprint).save(checkpoint_dir)
            if progress is not None and (trainer.step % report_every == 0 or trainer.step == trainer.steps):
                progress(trainer.step, trainer.steps)
    return SaeTraining(trainer.folded(), trainer.log)


@contextmanager
def _threads(count: int) -> "Iterator[None]":
    """Computes with this number of CPU threads; results depend on it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def learning_rate_factor(step: int, steps: int, warmup: float, decay: float) -> float:
    """The share of the peak learning rate at `step` (from 0) of `steps`: linear rise, plateau, linear fall to 0."""
    rise, fall = warmup * steps, decay * steps
    up = (step + 1) / rise if rise > 0 else 1.0
    down = (steps - step) / fall if fall > 0 else 1.0
    return min(1.0, up, down)


def _checked(states: Array) -> Array:
    if states.ndim != 2 or states.shape[0] < 2 or states.shape[1] < 1:
        raise SaeError(f"training needs an array of states [n, d] with n >= 2, got shape {list(states.shape)}")
    states = np.ascontiguousarray(states, dtype=np.float32)
    if not np.isfinite(states).all():
        row = int(np.flatnonzero(~np.isfinite(states).all(axis=1))[0])
        raise SaeError("a state is not finite", where=f"row {row}")
    return states


def _fingerprint(states: Array, config: SaeConfig, seed: int) -> str:
    # where it runs and how often it saves do not change what is trained
    fields = config.model_dump(exclude={"device", "checkpoint_every"})
    digest = hashlib.sha256(json.dumps([fields, seed, list(states.shape)], sort_keys=True).encode())
    digest.update(states.data)
    return digest.hexdigest()


class _Run:
    """One autoencoder in training: parameters, and since when its features have been silent."""

    def __init__(self, config: RunConfig, d: int, device: "torch.device") -> None:
        import torch

        self.config = config
        self.architecture: Architecture[Any] = build(config.architecture)
        self.parameters: Parameters = {
            name: tensor.to(device) for name, tensor in self.architecture.initial(d, config.seed).items()
        }
        self.fired = torch.zeros(config.architecture.k_features, dtype=torch.bool, device=device)
        self.silent = torch.zeros_like(self.fired)
        self.loss = torch.zeros((), device=device)
        self.dead: torch.Tensor | None = None

    def close_window(self) -> None:
        """Takes the features that stayed silent in the window as dead for the next one."""
        self.silent = ~self.fired
        self.fired = self.fired.new_zeros(self.fired.shape)
        self.find_dead()

    def find_dead(self) -> None:
        indices = self.silent.nonzero().flatten()
        self.dead = indices if len(indices) else None


class _Trainer:
    """The state of a training and its step."""

    def __init__(self, states: Array, config: SaeConfig, seed: int) -> None:
        import torch

        n, d = states.shape
        self.config, self.seed = config, seed
        self.device = _device(config.device)
        self.normalization = normalization(states, config.scale_floor)
        scaled = (states - self.normalization.mean) / self.normalization.scale
        self.data = torch.from_numpy(scaled.astype(np.float32)).to(self.device)
        self.batches = max(1, n // config.batch_size)
        self.steps = config.epochs * self.batches
        self.window = max(1, round(config.dead_window * self.steps))
        self.log_every = max(1, round(config.log_every * self.steps))
        self.step, self.epoch = 0, -1
        self.log: list[LogRow] = []
        self.runs = [_Run(run, d, self.device) for run in config.runs]
        self.optimizer = torch.optim.Adam(
            [{"params": list(run.parameters.values()), "lr": run.config.lr} for run in self.runs],
            betas=(config.beta1, config.beta2),
            fused=True,
        )
        probe = np.random.default_rng([seed, 1]).permutation(n)[:_PROBE_ROWS]
        self.probe = self.data[torch.from_numpy(probe).to(self.device)]

    def advance(self) -> None:
        """One step of every run."""
        x = self._batch()
        factor = learning_rate_factor(self.step, self.steps, self.config.warmup, self.config.decay)
        for run, group in zip(self.runs, self.optimizer.param_groups, strict=True):
            group["lr"] = run.config.lr * factor
            step = run.architecture.gradients(run.parameters, x, run.dead, self.config.aux_weight)
            run.architecture.project(run.parameters, step.gradients)
            for name, parameter in run.parameters.items():
                parameter.grad = step.gradients[name]
            run.fired |= step.fired
            run.loss += step.loss
        self.optimizer.step()
        for run in self.runs:
            run.architecture.constrain(run.parameters)
        self.step += 1
        if self.step % self.window == 0:
            for run in self.runs:
                run.close_window()
        if self.step % self.log_every == 0 or self.step == self.steps:
            self._write_log()

    def _batch(self) -> "torch.Tensor":
        import torch

        epoch, batch = divmod(self.step, self.batches)
        if epoch != self.epoch:
            # the order depends on seed and epoch alone: resuming inside an epoch needs no generator's state
            order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.data))
            self.shuffled = self.data[torch.from_numpy(order).to(self.device)]
            self.epoch = epoch
        n = len(self.data)
        return self.shuffled[batch * n // self.batches : (batch + 1) * n // self.batches]

    def _write_log(self) -> None:
        steps = (self.step - 1) % self.log_every + 1
        total = self.probe.square().sum()
        for run in self.runs:
            parameters = run.architecture.weights(run.parameters)
            codes = run.architecture.activate(self.probe @ parameters["W_enc"] + parameters["b_enc"])
            error = codes @ parameters["W_dec"] + parameters["b_dec"] - self.probe
            values = {
                "loss": run.loss / steps,
                "fvu": error.square().sum() / total.clamp_min(1e-12),
                "l0": (codes > 0).sum() / len(codes),
                "silent": run.silent.float().mean(),
            }
            self.log += [LogRow(self.step, run.config.name, name, float(value)) for name, value in values.items()]
            run.loss.zero_()

    def folded(self) -> list[FoldedSae]:
        """The runs' autoencoders of raw states."""
        folded = []
        for run in self.runs:
            weights = run.architecture.weights(run.parameters)
            arrays = {name: tensor.cpu().numpy() for name, tensor in weights.items()}
            metadata = {"lr": run.config.lr, "seed": run.config.seed, "steps": self.step, "order_seed": self.seed}
            folded.append(FoldedSae.fold(run.config.architecture, arrays, *self.normalization, metadata=metadata))
        return folded

    def _tensors(self) -> "dict[str, torch.Tensor]":
        tensors: dict[str, torch.Tensor] = {}
        for i, run in enumerate(self.runs):
            tensors |= {f"{i}.silent": run.silent, f"{i}.fired": run.fired, f"{i}.loss": run.loss}
            for name, parameter in run.parameters.items():
                tensors[f"{i}.{name}"] = parameter
                for key, value in self.optimizer.state[parameter].items():
                    tensors[f"{i}.{name}.{key}"] = value
        return tensors

    def state(self, fingerprint: str) -> TrainerState:
        """What `restore` needs."""
        arrays = {name: tensor.cpu().numpy() for name, tensor in self._tensors().items()}
        return TrainerState(self.step, fingerprint, list(self.log), arrays)

    def restore(self, saved: TrainerState) -> None:
        """Goes on from a saved state."""
        import torch

        self.step, self.log = saved.step, list(saved.log)
        for i, run in enumerate(self.runs):
            for name, parameter in run.parameters.items():
                parameter.copy_(torch.from_numpy(saved.tensors[f"{i}.{name}"]))
                moments: Sequence[str] = ("step", "exp_avg", "exp_avg_sq")
                self.optimizer.state[parameter] = {
                    key: torch.from_numpy(saved.tensors[f"{i}.{name}.{key}"].copy()).to(self.device) for key in moments
                }
            run.silent = torch.from_numpy(saved.tensors[f"{i}.silent"].copy()).to(self.device)
            run.fired = torch.from_numpy(saved.tensors[f"{i}.fired"].copy()).to(self.device)
            run.loss = torch.from_numpy(saved.tensors[f"{i}.loss"].copy()).to(self.device)
            run.find_dead()


def _device(name: str) -> "torch.device":
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise SaeError("the configuration asks for CUDA and there is no GPU", hint="device = auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
