"""How autoencoders are trained: the runs that share one pass over the data, and the schedule."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, field_validator, model_validator

from narrative_dag.sae.architecture import ArchitectureConfig
from narrative_dag.sae.registry import parse_architecture
from narrative_dag.sae.topk import TopKConfig


class RunConfig(BaseModel):
    """One autoencoder: architecture, learning rate, seed of its initial weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: SerializeAsAny[ArchitectureConfig] = Field(
        default_factory=TopKConfig, description="the architecture and its parameters"
    )
    lr: float | Literal["auto"] = Field(
        default=3e-2, description="peak learning rate of Adam; auto: found by a short sweep, see `SweepConfig`"
    )
    seed: int = Field(default=0, ge=0, description="seed of the initial weights")

    @field_validator("architecture", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return parse_architecture(value) if isinstance(value, dict) else value

    @field_validator("lr")
    @classmethod
    def _positive(cls, value: Any) -> Any:
        if value != "auto" and not value > 0:
            raise ValueError(f"a learning rate is above 0, or auto; got {value:g}")
        return value

    @property
    def name(self) -> str:
        """The run's name in logs: what differs from the architecture's defaults, e.g. `topk-256-k32-lr0.005-seed0`."""
        fields = self.architecture.model_dump(exclude={"architecture", "k_features"}, exclude_defaults=True)
        settings = [
            f"{name}{value:g}" if isinstance(value, float) else f"{name}{value}" for name, value in fields.items()
        ]
        rate = self.lr if isinstance(self.lr, str) else f"{self.lr:g}"
        parts = [self.architecture.architecture, str(self.architecture.k_features), *settings]
        return "-".join([*parts, f"lr{rate}", f"seed{self.seed}"])


class SweepConfig(BaseModel):
    """How a learning rate is found: short trainings of the same data, all in one pass; the lowest loss wins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rates: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(1e-3, 3e-3, 1e-2, 2e-2, 4e-2), min_length=1, description="the learning rates that are tried"
    )
    share: float = Field(default=0.1, gt=0, le=1, description="steps of a short training, as a share of the whole")


class SaeConfig(BaseModel):
    """A training: all windows are fractions of the run, so that they hold for any number of states and epochs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: tuple[RunConfig, ...] = Field(
        default=(RunConfig(seed=0), RunConfig(seed=1), RunConfig(seed=2)),
        min_length=1,
        description="the autoencoders trained on the same batches; three seeds or more for claims about features",
    )
    epochs: int = Field(default=50, ge=1, description="passes over the states")
    steps: int | None = Field(default=None, ge=1, description="optimiser steps; None: those of the epochs")
    batch_size: int = Field(default=256, ge=1, description="states of a batch")
    warmup: float = Field(default=0.05, ge=0, le=1, description="share of the steps with a rising learning rate")
    decay: float = Field(default=0.2, ge=0, le=1, description="share of the steps, at the end, with a falling one")
    beta1: float = Field(default=0.9, ge=0, lt=1, description="Adam's decay of the gradient's mean")
    beta2: float = Field(default=0.999, ge=0, lt=1, description="Adam's decay of the gradient's square")
    aux_weight: float = Field(
        default=1 / 32, ge=0, description="weight of the loss that revives dead features; 0: none"
    )
    dead_window: float = Field(
        default=0.02, gt=0, le=1, description="share of the steps without firing after which a feature counts as dead"
    )
    resample: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        default=(), description="shares of the steps after which dead features start anew at badly reconstructed states"
    )
    patience: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of the steps without a lower loss after which the learning rate falls early; 0: never",
    )
    min_improvement: float = Field(
        default=1e-3, ge=0, lt=1, description="share by which a loss must be lower to count as lower"
    )
    sweep: SweepConfig = Field(default=SweepConfig(), description="how learning rates given as auto are found")
    scale_floor: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="smallest scale of a dimension, as a share of the root mean square standard deviation",
    )
    log_every: float = Field(default=0.02, gt=0, le=1, description="share of the steps between log rows")
    checkpoint_every: float = Field(default=0.1, gt=0, le=1, description="share of the steps between checkpoints")
    threads: int = Field(
        default=1,
        ge=1,
        description="CPU threads; products this small lose more to waiting than they gain from a second",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto: CUDA where there is a GPU")
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="of the large products; bfloat16 pays on CUDA alone"
    )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [run.name for run in self.runs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the same run is given twice: {', '.join(twice)}")
        return self

    @staticmethod
    def grid(
        architectures: Sequence[ArchitectureConfig],
        rates: Sequence[float | Literal["auto"]] = (3e-2,),
        seeds: Sequence[int] = (0, 1, 2),
    ) -> tuple[RunConfig, ...]:
        """Runs of every combination, seeds fastest."""
        return tuple(
            RunConfig(architecture=architecture, lr=rate, seed=seed)
            for architecture in architectures
            for rate in rates
            for seed in seeds
        )
