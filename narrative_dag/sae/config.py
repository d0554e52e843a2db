"""How autoencoders are trained: the runs that share one pass over the data, and the schedule."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, field_validator

from narrative_dag.sae.architecture import ArchitectureConfig
from narrative_dag.sae.registry import parse_architecture
from narrative_dag.sae.topk import TopKConfig


class RunConfig(BaseModel):
    """One autoencoder: architecture, learning rate, seed of its initial weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: SerializeAsAny[ArchitectureConfig] = Field(
        default_factory=TopKConfig, description="the architecture and its parameters"
    )
    lr: float = Field(default=5e-3, gt=0, description="peak learning rate of Adam; it dominates every other choice")
    seed: int = Field(default=0, ge=0, description="seed of the initial weights")

    @field_validator("architecture", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return parse_architecture(value) if isinstance(value, dict) else value

    @property
    def name(self) -> str:
        """The run's name in logs, e.g. `topk-256-lr0.005-seed0`."""
        return f"{self.architecture.architecture}-{self.architecture.k_features}-lr{self.lr:g}-seed{self.seed}"


class SaeConfig(BaseModel):
    """A training: all windows are fractions of the run, so that they hold for any number of states and epochs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: tuple[RunConfig, ...] = Field(
        default=(RunConfig(seed=0), RunConfig(seed=1), RunConfig(seed=2)),
        min_length=1,
        description="the autoencoders trained on the same batches; three seeds or more for claims about features",
    )
    epochs: int = Field(default=50, ge=1, description="passes over the states")
    batch_size: int = Field(default=512, ge=1, description="states of a batch")
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
    scale_floor: float = Field(
        default=0.02,
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
