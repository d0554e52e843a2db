"""The configuration of cycles: every room's settings in one frozen, JSON-serialisable model.

Defaults are the `tiny` preset: everything on two CPU cores in minutes. A TOML file named by `NARRATIVE_CONFIG` changes
any of them, by the names below:

    seed = 11
    rollouts = 400
    [policy]
    source = "models/gpt2"
    [rl]
    lr = 2e-5
"""

import hashlib
import json
import os
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from narrative_dag.affordances.measure import CouplingConfig
from narrative_dag.errors import NarrativeError
from narrative_dag.policy.config import PolicyConfig, RlConfig, SamplingConfig, WarmStartConfig
from narrative_dag.reward.verifiers import RewardConfig
from narrative_dag.sae.config import SaeConfig
from narrative_dag.storyworld.authors import AuthorConfig

CONFIG_VARIABLE = "NARRATIVE_CONFIG"


class EvaluationConfig(BaseModel):
    """How a policy is measured after its update: the same prompts and seeds in every cycle, never trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: int = Field(200, ge=1, description="texts; the standard error of a validity of 80 % is 2.8 points at 200")
    seed: int = Field(20_011, description="seed of the samples")
    play_seed: int = Field(20_023, description="seed of the playthroughs they are judged by")


class CycleConfig(BaseModel):
    """Everything that decides what a cycle computes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(7, ge=0, description="the root of all randomness")
    seeds: int = Field(3000, ge=10, description="generated drafts that the base policy learns from")
    author: AuthorConfig = Field(
        AuthorConfig(quality_low=0.0, quality_high=0.7, broken_json=0.17, dangling=0.2),
        description="the generator of seed drafts, flaws included",
    )
    rollouts: int = Field(100, ge=2, description="storyworlds that the policy writes for a cycle")
    playthroughs: int = Field(96, ge=2, description="playthroughs of each of them")
    imported_playthroughs: int = Field(32, ge=1, description="playthroughs of each imported storyworld")
    max_steps: int = Field(40, ge=1, description="choices after which a playthrough is cut")
    policy: PolicyConfig = Field(PolicyConfig(), description="the language model")
    warm_start: WarmStartConfig = Field(WarmStartConfig(), description="supervised training of the base policy")
    sampling: SamplingConfig = Field(SamplingConfig(), description="how the cycle's storyworlds are drawn")
    sae: SaeConfig = Field(SaeConfig(), description="the autoencoders")
    sae_states: int = Field(6_000, ge=100, description="most states of the cycle that autoencoders are trained on")
    mixture_states: int = Field(
        6_000,
        ge=0,
        description="states of authored storyworlds of every kind, the same in every cycle, that they are trained on "
        "beside them: few small storyworlds alone leave most features without anything to stand for",
    )
    coupling: CouplingConfig = Field(CouplingConfig(), description="features against affordances")
    reward: RewardConfig = Field(RewardConfig(), description="the verifiers")
    rl: RlConfig = Field(RlConfig(), description="reinforcement learning")
    evaluation: EvaluationConfig = Field(EvaluationConfig(), description="the figures of a policy")

    @classmethod
    def from_environment(cls) -> "CycleConfig":
        """Defaults, with what the file named by `NARRATIVE_CONFIG` changes.

        Raises:
            NarrativeError: the file is missing, no TOML, or names or sets something that does not exist.
        """
        named = os.environ.get(CONFIG_VARIABLE)
        return cls.from_file(Path(named)) if named else cls()

    @classmethod
    def from_file(cls, path: Path) -> "CycleConfig":
        """Defaults, with what a TOML file changes. Raises NarrativeError as `from_environment` does."""
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise NarrativeError(f"cannot be read: {error.strerror}", where=str(path)) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise NarrativeError(f"is no TOML: {error}", where=str(path)) from error
        try:
            return cls.model_validate(_merged(cls().model_dump(), document))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise NarrativeError(
                f"{place}: {first['msg']}", where=str(path), hint="see narrative_dag/config.py"
            ) from error

    def fingerprint(self) -> str:
        """sha256 of the whole configuration."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()

    def seed_of(self, cycle: str, purpose: str) -> int:
        """The seed of one purpose in one cycle: different for every pair, the same on every call; in [0, 2**31)."""
        digest = hashlib.sha256(f"{cycle}/{purpose}".encode()).digest()
        words = [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 8, 4)]
        return int(np.random.SeedSequence([self.seed, *words]).generate_state(1)[0] >> 1)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with nested tables changed key by key."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
