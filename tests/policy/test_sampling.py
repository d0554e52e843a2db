from pathlib import Path

import numpy as np
import pytest
import torch

from narrative_dag.policy import sampling
from narrative_dag.policy.config import PolicyConfig, SamplingConfig
from narrative_dag.policy.decoder import CacheDecoder, Gpt2Decoder
from narrative_dag.policy.errors import PolicyError
from narrative_dag.policy.model import Policy, load_policy
from narrative_dag.policy.sampling import sample
from narrative_dag.policy.trainer import completion_logprobs

CONFIG = SamplingConfig(max_tokens=40, batch=5)


def _sharper(policy: Policy) -> Policy:
    """Larger logits, so that rows end at different lengths."""
    with torch.no_grad():
        policy.model.transformer.wte.weight.mul_(8.0)
        policy.model.transformer.wte.weight[policy.tokenizer.eos].mul_(3.0)
    return policy


def test_samples_hang_together(policy: Policy, prompts: tuple[str, ...]) -> None:
    samples = sample(_sharper(policy), prompts * 8, CONFIG, seed=3)
    assert len(samples) == 16
    assert len(set(samples.completion_lengths)) > 3
    for i in range(len(samples)):
        ids, prompt = samples.tokens[i], samples.prompts[i]
        assert samples.texts[i].startswith(prompt)
        assert list(ids[: samples.starts[i]]) == policy.tokenizer.encode(prompt)
        assert len(samples.logprobs[i]) == len(ids) - samples.starts[i]
        assert (samples.logprobs[i] <= 0).all()
        assert samples.truncated[i] == (ids[-1] != policy.tokenizer.eos)
        assert len(ids) == 40 if samples.truncated[i] else len(ids) <= 40
        assert policy.tokenizer.eos not in ids[samples.starts[i] : -1]


def test_sampler_and_trainer_agree(policy: Policy, prompts: tuple[str, ...]) -> None:
    samples = sample(_sharper(policy), prompts * 8, CONFIG, seed=3)
    for found, expected in zip(completion_logprobs(policy, samples, 3), samples.logprobs, strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-4)


def test_bfloat16_sampler_and_trainer_agree_within_a_fiftieth_of_a_nat(
    policy: Policy, prompts: tuple[str, ...], tmp_path: Path
) -> None:
    policy.save(tmp_path / "p")
    rounded = load_policy(tmp_path / "p", PolicyConfig(device="cpu", dtype="bfloat16"))
    samples = sample(rounded, prompts * 8, CONFIG, seed=3)
    gaps = np.concatenate(completion_logprobs(rounded, samples, 8)) - np.concatenate(samples.logprobs)
    assert 0 < np.abs(gaps).mean() < 0.02


def test_no_batch_changes_a_row(policy: Policy, prompts: tuple[str, ...]) -> None:
    _sharper(policy)
    whole = sample(policy, prompts * 6, SamplingConfig(max_tokens=40, batch=12), seed=3)
    single = sample(policy, prompts * 6, SamplingConfig(max_tokens=40, batch=1), seed=3)
    assert whole.tokens == single.tokens
    assert whole.texts == single.texts
    assert sample(policy, prompts, CONFIG, seed=3).tokens == whole.tokens[:2]


def test_compaction_keeps_few_batch_sizes(
    policy: Policy, prompts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    keep = Gpt2Decoder.keep

    def counted(decoder: Gpt2Decoder, rows: torch.Tensor) -> None:
        sizes.append(len(rows))
        assert rows.tolist() == sorted(set(rows.tolist()))
        keep(decoder, rows)

    monkeypatch.setattr(Gpt2Decoder, "keep", counted)
    with torch.no_grad():
        _sharper(policy).model.transformer.wte.weight[policy.tokenizer.eos].mul_(1.5)
    compacted = sample(policy, prompts * 20, SamplingConfig(max_tokens=60, batch=40), seed=3)
    assert sizes == sorted(set(sizes), reverse=True)
    assert set(sizes) <= {32, 24, 16, 8}
    assert 8 in sizes
    monkeypatch.setattr(sampling, "SHRINK", 0.0)
    assert compacted.tokens == sample(policy, prompts * 20, SamplingConfig(max_tokens=60, batch=40), seed=3).tokens
    assert sizes[-1] == 8


def test_the_seed_decides(policy: Policy, prompts: tuple[str, ...]) -> None:
    first, again, other = (sample(policy, prompts * 3, CONFIG, seed=s) for s in (3, 3, 4))
    assert first.tokens == again.tokens
    assert all((a == b).all() for a, b in zip(first.logprobs, again.logprobs, strict=True))
    assert first.tokens != other.tokens


def test_the_lean_decoder_equals_the_model(policy: Policy) -> None:
    rng = np.random.default_rng(0)
    ids = torch.from_numpy(rng.integers(2, len(policy.tokenizer), size=(6, 20)))
    rows = torch.tensor([0, 2, 5])
    with torch.inference_mode():
        expected = policy.model(input_ids=ids).logits
        for decoder in (Gpt2Decoder(policy, 6, 20), CacheDecoder(policy)):
            torch.testing.assert_close(decoder.advance(ids[:, :4]), expected[:, 3], atol=1e-5, rtol=0)
            torch.testing.assert_close(decoder.advance(ids[:, 4:5]), expected[:, 4], atol=1e-5, rtol=0)
            decoder.keep(rows)
            for at in range(5, 20):
                torch.testing.assert_close(
                    decoder.advance(ids[rows, at : at + 1]), expected[rows, at], atol=1e-5, rtol=0
                )


def test_draws_follow_the_distribution() -> None:
    log_p = torch.log(torch.tensor([[0.1, 0.0, 0.6, 0.3]]))
    uniforms = (torch.arange(1000) + 0.5) / 1000
    counts = torch.bincount(sampling._draw(log_p.expand(1000, 4), uniforms), minlength=4)
    assert counts.tolist() == [100, 0, 600, 300]


def test_temperature_sharpens(policy: Policy, prompts: tuple[str, ...]) -> None:
    cold = sample(policy, prompts * 4, SamplingConfig(max_tokens=40, temperature=0.05), seed=0)
    warm = sample(policy, prompts * 4, SamplingConfig(max_tokens=40), seed=0)
    assert np.concatenate(cold.logprobs).mean() > np.concatenate(warm.logprobs).mean() + 1


def test_prompts_must_leave_room(policy: Policy, prompts: tuple[str, ...]) -> None:
    with pytest.raises(PolicyError, match="no prompts"):
        sample(policy, [], CONFIG, seed=0)
    with pytest.raises(PolicyError, match="the limit is 4"):
        sample(policy, prompts, SamplingConfig(max_tokens=4), seed=0)
