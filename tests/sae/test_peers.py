"""Checkpoints are read by SAELens, installed from PyPI, to the same codes and reconstructions (`make test-peers`)."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from narrative_dag.bench.sae_peers import peers_python
from narrative_dag.sae.config import RunConfig, SaeConfig
from narrative_dag.sae.registry import ARCHITECTURES
from narrative_dag.sae.sources import InMemory
from narrative_dag.sae.synthetic import synthetic_states
from narrative_dag.sae.trainer import train

pytestmark = pytest.mark.peers

D, K, ACTIVE = 16, 32, 4


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """By architecture: a trained autoencoder, states that it was not trained on, and the folder SAELens wrote to."""
    # an offset and unequal scales: what is folded into the weights shows
    scale = np.linspace(0.1, 3, D, dtype=np.float32)
    states = synthetic_states(2000, D, K, ACTIVE, seed=1, noise=0.05, offset=2.0).states * scale
    results = {}
    for name, kind in ARCHITECTURES.items():
        fields = {"k_features": K} | ({"k": ACTIVE} if "k" in kind.config_type.model_fields else {})
        config = SaeConfig(
            runs=(RunConfig(architecture=kind.config_type(**fields), lr=1e-2),), epochs=5, batch_size=100, device="cpu"
        )
        sae = train(InMemory(states[:1000], (states[:1000, :3] > 0).astype(np.float32)), config, seed=0).saes[0]
        folder = tmp_path_factory.mktemp(name)
        sae.save(folder / "checkpoint")
        np.save(folder / "states.npy", states[1000:])
        results[name] = (sae, states[1000:], folder)
    script = Path(__file__).with_name("load_in_saelens.py")
    command = [str(peers_python()), "-W", "ignore", str(script), *(str(folder) for _, _, folder in results.values())]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    return results


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_saelens_takes_the_checkpoint_for_what_cfg_json_names(name, loaded):
    folder = loaded[name][2]
    found = json.loads((folder / "loaded.json").read_text())
    assert "error" not in found, found["error"]
    fields = json.loads((folder / "checkpoint" / "cfg.json").read_text())
    assert found == {"architecture": fields["architecture"], "d": D}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_saelens_gives_the_same_codes_and_reconstructions(name, loaded):
    sae, states, folder = loaded[name]
    codes = sae.encode(states)
    fires = codes > 0
    # an autoencoder of which nothing fires would agree with anything
    assert 0.01 < fires.mean() < 0.99
    assert fires.any(axis=0).sum() > K / 4
    read = np.load(folder / "codes.npy")
    np.testing.assert_array_equal(read > 0, fires)
    np.testing.assert_allclose(read, codes, rtol=1e-5, atol=1e-5 * codes.max())
    reconstruction = sae.decode(codes)
    np.testing.assert_allclose(
        np.load(folder / "reconstruction.npy"), reconstruction, rtol=1e-5, atol=1e-5 * np.abs(reconstruction).max()
    )
