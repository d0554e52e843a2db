"""SAELens: its `SAETrainer` on a data provider of states."""

from importlib import import_module

from narrative_dag.bench.peers.case import Array, Case, Train, Trained, by_torch, shuffled


def trainer() -> Train:
    """`SAETrainer.fit` without checkpoints and without Weights & Biases; the rest as it ships.

    It scales sparsity by decoder norms instead of keeping decoder rows at norm 1. Its squared error is summed over
    dimensions, so that the L1 weight is `d` times ours.
    """
    import torch

    lens = import_module("sae_lens")
    config = import_module("sae_lens.config")

    def fit(states: Array, case: Case) -> Trained:
        torch.manual_seed(0)
        steps = case.steps(len(states))
        size = {"d_in": case.d, "d_sae": case.k_features, "device": case.device}
        if case.architecture == "topk":
            sae = lens.TopKTrainingSAE(lens.TopKTrainingSAEConfig(**size, k=case.k))
        else:
            sae = lens.StandardTrainingSAE(lens.StandardTrainingSAEConfig(**size, l1_coefficient=case.l1 * case.d))
        settings = config.SAETrainerConfig(
            total_training_samples=len(states) * case.epochs,
            train_batch_size_samples=case.batch_size,
            lr=case.lr,
            lr_end=case.lr / 10,
            lr_warm_up_steps=int(case.warmup * steps),
            lr_decay_steps=int(case.decay * steps),
            device=case.device,
        )
        lens.SAETrainer(settings, sae, shuffled(torch.from_numpy(states), case)).fit()
        return Trained(len(states) * case.epochs, by_torch(sae))

    return fit
