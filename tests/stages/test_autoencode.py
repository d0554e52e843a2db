"""Autoencoders of a cycle's rollouts: checkpoints, figures, and the page that compares them."""

import numpy as np
import pyarrow as pa
import pytest

from narrative_dag.config import CycleConfig
from narrative_dag.sae.config import RunConfig, SaeConfig
from narrative_dag.sae.experiment import PAGE_FILE, PICTURE_FILE, load_saes
from narrative_dag.sae.synthetic import synthetic_states
from narrative_dag.sae.topk import TopKConfig
from narrative_dag.stages.autoencode import train_saes
from resources.hashing import hash_folder

RUNS = tuple(RunConfig(architecture=TopKConfig(k_features=24, k=4), seed=seed) for seed in range(3))
CONFIG = CycleConfig(sae=SaeConfig(runs=RUNS, epochs=4, batch_size=64, device="cpu"), sae_states=300, mixture_states=0)


@pytest.fixture(scope="module")
def rollouts() -> pa.Table:
    n, d = 400, 12
    states = synthetic_states(n, d, 20, 3, seed=1).states
    return pa.table(
        {
            "storyworld_id": [f"world {i // 40}" for i in range(n)],
            "playthrough": pa.array([i // 8 % 5 for i in range(n)], pa.int32()),
            "state": pa.FixedSizeListArray.from_arrays(pa.array(states.reshape(-1)), d),
        }
    )


def test_the_folder_has_the_autoencoders_their_page_and_their_picture(rollouts, tmp_path):
    result = train_saes(CONFIG, "cycle-0003", rollouts, tmp_path / "out", tmp_path / "work")
    assert len(load_saes(tmp_path / "out")) == len(RUNS)
    page = (tmp_path / "out" / PAGE_FILE).read_text()
    assert "Autoencoders of cycle-0003" in page
    assert all(run.name in page for run in RUNS)
    assert (tmp_path / "out" / PICTURE_FILE).read_text().startswith("<svg ")
    assert result.metrics["l0"] == pytest.approx(4, abs=0.1)
    assert np.isfinite(list(result.metrics.values())).all()
    assert set(result.log["run"].to_pylist()) == {run.name for run in RUNS} | {"all"}


def test_the_same_rollouts_give_the_same_bytes(rollouts, tmp_path):
    for name in ("one", "two"):
        train_saes(CONFIG, "cycle-0003", rollouts, tmp_path / name, tmp_path / f"work-{name}")
    assert hash_folder(tmp_path / "one") == hash_folder(tmp_path / "two")
