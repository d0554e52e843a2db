from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from narrative_dag.policy.checkpoints import load_state, save_state
from narrative_dag.policy.config import PolicyConfig, RlConfig, SamplingConfig, WarmStartConfig
from narrative_dag.policy.errors import PolicyError
from narrative_dag.policy.evaluation import evaluate_policy
from narrative_dag.policy.forward import pad_rows, token_logits
from narrative_dag.policy.learner import Learner, restore, to_state
from narrative_dag.policy.logit_scale import LogitScale
from narrative_dag.policy.model import Policy, new_policy
from narrative_dag.policy.rollouts import Measures, measure, write_rollouts
from narrative_dag.policy.scoring import Score, Scored, score_samples
from narrative_dag.policy.tokenizer import Document, DraftTokenizer
from narrative_dag.policy.trainer import RlResult, completion_logprobs, optimize_policy
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
    guard_kl_max=10.0,
    guard_truncation=1.0,
    guard_validity=1.0,
    guard_duplicates=1.0,
)


DESTRUCTIVE = CONFIG.model_copy(update={"lr": 0.5, "warmup": 0, "guard_kl": 0.09, "average": 0.0})


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


def _interrupted(
    phase: str, times: int, started: Policy, prompts: tuple[str, ...], score: Score, config: RlConfig, workdir: Path
) -> None:
    """Train until a phase begins for the n-th time."""
    begun = []

    def interrupt(at: str, done: int, total: int) -> None:
        begun.append(at == phase and done == 0)
        if sum(begun) == times:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        optimize_policy(started, started, prompts, score, config, 5, workdir, interrupt)


def _assert_same(found: RlResult, expected: RlResult) -> None:
    assert found.policy.digest() == expected.policy.digest()
    assert (found.log, found.status) == (expected.log, expected.status)
    assert found.final.tokens == expected.final.tokens
    assert (found.measures, found.rolled_back) == (expected.measures, expected.rolled_back)


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_an_interrupted_run_ends_with_the_same_bytes(
    epoch: int, started: Policy, prompts: tuple[str, ...], score: Score, tmp_path: Path
) -> None:
    whole = optimize_policy(started, started, prompts, score, CONFIG, 5, tmp_path / "whole")
    _interrupted("sample", epoch + 1, started, prompts, score, CONFIG, tmp_path / "parts")
    phases: list[str] = []
    resumed = optimize_policy(
        started, started, prompts, score, CONFIG, 5, tmp_path / "parts", lambda phase, *_: phases.append(phase)
    )
    assert sum(a == "sample" and b != "sample" for a, b in pairwise(phases)) == 4 - epoch
    _assert_same(resumed, whole)


def test_a_finished_run_is_measured_again_and_not_trained(
    started: Policy, prompts: tuple[str, ...], score: Score, tmp_path: Path
) -> None:
    first = optimize_policy(started, started, prompts, score, CONFIG, 5, tmp_path)
    phases: list[str] = []
    again = optimize_policy(
        started, started, prompts, score, CONFIG, 5, tmp_path, lambda phase, *_: phases.append(phase)
    )
    assert "update" not in phases
    _assert_same(again, first)


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
    result = optimize_policy(started, started, prompts, score, DESTRUCTIVE, 5, tmp_path)
    assert result.rolled_back
    assert result.policy.digest() == started.digest()
    assert any("rolled back" in said for said in result.status)
    assert sum(row.value for row in result.log if row.metric == "rollback") >= 1


def test_after_a_roll_back_the_result_is_of_the_returned_policy(
    started: Policy, prompts: tuple[str, ...], score: Score, tmp_path: Path
) -> None:
    result = optimize_policy(started, started, prompts, score, DESTRUCTIVE, 5, tmp_path)
    assert result.rolled_back
    assert result.measures.kl == pytest.approx(0.0, abs=1e-6)
    own = completion_logprobs(result.policy, result.final, 4)
    np.testing.assert_allclose(np.concatenate(own), np.concatenate(result.final.logprobs), atol=2e-4)
    assert result.measures == measure(result.final, result.scored, completion_logprobs(started, result.final, 2))
    last = {row.metric: row.value for row in result.log if row.step == DESTRUCTIVE.epochs}
    assert last == {**result.measures.rows(), "rollback": 1.0}
    candidate, returned = result.status[-2:]
    assert candidate.startswith("candidate: ")
    assert "Rolled back" in candidate
    assert returned.endswith("KL 0.000 a token.")


@pytest.mark.parametrize("updates", [1, 2])
def test_an_interrupted_run_with_a_roll_back_ends_with_the_same_bytes(
    updates: int, started: Policy, prompts: tuple[str, ...], score: Score, tmp_path: Path
) -> None:
    whole = optimize_policy(started, started, prompts, score, DESTRUCTIVE, 5, tmp_path / "whole")
    rolled_back = [row.step for row in whole.log if row.metric == "rollback"]
    assert rolled_back[0] == 1
    _interrupted("update", updates + 1, started, prompts, score, DESTRUCTIVE, tmp_path / "parts")
    for _ in ("resumed", "finished"):
        _assert_same(optimize_policy(started, started, prompts, score, DESTRUCTIVE, 5, tmp_path / "parts"), whole)


def _learn_scale(learner: Learner, log_scale: float) -> None:
    assert learner.scale is not None
    with torch.no_grad():
        learner.scale.log_scale.fill_(log_scale)
    learner.scale.fold()


def test_a_roll_back_restores_the_logit_scale(started: Policy, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"logit_scale_max": 1.6})
    learner = Learner(started, config)
    _learn_scale(learner, 0.1)
    assert learner.judge(Measures(0.5, 0.1, 0.8, 0.02, 0.0, 150.0, 1.0, 0.01, {}), config) is None
    best = learner.policy.digest()
    _learn_scale(learner, 0.3)
    assert learner.scale is not None
    assert learner.scale.total == pytest.approx(np.exp(0.4))
    save_state(tmp_path, to_state(learner, "run"))
    state = load_state(tmp_path, "run")
    assert state is not None
    for one in (learner, restore(started, config, state)):
        assert one.scale is not None
        with torch.no_grad():
            one.scale.log_scale.fill_(0.05)
        one.roll_back("collapsed", 1, config)
        assert one.policy.digest() == best
        assert one.scale.total == pytest.approx(np.exp(0.1))
        assert float(one.scale.log_scale.detach()) == 0.0
        # what is left of the limit counts from the best weights
        _learn_scale(one, 5.0)
        ratio = one.policy.model.transformer.ln_f.weight / started.model.transformer.ln_f.weight
        torch.testing.assert_close(ratio, torch.full_like(ratio, 1.6), atol=1e-5, rtol=0)


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


@pytest.mark.parametrize(("longest", "width"), [(5, 32), (32, 32), (33, 64), (65, 80), (80, 80)])
def test_rows_come_in_few_widths(longest: int, width: int, tokenizer: DraftTokenizer) -> None:
    config = PolicyConfig(layers=1, width=32, heads=2, positions=80, dtype="float32", device="cpu")
    policy = new_policy(config, tokenizer, 0)
    rows = pad_rows(policy, [[2] * longest, [2] * 4], [3, 3])
    assert rows.ids.shape == rows.attention.shape == (2, width)
    assert rows.completion.shape == (2, width - 1)
    assert rows.attention.sum(1).tolist() == [longest, 4]
    assert rows.completion.sum(1).tolist() == [longest - 3, 1]
    with pytest.raises(PolicyError, match="81 tokens, the model has 80 positions"):
        pad_rows(policy, [[2] * 81], [1])


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
