"""A learned scalar on the logits, folded into the model's last norm after every update."""

import math
from typing import Any

import torch

from narrative_dag.policy.model import Policy

_PLACES = ("transformer.ln_f", "model.norm", "model.final_layernorm", "gpt_neox.final_layer_norm", "model.ln_f")
_SCALABLE = (
    "LayerNorm",
    "GPTNeoXLayerNorm",
    "LlamaRMSNorm",
    "MistralRMSNorm",
    "Qwen2RMSNorm",
    "Qwen3RMSNorm",
    "RMSNorm",
)


class LogitScale:
    """exp(`log_scale`) multiplies the logits; `fold` moves it into the norm, so that the weights alone are the policy.

    Without bias after the norm, scaling the norm's output scales the logits by the same factor.
    """

    def __init__(self, policy: Policy, limit: float, total: float = 1.0) -> None:
        self._norm = final_norm(policy)
        self._limit = limit
        self.total = total
        self.log_scale = torch.nn.Parameter(torch.zeros((), device=policy.compute.device))

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """The scaled logits."""
        return logits * self.log_scale.exp()

    def fold(self) -> None:
        """Move the scale into the norm, within [1 / limit, limit] over all folds."""
        wanted = self.total * math.exp(float(self.log_scale.detach()))
        total = min(max(wanted, 1.0 / self._limit), self._limit)
        factor, self.total = total / self.total, total
        with torch.no_grad():
            for parameter in self._norm.parameters(recurse=False):
                parameter.mul_(factor)
            self.log_scale.zero_()

    def reset(self, total: float) -> None:
        """Go on from weights into which `total` is folded already."""
        self.total = total
        with torch.no_grad():
            self.log_scale.zero_()


def final_norm(policy: Policy) -> Any:
    """The norm before the unembedding, None where the architecture is not known to allow the fold."""
    head = policy.model.get_output_embeddings()
    if head is None or getattr(head, "bias", None) is not None:
        return None
    modules = dict(policy.model.named_modules())
    found = next((modules[place] for place in _PLACES if place in modules), None)
    return found if type(found).__name__ in _SCALABLE else None
