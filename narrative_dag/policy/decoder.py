"""One decoding step for many rows with a key-value cache: through any causal LM, or a lean path for GPT-2.

All rows are at the same position at every step (prompts of different lengths are fed token by token), so there is no
padding and no mask, and any causal LM with a growing cache works.
"""

from typing import Any, Protocol

import torch
from torch.nn import functional
from transformers import DynamicCache, GPT2LMHeadModel

from narrative_dag.policy.model import Policy


class Decoder(Protocol):
    """Rows in step with each other."""

    def advance(self, tokens: torch.Tensor) -> torch.Tensor:
        """Append tokens [rows, n]; the logits [rows, vocabulary] after the last one, float32."""

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these rows alone (positions, ascending)."""


def make_decoder(policy: Policy, rows: int, length: int) -> Decoder:
    """The fastest decoder that fits the model, for so many rows of at most `length` tokens."""
    if isinstance(policy.model, GPT2LMHeadModel) and Gpt2Decoder.fits(policy.model):
        return Gpt2Decoder(policy, rows, length)
    return CacheDecoder(policy)


class CacheDecoder:
    """Any causal LM through Hugging Face's cache."""

    def __init__(self, policy: Policy) -> None:
        self._model = policy.model
        self._cache: Any = DynamicCache(config=policy.model.config)

    def advance(self, tokens: torch.Tensor) -> torch.Tensor:
        """See `Decoder`."""
        output = self._model(input_ids=tokens, past_key_values=self._cache, use_cache=True)
        self._cache = output.past_key_values
        return torch.as_tensor(output.logits[:, -1].float())

    def keep(self, rows: torch.Tensor) -> None:
        """See `Decoder`."""
        self._cache.batch_select_indices(rows)


class Gpt2Decoder:
    """GPT-2 with a preallocated cache.

    Products with weights in the policy's precision; residual stream, cache and attention in float32, because bfloat16
    attention of a single query is slower on CPUs.
    """

    @staticmethod
    def fits(model: GPT2LMHeadModel) -> bool:
        """Whether the model is the plain GPT-2 that is written out here."""
        config = model.config
        return bool(
            config.activation_function in ("gelu_new", "gelu_pytorch_tanh")
            and config.scale_attn_weights
            and not config.scale_attn_by_inverse_layer_idx
            and not config.add_cross_attention
        )

    def __init__(self, policy: Policy, rows: int, length: int) -> None:
        config, weights = policy.model.config, policy.weights()
        device = policy.compute.device
        self._dtype = torch.bfloat16 if policy.compute.bfloat16 else torch.float32
        self._heads, self._epsilon = int(config.n_head), float(config.layer_norm_epsilon)
        self._head = int(config.n_embd) // self._heads
        self._norms = {n: t.detach() for n, t in weights.items() if ".ln_" in n}
        self._tokens = weights["transformer.wte.weight"].detach()
        self._positions = weights["transformer.wpe.weight"].detach()
        self._matrices = {n: t.detach().to(self._dtype) for n, t in weights.items() if ".attn." in n or ".mlp." in n}
        self._unembed = weights.get("lm_head.weight", self._tokens).detach().to(self._dtype)
        shape = (int(config.n_layer), rows, self._heads, length, self._head)
        self._keys, self._values = (torch.empty(shape, device=device) for _ in range(2))
        self._length = 0

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = self._norms[f"transformer.{name}.weight"], self._norms[f"transformer.{name}.bias"]
        return functional.layer_norm(x, weight.shape, weight, bias, self._epsilon)

    def _linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = self._matrices[f"transformer.{name}.weight"], self._matrices[f"transformer.{name}.bias"]
        return torch.addmm(bias, x.to(self._dtype), weight)

    def advance(self, tokens: torch.Tensor) -> torch.Tensor:
        """See `Decoder`."""
        for column in tokens.unbind(1):
            hidden = self._step(column)
        with torch.autocast(hidden.device.type, enabled=False):
            return functional.linear(self._norm(hidden, "ln_f").to(self._dtype), self._unembed).float()

    def _step(self, tokens: torch.Tensor) -> torch.Tensor:
        with torch.autocast(tokens.device.type, enabled=False):
            at, rows = self._length, len(tokens)
            x = self._tokens[tokens] + self._positions[at]
            for layer in range(len(self._keys)):
                qkv = self._linear(self._norm(x, f"h.{layer}.ln_1"), f"h.{layer}.attn.c_attn").float()
                query, key, value = qkv.view(rows, 3, self._heads, self._head).unbind(1)
                self._keys[layer, :, :, at], self._values[layer, :, :, at] = key, value
                scores = query.unsqueeze(2) @ self._keys[layer, :, :, : at + 1].transpose(-1, -2)
                weights = torch.softmax(scores * self._head**-0.5, -1)
                mixed = (weights @ self._values[layer, :, :, : at + 1]).reshape(rows, -1)
                x = x + self._linear(mixed, f"h.{layer}.attn.c_proj")
                inner = self._linear(self._norm(x, f"h.{layer}.ln_2"), f"h.{layer}.mlp.c_fc")
                x = x + self._linear(functional.gelu(inner, approximate="tanh"), f"h.{layer}.mlp.c_proj")
            self._length += 1
        return x

    def keep(self, rows: torch.Tensor) -> None:
        """See `Decoder`."""
        used = self._length
        shape = (len(self._keys), len(rows), *self._keys.shape[2:])
        for name in ("_keys", "_values"):
            kept = torch.empty(shape, device=rows.device)
            kept[:, :, :, :used] = getattr(self, name)[:, rows, :, :used]
            setattr(self, name, kept)
