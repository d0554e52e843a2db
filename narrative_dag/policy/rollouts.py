"""The rollouts of an epoch: which prompts, which seeds, and what they measure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from narrative_dag.policy.config import RlConfig
from narrative_dag.policy.errors import PolicyError
from narrative_dag.policy.model import Policy
from narrative_dag.policy.sampling import Samples, sample
from narrative_dag.policy.scoring import Scored


def write_rollouts(
    policy: Policy, prompts: Sequence[str], config: RlConfig, seed: int, epoch: int = 0, attempt: int = 0
) -> Samples:
    """The texts of an epoch: `config.rollouts` prompts in seeded order, each as often as any other, and seeded draws.

    Epoch 0 of a training is what its starting policy writes; it can be written beforehand and handed in.
    """
    if not prompts:
        raise PolicyError("no prompts to write from", where="prompts")
    order = np.random.default_rng([seed, epoch, attempt, 0]).permutation(len(prompts))
    chosen = [prompts[i] for i in np.resize(order, config.rollouts).tolist()]
    draws = int(np.random.default_rng([seed, epoch, attempt, 1]).integers(2**62))
    return sample(policy, chosen, config.sampling, draws)


@dataclass(frozen=True, slots=True)
class Measures:
    """What samples and their verdicts say about a policy. Rates are in [0, 1], `kl` and `entropy` in nats a token."""

    reward: float
    reward_deviation: float
    validity: float
    truncation: float
    duplicates: float
    completion_length: float
    entropy: float
    kl: float
    components: Mapping[str, float]

    def rows(self) -> dict[str, float]:
        """The metrics under their usual names."""
        return {
            "reward/mean": self.reward,
            "reward/std": self.reward_deviation,
            **{f"reward/{name}": value for name, value in sorted(self.components.items())},
            "validity": self.validity,
            "truncation_rate": self.truncation,
            "duplicate_rate": self.duplicates,
            "completion_length": self.completion_length,
            "entropy": self.entropy,
            "kl": self.kl,
        }


def measure(
    samples: Samples, scored: Sequence[Scored], reference: Sequence[npt.NDArray[np.float32]] | None = None
) -> Measures:
    """Measure samples; a truncated text is never valid. `reference`: log-probabilities beside `samples.logprobs`.

    `duplicates` is the share of texts whose structure (the text itself where it has none) came before; `kl` is the k3
    estimate against the reference, 0 without one; `entropy` is -mean log p of what was drawn.
    """
    rewards = np.array([verdict.reward for verdict in scored], dtype=np.float64)
    drawn = np.concatenate(samples.logprobs).astype(np.float64)
    kl = 0.0
    if reference is not None:
        difference = np.concatenate(list(reference)).astype(np.float64) - drawn
        kl = float(np.mean(np.exp(difference) - 1.0 - difference))
    structures = {verdict.structure or text for verdict, text in zip(scored, samples.texts, strict=True)}
    names = scored[0].components
    return Measures(
        reward=float(rewards.mean()),
        reward_deviation=float(rewards.std()),
        validity=float(np.mean([v.valid and not cut for v, cut in zip(scored, samples.truncated, strict=True)])),
        truncation=float(np.mean(samples.truncated)),
        duplicates=1.0 - len(structures) / len(samples),
        completion_length=float(np.mean(samples.completion_lengths)),
        entropy=float(-drawn.mean()),
        kl=kl,
        components={name: float(np.mean([verdict.components[name] for verdict in scored])) for name in names},
    )


def collapse(now: Measures, start: Measures, best: Measures, config: RlConfig) -> str | None:
    """Why the policy that gave `now` should be rolled back to the best one, in plain words; None where it is sound."""
    # without the cap, runs that start from each other's results would raise the limit from run to run
    kl_limit = min(max(config.guard_kl, 1.5 * start.kl), config.guard_kl_max)
    reasons = (
        (now.kl > kl_limit, f"KL {now.kl:.3f} a token (start: {start.kl:.3f})"),
        (
            now.truncation > best.truncation + config.guard_truncation,
            f"{now.truncation:.0%} of the texts hit the length limit (best epoch: {best.truncation:.0%})",
        ),
        (
            now.validity < best.validity - config.guard_validity,
            f"validity fell to {now.validity:.0%} (best epoch: {best.validity:.0%})",
        ),
        (
            now.reward < best.reward - config.guard_reward,
            f"the mean reward fell to {now.reward:.3f} (best epoch: {best.reward:.3f})",
        ),
        (
            now.duplicates > max(config.guard_duplicates, 2 * start.duplicates),
            f"{now.duplicates:.0%} of the texts repeat another one",
        ),
        (
            now.entropy < config.guard_entropy * start.entropy,
            f"entropy fell to {now.entropy:.2f} nats a token (start: {start.entropy:.2f})",
        ),
    )
    return next((reason for tripped, reason in reasons if tripped), None)
