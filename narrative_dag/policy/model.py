"""The policy: a causal language model with its tokenizer, made from scratch or loaded from a Hugging Face folder."""

import copy
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel
from transformers.utils import logging as transformers_logging

from narrative_dag import durable
from narrative_dag.policy.compute import Compute, resolve_compute
from narrative_dag.policy.config import PolicyConfig
from narrative_dag.policy.errors import PolicyError
from narrative_dag.policy.tokenizer import DraftTokenizer, load_tokenizer


@dataclass(frozen=True)
class Policy:
    """A model that writes storyworld drafts.

    `model` is any Hugging Face causal LM with float32 weights, in evaluation mode: there is no dropout anywhere, so
    that sampler and trainer see the same distribution. `positions` is the longest sequence in tokens.
    """

    model: Any
    tokenizer: DraftTokenizer
    positions: int
    compute: Compute

    @property
    def parameters(self) -> int:
        """Number of weights, tied ones once."""
        return sum(p.numel() for p in self.model.parameters())

    def clone(self) -> "Policy":
        """The same policy with weights of its own."""
        return Policy(copy.deepcopy(self.model), self.tokenizer, self.positions, self.compute)

    def weights(self) -> dict[str, torch.Tensor]:
        """Every distinct parameter by name, on the model's device; not copies."""
        return {name: p.data for name, p in self.model.named_parameters()}

    def load_weights(self, weights: dict[str, torch.Tensor]) -> None:
        """Copy weights in. Raises PolicyError when names or shapes differ."""
        own = self.weights()
        wrong = sorted(set(own) ^ set(weights)) or sorted(n for n in own if own[n].shape != weights[n].shape)
        if wrong:
            raise PolicyError(f"the weights are of another model: {wrong[0]}", hint="start in an empty work folder")
        for name, tensor in own.items():
            tensor.copy_(weights[name])

    def digest(self) -> str:
        """sha256 over weights and tokenizer; the same on every machine for the same bytes."""
        digest = hashlib.sha256(self.tokenizer.backend.backend_tokenizer.to_str().encode())
        for name, tensor in sorted(self.weights().items()):
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write a Hugging Face folder (safetensors) in one step; the same weights give the same bytes."""
        with durable.folder(folder) as temporary, _quiet():
            self.model.save_pretrained(str(temporary))
            self.tokenizer.save(temporary)


def new_policy(config: PolicyConfig, tokenizer: DraftTokenizer, seed: int) -> Policy:
    """A GPT-2 architecture with random weights, sized by the configuration and the tokenizer; tied embeddings."""
    compute = resolve_compute(config)
    architecture = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=config.positions,
        n_embd=config.width,
        n_layer=config.layers,
        n_head=config.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=tokenizer.eos,
        attn_implementation="eager",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = GPT2LMHeadModel(architecture)
    return Policy(model.to(compute.device).eval(), tokenizer, config.positions, compute)


def load_policy(folder: Path, config: PolicyConfig) -> Policy:
    """Load any causal LM from a Hugging Face folder, offline, from safetensors only.

    Args:
        folder: the folder, with the model's configuration, weights and tokenizer.
        config: device, precision and threads; the folder decides the rest.

    Raises:
        PolicyError: no such folder, no safetensors, an unknown architecture or a tokenizer without an end token.
    """
    if not (folder / "config.json").is_file():
        raise PolicyError(
            "no Hugging Face model here", where=str(folder), hint="give a folder with config.json and safetensors"
        )
    compute = resolve_compute(config)
    tokenizer = load_tokenizer(folder)
    try:
        with _quiet():
            model: Any = AutoModelForCausalLM.from_pretrained(
                str(folder),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                attn_implementation="eager" if compute.device.type == "cpu" else "sdpa",
            )
    except (OSError, ValueError, KeyError) as error:
        raise PolicyError(f"the model cannot be loaded: {error}", where=str(folder)) from error
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    rows = int(model.get_input_embeddings().weight.shape[0])
    if len(tokenizer) > rows:
        raise PolicyError(f"the tokenizer has {len(tokenizer)} tokens, the model {rows}", where=str(folder))
    return Policy(model.to(compute.device).eval(), tokenizer, _positions(model, tokenizer), compute)


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars for files of a moment."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def _positions(model: Any, tokenizer: DraftTokenizer) -> int:
    declared = getattr(model.config, "max_position_embeddings", None)
    limit = int(tokenizer.backend.model_max_length)
    return min(int(declared), limit) if declared else limit
