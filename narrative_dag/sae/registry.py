"""Architectures by name: the one place that knows them all."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from narrative_dag.sae.architecture import Architecture, ArchitectureConfig
from narrative_dag.sae.batchtopk import BatchTopK
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.gated import Gated
from narrative_dag.sae.jumprelu import JumpReLU
from narrative_dag.sae.matryoshka import Matryoshka
from narrative_dag.sae.multitask import MultiTask
from narrative_dag.sae.standard import Standard
from narrative_dag.sae.tied import Tied
from narrative_dag.sae.topk import TopK
from narrative_dag.sae.variational import Variational

ARCHITECTURES: Mapping[str, type[Architecture[Any]]] = {
    "standard": Standard,
    "topk": TopK,
    "batchtopk": BatchTopK,
    "jumprelu": JumpReLU,
    "matryoshka": Matryoshka,
    "gated": Gated,
    "tied": Tied,
    "variational": Variational,
    "multitask": MultiTask,
}
"""Name -> class; the class's `config_type` is its constructor's argument."""


def architecture_class(name: object) -> type[Architecture[Any]]:
    """The class of a name.

    Raises:
        SaeError: there is no such architecture.
    """
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise SaeError(f"unknown architecture {name!r}", hint=f"one of {', '.join(sorted(ARCHITECTURES))}")
    return ARCHITECTURES[name]


def parse_architecture(values: Mapping[str, Any]) -> ArchitectureConfig:
    """The configuration that a mapping (a parsed JSON object) describes.

    Raises:
        SaeError: the name is unknown or a field is wrong.
    """
    config_type = architecture_class(values.get("architecture")).config_type
    try:
        return config_type.model_validate(dict(values))
    except ValidationError as error:
        raise SaeError(f"wrong architecture configuration: {error.errors()[0]['msg']}") from error


def build(config: ArchitectureConfig) -> Architecture[Any]:
    """The architecture of a configuration."""
    return architecture_class(config.architecture)(config)
