"""What a scorer says about a text, and where in the text it says it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from narrative_dag.policy.errors import PolicyError

if TYPE_CHECKING:
    from narrative_dag.policy.sampling import Samples
    from narrative_dag.policy.tokenizer import DraftTokenizer

Span = tuple[int, int, float]
"""Characters [start, end) of a text and the credit of having written them: below 0 for a broken place."""

LOWEST_CREDIT = -2.0
"""A token's credit goes no lower, however many spans blame it: one place must not outweigh the rest of the text."""

HIGHEST_CREDIT = 1.0
"""A token's credit goes no higher, however many spans praise it."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The verdict on one text.

    `reward` in [0, 1] is the sum of `weights` x `components`. `credit` is local blame and praise. `valid`: the text
    compiles to a playable storyworld. `structure` names the storyworld without its prose, where there is one: texts of
    the same structure are duplicates of each other.
    """

    reward: float
    components: Mapping[str, float]
    weights: Mapping[str, float]
    credit: Sequence[Span] = ()
    valid: bool = False
    structure: str | None = None


class Score(Protocol):
    """Scores whole texts, prompts included; a truncated text is no valid storyworld."""

    def __call__(self, texts: Sequence[str], truncated: Sequence[bool]) -> Sequence[Scored]:
        """One verdict for each text, in order."""


def score_samples(score: Score, samples: "Samples") -> list[Scored]:
    """Score samples. Raises PolicyError when the verdicts do not match the texts or each other."""
    scored = list(score(samples.texts, samples.truncated))
    if len(scored) != len(samples):
        raise PolicyError(f"{len(scored)} verdicts for {len(samples)} texts", where="score")
    names = set(scored[0].components)
    for position, verdict in enumerate(scored):
        if not np.isfinite(verdict.reward):
            raise PolicyError(f"the reward is {verdict.reward}", where=f"score, text {position}")
        if set(verdict.components) != names or set(verdict.weights) != names:
            raise PolicyError("the components differ from those of the first text", where=f"score, text {position}")
    return scored


def token_credit(tokenizer: "DraftTokenizer", ids: Sequence[int], spans: Sequence[Span]) -> npt.NDArray[np.float32]:
    """The credit of every token [len(ids)]: a span's value goes to each token that writes one of its characters.

    Overlapping spans add up, within [`LOWEST_CREDIT`, `HIGHEST_CREDIT`]. `ids` spell the scored text; an end token
    beyond the text takes part in no span, except that a span from or beyond the text's end falls on the last token,
    where the text stops.
    """
    credit = np.zeros(len(ids), dtype=np.float32)
    if not spans or not len(ids):
        return credit
    ends = np.asarray(tokenizer.ends(ids))
    begins = np.concatenate([[0], ends[:-1]])
    for start, end, value in spans:
        touched = (begins < max(end, start + 1)) & (ends > start)
        if not touched.any():
            touched[-1] = True
        credit[touched] += value
    return credit.clip(LOWEST_CREDIT, HIGHEST_CREDIT)


def completion_credit(
    tokenizer: "DraftTokenizer", samples: "Samples", scored: Sequence[Scored]
) -> list[npt.NDArray[np.float32]]:
    """For each sample, the credit of its completion's tokens, end token included."""
    skip = 0 if tokenizer.bos is None else 1
    return [
        token_credit(tokenizer, ids[skip:], verdict.credit)[start - skip :]
        for ids, start, verdict in zip(samples.tokens, samples.starts, scored, strict=True)
    ]
