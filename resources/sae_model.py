"""Autoencoders as an MLflow model: a folder of checkpoints that `mlflow.pyfunc.load_model` reads, states in, codes out.

    model = mlflow.pyfunc.load_model("models:/narrative-sae/1")
    codes = model.predict(states)                       # [n, d] -> float32 [n, k], the first autoencoder
    codes = model.predict(states, params={"sae": 2})    # another seed's

States are a numpy array, a pandas DataFrame or a list of lists, in any number type.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from narrative_dag.sae.architecture import Array
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.experiment import load_saes
from narrative_dag.sae.folded import FoldedSae

PARAMETER = "sae"
"""Which autoencoder of the folder computes the codes, from 0."""

_REQUIREMENTS = ("narrative-dag", "numpy", "pydantic", "safetensors")
_EXAMPLE_ROWS = 3


class SaeModel:
    """The autoencoders of a folder behind MLflow's `predict`."""

    def __init__(self, saes: Sequence[FoldedSae]) -> None:
        self.saes = saes

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Array:
        """Codes [n, k] of states [n, d].

        Raises:
            SaeError: there is no autoencoder of that number, or the states have another number of dimensions.
        """
        index = int((params or {}).get(PARAMETER, 0))
        if not 0 <= index < len(self.saes):
            raise SaeError(f"there is no autoencoder {index}", where=PARAMETER, hint=f"0 to {len(self.saes) - 1}")
        return self.saes[index].encode(np.atleast_2d(np.asarray(model_input, dtype=np.float32)))


def _load_pyfunc(path: str) -> SaeModel:
    """What MLflow calls, by this name, with the folder of a version."""
    return SaeModel(load_saes(Path(path)))


def describe_saes(checkpoints: Path, target: Path) -> None:
    """Write what makes a folder of autoencoders an MLflow model into the new folder `target`, to be laid beside them.

    That is MLmodel with the signature, an input example (the states that decoder biases stand for, near the mean state)
    and the requirements, as they are installed here. MLmodel names a time and a random id: it is no part of an
    artefact.

    Raises:
        SaeError: there are no autoencoders.
    """
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec

    saes = load_saes(checkpoints)
    sizes = {sae.k for sae in saes}
    # columns take arrays, frames and lists of any number type; a tensor would take float32 arrays alone
    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.double) for _ in range(saes[0].d)]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, sizes.pop() if len(sizes) == 1 else -1))]),
        params=ParamSchema([ParamSpec(PARAMETER, DataType.long, 0)]),
    )
    mlflow.pyfunc.save_model(
        target,
        loader_module=__name__,
        signature=signature,
        input_example=np.stack([sae.b_dec for sae in saes[:_EXAMPLE_ROWS]]).astype(np.float64),
        pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
    )
