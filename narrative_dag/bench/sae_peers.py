"""The same training by several libraries: each measurement in a process of its own, on one core, in turn."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

import narrative_dag
from narrative_dag.bench.peers.case import Array, Case
from narrative_dag.errors import NarrativeError
from narrative_dag.progress import Progress
from narrative_dag.sae.synthetic import synthetic_states

ROOT = Path(narrative_dag.__file__).resolve().parents[1]
PEERS_FOLDER = ROOT / ".venv-peers"
PRODUCT = "narrative_dag"
OWN = {PRODUCT: "product", "naive": "naive", "naive_batched": "naive_batched", "torch_loop": "torch_loop"}
"""What runs in this environment, and the module of `narrative_dag.bench.peers` that trains."""
PEERS = {"sae_lens": "sae_lens", "dictionary_learning": "dictionary_learning", "sparsify": "sparsify"}
"""What runs in the peers' environment."""
TOPK_ONLY = frozenset({"sparsify"})
SMALL_ONLY = {"naive": 768}
"""What does not train cases of so many dimensions or more."""
ATOMS, ACTIVE = 1024, 20
"""Most atoms of the states' dictionary, and atoms of a state."""
ERROR_LINES = 15
ENVIRONMENT = {
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA")},
    **{"TQDM_DISABLE": "1", "WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
}
"""What every process is told: one thread, and no logs."""

# after the environment's own packages, so that none of this one's stands in for them
_START = "import sys; sys.path.append(sys.argv.pop(1)); from narrative_dag.bench.peers.child import main; main()"


@dataclass(frozen=True)
class Measurement:
    """One training: states seen, seconds (CPU time on a CPU, wall time on a GPU), peak memory, FVU reached."""

    states: int
    seconds: float
    memory_mb: float
    fvu: float

    @property
    def rate(self) -> float:
        """States a second."""
        return self.states / self.seconds


Round = Mapping[str, Mapping[str, Measurement]]
"""Measurements by case and library."""


def peers_python(folder: Path = PEERS_FOLDER) -> Path:
    """The interpreter of the peers' environment.

    Raises:
        NarrativeError: there is no such environment.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        raise NarrativeError(
            "the environment of the other libraries is missing", where=str(folder), hint="make peers installs it"
        )
    return python


def libraries(case: Case, peers: bool) -> list[str]:
    """Names of what can train a case, this project's first."""
    names = [*OWN, *PEERS] if peers else list(OWN)
    if case.architecture != "topk":
        names = [name for name in names if name not in TOPK_ONLY]
    # a minute of small batches for each of the large cases would tell nothing new
    return [name for name in names if case.d < SMALL_ONLY.get(name, case.d + 1)]


def states_of(case: Case, rows: int) -> Array:
    """Synthetic states [rows, d], centred and of unit variance in each dimension."""
    states = synthetic_states(rows, case.d, min(case.k_features, ATOMS), ACTIVE, seed=0).states
    return np.asarray((states - states.mean(axis=0)) / states.std(axis=0), dtype=np.float32)


def measure_rounds(
    cases: Mapping[str, Case],
    rows: int,
    rounds: int,
    names: Callable[[Case], Sequence[str]],
    progress: Progress,
    python: Path | None = None,
) -> list[Round]:
    """Every library of every case once a round, so that what disturbs the machine meets all of them.

    Args:
        cases: what is trained, by name.
        rows: states of each case.
        rounds: how often.
        names: the libraries of a case.
        progress: called after every measurement.
        python: the interpreter of the peers' environment, if there are peers.

    Raises:
        NarrativeError: a training failed.
    """
    plan = [(name, library) for name, case in cases.items() for library in names(case)]
    results: list[Round] = []
    with TemporaryDirectory(prefix="narrative-dag-bench-") as folder:
        for name, case in cases.items():
            np.save(Path(folder) / f"{name}.npy", states_of(case, rows))
        for number in range(rounds):
            measured: dict[str, dict[str, Measurement]] = {name: {} for name in cases}
            for i, (name, library) in enumerate(plan):
                measured[name][library] = _measure(library, cases[name], Path(folder) / f"{name}.npy", python)
                progress("trainings", number * len(plan) + i + 1, rounds * len(plan))
            results.append(measured)
    return results


def summary(rounds: Sequence[Round]) -> dict[str, dict[str, dict[str, float]]]:
    """Medians over rounds, by figure, case and library.

    `rate` is states a second; `ratio_to` is this project's rate over the library's, taken round by round; `memory_mb`
    and `fvu` are those of a Measurement.
    """

    def medians(value: Callable[[Mapping[str, Measurement], str], float]) -> dict[str, dict[str, float]]:
        return {
            case: {library: median(value(each[case], library) for each in rounds) for library in rounds[0][case]}
            for case in rounds[0]
        }

    ratios = medians(lambda measured, library: measured[PRODUCT].rate / measured[library].rate)
    return {
        "rate": medians(lambda measured, library: measured[library].rate),
        "ratio_to": {
            case: {library: ratio for library, ratio in of_case.items() if library != PRODUCT}
            for case, of_case in ratios.items()
        },
        "memory_mb": medians(lambda measured, library: measured[library].memory_mb),
        "fvu": medians(lambda measured, library: measured[library].fvu),
    }


def _measure(library: str, case: Case, states: Path, python: Path | None) -> Measurement:
    own = library in OWN
    if not own and python is None:
        raise NarrativeError(f"{library} runs in the peers' environment", hint="make peers installs it")
    request = {
        "library": OWN[library] if own else PEERS[library],
        "case": asdict(case),
        "states": str(states),
        "core": max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
    }
    asked, answered = states.with_suffix(".request.json"), states.with_suffix(".result.json")
    asked.write_text(json.dumps(request))
    command = [sys.executable if own else str(python), "-W", "ignore", "-c", _START]
    command += [str(ROOT), str(asked), str(answered)]
    run = subprocess.run(command, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        last = "\n".join((run.stderr or run.stdout).strip().splitlines()[-ERROR_LINES:])
        raise NarrativeError(f"{library} did not train:\n{last}", hint=None if own else "make peers installs it anew")
    return Measurement(**json.loads(answered.read_text()))
