"""The best own drafts so far, for self-imitation (Oh et al. 2018)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from narrative_dag.policy.sampling import Samples
from narrative_dag.policy.scoring import Scored


@dataclass(frozen=True, slots=True)
class Remembered:
    """A draft worth imitating: its tokens, where its completion starts, its reward, and what makes it distinct."""

    tokens: tuple[int, ...]
    start: int
    reward: float
    structure: str


def remember(
    memory: Sequence[Remembered], samples: Samples, scored: Sequence[Scored], size: int
) -> tuple[Remembered, ...]:
    """The `size` best of memory and new samples: valid, whole, each structure once; earlier ones win ties."""
    known = {entry.structure for entry in memory}
    entries = list(memory)
    for i, verdict in enumerate(scored):
        structure = verdict.structure or samples.texts[i]
        if verdict.valid and not samples.truncated[i] and structure not in known:
            known.add(structure)
            entries.append(Remembered(samples.tokens[i], samples.starts[i], verdict.reward, structure))
    return tuple(sorted(entries, key=lambda entry: -entry.reward)[:size])


def to_json(memory: Sequence[Remembered]) -> list[dict[str, Any]]:
    """The memory as JSON values."""
    return [asdict(entry) for entry in memory]


def from_json(values: Sequence[dict[str, Any]]) -> tuple[Remembered, ...]:
    """What `to_json` gave."""
    return tuple(Remembered(tuple(v["tokens"]), v["start"], v["reward"], v["structure"]) for v in values)
