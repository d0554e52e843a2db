"""The TopK autoencoder: each state keeps its k largest positive pre-activations, so sparsity needs no penalty."""

from typing import ClassVar, Literal

from pydantic import Field

from narrative_dag.sae.architecture import ArchitectureConfig
from narrative_dag.sae.largest import Largest, LargestConfig


class TopKConfig(LargestConfig):
    """Loss: mean squared error."""

    architecture: Literal["topk"] = Field(default="topk", description="name in the registry")


class TopK(Largest[TopKConfig]):
    """The k largest pre-activations, those below zero dropped (Gao et al. 2024, arXiv 2406.04093)."""

    config_type: ClassVar[type[ArchitectureConfig]] = TopKConfig
