"""How fast autoencoders are trained, beside other libraries; how well they find what is known; storyworlds' states."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from narrative_dag.bench.peers.case import Case
from narrative_dag.bench.sae_peers import PRODUCT, libraries, measure_rounds, peers_python, summary
from narrative_dag.errors import NarrativeError
from narrative_dag.progress import Progress

ROWS = 10_000
ROUNDS = 3
CASES: Mapping[str, Case] = {
    "d128_k256_l1": Case(128, 256, "standard", epochs=50),
    "d128_k256_topk": Case(128, 256, "topk", epochs=50),
    # two epochs, 78 steps: what a state costs does not change after the first
    "d768_k4096_l1": Case(768, 4096, "standard", epochs=2, l1=1e-3, lr=1e-3),
    "d768_k4096_topk": Case(768, 4096, "topk", epochs=2, lr=1e-3),
}
QUICK_EPOCHS = 2
GPU_ROWS = 32_768
_ON_GPU = Case(768, 256, "topk", epochs=20, batch_size=4096, lr=1e-3, device="cuda")
GPU_CASES: Mapping[str, Case] = {
    f"d768_k{k_features}_topk": replace(_ON_GPU, k_features=k_features) for k_features in (256, 4096, 16_384)
} | {
    f"d768_k{k_features}_l1": replace(_ON_GPU, k_features=k_features, architecture="standard", l1=1e-3)
    for k_features in (256, 4096, 16_384)
}


def figures(progress: Progress, *, peers: bool, quick: bool, worlds: Path | None) -> dict[str, object]:
    """Speed of one run on one core, the synthetic suite, and storyworlds' states.

    Args:
        progress: called as the measurement goes on.
        peers: also train with the libraries of `make peers`.
        quick: one round of short trainings and one autoencoder of the suite: for a look, not for the record.
        worlds: a folder of SweepWeave files beside the storyworlds that the authors write.

    Raises:
        NarrativeError: the peers' environment is missing, or a training failed.
    """
    from narrative_dag.bench.sae_quality import easy, hard
    from narrative_dag.bench.sae_storyworlds import storyworlds

    speed = speeds(progress, peers=peers, quick=quick)
    seeds = 1 if quick else 3
    return {
        **speed,
        "easy": easy(seeds=seeds, progress=partial(progress, "easy")),
        "hard": hard(seeds=seeds, progress=partial(progress, "hard")),
        "storyworlds": storyworlds(worlds, progress=partial(progress, "storyworlds")),
    }


def speeds(progress: Progress, *, peers: bool, quick: bool = False) -> dict[str, object]:
    """States a CPU second, ratios, peak memory and FVU reached, by case and library; see `figures`."""
    short = {name: replace(case, epochs=min(case.epochs, QUICK_EPOCHS)) for name, case in CASES.items()}
    cases, rounds = (short, 1) if quick else (CASES, ROUNDS)
    python = peers_python() if peers else None
    measured = summary(measure_rounds(cases, ROWS, rounds, lambda case: libraries(case, peers), progress, python))
    return {
        "samples_per_cpu_second": measured["rate"],
        "ratio_to": measured["ratio_to"],
        "peak_memory_mb": measured["memory_mb"],
        "fvu": measured["fvu"],
        "cases": {name: asdict(case) for name, case in cases.items()},
        "rows": ROWS,
        "rounds": rounds,
    }


def gpu_speeds(progress: Progress, *, quick: bool = False) -> dict[str, object]:
    """States a second (wall time) on a GPU of this project and of a plain torch loop, by case and library.

    Raises:
        NarrativeError: there is no GPU.
    """
    import torch

    if not torch.cuda.is_available():
        raise NarrativeError("there is no GPU that torch can use", hint="--device cpu")
    rounds = measure_rounds(GPU_CASES, GPU_ROWS, 1 if quick else ROUNDS, lambda case: [PRODUCT, "torch_loop"], progress)
    measured = summary(rounds)
    return {
        "device": torch.cuda.get_device_name(),
        "states_per_second": measured["rate"],
        "ratio_to": measured["ratio_to"],
        "fvu": measured["fvu"],
        "cases": {name: asdict(case) for name, case in GPU_CASES.items()},
        "rows": GPU_ROWS,
    }
