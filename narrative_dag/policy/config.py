"""Settings of the policy: its model, warm start, sampling and reinforcement learning, with the only defaults."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class PolicyConfig(BaseModel):
    """The model and where it computes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field("tiny", description="`tiny`: GPT-2 architecture from scratch; else a folder of a causal LM")
    vocabulary: int = Field(1200, ge=300, le=60_000, description="tokens of the trained tokenizer (tiny)")
    layers: int = Field(3, ge=1, description="transformer layers (tiny)")
    width: int = Field(192, ge=8, description="width of the residual stream (tiny)")
    heads: int = Field(3, ge=1, description="attention heads (tiny)")
    positions: int = Field(512, ge=16, description="longest sequence in tokens, prompt included (tiny)")
    device: str = Field("auto", description="`auto` (CUDA where there is one), `cpu`, `cuda`, `cuda:1`")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="matrix products; weights stay float32. `auto`: bfloat16 where the hardware multiplies it"
    )
    threads: int = Field(1, ge=1, description="CPU threads of sampling and training; results depend on it")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "PolicyConfig":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class WarmStartConfig(BaseModel):
    """Supervised training on seed drafts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(700, ge=1, description="optimizer steps")
    batch: int = Field(8, ge=1, description="documents a step, of similar length")
    muon_lr: float = Field(0.02, gt=0, description="Muon learning rate, hidden matrices")
    adamw_lr: float = Field(2e-3, gt=0, description="AdamW learning rate, embeddings, norms and biases")
    weight_decay: float = Field(0.0, ge=0, description="weight decay of both optimizers")
    warmup: int = Field(20, ge=0, description="steps of linear warm-up")
    final_lr: float = Field(0.05, ge=0, le=1, description="learning rate at the end of the cosine, share of the peak")
    clip: float = Field(1.0, gt=0, description="gradient norm limit")
    pool: int = Field(16, ge=1, description="batches that are drawn together and sorted by length")
    checkpoint_every: int = Field(200, ge=1, description="steps between checkpoints")
    log_every: int = Field(20, ge=1, description="steps between log rows")


class SamplingConfig(BaseModel):
    """How texts are drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(1.0, gt=0, description="divides the logits; 1 while training")
    max_tokens: int = Field(400, ge=1, description="longest text in tokens, prompt included")
    batch: int = Field(100, ge=1, description="sequences decoded together")


class RlConfig(BaseModel):
    """Reinforcement learning by RLOO with a clipped ratio."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(4, ge=1, description="rounds of sampling and one pass of updates")
    rollouts: int = Field(100, ge=2, description="texts sampled an epoch")
    minibatches: int = Field(8, ge=1, description="optimizer updates an epoch")
    microbatch: int = Field(8, ge=1, description="rows of one forward pass, of similar length")
    lr: float = Field(2e-4, gt=0, description="peak learning rate; 1e-4..2e-4 tiny, 1e-5..2e-5 GPT-2")
    final_lr: float = Field(0.15, gt=0, le=1, description="learning rate of the last update, share of the peak")
    warmup: int = Field(10, ge=0, description="updates of linear warm-up")
    clip: float = Field(1.0, gt=0, description="gradient norm limit")
    ratio_low: float = Field(0.2, gt=0, lt=1, description="the ratio is clipped below 1 - this")
    ratio_high: float = Field(0.28, gt=0, description="the ratio is clipped above 1 + this")
    advantage_clip: float = Field(3.0, gt=0, description="bound of the sequence advantage, in batch deviations")
    advantage: Literal["reward", "components"] = Field(
        "components", description="whiten the weighted reward, or every component before the weighted sum"
    )
    component_floor: float = Field(0.05, gt=0, description="added to a component's deviation before dividing")
    credit: float = Field(1.0, ge=0, description="factor of the verifiers' local credit beside the advantage")
    kl: Literal["k2", "k3"] = Field("k2", description="estimator of the KL term in the loss")
    beta: float = Field(0.03, ge=0, description="first coefficient of the KL term; adapts")
    beta_max: float = Field(1.0, ge=0, description="largest coefficient")
    kl_high: float = Field(0.05, gt=0, description="KL a token above which beta doubles")
    kl_low: float = Field(0.005, ge=0, description="KL a token below which beta halves")
    imitation: float = Field(0.3, ge=0, description="coefficient of self-imitation; 0 turns it off")
    imitation_size: int = Field(16, ge=0, description="best own drafts remembered")
    imitation_rows: int = Field(2, ge=0, description="remembered drafts a minibatch")
    length_soft: float = Field(0.85, gt=0, le=1, description="share of max_tokens where the length penalty starts")
    length_penalty: float = Field(0.5, ge=0, description="reward taken at max_tokens, growing linearly")
    average: float = Field(0.95, ge=0, lt=1, description="decay of the weight average that is measured; 0 turns it off")
    logit_scale_lr: float = Field(0.01, ge=0, description="learning rate of the scalar on the logits; 0 turns it off")
    logit_scale_max: float = Field(1.6, ge=1, description="largest total logit scale over one run")
    mismatch: float = Field(0.02, gt=0, description="largest mean |log p| gap of sampler and trainer, nats a token")
    guard_kl: float = Field(0.09, gt=0, description="roll back above this KL a token and 1.5 times that at the start")
    guard_kl_max: float = Field(
        0.25, gt=0, description="roll back above this KL a token, whatever it was at the start; at least guard_kl"
    )
    guard_truncation: float = Field(
        0.03, ge=0, description="roll back when truncation exceeds the best epoch's by this"
    )
    guard_validity: float = Field(0.12, gt=0, description="roll back when validity is below the best epoch's by this")
    guard_reward: float = Field(
        0.1, gt=0, description="roll back when the mean reward is below the best epoch's by this"
    )
    guard_duplicates: float = Field(0.2, gt=0, description="roll back when the duplicate rate exceeds this")
    guard_entropy: float = Field(0.4, gt=0, lt=1, description="roll back when entropy is below this share of the start")
    rollback_lr: float = Field(0.5, gt=0, le=1, description="factor on the learning rate after a roll-back")
    sampling: SamplingConfig = Field(SamplingConfig(), description="rollouts; temperature 1 keeps the ratio right")

    @model_validator(mode="after")
    def _on_policy(self) -> "RlConfig":
        if self.sampling.temperature != 1.0:
            raise ValueError("training rollouts are drawn at temperature 1, else the ratio is wrong")
        return self

    @model_validator(mode="after")
    def _kl_guards_in_order(self) -> "RlConfig":
        if self.guard_kl_max < self.guard_kl:
            raise ValueError(f"guard_kl_max {self.guard_kl_max} is below guard_kl {self.guard_kl}")
        return self
