"""The summary of a run: one column a cycle, the figures that a person asks for first, and their JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from narrative_dag.reward.verifiers import StoryWorldVerifiers

_POLICY = (
    ("raw validity (JSON)", "raw_validity"),
    ("parsed validity (playable)", "parsed_validity"),
    ("reward", "reward"),
    ("  without feature quality", "comparable_reward"),
)
_FEATURES = (
    ("KL to the reference, nats/token", "kl"),
    ("L0 of the autoencoders", "l0"),
    ("FVU, held out", "fvu"),
    ("U_S, held out", "u_s"),
    ("  control: random features", "u_s_random"),
    ("  control: raw dimensions", "u_s_raw"),
    ("  control: PCA", "u_s_pca"),
    ("  held-out states seen in training", "seen_share"),
    ("decidable affordances", "decidable"),
)


@dataclass(frozen=True, slots=True)
class CycleSummary:
    """A finished cycle: its headline figures (absent: could not be computed) and wall seconds of each stage."""

    cycle: str
    figures: Mapping[str, float]
    seconds: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        """The cycle's part of the JSON line; null where a figure could not be computed."""
        figure = self.figures.get
        return {
            "cycle": self.cycle,
            "raw_validity": figure("raw_validity"),
            "parsed_validity": figure("parsed_validity"),
            "reward": figure("reward"),
            "comparable_reward": figure("comparable_reward"),
            "components": {name: figure(name) for name in StoryWorldVerifiers.weights},
            "kl": figure("kl"),
            "l0": figure("l0"),
            "fvu": figure("fvu"),
            "u_s": figure("u_s"),
            "controls": {name: figure(f"u_s_{name}") for name in ("random", "raw", "pca")},
            "seen_share": figure("seen_share"),
            "seconds": round(sum(self.seconds.values()), 3),
        }


def table(cycles: Sequence[CycleSummary]) -> Table:
    """The cycles side by side."""
    found = Table(title="The policy after its update, on the evaluation prompts")
    found.add_column("")
    for cycle in cycles:
        found.add_column(cycle.cycle, justify="right")
    components = [(f"  {weight:.2f} {name}", name) for name, weight in StoryWorldVerifiers.weights.items()]
    for part in ((*_POLICY, *components), _FEATURES):
        for label, name in part:
            found.add_row(label, *(_text(cycle.figures.get(name)) for cycle in cycles))
        found.add_section()
    for stage in dict.fromkeys(stage for cycle in cycles for stage in cycle.seconds):
        found.add_row(f"seconds, {stage}", *(f"{cycle.seconds.get(stage, 0.0):.1f}" for cycle in cycles))
    found.add_row("seconds, all stages", *(f"{sum(cycle.seconds.values()):.1f}" for cycle in cycles))
    return found


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
