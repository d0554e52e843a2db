"""What autoencoders find in the states of storyworlds that they have not met, authored and imported."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from narrative_dag.errors import NarrativeError
from narrative_dag.progress import CountProgress
from narrative_dag.sae.config import SaeConfig
from narrative_dag.sae.feed import normalization
from narrative_dag.sae.metrics import evaluate_blocks
from narrative_dag.sae.sources import InMemory
from narrative_dag.sae.stability import pairwise_mcc
from narrative_dag.sae.topk import TopKConfig
from narrative_dag.sae.trainer import train
from narrative_dag.stages.imports import read_import
from narrative_dag.states.encoder import dimension_names
from narrative_dag.states.mixture import IMPORTED, Pool, authored, pools, sample
from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.model import Storyworld

TRAINING_STATES = 10_000
EPOCHS = 50
ARCHITECTURE = TopKConfig(k_features=256, k=20)
HELD_OUT = 0.2
"""Share of the storyworlds of every kind whose states are for testing alone."""


def storyworld_states(
    worlds_folder: Path | None, count: int = TRAINING_STATES, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[str]]:
    """Distinct states of authored storyworlds in every style, and of a folder's, split by storyworld.

    Args:
        worlds_folder: SweepWeave files (`.json`, `.json.gz`); those that no loader takes are left out. None: authored
            storyworlds alone.
        count: training states, exactly.
        seed: of the storyworlds, of play and of the split.

    Returns:
        Training states [count, d], states of the held-out storyworlds [about count / 4, d], and the names of these.

    Raises:
        NarrativeError: the storyworlds have fewer states than asked for.
    """
    training, testing = split(pools(_worlds(worlds_folder, count, seed), seed), seed)
    return sample(training, count, seed), sample(testing, count // 4, seed), [pool.name for pool in testing]


def storyworlds(
    worlds_folder: Path | None = None,
    *,
    config: SaeConfig | None = None,
    count: int = TRAINING_STATES,
    seed: int = 0,
    progress: CountProgress | None = None,
) -> dict[str, float]:
    """Trains the runs of a configuration on `storyworld_states`, each in an order of its own.

    Args:
        worlds_folder, count, seed: see `storyworld_states`.
        config: None is 50 epochs of three seeds of `ARCHITECTURE`, all else as the product's default.
        progress: called as each run goes on.

    Returns:
        On held-out storyworlds, means over the runs: `fvu`, `fvu_scaled`, `pca_fvu` (as many components as round(L0)),
        `l0`; `dead`, share of features that never fire. `mcc` and `mcc_least` over pairs of runs, all features
        counted, dead ones too, in the units that training scales to. `cpu_seconds` of one run. Then `describe` of the
        training states, and how many storyworlds were held out.
    """
    config = config or SaeConfig(runs=SaeConfig.grid([ARCHITECTURE]), epochs=EPOCHS)
    states, fresh, names = storyworld_states(worlds_folder, count, seed)
    saes, seconds = [], []
    for run in config.runs:
        begin = time.process_time()
        alone = config.model_copy(update={"runs": (run,)})
        saes += train(states, alone, seed + run.seed, progress=progress).saes
        seconds.append(time.process_time() - begin)
    metrics = [evaluation.metrics for evaluation in evaluate_blocks(saes, [states], [fresh])]
    mcc = pairwise_mcc(saes, normalization(*InMemory(states).moments(), config.scale_floor).scale)
    figures = {
        "fvu": float(np.mean([each.fvu for each in metrics])),
        "fvu_scaled": float(np.mean([each.fvu_scaled for each in metrics])),
        "pca_fvu": float(np.mean([each.fvu_pca for each in metrics])),
        "l0": float(np.mean([each.l0 for each in metrics])),
        "dead": float(np.mean([each.dead_share for each in metrics])),
        "cpu_seconds": float(np.mean(seconds)),
    }
    if mcc:
        figures |= {"mcc": float(np.mean(mcc)), "mcc_least": min(mcc)}
    return figures | describe(states) | {"held_out_storyworlds": float(len(names))}


def describe(states: NDArray[np.float32]) -> dict[str, float]:
    """What states [n, d] are like: how many dimensions they fill, how sparsely, and which parts vary.

    Returns:
        `states`, `distinct_states`; `constant_dimensions`; `dimensions_90`, `_95`, `_99`: principal components for that
        share of the variance; `nonzero`: mean number of dimensions of a state that are not 0; `variance.PART`: share of
        the variance by part of the vector (the first word of its dimensions' names).
    """
    variance = states.var(axis=0, dtype=np.float64)
    spectrum = np.linalg.eigvalsh(np.cov(states.T, dtype=np.float64))[::-1]
    explained = np.cumsum(spectrum) / spectrum.sum()
    figures = {
        "states": float(len(states)),
        "distinct_states": float(len(np.unique(states, axis=0))),
        "constant_dimensions": float((variance == 0).sum()),
        **{f"dimensions_{share}": float((explained < share / 100).sum() + 1) for share in (90, 95, 99)},
        "nonzero": float((states != 0).sum(axis=1).mean()),
    }
    parts = [name.split(".")[0] for name in dimension_names()]
    for part in dict.fromkeys(parts):
        inside = np.array([each == part for each in parts])
        figures[f"variance.{part}"] = float(variance[inside].sum() / variance.sum())
    return figures


def split(found: list[Pool], seed: int) -> tuple[list[Pool], list[Pool]]:
    """Training and held-out storyworlds: of every kind a share of `HELD_OUT`, at least one."""
    rng = np.random.default_rng([seed, 0x5911])
    held_out: set[int] = set()
    for kind in dict.fromkeys(pool.kind for pool in found):
        members = [i for i, pool in enumerate(found) if pool.kind == kind]
        chosen = rng.permutation(members)[: max(1, round(HELD_OUT * len(members)))]
        held_out.update(int(i) for i in chosen)
    return (
        [pool for i, pool in enumerate(found) if i not in held_out],
        [pool for i, pool in enumerate(found) if i in held_out],
    )


def _worlds(worlds_folder: Path | None, count: int, seed: int) -> Iterator[tuple[str, str, Storyworld]]:
    """Name, kind and storyworld: authored ones, then the folder's."""
    yield from authored(count, seed)
    if worlds_folder is None:
        return
    if not worlds_folder.is_dir():
        raise NarrativeError("is no folder", where=str(worlds_folder))
    for path in sorted([*worlds_folder.glob("*.json"), *worlds_folder.glob("*.json.gz")]):
        try:
            world = read_import(path)
        except StoryworldError:
            continue
        yield path.name, IMPORTED, world
