from pathlib import Path

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

from narrative_dag.policy.compute import resolve_compute
from narrative_dag.policy.config import PolicyConfig, RlConfig, SamplingConfig, WarmStartConfig
from narrative_dag.policy.errors import PolicyError
from narrative_dag.policy.evaluation import evaluate_policy
from narrative_dag.policy.model import Policy, load_policy, new_policy
from narrative_dag.policy.scoring import Score
from narrative_dag.policy.tokenizer import Document, DraftTokenizer
from narrative_dag.policy.trainer import optimize_policy
from narrative_dag.policy.warmstart import warm_start
from resources.hashing import hash_folder

CPU = PolicyConfig(device="cpu", dtype="float32")


def test_tiny_preset_is_a_tied_gpt2(tokenizer: DraftTokenizer) -> None:
    policy = new_policy(PolicyConfig(device="cpu"), tokenizer, seed=0)
    block = 12 * 192 * 192 + 13 * 192
    assert policy.parameters == 3 * block + (len(tokenizer) + 512) * 192 + 2 * 192
    assert policy.positions == 512


def test_saving_is_byte_identical_and_loading_gives_the_same_weights(policy: Policy, tmp_path: Path) -> None:
    policy.save(tmp_path / "a")
    policy.clone().save(tmp_path / "b")
    assert hash_folder(tmp_path / "a") == hash_folder(tmp_path / "b")
    loaded = load_policy(tmp_path / "a", CPU)
    assert loaded.digest() == policy.digest()
    assert loaded.positions == policy.positions
    loaded.save(tmp_path / "c")
    weights = "model.safetensors"
    assert (tmp_path / "c" / weights).read_bytes() == (tmp_path / "a" / weights).read_bytes()


def test_saving_replaces_a_folder_and_leaves_nothing_beside_it(policy: Policy, tmp_path: Path) -> None:
    target = tmp_path / "policy"
    target.mkdir()
    (target / "stale").write_text("x")
    policy.save(target)
    assert not (target / "stale").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["policy"]


def test_the_seed_decides_the_weights(tokenizer: DraftTokenizer, policy: Policy) -> None:
    config = PolicyConfig(layers=2, width=32, heads=2, positions=64, dtype="float32", device="cpu")
    assert new_policy(config, tokenizer, 0).digest() == policy.digest()
    assert new_policy(config, tokenizer, 1).digest() != policy.digest()


def _architectures(vocabulary: int) -> dict[str, PreTrainedModel]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        small = {"vocab_size": vocabulary, "bos_token_id": None, "eos_token_id": 1, "pad_token_id": None}
        return {
            "gpt2": GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=48, **small)),
            "gpt_neo": GPTNeoForCausalLM(
                GPTNeoConfig(
                    hidden_size=32,
                    num_layers=2,
                    num_heads=2,
                    attention_types=[[["global", "local"], 1]],
                    max_position_embeddings=48,
                    **small,
                )
            ),
            "llama": LlamaForCausalLM(
                LlamaConfig(
                    hidden_size=32,
                    intermediate_size=48,
                    num_hidden_layers=2,
                    num_attention_heads=4,
                    num_key_value_heads=2,
                    max_position_embeddings=48,
                    **small,
                )
            ),
        }


@pytest.mark.parametrize("name", ["gpt2", "gpt_neo", "llama"])
def test_any_causal_lm_folder_samples_and_learns(
    name: str,
    documents: list[Document],
    tokenizer: DraftTokenizer,
    prompts: tuple[str, ...],
    score: Score,
    tmp_path: Path,
) -> None:
    model = _architectures(len(tokenizer))[name]
    model.save_pretrained(tmp_path / name)
    tokenizer.save(tmp_path / name)
    policy = load_policy(tmp_path / name, CPU)
    assert policy.positions == 48
    started = warm_start(policy, documents, WarmStartConfig(steps=60, batch=4), 0, tmp_path / "warm")
    losses = [row.value for row in started.log if row.metric == "loss"]
    assert losses[-1] < 0.75 * losses[0]
    policy = started.policy
    config = RlConfig(
        epochs=1,
        rollouts=8,
        minibatches=2,
        warmup=0,
        sampling=SamplingConfig(max_tokens=48),
        # eight texts say too little for the guards
        **dict.fromkeys(("guard_truncation", "guard_validity", "guard_reward", "guard_duplicates"), 1.0),
        guard_kl=10.0,
        guard_kl_max=10.0,
        guard_entropy=1e-6,
    )
    result = optimize_policy(policy, policy, prompts, score, config, 0, tmp_path / "work")
    assert result.policy.digest() != policy.digest()
    gap = next(row.value for row in result.log if row.metric == "sampler_trainer_gap")
    assert gap < 1e-4
    assert evaluate_policy(result.policy, prompts, score, config.sampling, 1, count=4).measures.reward >= 0


def test_unusable_folders_are_refused(policy: Policy, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no Hugging Face model"):
        load_policy(tmp_path, CPU)
    policy.save(tmp_path / "policy")
    (tmp_path / "policy" / "model.safetensors").unlink()
    with pytest.raises(PolicyError, match="cannot be loaded"):
        load_policy(tmp_path / "policy", CPU)


def test_pickled_weights_are_not_read(policy: Policy, tmp_path: Path) -> None:
    policy.save(tmp_path / "policy")
    torch.save(policy.model.state_dict(), tmp_path / "policy" / "pytorch_model.bin")
    (tmp_path / "policy" / "model.safetensors").unlink()
    with pytest.raises(PolicyError, match="cannot be loaded"):
        load_policy(tmp_path / "policy", CPU)


def test_weights_of_another_shape_are_refused(policy: Policy, tokenizer: DraftTokenizer) -> None:
    other = new_policy(PolicyConfig(layers=1, width=32, heads=2, positions=64, device="cpu"), tokenizer, 0)
    with pytest.raises(PolicyError, match="another model"):
        policy.load_weights(other.weights())


def test_devices() -> None:
    assert resolve_compute(PolicyConfig(device="cpu", dtype="float32")).bfloat16 is False
    assert resolve_compute(PolicyConfig(device="cpu", dtype="bfloat16")).bfloat16 is True
    with pytest.raises(PolicyError, match="unknown device"):
        resolve_compute(PolicyConfig(device="abacus"))
    with pytest.raises(PolicyError, match="not on this machine"):
        resolve_compute(PolicyConfig(device="cuda:99"))
