"""The report of a cycle: the figures of every stage on one page."""

from collections.abc import Mapping

from narrative_dag.config import CycleConfig
from narrative_dag.reward.verifiers import StoryWorldVerifiers

HEADLINES: Mapping[str, tuple[str, str]] = {
    "raw_validity": ("policy_checkpoint", "raw_validity"),
    "parsed_validity": ("policy_checkpoint", "parsed_validity"),
    "reward": ("policy_checkpoint", "evaluation_reward"),
    "comparable_reward": ("policy_checkpoint", "comparable_reward"),
    "kl": ("policy_checkpoint", "kl"),
    "l0": ("sae_checkpoint", "l0"),
    "fvu": ("sae_checkpoint", "fvu"),
    "dead_share": ("sae_checkpoint", "dead_share"),
    "mcc": ("sae_checkpoint", "mcc"),
    "u_s": ("affordance_coupling", "u_s"),
    "u_s_random": ("affordance_coupling", "u_s_random"),
    "u_s_raw": ("affordance_coupling", "u_s_raw"),
    "u_s_pca": ("affordance_coupling", "u_s_pca"),
    "u_s_over_random": ("affordance_coupling", "u_s_over_random"),
    "u_s_over_raw": ("affordance_coupling", "u_s_over_raw"),
    "u_s_over_pca": ("affordance_coupling", "u_s_over_pca"),
    "decidable": ("affordance_coupling", "decidable"),
    "affordances": ("affordance_coupling", "affordances"),
    "seen_share": ("affordance_coupling", "seen_share"),
    "pages": ("rollouts", "pages"),
    **{name: ("policy_checkpoint", f"evaluation_{name}") for name in StoryWorldVerifiers.weights},
}
"""Headline figure -> (asset, metric)."""


def headlines(figures: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The headline figures among the metrics of every stage; what a stage could not compute is absent."""
    return {
        name: figures[asset][metric] for name, (asset, metric) in HEADLINES.items() if metric in figures.get(asset, {})
    }


def report(config: CycleConfig, cycle: str, figures: Mapping[str, Mapping[str, float]]) -> tuple[dict[str, float], str]:
    """The cycle's headline figures, and its page in Markdown.

    Args:
        config: not read.
        cycle: partition key.
        figures: metrics of every stage, by asset.
    """
    found = headlines(figures)
    lines = [f"# {cycle}", "", "| figure | value |", "|---|---:|"]
    lines += [f"| {name} | {value:.4g} |" for name, value in found.items()]
    for asset, metrics in figures.items():
        lines += ["", f"## {asset}", "", "| metric | value |", "|---|---:|"]
        lines += [f"| {name} | {value:.6g} |" for name, value in sorted(metrics.items())]
    return found, "\n".join(lines) + "\n"
