"""One trainer for every architecture: many runs in one pass over the data, resumable to the same bits."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from narrative_dag.progress import CountProgress
from narrative_dag.sae.architecture import Array, Batch
from narrative_dag.sae.config import SaeConfig
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.feed import Feed, epoch_steps, normalization
from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.run import Run
from narrative_dag.sae.schedule import Schedule
from narrative_dag.sae.sources import InMemory, StateSource
from narrative_dag.sae.trainer_state import LogRow, TrainerState

if TYPE_CHECKING:
    import torch

FOLDED = "folded"
"""Folder of the autoencoders `sae-0`, ... of the last save, beside the trainer's state."""
_PROBE_ROWS = 512
_RESAMPLING_ROWS = 8192


class SaeTraining(NamedTuple):
    """The trained autoencoders, in the order of `SaeConfig.runs`, folded; and the log."""

    saes: list[FoldedSae]
    log: list[LogRow]


def train(
    states: Array | StateSource,
    config: SaeConfig,
    seed: int,
    *,
    validation: Array | None = None,
    checkpoint_dir: Path | None = None,
    progress: CountProgress | None = None,
) -> SaeTraining:
    """Trains every run of `config` in one pass over the states.

    Args:
        states: float32 [n, d] in memory, or a source of them.
        config: runs and schedule.
        seed: orders the batches; the runs' own seeds draw their initial weights.
        validation: raw states [m, d] on which the log's figures are taken; None: on some of the training states.
        checkpoint_dir: where the trainer's state is saved every `checkpoint_every` of the steps, with the autoencoders
            folded. A later call with the same arguments goes on from it; the weights are bit-identical to those of an
            uninterrupted training on the same machine.
        progress: called with the steps made and to make.

    Raises:
        SaeError: the states are not finite [n, d] with n >= 2, the saved state belongs to something else, a run needs
            labels that the source lacks, or a run diverged.
    """
    import torch

    from narrative_dag.sae.sweep import find_rates

    source: StateSource = InMemory(states) if isinstance(states, np.ndarray) else states
    swept: list[LogRow] = []
    with torch.no_grad(), _threads(config.threads):
        if any(run.lr == "auto" for run in config.runs):
            found = find_rates(source, config, seed, checkpoint_dir)
            config, swept = found.config, found.log
        trainer = Trainer(source, config, seed, validation)
        trainer.finish(checkpoint_dir, progress)
        return SaeTraining(trainer.folded(), swept + trainer.log)


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


def planned_steps(source: StateSource, config: SaeConfig) -> int:
    """Optimiser steps of a training that does not end early."""
    return config.steps or config.epochs * epoch_steps(source, config.batch_size)


class Trainer:
    """The state of a training, and its step.

    Args:
        source: the states.
        config: runs and schedule; every learning rate is a number.
        seed: of the order of the batches.
        validation: raw states for the log's figures, or None.
    """

    def __init__(self, source: StateSource, config: SaeConfig, seed: int, validation: Array | None = None) -> None:
        self.config, self.seed, self.source, self.validation = config, seed, source, validation
        self.device = _device(config.device)
        moments = source.moments()
        self.normalization = normalization(*moments, config.scale_floor)
        self._constant = moments.deviation <= 1e-6 * np.maximum(1.0, np.abs(moments.mean))
        self.feed = Feed(source, config.batch_size, seed, self.normalization, self.device)
        self.steps = planned_steps(source, config)
        self.schedule = Schedule(self.steps, config.warmup, config.decay)
        self.step = 0
        self.log: list[LogRow] = []
        betas = config.beta1, config.beta2
        self.runs = [Run(run, source.d, source.label_width, self.device, betas) for run in config.runs]
        self._window = max(1, round(config.dead_window * self.steps))
        self._log_every = max(1, round(config.log_every * self.steps))
        self._resample_at = {max(1, round(share * self.steps)) for share in config.resample}
        probe = source.probe(_PROBE_ROWS, seed).states if validation is None else validation
        self._probe = self.normalization.apply(np.array(probe, dtype=np.float32, order="C"))

    @property
    def finished(self) -> bool:
        """No step is left to make."""
        return self.step >= self.schedule.end

    def finish(
        self, checkpoint_dir: Path | None = None, progress: CountProgress | None = None, *, fold_saves: bool = True
    ) -> None:
        """Makes the steps that are left, from the folder's saved state on where there is one.

        Args:
            checkpoint_dir, progress: see `train`.
            fold_saves: save the folded autoencoders, too, and so end at a save after a run diverged.

        Raises:
            SaeError: the saved state belongs to something else, or a run diverged.
        """
        fingerprint = self._fingerprint() if checkpoint_dir is not None else ""
        if checkpoint_dir is not None and (saved := TrainerState.load(checkpoint_dir, fingerprint)) is not None:
            self.restore(saved)
        save_every = max(1, round(self.config.checkpoint_every * self.steps))
        report_every = max(1, self.steps // 200)
        batches = self.feed.batches(self.step)
        while not self.finished:
            self.advance(*next(batches))
            if checkpoint_dir is not None and (self.step % save_every == 0 or self.finished):
                if fold_saves:
                    self.save_folded(checkpoint_dir)
                self.save(checkpoint_dir, fingerprint)
            if progress is not None and (self.step % report_every == 0 or self.finished):
                progress(self.step, self.schedule.end)

    def _fingerprint(self) -> str:
        # where it runs and how often it saves do not change what is trained
        fields = self.config.model_dump(exclude={"device", "checkpoint_every"})
        digest = hashlib.sha256(json.dumps([fields, self.seed, self.source.digest()], sort_keys=True).encode())
        if self.validation is not None:
            digest.update(np.ascontiguousarray(self.validation).data)
        return digest.hexdigest()

    def advance(self, x: "torch.Tensor", labels: "torch.Tensor | None") -> None:
        """One step of every run, on normalised states [b, d] and their labels."""
        factor = self.schedule.factor(self.step)
        dtype = self._dtype()
        for run in self.runs:
            batch = Batch(x, labels, run.dead, self.config.aux_weight, self._noise_seed(run), 1.0 / self.steps, dtype)
            run.advance(batch, float(run.config.lr) * factor)
        self.step += 1
        if self.step % self._window == 0:
            for run in self.runs:
                run.close_window()
        if self.step in self._resample_at:
            self._resample()
        if self.step % self._log_every == 0 or self.finished:
            self._write_log()

    def _dtype(self) -> "torch.dtype | None":
        import torch

        return torch.bfloat16 if self.config.precision == "bfloat16" else None

    def _noise_seed(self, run: Run) -> int:
        # odd multipliers keep the triples apart; a generator is seeded with it in every step
        mixed = (self.seed + 1) * 0x9E3779B97F4A7C15 + (run.config.seed + 1) * 0xBF58476D1CE4E5B9 + self.step
        return mixed & (2**63 - 1)

    def _resample(self) -> None:
        states = self.source.probe(_RESAMPLING_ROWS, self.seed + self.step).states
        states = self.normalization.apply(np.array(states, dtype=np.float32, order="C"))
        for run in self.runs:
            run.resample(states, np.random.default_rng([self.seed, run.config.seed, self.step, 0x2E5A]))

    def _write_log(self) -> None:
        steps = (self.step - 1) % self._log_every + 1
        for run in self.runs:
            loss = float(run.loss) / steps
            run.loss.zero_()
            for name, value in {"loss": loss, **run.measure(self._probe)}.items():
                self.log.append(LogRow(self.step, run.config.name, name, value))
            if loss < run.best * (1 - self.config.min_improvement):
                run.best, run.best_step = loss, self.step
        patience = self.config.patience * self.steps
        if patience and all(self.step - run.best_step >= patience for run in self.runs):
            self.schedule.leave_plateau(self.step)

    def folded(self) -> list[FoldedSae]:
        """The runs' autoencoders of raw states.

        Raises:
            SaeError: a run diverged.
        """
        folded = []
        for run in self.runs:
            if not run.finite:
                raise SaeError("the training diverged", where=run.config.name, hint="a lower learning rate, or auto")
            # some of the arrays are the parameters' own memory, which a save must leave as it is
            weights = {name: array.copy() for name, array in run.weights().items()}
            # what never varied says nothing, and is known
            weights["W_enc"][self._constant] = 0.0
            weights["W_dec"][:, self._constant] = 0.0
            weights["b_dec"][self._constant] = 0.0
            metadata = {
                "run": run.config.name,
                "lr": run.config.lr,
                "seed": run.config.seed,
                "steps": self.step,
                "order_seed": self.seed,
            }
            folded.append(FoldedSae.fold(run.config.architecture, weights, *self.normalization, metadata=metadata))
        return folded

    def save_folded(self, folder: Path) -> None:
        """Saves the folded autoencoders.

        Raises:
            SaeError: a run diverged.
        """
        for i, sae in enumerate(self.folded()):
            sae.save(folder / FOLDED / f"sae-{i}")

    def save(self, folder: Path, fingerprint: str) -> None:
        """Saves what `restore` needs."""
        arrays = {
            f"{i}.{name}": tensor.cpu().numpy()
            for i, run in enumerate(self.runs)
            for name, tensor in run.tensors().items()
        }
        best = [(run.best, run.best_step) for run in self.runs]
        TrainerState(self.step, fingerprint, list(self.log), arrays, self.schedule.falls_from, best).save(folder)

    def restore(self, saved: TrainerState) -> None:
        """Goes on from a saved state."""
        self.step, self.log = saved.step, list(saved.log)
        self.schedule.falls_from = saved.falls_from
        for i, run in enumerate(self.runs):
            prefix = f"{i}."
            own = {name.removeprefix(prefix): a for name, a in saved.tensors.items() if name.startswith(prefix)}
            run.restore(own, saved.step)
            run.best, run.best_step = saved.best[i]


def _device(name: str) -> "torch.device":
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise SaeError("the configuration asks for CUDA and there is no GPU", hint="device = auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
