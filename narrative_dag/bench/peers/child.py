"""The process of one measurement, whose two arguments are files of JSON: what is asked, and where the result goes."""

import json
import os
import resource
import sys
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np

from narrative_dag.bench.peers.case import Array, Case, Train

WARM_UP_BATCHES = 4
HELD_STATES = 2048


def main() -> None:
    """Pins itself to a core, loads the library, warms it up, trains, and writes what that took.

    The request names `library` (a module beside this one), `case`, `states` (a .npy file) and `core`. The result holds
    `states`, `seconds` (CPU time on a CPU, wall time on a GPU), `memory_mb` (peak above the library's own) and `fvu`.
    """
    request = json.loads(Path(sys.argv[1]).read_text())
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {request["core"]})
    case = Case(**request["case"])
    train = import_module(f"narrative_dag.bench.peers.{request['library']}").trainer()
    # libraries import, and kernels are compiled, when they are first used: a training of no size does that
    train(np.random.default_rng(0).standard_normal((64, 16), dtype=np.float32), tiny(case))
    reset_peak_memory()
    before = peak_memory_mb()
    result = measure(train, np.load(request["states"]), case)
    Path(sys.argv[2]).write_text(json.dumps({**result, "memory_mb": peak_memory_mb() - before}))


def tiny(case: Case) -> Case:
    """The case on states of 16 dimensions, in two batches of 32."""
    return replace(case, d=16, k_features=64, k=4, epochs=2, batch_size=32)


def measure(train: Train, states: Array, case: Case) -> dict[str, float]:
    """Trains on states [n, d] after a warm-up on a few batches; what is measured, without memory."""
    train(states[: WARM_UP_BATCHES * case.batch_size], replace(case, epochs=2))
    clock = time.process_time if case.device == "cpu" else time.perf_counter
    begin = clock()
    trained = train(states, case)
    seconds = clock() - begin
    held = states[:HELD_STATES]
    error = float(((held - trained.reconstruct(held)) ** 2).sum())
    return {
        "states": trained.states,
        "seconds": seconds,
        "fvu": error / float(((held - held.mean(axis=0)) ** 2).sum()),
    }


def reset_peak_memory() -> None:
    """Lets the peak start from the memory in use now; only Linux can."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def peak_memory_mb() -> float:
    """The largest resident memory of this process, in units of 1,048,576 bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(lines["VmHWM"].split()[0]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024**2 if sys.platform == "darwin" else peak / 1024
