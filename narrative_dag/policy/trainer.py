"""Reinforcement learning of a policy: epochs of sampling, scoring and one pass of clipped RLOO updates, with guards."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
import torch

from narrative_dag.policy.checkpoints import LogRow, load_state, save_state
from narrative_dag.policy.config import RlConfig
from narrative_dag.policy.errors import PolicyError
from narrative_dag.policy.forward import pad_rows, token_logits, token_logprobs
from narrative_dag.policy.learner import Learner, restore, start, to_state
from narrative_dag.policy.model import Policy
from narrative_dag.policy.rollouts import Measures, collapse, measure, write_rollouts
from narrative_dag.policy.sampling import Samples
from narrative_dag.policy.scoring import Score, Scored, score_samples
from narrative_dag.policy.updates import Experience, update_epoch

Report = Callable[[str, int, int], None]
"""Called with (phase, done, total); phases are `sample`, `score`, `reference` and `update`, epoch after epoch."""


@dataclass(frozen=True, slots=True)
class RlResult:
    """The improved policy.

    `log` holds a row a metric and epoch (row `epochs` measures the returned policy), `status` a sentence or two an
    epoch. `final`, `scored` and `measures` are of the returned policy. `rolled_back` tells that the candidate collapsed
    and `policy` is the best epoch's. `seconds` is the wall time of each phase in this process, not part of any result.
    """

    policy: Policy
    log: tuple[LogRow, ...]
    status: tuple[str, ...]
    final: Samples
    scored: tuple[Scored, ...]
    measures: Measures
    rolled_back: bool
    seconds: Mapping[str, float]


def optimize_policy(
    policy: Policy,
    reference: Policy,
    prompts: Sequence[str],
    score: Score,
    config: RlConfig,
    seed: int,
    workdir: Path,
    progress: Report | None = None,
    initial: Samples | None = None,
) -> RlResult:
    """Improve a copy of the policy against a score.

    Each epoch samples from the current weights, scores, and makes one pass of updates. Sound epochs compete for "best";
    a collapse (`rollouts.collapse`) restores the best weights, lowers the learning rate and samples again. The state is
    kept after every epoch: an interrupted run in the same work folder ends with the same bytes, and a finished one is
    only measured again.

    Args:
        policy: where training starts; not changed.
        reference: the frozen policy of the KL term, with the same tokenizer.
        prompts: literal beginnings of a document.
        score: verdicts on texts; deterministic, else runs do not repeat.
        config: everything else.
        seed: of prompts, draws, minibatches and imitation, together with the epoch.
        workdir: folder for the state; the caller removes it once the result is safe.
        progress: called within phases.
        initial: epoch 0's texts if they exist already (`rollouts.write_rollouts` by the same policy).

    Raises:
        PolicyError: sampler and trainer disagree, verdicts are malformed, or the folder holds another run's state.
    """
    if policy.tokenizer.backend.backend_tokenizer.to_str() != reference.tokenizer.backend.backend_tokenizer.to_str():
        raise PolicyError("policy and reference have different tokenizers", where="reference")
    clock = _Clock(progress)
    identity = _identity(policy, reference, prompts, config, seed, initial)
    state = load_state(workdir, identity)
    learner = start(policy, config) if state is None else restore(policy, config, state)
    while learner.progress.epoch < config.epochs:
        epoch = learner.progress.epoch
        experience, measures = _experience(learner, reference, prompts, score, config, seed, initial, clock)
        clock.begin("update", config.minibatches)
        metrics = update_epoch(learner, experience, config, seed, lambda n: clock.tick("update", n, config.minibatches))
        clock.end("update")
        rows = {**measures.rows(), **metrics}
        said = _sentence(f"epoch {epoch}", measures, metrics)
        learner.progress = replace(
            learner.progress,
            epoch=epoch + 1,
            log=(*learner.progress.log, *(LogRow(epoch, name, value) for name, value in rows.items())),
            status=(*learner.progress.status, said),
        )
        save_state(workdir, to_state(learner, identity))
    return _finish(learner, reference, prompts, score, config, seed, clock)


def _experience(
    learner: Learner,
    reference: Policy,
    prompts: Sequence[str],
    score: Score,
    config: RlConfig,
    seed: int,
    initial: Samples | None,
    clock: "_Clock",
) -> tuple[Experience, Measures]:
    """Rollouts of the current weights, or of the best ones where the current weights have collapsed."""
    epoch = learner.progress.epoch
    given = initial if epoch == 0 else None
    for attempt in (0, 1):
        experience, measures = _rollouts(
            learner.policy, reference, prompts, score, config, (seed, epoch, attempt), given, clock
        )
        reason = learner.judge(measures, config)
        if reason is None:
            break
        if attempt == 0:
            learner.roll_back(f"epoch {epoch}: {reason}; rolled back to the best epoch", epoch, config)
    return experience, measures


def _finish(
    learner: Learner,
    reference: Policy,
    prompts: Sequence[str],
    score: Score,
    config: RlConfig,
    seed: int,
    clock: "_Clock",
) -> RlResult:
    candidate = learner.averaged()
    last = config.epochs
    experience, measures = _rollouts(candidate, reference, prompts, score, config, (seed, last, 0), None, clock)
    start_measures, best = learner.progress.start, learner.progress.best
    reason = None
    if start_measures is not None and best is not None:
        reason = collapse(measures, start_measures, best, config)
    status = learner.progress.status
    if reason is not None:
        status = (*status, f"{_sentence('candidate', measures, {})} Rolled back to the best epoch: {reason}.")
        candidate.load_weights(learner.best)
        experience, measures = _rollouts(candidate, reference, prompts, score, config, (seed, last, 1), None, clock)
    log = [LogRow(last, name, value) for name, value in measures.rows().items()]
    log.append(LogRow(last, "rollback", float(reason is not None)))
    return RlResult(
        policy=candidate,
        log=(*learner.progress.log, *log),
        status=(*status, _sentence("result", measures, {})),
        final=experience.samples,
        scored=experience.scored,
        measures=measures,
        rolled_back=reason is not None,
        seconds=dict(clock.seconds),
    )


def _rollouts(
    policy: Policy,
    reference: Policy,
    prompts: Sequence[str],
    score: Score,
    config: RlConfig,
    place: tuple[int, int, int],
    given: Samples | None,
    clock: "_Clock",
) -> tuple[Experience, Measures]:
    seed, epoch, attempt = place
    clock.begin("sample", config.rollouts)
    samples = (
        given if given is not None and attempt == 0 else write_rollouts(policy, prompts, config, seed, epoch, attempt)
    )
    clock.end("sample")
    clock.begin("score", len(samples))
    scored = score_samples(score, samples)
    clock.end("score")
    clock.begin("reference", len(samples))
    logprobs = completion_logprobs(reference, samples, config.microbatch)
    clock.end("reference")
    return Experience(samples, tuple(scored), tuple(logprobs)), measure(samples, scored, logprobs)


def completion_logprobs(policy: Policy, samples: Samples, microbatch: int) -> list[npt.NDArray[np.float32]]:
    """Log-probabilities of the samples' completions under a policy, beside `samples.logprobs`."""
    found: dict[int, npt.NDArray[np.float32]] = {}
    order = sorted(range(len(samples)), key=lambda i: len(samples.tokens[i]))
    with torch.inference_mode(), policy.compute.session():
        for first in range(0, len(order), microbatch):
            chosen = order[first : first + microbatch]
            rows = pad_rows(policy, [samples.tokens[i] for i in chosen], [samples.starts[i] for i in chosen])
            logprobs, _ = token_logprobs(token_logits(policy, rows), rows)
            table = logprobs.cpu().numpy()
            for line, i in zip(table, chosen, strict=True):
                found[i] = line[samples.starts[i] - 1 : len(samples.tokens[i]) - 1].copy()
    return [found[i] for i in range(len(samples))]


def _sentence(name: str, measures: Measures, metrics: Mapping[str, float]) -> str:
    parts = [
        f"reward {measures.reward:.3f}",
        f"{measures.validity:.0%} valid",
        f"{measures.truncation:.0%} truncated",
        f"{measures.duplicates:.0%} repeated",
        f"{measures.completion_length:.0f} tokens",
        f"KL {measures.kl:.3f} a token",
    ]
    said = f"{name}: {', '.join(parts)}."
    if metrics and metrics["advantage/std"] == 0:
        return f"{said} All rewards are equal: nothing was learned from them."
    return said


def _identity(
    policy: Policy, reference: Policy, prompts: Sequence[str], config: RlConfig, seed: int, initial: Samples | None
) -> str:
    given = None if initial is None else initial.tokens
    inputs = json.dumps([policy.digest(), reference.digest(), list(prompts), config.model_dump(), seed, given])
    return hashlib.sha256(inputs.encode()).hexdigest()


class _Clock:
    """Wall seconds a phase, and the progress callback."""

    def __init__(self, report: Report | None) -> None:
        self._report = report
        self._begun = 0.0
        self.seconds: dict[str, float] = {}

    def begin(self, phase: str, total: int) -> None:
        self._begun, self._total = perf_counter(), total
        self.tick(phase, 0, total)

    def tick(self, phase: str, done: int, total: int) -> None:
        if self._report is not None:
            self._report(phase, done, total)

    def end(self, phase: str) -> None:
        self.seconds[phase] = self.seconds.get(phase, 0.0) + perf_counter() - self._begun
        self.tick(phase, self._total, self._total)
