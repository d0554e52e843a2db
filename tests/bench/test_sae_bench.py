"""`narrative-dag bench sae`: what is trained, how it is measured, and what the figures mean."""

import os
import subprocess
import sys
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from narrative_dag.bench.peers.case import Case, batches, shuffled
from narrative_dag.bench.peers.child import measure, peak_memory_mb, reset_peak_memory
from narrative_dag.bench.sae import CASES, GPU_CASES
from narrative_dag.bench.sae_peers import Measurement, libraries, measure_rounds, peers_python, states_of, summary
from narrative_dag.cli.app import app
from narrative_dag.errors import NarrativeError

SMALL = Case(d=32, k_features=64, architecture="topk", epochs=20, batch_size=64, k=8, lr=1e-2)

torch.set_num_threads(1)


def nothing(what: str, done: int, total: int) -> None:
    pass


@pytest.mark.parametrize("architecture", ["standard", "topk"])
def test_every_loop_here_learns_the_same_autoencoder(architecture):
    case = replace(SMALL, architecture=architecture)
    states = states_of(case, 1000)
    reached = {
        library: measure(import_module(f"narrative_dag.bench.peers.{library}").trainer(), states, case)
        for library in ("product", "naive_batched", "torch_loop")
    }
    assert all(result["seconds"] > 0 for result in reached.values())
    assert reached["product"]["states"] == reached["torch_loop"]["states"] == 20 * 1000
    assert reached["naive_batched"]["states"] == 20 * 15 * 64
    plain = reached["torch_loop"]["fvu"]
    assert plain < 0.6
    for result in reached.values():
        assert result["fvu"] == pytest.approx(plain, rel=0.25, abs=0.02)


def test_states_are_standardized_and_the_same_every_time():
    states = states_of(SMALL, 500)
    assert states.dtype == np.float32
    np.testing.assert_allclose(states.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(states.std(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(states, states_of(SMALL, 500))


@pytest.mark.parametrize("rows", [10, 256, 1000, 10_000])
def test_an_epoch_shows_every_state_once_in_nearly_equal_batches(rows):
    case = replace(SMALL, epochs=3, batch_size=256)
    sizes, seen = [], []
    for batch in shuffled(torch.arange(rows), case):
        sizes.append(len(batch))
        seen += batch.tolist()
    assert len(sizes) == case.steps(rows) == 3 * batches(rows, 256)
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= min(rows, 256)
    orders = [seen[i * rows : (i + 1) * rows] for i in range(3)]
    assert all(sorted(order) == list(range(rows)) for order in orders)
    assert orders[0] != orders[1] != orders[2]


def test_the_record_compares_equal_work():
    full = {name: case.steps(10_000) for name, case in CASES.items()}
    assert full == {"d128_k256_l1": 1950, "d128_k256_topk": 1950, "d768_k4096_l1": 78, "d768_k4096_topk": 78}
    assert {case.k_features for case in GPU_CASES.values()} == {256, 4096, 16_384}
    assert {case.device for case in GPU_CASES.values()} == {"cuda"}
    assert libraries(CASES["d128_k256_l1"], peers=False) == ["narrative_dag", "naive", "naive_batched", "torch_loop"]
    assert libraries(CASES["d128_k256_l1"], peers=True)[4:] == ["sae_lens", "dictionary_learning"]
    assert libraries(CASES["d128_k256_topk"], peers=True)[4:] == ["sae_lens", "dictionary_learning", "sparsify"]


def test_a_measurement_is_a_process_of_its_own():
    done = []
    rounds = measure_rounds(
        {"small": SMALL}, 640, 2, lambda case: ["narrative_dag"], lambda what, i, n: done.append((what, i, n))
    )
    assert done == [("trainings", 1, 2), ("trainings", 2, 2)]
    first, second = (each["small"]["narrative_dag"] for each in rounds)
    assert first.states == second.states == 20 * 640
    assert first.fvu == second.fvu < 0.6
    assert first.seconds > 0
    assert 0 <= first.memory_mb < 100


def test_figures_are_medians_and_ratios_are_taken_round_by_round():
    def a_round(own, other):
        return {
            "case": {
                "narrative_dag": Measurement(100, 100 / own, own, 0.1),
                "naive": Measurement(100, 100 / other, 2 * other, 0.2),
            }
        }

    # the machine was slow in the second round: the ratio does not care
    figures = summary([a_round(40, 10), a_round(4, 1), a_round(60, 20)])
    assert figures["rate"] == {"case": {"narrative_dag": pytest.approx(40), "naive": pytest.approx(10)}}
    assert figures["ratio_to"] == {"case": {"naive": pytest.approx(4)}}
    assert figures["memory_mb"] == {"case": {"narrative_dag": 40, "naive": 20}}
    assert figures["fvu"] == {"case": {"narrative_dag": 0.1, "naive": 0.2}}


def test_peak_memory_forgets_what_was_freed_before():
    large = np.ones(100 << 20, dtype=np.uint8)
    assert large.any()
    del large
    reset_peak_memory()
    before = peak_memory_mb()
    smaller = np.ones(40 << 20, dtype=np.uint8)
    assert smaller.any()
    del smaller
    assert peak_memory_mb() - before == pytest.approx(40, abs=4)


def test_a_missing_environment_of_the_peers_says_how_to_make_it(tmp_path):
    with pytest.raises(NarrativeError, match="make peers"):
        peers_python(tmp_path)
    with pytest.raises(NarrativeError, match="make peers"):
        measure_rounds({"small": SMALL}, 64, 1, lambda case: ["sae_lens"], nothing)


def test_a_training_that_fails_says_why():
    with pytest.raises(NarrativeError, match=r"torch_loop did not train(?s:.*)selected index k out of range"):
        measure_rounds({"small": replace(SMALL, k=65)}, 64, 1, lambda case: ["torch_loop"], nothing)


def test_a_gpu_is_asked_for_in_vain_without_one():
    code = "from narrative_dag.cli.app import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", code, "bench", "sae", "--device", "cuda"],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "no GPU" in run.stderr
    assert not run.stdout


def test_the_command_names_its_options():
    text = CliRunner().invoke(app, ["bench", "sae", "--help"], env={"COLUMNS": "200"}).stdout
    assert all(option in text for option in ("--peers", "--quick", "--device", "--worlds"))
