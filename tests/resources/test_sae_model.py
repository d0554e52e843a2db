"""`models:/narrative-sae/1` as a user of MLflow meets it: load, predict, choose another seed's autoencoder."""

import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.experiment import save_saes
from narrative_dag.sae.folded import FoldedSae
from narrative_dag.sae.topk import TopKConfig
from resources.hashing import hash_folder
from resources.sae_model import describe_saes
from resources.tracking import Tracking

D, FEATURES = 6, 10
NAME = "narrative-sae"


def autoencoder(seed: int) -> FoldedSae:
    rng = np.random.default_rng(seed)
    shapes = {"W_enc": (D, FEATURES), "W_dec": (FEATURES, D), "b_enc": (FEATURES,), "b_dec": (D,)}
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return FoldedSae(TopKConfig(k_features=FEATURES, k=3), **arrays)


@pytest.fixture(scope="module")
def saes() -> list[FoldedSae]:
    return [autoencoder(seed) for seed in range(3)]


@pytest.fixture(scope="module")
def folder(saes, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sae_checkpoint")
    save_saes(saes, folder)
    (folder / "comparison.html").write_text("<p>a page")
    return folder


@pytest.fixture(scope="module")
def tracking(folder, tmp_path_factory) -> Tracking:
    tracking = Tracking(tmp_path_factory.mktemp("mlflow"))
    with tracking.run("sae_checkpoint", "cycle-0000", {}) as run:
        run.register(NAME, folder, hash_folder(folder), None, describe_saes)
    return tracking


@pytest.fixture
def model(tracking, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.tracking_uri)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", tracking.tracking_uri)
    return mlflow.pyfunc.load_model(f"models:/{NAME}/1")


@pytest.fixture
def states() -> np.ndarray:
    return np.random.default_rng(9).normal(size=(7, D)).astype(np.float32)


@pytest.mark.parametrize("kind", ["float32", "float64", "frame", "named frame", "list"])
def test_states_of_any_form_give_the_codes_of_the_first_autoencoder(model, saes, states, kind):
    import pandas as pd

    given = {
        "float32": states,
        "float64": states.astype(np.float64),
        "frame": pd.DataFrame(states),
        "named frame": pd.DataFrame(states, columns=[f"dimension {i}" for i in range(D)]),
        "list": states.tolist(),
    }[kind]
    codes = model.predict(given)
    assert isinstance(codes, np.ndarray)
    assert codes.dtype == np.float32
    np.testing.assert_array_equal(codes, saes[0].encode(states))


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_parameter_chooses_the_autoencoder(model, saes, states, index):
    np.testing.assert_array_equal(model.predict(states, params={"sae": index}), saes[index].encode(states))


def test_an_autoencoder_that_is_not_there_is_refused(model, states):
    with pytest.raises(SaeError, match="no autoencoder 3"):
        model.predict(states, params={"sae": 3})


def test_states_of_another_size_are_refused(model, states):
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="declares 6 inputs"):
        model.predict(states[:, :4])


def test_the_signature_and_the_example_say_what_goes_in_and_out(model):
    signature = model.metadata.signature
    assert len(signature.inputs.inputs) == D
    assert signature.outputs.inputs[0].shape == (-1, FEATURES)
    assert [(p.name, p.default) for p in signature.params.params] == [("sae", 0)]
    example = np.asarray(model.input_example)
    assert example.shape == (3, D)
    assert model.predict(example).shape == (3, FEATURES)


def test_a_version_holds_the_artefact_and_what_describes_it_and_no_pickle(tracking, folder):
    [root] = [path.parent for path in (tracking.folder / "artifacts").rglob("MLmodel")]
    stored = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    artefact = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert artefact <= stored
    described = stored - artefact
    assert "input_example.json" in described
    assert {Path(name).suffix for name in described} <= {"", ".json", ".yaml", ".txt"}
    flavor = yaml.safe_load((root / "MLmodel").read_text())["flavors"]["python_function"]
    assert flavor["loader_module"] == "resources.sae_model"
    assert flavor.get("code") is None
    requirements = (root / "requirements.txt").read_text().split()
    assert {line.partition("==")[0] for line in requirements} >= {"narrative-dag", "numpy", "safetensors"}


def test_the_artefacts_content_does_not_change_by_being_described(folder, tmp_path):
    before = hash_folder(folder)
    describe_saes(folder, tmp_path / "one")
    describe_saes(folder, tmp_path / "two")
    assert hash_folder(folder) == before


def test_describing_takes_moments(folder, tmp_path):
    describe_saes(folder, tmp_path / "first")
    started = time.process_time()
    describe_saes(folder, tmp_path / "model")
    assert time.process_time() - started < 2


def test_a_folder_without_autoencoders_is_no_model(tmp_path):
    with pytest.raises(SaeError, match="no autoencoders"):
        describe_saes(tmp_path, tmp_path / "model")
