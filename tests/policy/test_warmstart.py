import json
from pathlib import Path

import pytest

from narrative_dag.policy.checkpoints import load_state
from narrative_dag.policy.config import PolicyConfig, SamplingConfig, WarmStartConfig
from narrative_dag.policy.errors import PolicyError
from narrative_dag.policy.model import Policy, new_policy
from narrative_dag.policy.sampling import sample
from narrative_dag.policy.tokenizer import Document
from narrative_dag.policy.warmstart import WarmStart, _batches, _learning_rate, warm_start

CONFIG = WarmStartConfig(steps=30, batch=4, warmup=5, checkpoint_every=10, log_every=10)


class InterruptionError(Exception):
    pass


def _interrupt_at(step: int):
    def progress(at: int, steps: int, loss: float) -> None:
        if at == step:
            raise InterruptionError

    return progress


def test_learns_the_documents(
    policy: Policy, documents: list[Document], prompts: tuple[str, ...], tmp_path: Path
) -> None:
    before = policy.digest()
    config = WarmStartConfig(steps=160, batch=6)
    result = warm_start(policy, documents, config, 0, tmp_path)
    losses = [row.value for row in result.log if row.metric == "loss"]
    assert losses[0] > 2.0
    assert losses[-1] < 0.8
    assert policy.digest() == before
    samples = sample(result.policy, prompts * 10, SamplingConfig(max_tokens=64, temperature=0.5), seed=0)
    assert sum(_is_json(text) for text in samples.texts) >= 14


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


@pytest.mark.parametrize("step", [7, 20, 27])
def test_an_interrupted_run_ends_with_the_same_bytes(
    step: int, policy: Policy, documents: list[Document], tmp_path: Path
) -> None:
    whole = warm_start(policy, documents, CONFIG, 0, tmp_path / "whole")
    with pytest.raises(InterruptionError):
        warm_start(policy, documents, CONFIG, 0, tmp_path / "parts", _interrupt_at(step))
    seen: list[int] = []
    resumed = warm_start(policy, documents, CONFIG, 0, tmp_path / "parts", lambda at, steps, loss: seen.append(at))
    assert seen[0] == step // 10 * 10 + 1
    assert resumed.policy.digest() == whole.policy.digest()
    assert (resumed.log, resumed.tokens) == (whole.log, whole.tokens)


def test_a_finished_run_is_returned_as_it_is(policy: Policy, documents: list[Document], tmp_path: Path) -> None:
    first = warm_start(policy, documents, CONFIG, 0, tmp_path)
    again = warm_start(policy, documents, CONFIG, 0, tmp_path, _interrupt_at(30))
    assert again.policy.digest() == first.policy.digest()
    assert (again.log, again.tokens, again.too_long) == (first.log, first.tokens, first.too_long)


def test_bfloat16_learns_every_step(policy: Policy, documents: list[Document], tmp_path: Path) -> None:
    config = PolicyConfig(layers=2, width=32, heads=2, positions=64, dtype="bfloat16", device="cpu")
    rounded = warm_start(new_policy(config, policy.tokenizer, 0), documents, CONFIG, 0, tmp_path / "a")
    exact = warm_start(policy, documents, CONFIG, 0, tmp_path / "b")
    assert _losses(rounded) == pytest.approx(_losses(exact), rel=0.1)


def _losses(result: WarmStart) -> list[float]:
    return [row.value for row in result.log if row.metric == "loss"]


def test_a_checkpoint_of_another_run_is_refused(policy: Policy, documents: list[Document], tmp_path: Path) -> None:
    with pytest.raises(InterruptionError):
        warm_start(policy, documents, CONFIG, 0, tmp_path, _interrupt_at(15))
    with pytest.raises(PolicyError, match="other inputs"):
        warm_start(policy, documents, CONFIG, 1, tmp_path)
    (tmp_path / "state-1" / "tensors.safetensors").write_bytes(b"x")
    with pytest.raises(PolicyError, match="damaged"):
        load_state(tmp_path, "any")


def test_texts_beyond_the_positions_are_counted_and_none_left_is_an_error(
    policy: Policy, documents: list[Document], tmp_path: Path
) -> None:
    long = Document(documents[0].prompt, "x y " * 200)
    assert warm_start(policy, [*documents, long], CONFIG, 0, tmp_path / "work").too_long == 1
    with pytest.raises(PolicyError, match="none of 1 texts"):
        warm_start(policy, [long], CONFIG, 0, tmp_path / "work")


def test_schedule_warms_up_peaks_and_falls() -> None:
    shares = [_learning_rate(step, CONFIG) for step in range(30)]
    assert shares[0] == pytest.approx(0.2)
    assert max(shares) == shares[5] == 1.0
    assert shares[5:] == sorted(shares[5:], reverse=True)
    assert shares[-1] == pytest.approx(0.05)


def test_batches_hold_every_text_once_a_pass_and_similar_lengths() -> None:
    lengths = [(7 * i) % 41 for i in range(64)]
    config = WarmStartConfig(steps=16, batch=8, pool=8)
    order = _batches(lengths, config, seed=0)
    assert sorted(i for batch in order[:8] for i in batch) == list(range(64))
    assert order == _batches(lengths, config, seed=0) != _batches(lengths, config, seed=1)
    spans = [max(lengths[i] for i in batch) - min(lengths[i] for i in batch) for batch in order]
    assert max(spans) < 10
