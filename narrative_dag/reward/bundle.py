"""The reward bundle: everything that scores a text, frozen in one folder.

`bundle.json` holds weights, thresholds, versions and the calibration of each autoencoder; `sae-<i>/` the autoencoders.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from narrative_dag.reward.quality import Calibration, feature_quality
from narrative_dag.reward.verifiers import (
    VERIFIER_VERSION,
    RewardConfig,
    RewardError,
    StoryWorldVerifiers,
    Verdict,
    load_verifiers,
)
from narrative_dag.sae.experiment import load_saes, save_saes
from narrative_dag.sae.folded import FoldedSae
from narrative_dag.states.encoder import ENCODER_VERSION

MANIFEST = "bundle.json"


class _Manifest(BaseModel):
    """`bundle.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verifier_version: str = Field(description="version of the verifiers that the bundle was made with")
    encoder_version: str = Field(description="version of the state vector that the autoencoders read")
    weights: dict[str, float] = Field(description="weight of each component")
    config: RewardConfig = Field(description="thresholds and play")
    calibrations: tuple[Calibration, ...] = Field(description="one for each autoencoder")


@dataclass(frozen=True)
class RewardBundle:
    """A frozen reward.

    Args:
        config: thresholds and play.
        saes: three autoencoders or more, folded.
        calibrations: one for each.
    """

    config: RewardConfig
    saes: tuple[FoldedSae, ...]
    calibrations: tuple[Calibration, ...]

    def quality(self, states: NDArray[np.float32]) -> NDArray[np.float64]:
        """Feature quality of each state: [n, d] -> [n], in [0, 1]."""
        return feature_quality(states, self.saes, self.calibrations).q

    def verifiers(self, play_seed: int | None = None) -> StoryWorldVerifiers:
        """The verifiers with this bundle's feature quality; `play_seed` None: the configuration's."""
        return load_verifiers(self.config.verifiers)(self.config, self.quality, play_seed)

    def score(self, text: str) -> Verdict:
        """The verdict on a text, by the training playthroughs."""
        return self.verifiers().judge(text)

    def save(self, folder: Path) -> None:
        """Write the bundle into a new or empty folder; the same bundle gives the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        save_saes(self.saes, folder)
        manifest = _Manifest(
            verifier_version=VERIFIER_VERSION,
            encoder_version=ENCODER_VERSION,
            weights=dict(load_verifiers(self.config.verifiers).weights),
            config=self.config,
            calibrations=self.calibrations,
        )
        (folder / MANIFEST).write_text(json.dumps(manifest.model_dump(mode="json"), sort_keys=True, indent=1))

    @classmethod
    def load(cls, folder: Path) -> "RewardBundle":
        """Read a bundle.

        Raises:
            RewardError: no bundle, or one made by other verifiers, weights or state vectors.
        """
        path = folder / MANIFEST
        try:
            manifest = _Manifest.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RewardError("no reward bundle here", where=str(folder)) from error
        except ValidationError as error:
            raise RewardError(f"unreadable: {error.errors()[0]['msg']}", where=str(path)) from error
        for what, found, wanted in (
            ("verifiers of version", manifest.verifier_version, VERIFIER_VERSION),
            ("state vectors of version", manifest.encoder_version, ENCODER_VERSION),
            ("weights", manifest.weights, dict(load_verifiers(manifest.config.verifiers).weights)),
        ):
            if found != wanted:
                raise RewardError(
                    f"made by {what} {found}, here they are {wanted}",
                    where=str(path),
                    hint="materialize reward_model again",
                )
        return cls(manifest.config, tuple(load_saes(folder)), manifest.calibrations)
