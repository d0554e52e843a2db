"""The warm start: supervised training on seed drafts, Muon on hidden matrices and AdamW on the rest."""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from narrative_dag.policy.checkpoints import (
    LogRow,
    TrainingState,
    load_state,
    optimizer_tensors,
    prefixed,
    restore_optimizer,
    save_state,
    under,
)
from narrative_dag.policy.config import WarmStartConfig
from narrative_dag.policy.errors import PolicyError
from narrative_dag.policy.forward import Rows, pad_rows, token_logits
from narrative_dag.policy.model import Policy
from narrative_dag.policy.tokenizer import Document


@dataclass(frozen=True, slots=True)
class WarmStart:
    """A trained policy. `too_long` texts did not fit the model's positions and were left out."""

    policy: Policy
    log: tuple[LogRow, ...]
    tokens: int
    too_long: int


def warm_start(
    policy: Policy,
    documents: Sequence[Document],
    config: WarmStartConfig,
    seed: int,
    workdir: Path,
    progress: Callable[[int, int, float], None] | None = None,
) -> WarmStart:
    """Train a copy of the policy to continue prompts as the documents do; loss on completions and their end token.

    An interrupted run in the same work folder goes on from its last checkpoint and ends with the same bytes; a finished
    one is returned as it is.

    Args:
        policy: where training starts; it is not changed.
        documents: training texts.
        config: steps, batch, learning rates.
        seed: of the order of the texts.
        workdir: folder for checkpoints; the caller removes it once the result is safe.
        progress: called with (step, steps, loss) after every step.

    Raises:
        PolicyError: no text fits the model, the loss is not finite, or the folder holds another run's checkpoint.
    """
    rows, starts, too_long = _tokenize(policy, documents)
    trained = policy.clone()
    optimizers = _optimizers(trained, config)
    order = _batches([len(ids) for ids in rows], config, seed)
    identity = _identity(policy, rows, config, seed)
    log: list[LogRow] = []
    step, tokens, running = 0, 0, [0.0, 0]
    state = load_state(workdir, identity)
    if state is not None:
        trained.load_weights(under("weights", state.tensors))
        for name, (optimizer, _) in optimizers.items():
            restore_optimizer(optimizer, under(name, state.tensors))
        step, tokens, running = state.values["step"], state.values["tokens"], state.values["running"]
        log = [LogRow(*row) for row in state.values["log"]]
    with trained.compute.session():
        while step < config.steps:
            chosen = order[step]
            batch = pad_rows(trained, [rows[i] for i in chosen], [starts[i] for i in chosen])
            scale = _learning_rate(step, config)
            loss = _update(trained, optimizers, batch, scale, config.clip)
            step += 1
            tokens += sum(len(rows[i]) for i in chosen)
            running = [running[0] + loss, running[1] + 1]
            if not math.isfinite(loss):
                raise PolicyError(f"the loss is {loss} at step {step}", hint="lower muon_lr and adamw_lr")
            if step % config.log_every == 0 or step == config.steps:
                log.append(LogRow(step, "loss", running[0] / running[1]))
                log.append(LogRow(step, "learning_rate_scale", scale))
                running = [0.0, 0]
            if step % config.checkpoint_every == 0 or step == config.steps:
                tensors = prefixed("weights", trained.weights())
                for name, (optimizer, _) in optimizers.items():
                    tensors |= prefixed(name, optimizer_tensors(optimizer))
                values = {"identity": identity, "step": step, "tokens": tokens, "running": running, "log": log}
                save_state(workdir, TrainingState(tensors, values))
            if progress is not None:
                progress(step, config.steps, loss)
    return WarmStart(trained, tuple(log), tokens, too_long)


Optimizers = dict[str, tuple[torch.optim.Optimizer, float]]


def _optimizers(policy: Policy, config: WarmStartConfig) -> Optimizers:
    """Each optimizer with its peak learning rate. Matrices that embed or unembed tokens and positions go to AdamW."""
    embeddings = {id(module.weight) for module in policy.model.modules() if isinstance(module, torch.nn.Embedding)} | {
        id(policy.model.get_output_embeddings().weight)
    }
    matrices = [p for p in policy.model.parameters() if p.ndim == 2 and id(p) not in embeddings]
    others = [p for p in policy.model.parameters() if p.ndim != 2 or id(p) in embeddings]
    muon = torch.optim.Muon(matrices, lr=config.muon_lr, weight_decay=config.weight_decay)
    adamw = torch.optim.AdamW(others, lr=config.adamw_lr, betas=(0.9, 0.95), weight_decay=config.weight_decay)
    return {"muon": (muon, config.muon_lr), "adamw": (adamw, config.adamw_lr)}


def _update(policy: Policy, optimizers: Optimizers, batch: Rows, scale: float, clip: float) -> float:
    logits = token_logits(policy, batch)
    targets = batch.ids[:, 1:].masked_fill(batch.completion == 0, -100)
    loss = functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(policy.model.parameters(), clip)
    for optimizer, peak in optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = peak * scale
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return float(loss.item())


def _learning_rate(step: int, config: WarmStartConfig) -> float:
    """Share of the peak: linear warm-up, then a cosine down to `final_lr`."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    share = (step - config.warmup) / max(1, config.steps - 1 - config.warmup)
    return config.final_lr + (1 - config.final_lr) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def _tokenize(policy: Policy, documents: Sequence[Document]) -> tuple[list[list[int]], list[int], int]:
    prompts = [policy.tokenizer.encode_prompt(document.prompt) for document in documents]
    completions = policy.tokenizer.encode_many([document.completion for document in documents])
    end = [policy.tokenizer.eos]
    rows = [p + c + end for p, c in zip(prompts, completions, strict=True)]
    fitting = [i for i, ids in enumerate(rows) if len(ids) <= policy.positions]
    if not fitting:
        raise PolicyError(
            f"none of {len(rows)} texts fits {policy.positions} positions", where="documents", hint="raise positions"
        )
    return [rows[i] for i in fitting], [len(prompts[i]) for i in fitting], len(rows) - len(fitting)


def _batches(lengths: Sequence[int], config: WarmStartConfig, seed: int) -> list[list[int]]:
    """The rows of every step: passes in random order, rows of similar length together within a pool."""
    rng = np.random.default_rng(seed)
    batch = min(config.batch, len(lengths))
    order: list[list[int]] = []
    while len(order) < config.steps:
        shuffled = rng.permutation(len(lengths))
        for first in range(0, len(shuffled), batch * config.pool):
            pool = sorted(shuffled[first : first + batch * config.pool].tolist(), key=lambda i: lengths[i])
            whole = [pool[i : i + batch] for i in range(0, len(pool) - batch + 1, batch)]
            order += [whole[i] for i in rng.permutation(len(whole))]
    return order[: config.steps]


def _identity(policy: Policy, rows: Sequence[Sequence[int]], config: WarmStartConfig, seed: int) -> str:
    inputs = json.dumps([policy.digest(), rows, config.model_dump(), seed])
    return hashlib.sha256(inputs.encode()).hexdigest()
