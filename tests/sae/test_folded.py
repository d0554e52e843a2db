import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.standard import StandardConfig
from narrative_dag.sae.topk import TopKConfig

D, K = 6, 10


def an_sae(config, seed=0):
    rng = np.random.default_rng(seed)
    weights = {"W_enc": rng.normal(size=(D, K)), "W_dec": rng.normal(size=(K, D))}
    weights |= {"b_enc": rng.normal(size=K), "b_dec": rng.normal(size=D)}
    return FoldedSae.fold(config, weights, rng.normal(size=D), rng.uniform(0.1, 3, D), metadata={"seed": seed})


@pytest.mark.parametrize("config", [StandardConfig(k_features=K), TopKConfig(k_features=K, k=3)])
def test_save_and_load_round_trip_byte_for_byte(config, tmp_path):
    sae = an_sae(config)
    sae.save(tmp_path / "a")
    loaded = FoldedSae.load(tmp_path / "a")
    states = np.random.default_rng(1).normal(size=(20, D)).astype(np.float32)
    np.testing.assert_array_equal(sae.encode(states), loaded.encode(states))
    np.testing.assert_array_equal(sae.decode(sae.encode(states)), loaded.decode(loaded.encode(states)))
    assert loaded.config == config
    assert loaded.metadata == {"seed": 0}
    loaded.save(tmp_path / "b")
    for name in ("sae_weights.safetensors", "cfg.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["cfg.json", "sae_weights.safetensors"]


def test_layout_is_the_one_other_tools_read(tmp_path):
    an_sae(TopKConfig(k_features=K, k=3)).save(tmp_path)
    tensors = load_file(tmp_path / "sae_weights.safetensors")
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    assert shapes == {"W_enc": (D, K), "W_dec": (K, D), "b_enc": (K,), "b_dec": (D,)}
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float32)}
    fields = json.loads((tmp_path / "cfg.json").read_text())
    assert fields["architecture"] == "topk"
    assert (fields["d_in"], fields["d_sae"], fields["k"]) == (D, K, 3)
    assert fields["apply_b_dec_to_input"] is False
    assert fields["normalize_activations"] == "none"


def test_extra_weights_are_kept(tmp_path):
    sae = an_sae(StandardConfig(k_features=K))
    weights = {"W_enc": sae.W_enc, "W_dec": sae.W_dec, "b_enc": sae.b_enc, "b_dec": sae.b_dec}
    extended = FoldedSae.fold(sae.config, weights | {"threshold": np.arange(K)}, np.zeros(D), np.ones(D))
    extended.save(tmp_path)
    np.testing.assert_array_equal(FoldedSae.load(tmp_path).extras["threshold"], np.arange(K, dtype=np.float32))


def test_many_rows_are_encoded_like_few():
    sae = an_sae(TopKConfig(k_features=K, k=3))
    states = np.random.default_rng(1).normal(size=(40_000, D)).astype(np.float32)
    np.testing.assert_allclose(sae.encode(states)[20_000:20_010], sae.encode(states[20_000:20_010]), atol=1e-6)


def test_damaged_and_missing_checkpoints_are_named(tmp_path):
    with pytest.raises(SaeError, match="cannot read"):
        FoldedSae.load(tmp_path / "nowhere")
    an_sae(StandardConfig(k_features=K)).save(tmp_path)
    (tmp_path / "sae_weights.safetensors").write_bytes(b"not tensors")
    with pytest.raises(SaeError, match="no autoencoder checkpoint"):
        FoldedSae.load(tmp_path)
    with pytest.raises(SaeError, match=r"\[n, 6\]"):
        an_sae(StandardConfig(k_features=K)).encode(np.zeros((3, 5), np.float32))
    with pytest.raises(SaeError, match="W_dec"):
        FoldedSae(StandardConfig(), np.zeros((3, 4)), np.zeros((3, 4)), np.zeros(4), np.zeros(3))


def test_inference_measurement_and_quality_load_no_torch():
    code = (
        "import sys, narrative_dag.sae.folded, narrative_dag.sae.trainer, narrative_dag.affordances.measure,"
        "narrative_dag.affordances.catalog, narrative_dag.reward.quality;"
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'mlflow', 'dagster')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
