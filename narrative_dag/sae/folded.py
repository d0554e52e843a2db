"""Trained autoencoders for inference, in numpy: raw states in, codes out, on disk in the layout that SAELens reads.

Normalisation is folded into the weights. A checkpoint is a folder of `sae_weights.safetensors` (W_enc [d, k],
W_dec [k, d], b_enc [k], b_dec [d], float32, under the names of SAELens's architecture), `cfg.json`, and where there are
weights that SAELens does not know, `extras.safetensors`: SAELens refuses a file with a tensor too many.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from narrative_dag import durable
from narrative_dag.sae.architecture import ArchitectureConfig, Array
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.registry import build, parse_architecture

WEIGHTS_FILE = "sae_weights.safetensors"
EXTRAS_FILE = "extras.safetensors"
CONFIG_FILE = "cfg.json"
_ROWS = 16_384


@dataclass(frozen=True)
class FoldedSae:
    """A frozen autoencoder of raw states. Arrays are float32; `d` dimensions, `k` features.

    `metadata` is what is known about the training (learning rate, seed); it goes into cfg.json.
    """

    config: ArchitectureConfig
    W_enc: Array
    W_dec: Array
    b_enc: Array
    b_dec: Array
    extras: Mapping[str, Array] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        d, k = self.W_enc.shape
        shapes = {"W_dec": (k, d), "b_enc": (k,), "b_dec": (d,)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise SaeError(f"{name} has shape {getattr(self, name).shape}, W_enc asks for {shape}")

    @property
    def d(self) -> int:
        """Dimensions of a state."""
        return int(self.W_enc.shape[0])

    @property
    def k(self) -> int:
        """Features."""
        return int(self.W_enc.shape[1])

    @classmethod
    def fold(
        cls,
        config: ArchitectureConfig,
        weights: Mapping[str, Array],
        mean: npt.NDArray[np.floating[Any]],
        scale: npt.NDArray[np.floating[Any]],
        metadata: Mapping[str, Any] | None = None,
    ) -> "FoldedSae":
        """The autoencoder of raw states x that does what `weights` do on `(x - mean) / scale`; both are [d].

        Folding is done in double precision. Decoder rows come out in raw units and are no longer of unit norm.
        """
        wide = {name: np.asarray(value, dtype=np.float64) for name, value in weights.items()}
        mean, scale = np.asarray(mean, dtype=np.float64), np.asarray(scale, dtype=np.float64)
        W_enc = wide["W_enc"] / scale[:, None]
        folded = {
            "W_enc": W_enc,
            "b_enc": wide["b_enc"] - mean @ W_enc,
            "W_dec": wide["W_dec"] * scale,
            "b_dec": wide["b_dec"] * scale + mean,
        }
        usual = {name: value.astype(np.float32) for name, value in folded.items()}
        extras = {name: value.astype(np.float32) for name, value in wide.items() if name not in usual}
        return cls(config=config, extras=extras, metadata=dict(metadata or {}), **usual)

    def encode(self, states: npt.NDArray[np.floating[Any]]) -> Array:
        """Codes [n, k], non-negative, of raw states [n, d].

        Raises:
            SaeError: the states have another number of dimensions.
        """
        states = self._checked(states, self.d)
        rule = build(self.config)
        codes = np.empty((states.shape[0], self.k), dtype=np.float32)
        for start in range(0, states.shape[0], _ROWS):
            rows = slice(start, start + _ROWS)
            codes[rows] = rule.infer(states[rows] @ self.W_enc + self.b_enc, self.extras)
        return codes

    def decode(self, codes: npt.NDArray[np.floating[Any]]) -> Array:
        """Raw states [n, d] of codes [n, k].

        Raises:
            SaeError: the codes have another number of features.
        """
        states: Array = self._checked(codes, self.k) @ self.W_dec + self.b_dec
        return states

    def save(self, folder: Path) -> None:
        """Writes the folder's files, each atomically; equal weights give equal bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        own = {"W_enc": self.W_enc, "W_dec": self.W_dec, "b_enc": self.b_enc, "b_dec": self.b_dec, **self.extras}
        inference, tensors = build(self.config).exported(own)
        extras = {name: tensor for name, tensor in self.extras.items() if name not in tensors}
        if extras:
            durable.write(folder / EXTRAS_FILE, _packed(extras))
        else:
            (folder / EXTRAS_FILE).unlink(missing_ok=True)
        durable.write(folder / WEIGHTS_FILE, _packed(tensors))
        fields = {
            "d_in": self.d,
            "d_sae": self.k,
            "dtype": "float32",
            "device": "cpu",
            "apply_b_dec_to_input": False,
            "normalize_activations": "none",
            "reshape_activations": "none",
            **inference,
            "metadata": {"narrative_dag": {"architecture": self.config.model_dump(), "training": dict(self.metadata)}},
        }
        text = json.dumps(fields, sort_keys=True, indent=2) + "\n"
        durable.write(folder / CONFIG_FILE, text.encode())

    @classmethod
    def load(cls, folder: Path) -> "FoldedSae":
        """The autoencoder of a folder that `save` wrote.

        Raises:
            SaeError: a file is missing, is no such file, or the two do not fit.
        """
        try:
            fields = json.loads((folder / CONFIG_FILE).read_text())
            tensors = load_tensors((folder / WEIGHTS_FILE).read_bytes())
            if (folder / EXTRAS_FILE).is_file():
                tensors |= load_tensors((folder / EXTRAS_FILE).read_bytes())
            own = fields["metadata"]["narrative_dag"]
            config = parse_architecture(own["architecture"])
            weights = build(config).imported(tensors)
            usual = {name: weights.pop(name) for name in ("W_enc", "W_dec", "b_enc", "b_dec")}
        except OSError as error:
            raise SaeError(f"cannot read the checkpoint: {error.strerror}", where=str(folder)) from error
        except (ValueError, KeyError, TypeError, SafetensorError) as error:
            raise SaeError(f"no autoencoder checkpoint of this project: {error}", where=str(folder)) from error
        return cls(config=config, extras=weights, metadata=own.get("training", {}), **usual)

    @staticmethod
    def _checked(rows: npt.NDArray[np.floating[Any]], width: int) -> Array:
        if rows.ndim != 2 or rows.shape[1] != width:
            raise SaeError(f"expected an array of shape [n, {width}], got {list(rows.shape)}")
        return np.ascontiguousarray(rows, dtype=np.float32)


def _packed(tensors: Mapping[str, Array]) -> bytes:
    return bytes(save_tensors({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}))
