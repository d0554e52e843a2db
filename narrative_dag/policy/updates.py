"""One epoch of updates: advantages from verdicts, then one pass over the samples in minibatches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from narrative_dag.policy.config import RlConfig
from narrative_dag.policy.errors import PolicyError
from narrative_dag.policy.forward import Rows, pad_rows, token_logits, token_logprobs
from narrative_dag.policy.learner import Learner
from narrative_dag.policy.memory import remember
from narrative_dag.policy.objective import (
    adapted_beta,
    component_advantage,
    imitation_loss,
    length_penalty,
    policy_loss,
    reward_advantage,
    token_advantage,
)
from narrative_dag.policy.sampling import Samples
from narrative_dag.policy.scoring import Scored, completion_credit

IMITATION_STREAM = 3
MINIBATCH_STREAM = 2


@dataclass(frozen=True, slots=True)
class Experience:
    """An epoch's samples, their verdicts, and the reference's log-probabilities beside the sampler's."""

    samples: Samples
    scored: tuple[Scored, ...]
    reference: tuple[npt.NDArray[np.float32], ...]


def advantages(samples: Samples, scored: Sequence[Scored], config: RlConfig, limit: int) -> torch.Tensor:
    """The sequence advantage of every sample [B]; truncated rows get 0 and take no part in the others' baseline."""
    kept = [i for i, cut in enumerate(samples.truncated) if not cut]
    found = torch.zeros(len(samples))
    if len(kept) < 2:
        return found
    penalty = length_penalty(
        torch.tensor([len(samples.tokens[i]) for i in kept]), limit, config.length_soft, config.length_penalty
    )
    if config.advantage == "components":
        names = sorted(scored[0].components)
        values = torch.tensor([[scored[i].components[n] for n in names] for i in kept], dtype=torch.float32)
        weights = torch.tensor([[scored[i].weights[n] for n in names] for i in kept], dtype=torch.float32)
        found[kept] = component_advantage(values, weights, penalty, config.component_floor, config.advantage_clip)
    else:
        rewards = torch.tensor([scored[i].reward for i in kept], dtype=torch.float32)
        found[kept] = reward_advantage(rewards + penalty, config.advantage_clip)
    return found


def update_epoch(
    learner: Learner, experience: Experience, config: RlConfig, seed: int, progress: Callable[[int], None]
) -> dict[str, float]:
    """One pass over the samples; changes the learner, adapts beta, and returns the epoch's training metrics.

    Raises:
        PolicyError: the trainer's log-probabilities differ from the sampler's by more than `config.mismatch`, or the
            loss is not finite.
    """
    samples, policy, epoch = experience.samples, learner.policy, learner.progress.epoch
    limit = min(config.sampling.max_tokens, policy.positions)
    sequence = advantages(samples, experience.scored, config, limit)
    credit = completion_credit(policy.tokenizer, samples, experience.scored)
    learner.memory = remember(learner.memory, samples, experience.scored, config.imitation_size)
    order = np.random.default_rng([seed, epoch, MINIBATCH_STREAM]).permutation(len(samples))
    imitated = np.random.default_rng([seed, epoch, IMITATION_STREAM])
    totals: dict[str, float] = {}
    norms, scale = [], learner.learning_rate_scale(config)
    with policy.compute.session():
        for number, minibatch in enumerate(np.array_split(order, config.minibatches)):
            if not len(minibatch):
                continue
            by_length = sorted(minibatch.tolist(), key=lambda i: len(samples.tokens[i]))
            for first in range(0, len(by_length), config.microbatch):
                sums = _backward(
                    learner,
                    experience,
                    sequence,
                    credit,
                    by_length[first : first + config.microbatch],
                    len(minibatch),
                    config,
                )
                for name, value in sums.items():
                    totals[name] = totals.get(name, 0.0) + value
            if number == 0:
                _check_mismatch(totals, config)
                totals["first_gap"], totals["first_tokens"] = totals["gap"], totals["all_tokens"]
            totals["imitation"] = totals.get("imitation", 0.0) + _imitate(learner, imitated, config)
            norms.append(learner.step(config))
            progress(number + 1)
    tokens = max(totals["tokens"], 1.0)
    kl = totals["k3"] / tokens
    beta = adapted_beta(learner.progress.beta, kl, config.kl_low, config.kl_high, config.beta_max)
    metrics = {
        "loss": totals["loss"] / len(norms),
        "loss/imitation": totals["imitation"] / len(norms),
        "kl/update": kl,
        "kl/beta": learner.progress.beta,
        "ratio/clip_fraction": totals["clipped"] / tokens,
        "advantage/std": float(sequence.std(correction=0)),
        "advantage/credit_share": _credit_share(credit),
        "entropy/full": totals["entropy"] / max(totals["all_tokens"], 1.0),
        "grad_norm": float(np.mean(norms)),
        "learning_rate": config.lr * scale,
        "logit_scale": 1.0 if learner.scale is None else learner.scale.total,
        "sampler_trainer_gap": totals["first_gap"] / max(totals["first_tokens"], 1.0),
        "imitation/drafts": float(len(learner.memory)),
    }
    learner.progress = replace(learner.progress, beta=beta)
    return metrics


def _backward(
    learner: Learner,
    experience: Experience,
    sequence: torch.Tensor,
    credit: Sequence[npt.NDArray[np.float32]],
    chosen: Sequence[int],
    minibatch: int,
    config: RlConfig,
) -> dict[str, float]:
    """Add one microbatch's gradient; sums over its tokens."""
    samples, policy = experience.samples, learner.policy
    rows = pad_rows(policy, [samples.tokens[i] for i in chosen], [samples.starts[i] for i in chosen])
    old = _spread(rows, samples, [samples.logprobs[i] for i in chosen], chosen)
    reference = _spread(rows, samples, [experience.reference[i] for i in chosen], chosen)
    local = _spread(rows, samples, [credit[i] for i in chosen], chosen)
    whole = torch.tensor([not samples.truncated[i] for i in chosen], device=rows.ids.device).unsqueeze(1)
    logits = token_logits(policy, rows)
    if learner.scale is not None:
        logits = learner.scale.apply(logits)
    logprobs, entropy = token_logprobs(logits, rows)
    loss, sums = policy_loss(
        logprobs,
        old,
        reference,
        token_advantage(sequence[list(chosen)].to(rows.ids.device), local, config.credit),
        rows.completion * whole,
        low=config.ratio_low,
        high=config.ratio_high,
        beta=learner.progress.beta,
        estimator=config.kl,
        normaliser=minibatch * max(learner.progress.reference_length, 1.0),
    )
    value = float(loss.detach())
    if not np.isfinite(value):
        raise PolicyError(f"the loss is {value} in epoch {learner.progress.epoch}", hint="lower lr")
    torch.autograd.backward(loss)
    with torch.no_grad():
        gap = ((logprobs - old).abs() * rows.completion).sum()
        drawn = (entropy * rows.completion).sum()
    return {
        **sums,
        "loss": value,
        "gap": float(gap),
        "entropy": float(drawn),
        "all_tokens": float(rows.completion.sum()),
    }


def _imitate(learner: Learner, rng: np.random.Generator, config: RlConfig) -> float:
    """Add the gradient of a few remembered drafts; the loss."""
    count = min(config.imitation_rows, len(learner.memory))
    if config.imitation == 0 or count == 0:
        return 0.0
    entries = [learner.memory[i] for i in rng.choice(len(learner.memory), count, replace=False)]
    rows = pad_rows(learner.policy, [entry.tokens for entry in entries], [entry.start for entry in entries])
    logprobs, _ = token_logprobs(token_logits(learner.policy, rows), rows)
    normaliser = count * max(learner.progress.reference_length, 1.0)
    loss = config.imitation * imitation_loss(logprobs, rows.completion, normaliser)
    torch.autograd.backward(loss)
    return float(loss.detach())


def _spread(
    rows: Rows, samples: Samples, values: Sequence[npt.NDArray[np.float32]], chosen: Sequence[int]
) -> torch.Tensor:
    """Values of completion tokens in the places that predict them, [B, T-1], 0 elsewhere."""
    table = np.zeros(rows.completion.shape, dtype=np.float32)
    for line, value, i in zip(table, values, chosen, strict=True):
        begin = samples.starts[i] - 1
        line[begin : begin + len(value)] = value
    return torch.from_numpy(table).to(rows.ids.device)


def _check_mismatch(totals: dict[str, float], config: RlConfig) -> None:
    gap = totals["gap"] / max(totals["all_tokens"], 1.0)
    if gap > config.mismatch:
        raise PolicyError(
            f"sampler and trainer differ by {gap:.4f} nats a token, {config.mismatch} is the limit",
            where="log-probabilities",
            hint="the first rollouts must come from this very policy; otherwise compute in float32",
        )


def _credit_share(credit: Sequence[npt.NDArray[np.float32]]) -> float:
    values = np.concatenate(list(credit)) if credit else np.zeros(1, dtype=np.float32)
    return float(np.mean(values != 0))
