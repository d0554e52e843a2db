"""dictionary_learning: its trainers' `update`, which is what its own training loop calls."""

from importlib import import_module
from typing import Any

from narrative_dag.bench.peers.case import Array, Case, Train, Trained, by_torch, shuffled


def trainer() -> Train:
    """`StandardTrainer` and `TopKTrainer` as they ship: unit-norm decoder, no resampling, AuxK after 10 M states.

    Their squared error is summed over dimensions, so that the L1 weight is `d` times ours.
    """
    import torch

    standard = import_module("dictionary_learning.trainers.standard").StandardTrainer
    topk = import_module("dictionary_learning.trainers.top_k").TopKTrainer

    def build(case: Case, steps: int) -> Any:
        shared = {
            "steps": steps,
            "activation_dim": case.d,
            "dict_size": case.k_features,
            "layer": 0,
            "lm_name": "states",
            "lr": case.lr,
            "warmup_steps": int(case.warmup * steps),
            "decay_start": steps - max(1, int(case.decay * steps)),
            "seed": 0,
            "device": case.device,
        }
        if case.architecture == "topk":
            return topk(**shared, k=case.k)
        return standard(**shared, l1_penalty=case.l1 * case.d, sparsity_warmup_steps=None)

    def fit(states: Array, case: Case) -> Trained:
        trainer = build(case, case.steps(len(states)))
        for step, x in enumerate(shuffled(torch.from_numpy(states), case)):
            trainer.update(step, x)
        return Trained(len(states) * case.epochs, by_torch(trainer.ae))

    return fit
