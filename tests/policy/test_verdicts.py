from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from narrative_dag.policy.config import RlConfig
from narrative_dag.policy.memory import from_json, remember, to_json
from narrative_dag.policy.rollouts import Measures, collapse, measure
from narrative_dag.policy.sampling import Samples
from narrative_dag.policy.scoring import HIGHEST_CREDIT, LOWEST_CREDIT, Scored, completion_credit, token_credit
from narrative_dag.policy.tokenizer import DraftTokenizer
from narrative_dag.policy.updates import advantages


def _samples(tokens: Sequence[Sequence[int]], start: int, truncated: Sequence[bool]) -> Samples:
    return Samples(
        prompts=("p",) * len(tokens),
        texts=tuple(f"t{i}" for i in range(len(tokens))),
        tokens=tuple(map(tuple, tokens)),
        starts=(start,) * len(tokens),
        logprobs=tuple(np.full(len(ids) - start, -1.0, dtype=np.float32) for ids in tokens),
        truncated=tuple(truncated),
    )


def test_truncated_rows_take_no_part_in_the_advantage() -> None:
    samples = _samples([[1, 2, 3]] * 5, 1, [False, False, True, False, False])
    scored = [Scored(r, {"a": r}, {"a": 1.0}) for r in (0.2, 0.4, 0.0, 0.6, 0.8)]
    for kind in ("reward", "components"):
        config = RlConfig(advantage=kind)
        found = advantages(samples, scored, config, 400)
        assert found[2] == 0
        assert float(found.sum()) == pytest.approx(0, abs=1e-6)
        assert list(found[[0, 1, 3, 4]]) == sorted(found[[0, 1, 3, 4]])


def test_credit_falls_on_the_tokens_that_write_the_span(tokenizer: DraftTokenizer) -> None:
    text = '{"theme":"harbor","title":"The pier","to":"e1"}'
    ids = tokenizer.encode(text)
    at = text.index("pier")
    credit = token_credit(tokenizer, ids, [(at, at + 4, -1.0), (at + 3, at + 5, 0.25)])
    ends = tokenizer.ends(ids)
    begins = [0, *ends[:-1]]
    touched = "".join(text[b:e] for b, e, c in zip(begins, ends, credit, strict=True) if c != 0)
    assert touched.strip(' "').startswith("pier")
    first = sum(b < at + 4 and e > at for b, e in zip(begins, ends, strict=True))
    second = sum(b < at + 5 and e > at + 3 for b, e in zip(begins, ends, strict=True))
    assert sum(credit) == pytest.approx(0.25 * second - first)


def test_blame_beyond_the_text_falls_on_its_last_token(tokenizer: DraftTokenizer) -> None:
    ids = tokenizer.encode('{"theme":')
    credit = token_credit(tokenizer, ids, [(9, 9, -1.0)])
    assert credit.tolist() == [0.0] * (len(ids) - 1) + [-1.0]


@pytest.mark.parametrize(("value", "bound"), [(-0.5, LOWEST_CREDIT), (0.4, HIGHEST_CREDIT)])
def test_stacked_spans_are_bounded(value: float, bound: float, tokenizer: DraftTokenizer) -> None:
    ids = tokenizer.encode('{"theme":')
    two, many = (token_credit(tokenizer, ids, [(0, 9, value)] * count) for count in (2, 100))
    assert two.tolist() == pytest.approx([2 * value] * len(ids))
    assert many.tolist() == [bound] * len(ids)


def test_credit_is_bounded_after_blame_and_praise_have_met(tokenizer: DraftTokenizer) -> None:
    ids = tokenizer.encode('{"theme":')
    credit = token_credit(tokenizer, ids, [(0, 9, -3.0), (0, 9, 2.5)])
    assert credit.tolist() == [-0.5] * len(ids)


def test_completion_credit_leaves_the_prompt_out(tokenizer: DraftTokenizer) -> None:
    ids = [*tokenizer.encode('{"theme":"harbor",'), *tokenizer.encode('"title":"a"}'), tokenizer.eos]
    start = len(tokenizer.encode('{"theme":"harbor",'))
    samples = _samples([ids], start, [False])
    (credit,) = completion_credit(tokenizer, samples, [Scored(0.0, {}, {}, [(0, 5, -0.75), (18, 20, 1.0)])])
    assert len(credit) == len(ids) - start
    assert credit[0] == 1.0
    assert -0.75 not in credit


def test_memory_keeps_the_best_distinct_valid_drafts() -> None:
    samples = _samples([[1, 2], [1, 3], [1, 4], [1, 5], [1, 6]], 1, [False, False, True, False, False])
    rewards = (0.3, 0.9, 1.0, 0.8, 0.7)
    structures = ("a", "b", "c", "b", None)
    scored = [Scored(r, {}, {}, (), i != 4, s) for i, (r, s) in enumerate(zip(rewards, structures, strict=True))]
    memory = remember((), samples, scored, 3)
    assert [(entry.structure, entry.reward) for entry in memory] == [("b", 0.9), ("a", 0.3)]
    assert from_json(to_json(memory)) == memory
    assert len(remember(memory, samples, scored, 1)) == 1


def test_measures_count_what_they_say() -> None:
    samples = _samples([[1, 2, 3], [1, 2], [1, 2], [1, 2]], 1, [False, False, True, False])
    scored = [Scored(r, {"a": r}, {"a": 1.0}, (), True, s) for r, s in ((1.0, "x"), (0.0, "y"), (0.5, "z"), (0.5, "x"))]
    reference = [logprobs - np.float32(0.1) for logprobs in samples.logprobs]
    found = measure(samples, scored, reference)
    assert (found.reward, found.validity, found.truncation, found.duplicates) == (0.5, 0.75, 0.25, 0.25)
    assert (found.completion_length, found.entropy) == (1.25, 1.0)
    assert found.kl == pytest.approx(np.exp(-0.1) - 1 + 0.1, rel=1e-5)


SOUND = Measures(0.5, 0.1, 0.8, 0.02, 0.0, 150.0, 1.0, 0.01, {})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kl": 0.1}, "KL"),
        ({"truncation": 0.06}, "length limit"),
        ({"validity": 0.6}, "validity fell"),
        ({"reward": 0.35}, "reward fell"),
        ({"duplicates": 0.3}, "repeat"),
        ({"entropy": 0.3}, "entropy"),
    ],
)
def test_each_guard_speaks(change: dict[str, float], said: str) -> None:
    assert collapse(SOUND, SOUND, SOUND, RlConfig()) is None
    reason = collapse(replace(SOUND, **change), SOUND, SOUND, RlConfig())
    assert reason is not None
    assert said in reason


@pytest.mark.parametrize(("start", "limit"), [(0.01, 0.09), (0.1, 0.15), (0.2, 0.25), (5.0, 0.25)])
def test_the_kl_guard_follows_the_start_up_to_a_cap(start: float, limit: float) -> None:
    begun = replace(SOUND, kl=start)
    assert collapse(replace(SOUND, kl=limit - 1e-3), begun, SOUND, RlConfig()) is None
    assert collapse(replace(SOUND, kl=limit + 1e-3), begun, SOUND, RlConfig()) is not None


def test_the_kl_cap_is_no_lower_than_the_guard() -> None:
    with pytest.raises(ValidationError, match="guard_kl_max"):
        RlConfig(guard_kl=0.3)
