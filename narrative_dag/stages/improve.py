"""Improvement: policy gradient on the cycle's frozen reward, then the policy's figures on fixed prompts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from narrative_dag.config import CycleConfig
from narrative_dag.policy.scoring import Scored
from narrative_dag.progress import Progress, silent
from narrative_dag.reward.bundle import RewardBundle
from narrative_dag.reward.verifiers import StoryWorldVerifiers
from narrative_dag.stages.result import StageResult
from narrative_dag.storyworld.authors import prompts
from narrative_dag.tables import training_log


def improve_policy(
    config: CycleConfig,
    cycle: str,
    policy: Path,
    base: Path,
    reward: Path,
    storyworlds: pa.Table,
    out: Path,
    work: Path,
    progress: Progress = silent,
) -> StageResult:
    """Train the policy on the reward and write it as a Hugging Face folder.

    Args:
        config: the objective, its guards, and the evaluation.
        cycle: partition key.
        policy: the folder that training starts from.
        base: the frozen reference of the KL penalty.
        reward: the frozen reward bundle.
        storyworlds: what this policy wrote for the cycle; its validity is what the evaluation is set against.
        out: the new folder.
        work: folder of checkpoints; an interrupted training goes on from there, with the same result.
        progress: called as training and evaluation go on.
    """
    from narrative_dag.policy.evaluation import evaluate_policy
    from narrative_dag.policy.model import load_policy
    from narrative_dag.policy.trainer import optimize_policy

    bundle = RewardBundle.load(reward)
    trained = optimize_policy(
        load_policy(policy, config.policy),
        load_policy(base, config.policy),
        prompts(),
        Scorer(bundle.verifiers()),
        config.rl,
        config.seed_of(cycle, "improve"),
        work,
        progress=lambda phase, done, total: progress(f"improve the policy: {phase}", done, total),
    )
    evaluation = evaluate_policy(
        trained.policy,
        prompts(),
        Scorer(bundle.verifiers(config.evaluation.play_seed)),
        config.sampling,
        config.evaluation.seed,
        config.evaluation.samples,
        progress=lambda done, total: progress("evaluate the policy", done, total),
    )
    trained.policy.save(out)
    measures = evaluation.measures
    metrics = {
        "evaluation_reward": measures.reward,
        "comparable_reward": comparable_reward(measures.components),
        **{f"evaluation_{name}": value for name, value in measures.components.items()},
        "raw_validity": measures.components["valid_json"],
        "parsed_validity": measures.validity,
        "truncation": measures.truncation,
        "duplicates": measures.duplicates,
        "completion_length": measures.completion_length,
        "kl": trained.measures.kl,
        "entropy": measures.entropy,
        "rolled_back": float(trained.rolled_back),
        "written_validity": _share(storyworlds),
    }
    rows = [*trained.log, *evaluation.log(config.rl.epochs)]
    return StageResult(metrics, training_log("policy_checkpoint", (("", r.step, r.metric, r.value) for r in rows)))


def comparable_reward(components: Mapping[str, float]) -> float:
    """The weighted mean of the components that mean the same in every cycle: all but feature quality, whose
    autoencoders are refitted; in [0, 1]."""
    weights = {name: w for name, w in StoryWorldVerifiers.weights.items() if name != "feature_quality"}
    return sum(weight * components[name] for name, weight in weights.items()) / sum(weights.values())


class Scorer:
    """The reward as the trainer calls it; a truncated text scores nothing, whatever it says."""

    def __init__(self, verifiers: StoryWorldVerifiers) -> None:
        self.verifiers = verifiers

    def __call__(self, texts: Sequence[str], truncated: Sequence[bool]) -> list[Scored]:
        """A score for each text, in order."""
        return [self._scored(text, cut) for text, cut in zip(texts, truncated, strict=True)]

    def _scored(self, text: str, truncated: bool) -> Scored:
        case = self.verifiers.case(text, truncated)
        verdict = self.verifiers.judge_case(case)
        return Scored(
            reward=verdict.reward,
            components={name: component.score for name, component in verdict.components.items()},
            weights=verdict.weights,
            credit=[(span.start, span.end, span.credit) for span in verdict.spans],
            valid=case.compiled is not None,
            structure=case.compiled.structural_hash if case.compiled else None,
        )


def _share(storyworlds: pa.Table) -> float:
    valid = storyworlds["valid"].to_pylist()
    return sum(valid) / len(valid) if valid else 0.0
