"""Evaluation: fixed prompts, fixed seeds, the same in every cycle."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from narrative_dag.policy.checkpoints import LogRow
from narrative_dag.policy.config import SamplingConfig
from narrative_dag.policy.errors import PolicyError
from narrative_dag.policy.model import Policy
from narrative_dag.policy.rollouts import Measures, measure
from narrative_dag.policy.sampling import Samples, sample
from narrative_dag.policy.scoring import Score, Scored, score_samples


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a policy wrote, the verdicts, the figures, and the standard error of the raw validity."""

    samples: Samples
    scored: tuple[Scored, ...]
    measures: Measures
    validity_error: float

    def log(self, step: int) -> tuple[LogRow, ...]:
        """The figures as log rows, `evaluation/...`."""
        rows = {**self.measures.rows(), "uniqueness": 1.0 - self.measures.duplicates}
        del rows["kl"]
        return tuple(LogRow(step, f"evaluation/{name}", value) for name, value in rows.items())


def evaluate_policy(
    policy: Policy,
    prompts: Sequence[str],
    score: Score,
    config: SamplingConfig,
    seed: int,
    count: int = 200,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Sample without any mask, score and measure: raw validity is the honest learning figure.

    Row i has prompt i modulo the number of prompts and the draws (seed, i): give every cycle the same prompts and seed.

    Raises:
        PolicyError: no prompts, or fewer than one sample.
    """
    if count < 1 or not prompts:
        raise PolicyError("nothing to evaluate on", where="prompts", hint="give prompts and a count of at least 1")
    samples = sample(policy, [prompts[i % len(prompts)] for i in range(count)], config, seed, progress)
    scored = tuple(score_samples(score, samples))
    measures = measure(samples, scored)
    error = float(np.sqrt(measures.validity * (1.0 - measures.validity) / count))
    return Evaluation(samples, scored, measures, error)
