"""The state of a reinforcement learning run: weights, their average, the best ones, the optimizer and the counters."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from narrative_dag.policy.checkpoints import (
    LogRow,
    TrainingState,
    optimizer_tensors,
    prefixed,
    restore_optimizer,
    under,
)
from narrative_dag.policy.config import RlConfig
from narrative_dag.policy.logit_scale import LogitScale, final_norm
from narrative_dag.policy.memory import Remembered, from_json, to_json
from narrative_dag.policy.model import Policy
from narrative_dag.policy.rollouts import Measures, collapse

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Progress:
    """Counters and records of a run. `reference_length`: epoch 0's mean completion length, the constant divisor."""

    beta: float
    epoch: int = 0
    update: int = 0
    lr_factor: float = 1.0
    reference_length: float = 0.0
    start: Measures | None = None
    best: Measures | None = None
    log: tuple[LogRow, ...] = ()
    status: tuple[str, ...] = ()


class Learner:
    """A policy in training."""

    def __init__(self, policy: Policy, config: RlConfig, scale_total: float = 1.0) -> None:
        self.policy = policy.clone()
        self.average: Weights = _copied(self.policy.weights())
        self.best: Weights = _copied(self.policy.weights())
        self.progress = Progress(beta=config.beta)
        self.memory: tuple[Remembered, ...] = ()
        scalable = config.logit_scale_lr > 0 and final_norm(self.policy) is not None
        self.scale = LogitScale(self.policy, config.logit_scale_max, scale_total) if scalable else None
        groups: list[dict[str, Any]] = [{"params": list(self.policy.model.parameters()), "peak": config.lr}]
        if self.scale is not None:
            groups.append({"params": [self.scale.log_scale], "peak": config.logit_scale_lr})
        self.best_scale = scale_total
        self.optimizer = torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.95), weight_decay=0.0)

    def step(self, config: RlConfig) -> float:
        """One update from the gradients at hand; the gradient norm before clipping."""
        norm = torch.nn.utils.clip_grad_norm_(self.policy.model.parameters(), config.clip)
        scale = self.learning_rate_scale(config)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * scale
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.scale is not None:
            self.scale.fold()
        update = self.progress.update + 1
        # young averages forget their start faster
        decay = min(config.average, (1 + update) / (10 + update)) if config.average else 0.0
        for name, tensor in self.policy.weights().items():
            self.average[name].lerp_(tensor, 1 - decay)
        self.progress = replace(self.progress, update=update)
        return float(norm)

    def learning_rate_scale(self, config: RlConfig) -> float:
        """Share of the peak: linear warm-up, linear down to `final_lr` at the last update; less after a roll-back."""
        update, total = self.progress.update, config.epochs * config.minibatches
        warm = min(1.0, (update + 1) / config.warmup) if config.warmup else 1.0
        share = min(1.0, update / max(1, total - 1))
        return warm * (1.0 + share * (config.final_lr - 1.0)) * self.progress.lr_factor

    def judge(self, measures: Measures, config: RlConfig) -> str | None:
        """Why the current weights have collapsed; where they have not, they become the best if their reward is."""
        start, best = self.progress.start or measures, self.progress.best or measures
        reason = collapse(measures, start, best, config) if self.progress.best is not None else None
        if reason is None:
            if self.progress.best is None or measures.reward > best.reward:
                best = measures
                self.best = _copied(self.policy.weights())
                self.best_scale = 1.0 if self.scale is None else self.scale.total
            length = self.progress.reference_length or measures.completion_length
            self.progress = replace(self.progress, start=start, best=best, reference_length=length)
        return reason

    def roll_back(self, said: str, epoch: int, config: RlConfig) -> None:
        """Return to the best weights and their logit scale, with a fresh optimizer and a lower learning rate."""
        self.policy.load_weights(self.best)
        if self.scale is not None:
            self.scale.reset(self.best_scale)
        self.average = _copied(self.best)
        self.optimizer.state.clear()
        self.progress = replace(
            self.progress,
            lr_factor=self.progress.lr_factor * config.rollback_lr,
            log=(*self.progress.log, LogRow(epoch, "rollback", 1.0)),
            status=(*self.progress.status, said),
        )

    def averaged(self) -> Policy:
        """A policy of its own with the averaged weights."""
        policy = self.policy.clone()
        policy.load_weights(self.average)
        return policy


def start(policy: Policy, config: RlConfig) -> Learner:
    """A learner at the beginning of a run."""
    return Learner(policy, config)


def to_state(learner: Learner, identity: str) -> TrainingState:
    """Everything that `restore` needs."""
    tensors = {
        **prefixed("weights", learner.policy.weights()),
        **prefixed("average", learner.average),
        **prefixed("best", learner.best),
        **prefixed("optimizer", optimizer_tensors(learner.optimizer)),
    }
    values = {
        "identity": identity,
        "progress": asdict(learner.progress),
        "memory": to_json(learner.memory),
        "scale": 1.0 if learner.scale is None else learner.scale.total,
        "best_scale": learner.best_scale,
    }
    return TrainingState(tensors, values)


def restore(policy: Policy, config: RlConfig, state: TrainingState) -> Learner:
    """The learner that was saved, on the policy's device."""
    learner = Learner(policy, config, state.values["scale"])
    learner.best_scale = state.values["best_scale"]
    device = policy.compute.device
    learner.policy.load_weights(under("weights", state.tensors))
    learner.average = {name: t.to(device) for name, t in under("average", state.tensors).items()}
    learner.best = {name: t.to(device) for name, t in under("best", state.tensors).items()}
    restore_optimizer(learner.optimizer, under("optimizer", state.tensors))
    values = dict(state.values["progress"])
    values["log"] = tuple(LogRow(*row) for row in values["log"])
    values["status"] = tuple(values["status"])
    for name in ("start", "best"):
        values[name] = None if values[name] is None else Measures(**values[name])
    learner.progress = Progress(**values)
    learner.memory = from_json(state.values["memory"])
    return learner


def _copied(weights: Weights) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in weights.items()}
