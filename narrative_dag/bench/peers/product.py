"""This project's trainer, as its users call it."""

from narrative_dag.bench.peers.case import Array, Case, Train, Trained


def trainer() -> Train:
    """One run of `narrative_dag.sae.trainer.train`; windows and log rows come once an epoch, as in 50 epochs."""
    from narrative_dag.sae.config import RunConfig, SaeConfig
    from narrative_dag.sae.registry import parse_architecture
    from narrative_dag.sae.trainer import train

    def fit(states: Array, case: Case) -> Trained:
        # an encoder of its own, as the other libraries have
        topk = {"k": case.k, "tied": False}
        specific = topk if case.architecture == "topk" else {"l1": case.l1}
        architecture = parse_architecture(
            {"architecture": case.architecture, "k_features": case.k_features, **specific}
        )
        config = SaeConfig(
            runs=(RunConfig(architecture=architecture, lr=case.lr),),
            epochs=case.epochs,
            batch_size=case.batch_size,
            warmup=case.warmup,
            decay=case.decay,
            dead_window=1 / case.epochs,
            log_every=1 / case.epochs,
            # as many steps as the others
            patience=0.0,
            device=case.device,
        )
        sae = train(states, config, seed=0).saes[0]
        return Trained(len(states) * case.epochs, lambda held: sae.decode(sae.encode(held)))

    return fit
