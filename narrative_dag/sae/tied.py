"""The tied autoencoder: L1 and ReLU as `standard` has them, with the encoder the decoder's transpose."""

from typing import ClassVar, Literal

from pydantic import Field

from narrative_dag.sae.architecture import ArchitectureConfig
from narrative_dag.sae.standard import L1Config, Rectified


class TiedConfig(L1Config):
    """Loss: mean squared error + `l1` * mean over rows of |z|_1."""

    architecture: Literal["tied"] = Field(default="tied", description="name in the registry")
    l1: float = Field(default=5e-3, ge=0, description="weight of the L1 norm of a row's codes, inputs at unit variance")


class Tied(Rectified[TiedConfig]):
    """ReLU with an L1 penalty and tied weights (Cunningham et al. 2023, arXiv 2309.08600).

    Both biases are kept: the decoder's stands for the centre of the states.
    """

    config_type: ClassVar[type[ArchitectureConfig]] = TiedConfig

    @property
    def tied(self) -> bool:
        """Always."""
        return True
