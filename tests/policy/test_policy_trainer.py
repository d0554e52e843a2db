from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from narrative_dag.policy.config import PolicyConfig, RlConfig, SamplingConfig, WarmStartConfig
from narrative_dag.policy.errors import PolicyError
from narrative_dag.policy.evaluation import evaluate_policy
from narrative_dag.policy.forward import pad_rows, token_logits
from narrative_dag.policy.logit_scale import LogitScale
from narrative_dag.policy.memory import from_json, remember, to_json
from narrative_dag.policy.model import Policy, new_policy
from narrative_dag.policy.rollouts import Measures, collapse, measure, write_rollouts
from narrative_dag.policy.sampling import Samples
from narrative_dag.policy.scoring import Score, Scored, completion_credit, score_samples, token_credit
from narrative_dag.policy.tokenizer import Document, DraftTokenizer
from narrative_dag.policy.trainer import optimize_policy
from narrative_dag.policy.updates import advantages
from narrative_dag.policy.warmstart import warm_start

CONFIG = RlConfig(
    epochs=3,
    rollouts=12,
    minibatches=3,
    microbatch=2,
    warmup=2,
    lr=1e-3,
    sampling=SamplingConfig(max_tokens=60),
    guard_kl=10.0,
    guard_truncation=1.0,
    guard_validity=1.0,
    guard_duplicates=1.0,
)


class InterruptionError(Exception):
    pass


@pytest.fixture(scope="module")
def started(documents: list[Document], tokenizer: DraftTokenizer, tmp_path_factory: pytest.TempPathFactory) -> Policy:
    torch.set_num_threads(1)
    config = PolicyConfig(layers=2, width=32, heads=2, positions=64, dtype="float32", device="cpu")
    fresh = new_policy(config, tokenizer, seed=0)
    steps = WarmStartConfig(steps=120, batch=6)
    return warm_start(fresh, documents, steps, 0, tmp_path_factory.mktemp("warm")).policy


def score_oren(texts: Sequence[str], truncated: Sequence[bool]) -> list[Scored]:
    """Rewards writing about Oren."""
    found = [float("Oren" in text and not cut) for text, cut in zip(texts, truncated, strict=True)]
    return [Scored(x, {"oren": x}, {"oren": 1.0}, (), True, None) for x in found]


def test_the_reward_grows(started: Policy, prompts: tuple[str, ...], tmp_path: Path) -> None:
    before = started.digest()
    config = CONFIG.model_copy(
        update={"epochs": 6, "rollouts": 48, "minibatches": 6, "microbatch": 8, "lr": 1e-2, "kl_high": 1.0}
    )
    result = optimize_policy(started, started, prompts, score_oren, config, 0, tmp_path)
    old = evaluate_policy(started, prompts, score_oren, config.sampling, 9, 100).measures.reward
    new = evaluate_policy(result.policy, prompts, score_oren, config.sampling, 9, 100).measures.reward
    assert new > old + 0.15
    assert started.digest() == before
    assert list(tmp_path.iterdir()) == []
    names = {row.metric for row in result.log}
    assert {"reward/mean", "kl", "entropy", "ratio/clip_fraction", "advantage/std", "completion_length"} <= names
    assert {"truncation_rate", "duplicate_rate", "validity", "reward/oren"} <= names
    assert all(np.isfinite(row.value) for row in result.log)
    assert len(result.status) >= 7


def test_local_credit_alone_teaches(started: Policy, prompts: tuple[str, ...], tmp_path: Path) -> None:
    def blame(texts: Sequence[str], truncated: Sequence[bool]) -> list[Scored]:
        spans = [[(i, i + 4, -1.0) for i in range(len(t)) if t.startswith("Mara", i)] for t in texts]
        return [Scored(0.5, {"any": 0.5}, {"any": 1.0}, credit, True, None) for credit in spans]

    config = CONFIG.model_copy(update={"epochs": 4, "rollouts": 48, "lr": 3e-3, "imitation": 0.0, "kl_high": 1.0})
    result = optimize_policy(started, started, prompts, blame, config, 0, tmp_path)

    def share(policy: Policy) -> float:
        texts = evaluate_policy(policy, prompts, blame, config.sampling, 9, 100).samples.texts
        return float(np.mean(["Mara" in text for text in texts]))

    assert share(result.policy) < share(started) - 0.15


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_an_interrupted_run_ends_with_the_same_bytes(
    epoch: int, started: Policy, prompts: tuple[str, ...], score: Score, tmp_path: Path
) -> None:
    samples = []

    def interrupt(phase: str, done: int, total: int) -> None:
        samples.append(phase == "sample" and done == 0)
        if sum(samples) == epoch + 1:
            raise InterruptionError

    whole = optimize_policy(started, started, prompts, score, CONFIG, 5, tmp_path / "whole")
    with pytest.raises(InterruptionError):
        optimize_policy(started, started, prompts, score, CONFIG, 5, tmp_path / "parts", interrupt)
    phases: list[str] = []
    resumed = optimize_policy(
        started, started, prompts, score, CONFIG, 5, tmp_path / "parts", lambda phase, *_: phases.append(phase)
    )
    assert sum(a == "sample" and b != "sample" for a, b in pairwise(phases)) == 4 - epoch
    assert resumed.policy.digest() == whole.policy.digest()
    assert (resumed.log, resumed.status) == (whole.log, whole.status)
    assert resumed.final.tokens == whole.final.tokens


def test_given_rollouts_are_the_first_epoch(
    started: Policy, prompts: tuple[str, ...], score: Score, tmp_path: Path
) -> None:
    given = write_rollouts(started, prompts, CONFIG, 5)
    own = optimize_policy(started, started, prompts, score, CONFIG, 5, tmp_path / "a")
    reused = optimize_policy(started, started, prompts, score, CONFIG, 5, tmp_path / "b", initial=given)
    assert reused.policy.digest() == own.policy.digest()
    assert {prompt: given.prompts.count(prompt) for prompt in prompts} == dict.fromkeys(prompts, 6)


def test_rollouts_of_another_policy_are_refused(
    started: Policy, policy: Policy, prompts: tuple[str, ...], score: Score, tmp_path: Path
) -> None:
    foreign = write_rollouts(policy, prompts, CONFIG, 5)
    with pytest.raises(PolicyError, match="sampler and trainer differ"):
        optimize_policy(started, started, prompts, score, CONFIG, 5, tmp_path, initial=foreign)


def test_a_destroyed_policy_is_rolled_back(
    started: Policy, prompts: tuple[str, ...], score: Score, tmp_path: Path
) -> None:
    config = CONFIG.model_copy(update={"lr": 0.5, "warmup": 0, "guard_kl": 0.09, "average": 0.0})
    result = optimize_policy(started, started, prompts, score, config, 5, tmp_path)
    assert result.rolled_back
    assert result.policy.digest() == started.digest()
    assert any("rolled back" in said for said in result.status)
    assert sum(row.value for row in result.log if row.metric == "rollback") >= 1


def test_equal_rewards_change_nothing_and_say_so(started: Policy, prompts: tuple[str, ...], tmp_path: Path) -> None:
    def indifferent(texts: Sequence[str], truncated: Sequence[bool]) -> list[Scored]:
        return [Scored(0.5, {"a": 0.5}, {"a": 1.0}) for _ in texts]

    config = CONFIG.model_copy(update={"epochs": 1, "length_penalty": 0.0, "beta": 0.0})
    result = optimize_policy(started, started, prompts, indifferent, config, 5, tmp_path)
    assert result.policy.digest() == started.digest()
    assert "nothing was learned" in result.status[0]


def test_malformed_verdicts_are_refused(started: Policy, prompts: tuple[str, ...]) -> None:
    samples = write_rollouts(started, prompts, CONFIG, 5)
    good = Scored(0.5, {"a": 0.5}, {"a": 1.0})
    for bad, message in ((replace(good, reward=float("nan")), "reward is nan"), (replace(good, weights={}), "differ")):
        with pytest.raises(PolicyError, match=message):
            score_samples(lambda texts, cut, bad=bad: [good] * (len(texts) - 1) + [bad], samples)
    with pytest.raises(PolicyError, match="1 verdicts for 12"):
        score_samples(lambda texts, cut: [good], samples)


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


def test_completion_credit_leaves_the_prompt_out(tokenizer: DraftTokenizer) -> None:
    ids = [*tokenizer.encode('{"theme":"harbor",'), *tokenizer.encode('"title":"a"}'), tokenizer.eos]
    start = len(tokenizer.encode('{"theme":"harbor",'))
    samples = _samples([ids], start, [False])
    (credit,) = completion_credit(tokenizer, samples, [Scored(0.0, {}, {}, [(0, 5, 9.0), (18, 20, 1.0)])])
    assert len(credit) == len(ids) - start
    assert credit[0] == 1.0
    assert 9.0 not in credit


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


def test_folded_logit_scale_is_the_same_policy(started: Policy, prompts: tuple[str, ...]) -> None:
    policy = started.clone()
    rows = pad_rows(policy, [policy.tokenizer.encode(p) for p in prompts], [1, 1])
    scale = LogitScale(policy, limit=1.5)
    with torch.no_grad():
        scale.log_scale.fill_(0.2)
        expected = scale.apply(token_logits(policy, rows))
        scale.fold()
        torch.testing.assert_close(token_logits(policy, rows), expected, atol=1e-4, rtol=1e-4)
        scale.log_scale.fill_(5.0)
        scale.fold()
    assert scale.total == 1.5


def test_rollouts_are_drawn_at_temperature_one() -> None:
    with pytest.raises(ValidationError, match="temperature 1"):
        RlConfig(sampling=SamplingConfig(temperature=0.7))


def test_evaluation_repeats_and_reports(started: Policy, prompts: tuple[str, ...], score: Score) -> None:
    first, again = (evaluate_policy(started, prompts, score, CONFIG.sampling, 9, 20) for _ in range(2))
    assert first.samples.tokens == again.samples.tokens
    figures = {row.metric: row.value for row in first.log(2)}
    assert figures["evaluation/uniqueness"] == 1 - figures["evaluation/duplicate_rate"]
    assert figures["evaluation/validity"] == first.measures.validity
    with pytest.raises(PolicyError, match="nothing to evaluate"):
        evaluate_policy(started, [], score, CONFIG.sampling, 9)
