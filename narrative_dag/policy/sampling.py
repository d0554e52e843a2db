"""Batched sampling from the full distribution, one seeded stream of uniforms a sequence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from narrative_dag.policy.config import SamplingConfig
from narrative_dag.policy.decoder import make_decoder
from narrative_dag.policy.errors import PolicyError
from narrative_dag.policy.model import Policy

SHRINK = 0.8
"""Rows are compacted when at most this share of them is unfinished: copying the cache has a price too."""

ROW_STEP = 8
"""Compaction keeps a multiple of this many rows, finished ones too: bfloat16 kernels are kept for every shape."""


@dataclass(frozen=True, slots=True)
class Samples:
    """What was written.

    `tokens[i]` are the ids of row i, prompt and end token included; `starts[i]` is where its completion starts and
    `logprobs[i]` the natural log-probabilities of `tokens[i][starts[i]:]` under the sampler. `texts[i]` is prompt and
    completion without the end token. A truncated row met the limit before its end token.
    """

    prompts: tuple[str, ...]
    texts: tuple[str, ...]
    tokens: tuple[tuple[int, ...], ...]
    starts: tuple[int, ...]
    logprobs: tuple[npt.NDArray[np.float32], ...]
    truncated: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row, prompt and end token included."""
        return [len(ids) for ids in self.tokens]

    @property
    def completion_lengths(self) -> list[int]:
        """Sampled tokens of each row, end token included."""
        return [len(logprobs) for logprobs in self.logprobs]


def sample(
    policy: Policy,
    prompts: Sequence[str],
    config: SamplingConfig,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Samples:
    """Write one text for each prompt.

    Row i draws token t with the uniform number (seed, i, t), whatever the batch it is decoded in; only rounding in the
    logits can depend on the batch.

    Args:
        policy: who writes.
        prompts: literal beginnings; they may repeat.
        config: temperature, limit and batch.
        seed: of the uniforms.
        progress: called with (rows done, rows).

    Raises:
        PolicyError: no prompts, or a prompt as long as the limit.
    """
    if not prompts:
        raise PolicyError("no prompts to write from", where="prompts")
    limit = min(config.max_tokens, policy.positions)
    encoded = {prompt: policy.tokenizer.encode_prompt(prompt) for prompt in dict.fromkeys(prompts)}
    for prompt, ids in encoded.items():
        if len(ids) >= limit:
            raise PolicyError(f"the prompt has {len(ids)} tokens, the limit is {limit}", where=prompt[:60])
    tokens: list[list[int]] = []
    logprobs: list[npt.NDArray[np.float32]] = []
    for first in range(0, len(prompts), config.batch):
        rows = [encoded[prompt] for prompt in prompts[first : first + config.batch]]
        uniforms = np.stack([np.random.default_rng([seed, first + i]).random(limit) for i in range(len(rows))])
        with torch.inference_mode(), policy.compute.session():
            batch_tokens, batch_logprobs = _decode(policy, rows, uniforms, limit, config.temperature)
        tokens += batch_tokens
        logprobs += batch_logprobs
        if progress is not None:
            progress(len(tokens), len(prompts))
    starts = tuple(len(encoded[prompt]) for prompt in prompts)
    skip = 0 if policy.tokenizer.bos is None else 1
    finished = [ids[-1] == policy.tokenizer.eos for ids in tokens]
    return Samples(
        prompts=tuple(prompts),
        texts=tuple(
            policy.tokenizer.decode(ids[skip : len(ids) - ended]) for ids, ended in zip(tokens, finished, strict=True)
        ),
        tokens=tuple(tuple(ids) for ids in tokens),
        starts=starts,
        logprobs=tuple(logprobs),
        truncated=tuple(not ended for ended in finished),
    )


def _decode(
    policy: Policy, prompts: Sequence[Sequence[int]], uniforms: npt.NDArray[np.float64], limit: int, temperature: float
) -> tuple[list[list[int]], list[npt.NDArray[np.float32]]]:
    """Ids and log-probabilities of each row; `uniforms` [rows, limit], read from 0 at each row's first own token."""
    device, eos = policy.compute.device, policy.tokenizer.eos
    count = len(prompts)
    starts = torch.tensor([len(ids) for ids in prompts], device=device)
    ids = torch.full((count, limit), policy.tokenizer.pad, dtype=torch.long)
    shifted = np.zeros((count, limit), dtype=np.float32)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt)
        shifted[row, len(prompt) :] = uniforms[row, : limit - len(prompt)]
    ids, draws = ids.to(device), torch.from_numpy(shifted).to(device)
    logprobs = torch.zeros((count, limit), device=device)
    ends = torch.full((count,), limit, device=device)
    decoder = make_decoder(policy, count, limit)
    alive = torch.arange(count, device=device)
    done = torch.zeros(count, dtype=torch.bool, device=device)
    at = int(starts.min())
    logits = decoder.advance(ids[:, :at])
    while True:
        given = starts[alive] > at
        if temperature != 1.0:
            logits = logits / temperature
        log_p = torch.log_softmax(logits, -1)
        token = _draw(log_p, draws[alive, at])
        token = torch.where(given, ids[alive, at], token)
        logprobs[alive, at] = log_p.gather(1, token.unsqueeze(1)).squeeze(1)
        ids[alive, at] = token
        at += 1
        ended = ~done & ~given & (token == eos)
        ends[alive[ended]] = at
        done = done | ended
        left = len(done) - int(done.sum())
        if left == 0 or at == limit:
            break
        kept = -(-left // ROW_STEP) * ROW_STEP
        if kept <= SHRINK * len(done):
            # unfinished rows first, then as many finished ones as it takes
            rows = done.int().argsort(stable=True)[:kept].sort().values
            decoder.keep(rows)
            alive, token, done = alive[rows], token[rows], done[rows]
        logits = decoder.advance(token.unsqueeze(1))
    table, values = ids.cpu(), logprobs.cpu().numpy()
    lengths = ends.tolist()
    return (
        [table[row, : lengths[row]].tolist() for row in range(count)],
        [values[row, len(prompts[row]) : lengths[row]].copy() for row in range(count)],
    )


def _draw(log_p: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """Inverse transform sampling: log-probabilities [rows, V] and uniforms [rows] to tokens [rows]."""
    cumulative = log_p.exp().cumsum(-1)
    target = (uniforms * cumulative[:, -1]).unsqueeze(1)
    return torch.searchsorted(cumulative, target, right=True).squeeze(1).clamp_(max=log_p.shape[1] - 1)
