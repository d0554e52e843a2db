"""The training forward pass: log-probabilities of given tokens, in rows of different lengths."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from narrative_dag.policy.errors import PolicyError
from narrative_dag.policy.model import Policy

WIDTH_STEP = 32
"""Rows are padded to a multiple of this: bfloat16 kernels are compiled and kept for every shape that occurs."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Right-padded sequences; T is a multiple of `WIDTH_STEP`, or the model's positions.

    `ids` [B, T] and `attention` [B, T] (1 on tokens); `completion` [B, T-1] is 1 where position t predicts a token of
    the completion, end token included.
    """

    ids: torch.Tensor
    attention: torch.Tensor
    completion: torch.Tensor


def pad_rows(policy: Policy, tokens: Sequence[Sequence[int]], starts: Sequence[int]) -> Rows:
    """Rows on the policy's device. Raises PolicyError when a row is longer than the model's positions."""
    longest = max(len(ids) for ids in tokens)
    if longest > policy.positions:
        raise PolicyError(f"a sequence of {longest} tokens, the model has {policy.positions} positions")
    width = min(-(-longest // WIDTH_STEP) * WIDTH_STEP, policy.positions)
    ids = torch.full((len(tokens), width), policy.tokenizer.pad, dtype=torch.long)
    attention = torch.zeros((len(tokens), width), dtype=torch.long)
    completion = torch.zeros((len(tokens), width - 1))
    for row, (sequence, start) in enumerate(zip(tokens, starts, strict=True)):
        ids[row, : len(sequence)] = torch.tensor(sequence)
        attention[row, : len(sequence)] = 1
        completion[row, start - 1 : len(sequence) - 1] = 1.0
    device = policy.compute.device
    return Rows(ids.to(device), attention.to(device), completion.to(device))


def token_logits(policy: Policy, rows: Rows) -> torch.Tensor:
    """float32 logits [B, T-1, vocabulary]; position t predicts token t + 1."""
    output = policy.model(input_ids=rows.ids, attention_mask=rows.attention, use_cache=False)
    return torch.as_tensor(output.logits[:, :-1].float())


def token_logprobs(logits: torch.Tensor, rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of each next token, and the entropy of its distribution without gradient: [B, T-1], nats."""
    log_p = torch.log_softmax(logits, -1)
    chosen = log_p.gather(-1, rows.ids[:, 1:].unsqueeze(-1)).squeeze(-1)
    with torch.no_grad():
        detached = log_p.detach()
        entropy = -(detached.exp() * detached).sum(-1)
    return chosen, entropy
