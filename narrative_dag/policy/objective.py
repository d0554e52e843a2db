"""The objective: RLOO advantages, a clipped token ratio, a KL term, all as pure functions on tensors.

Sources: RLOO, Ahmadian et al. 2024 (arXiv 2402.14740); the clipped ratio, Schulman et al. 2017 (PPO), with DAPO's
higher upper bound (Yu et al. 2025); KL estimators k2 and k3, Schulman 2020; constant normalisation, Liu et al. 2025
(Dr. GRPO).
"""

from collections.abc import Mapping
from typing import Literal

import torch

EPSILON = 1e-6


def leave_one_out(rewards: torch.Tensor) -> torch.Tensor:
    """Each reward [B] less the mean of the others; 0 for a batch of one."""
    count = len(rewards)
    if count < 2:
        return torch.zeros_like(rewards)
    return (rewards - rewards.mean()) * (count / (count - 1))


def whiten(advantage: torch.Tensor, clip: float) -> torch.Tensor:
    """Divide by the batch's (population) standard deviation, then clip; all 0 where the batch has no spread."""
    deviation = advantage.std(correction=0)
    if float(deviation) < EPSILON:
        return torch.zeros_like(advantage)
    return (advantage / deviation).clamp(-clip, clip)


def reward_advantage(rewards: torch.Tensor, clip: float) -> torch.Tensor:
    """RLOO advantage [B] of rewards [B], in batch deviations, within +-clip."""
    return whiten(leave_one_out(rewards), clip)


def component_advantage(
    components: torch.Tensor, weights: torch.Tensor, extra: torch.Tensor, floor: float, clip: float
) -> torch.Tensor:
    """RLOO advantage with every component brought to a common scale before the weighted sum.

    Args:
        components: scores [B, K].
        weights: weights [K] or [B, K], kept after normalising.
        extra: what else enters the reward [B], such as a length penalty; scaled like the largest weight.
        floor: added to each component's deviation, so that an almost constant one stays quiet.
        clip: bound of the result.
    """
    centred = torch.stack([leave_one_out(column) for column in components.unbind(1)], dim=1)
    scaled = centred / (components.std(dim=0, correction=0) + floor)
    penalty = leave_one_out(extra) / (extra.std(correction=0) + floor) * weights.max()
    return whiten((scaled * weights).sum(1) + penalty, clip)


def token_advantage(sequence: torch.Tensor, credit: torch.Tensor | None, factor: float) -> torch.Tensor:
    """The sequence advantage [B] on every token, plus `factor` times local credit [B, T]; [B, T] or [B, 1]."""
    spread = sequence.unsqueeze(1)
    return spread if credit is None else spread + factor * credit


def clipped_ratio_loss(
    logprobs: torch.Tensor, old: torch.Tensor, advantage: torch.Tensor, low: float, high: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """-min(r A, clip(r, 1 - low, 1 + high) A) for each token, and 1 where the clip holds the gradient back: [B, T]."""
    ratio = torch.exp(logprobs - old)
    free, held = ratio * advantage, ratio.clamp(1 - low, 1 + high) * advantage
    return -torch.minimum(free, held), (held < free).float()


def kl_penalty(logprobs: torch.Tensor, reference: torch.Tensor, estimator: Literal["k2", "k3"]) -> torch.Tensor:
    """KL(policy || reference) for each token [B, T]: k2 = d^2 / 2, k3 = exp(-d) - 1 + d with d = log p - log p_ref."""
    difference = logprobs - reference
    if estimator == "k2":
        return 0.5 * difference.square()
    return torch.exp(-difference) - 1 + difference


def policy_loss(
    logprobs: torch.Tensor,
    old: torch.Tensor,
    reference: torch.Tensor,
    advantage: torch.Tensor,
    mask: torch.Tensor,
    *,
    low: float,
    high: float,
    beta: float,
    estimator: Literal["k2", "k3"],
    normaliser: float,
) -> tuple[torch.Tensor, Mapping[str, float]]:
    """The loss of a minibatch and sums over its tokens.

    Args:
        logprobs: log-probabilities [B, T] with gradient.
        old: under the sampler.
        reference: under the frozen reference.
        advantage: [B, T] or [B, 1].
        mask: 1 on the tokens that count; truncated rows are all 0.
        low: the ratio is clipped below 1 - low.
        high: the ratio is clipped above 1 + high.
        beta: coefficient of the KL term.
        estimator: of the KL term.
        normaliser: constant divisor (batch x reference length), so that every token weighs the same in any batch.

    Returns:
        The loss, and the sums `tokens`, `clipped`, `k3`, `k2` over masked tokens.
    """
    ratio_loss, clipped = clipped_ratio_loss(logprobs, old, advantage, low, high)
    penalty = kl_penalty(logprobs, reference, estimator)
    loss = ((ratio_loss + beta * penalty) * mask).sum() / normaliser
    with torch.no_grad():
        sums = {
            "tokens": mask.sum(),
            "clipped": (clipped * mask).sum(),
            "k2": (kl_penalty(logprobs, reference, "k2") * mask).sum(),
            "k3": (kl_penalty(logprobs, reference, "k3") * mask).sum(),
        }
    return loss, {name: float(value) for name, value in sums.items()}


def imitation_loss(logprobs: torch.Tensor, mask: torch.Tensor, normaliser: float) -> torch.Tensor:
    """Negative log-likelihood of remembered drafts [B, T] over a constant."""
    return -(logprobs * mask).sum() / normaliser


def length_penalty(lengths: torch.Tensor, limit: int, soft: float, most: float) -> torch.Tensor:
    """Reward to add [B], in [-most, 0]: 0 up to `soft` of the limit, then linear down to -most at the limit."""
    begin = soft * limit
    over = (lengths.float() - begin) / max(limit - begin, 1.0)
    return -most * over.clamp(0.0, 1.0)


def adapted_beta(beta: float, kl: float, low: float, high: float, most: float) -> float:
    """Double beta when the KL a token is above `high`, halve it below `low`; never above `most`."""
    if kl > high:
        return min(2 * beta, most)
    return beta / 2 if kl < low else beta
