"""The variational autoencoder with TopK: a code is a sample around its pre-activation, and KL keeps it near a prior."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from narrative_dag.sae.architecture import ArchitectureConfig, Batch, GradientStep, Parameters
from narrative_dag.sae.largest import Largest, LargestConfig
from narrative_dag.sae.linear import product

if TYPE_CHECKING:
    import torch

_MEAN, _SHIFT, _FEATURES, _OUT = "posterior mean", "shift", "features", "gradient of log_deviation"


class VariationalConfig(LargestConfig):
    """Loss: mean squared error of the sample's reconstruction + 2 `noise_variance` / d * mean over rows of the KL.

    That is the negative evidence lower bound of Gaussian noise of this variance, times 2 `noise_variance` / d.
    """

    architecture: Literal["variational"] = Field(default="variational", description="name in the registry")
    noise_variance: float = Field(
        default=0.05, ge=0, description="of the likelihood, per dimension at unit variance: the weight of the KL"
    )


class Variational(Largest[VariationalConfig]):
    """TopK over samples of N(pre, s_j^2), prior N(0, 1) (vSAE; Baker and Li 2025, arXiv 2509.22994).

    The deviation s_j = exp(log_deviation_j) is learnt, one for each feature. The KL of a row is the sum of
    (pre^2 + s^2 - 1) / 2 - log s over the features that it keeps: the others have no code. Inference takes the mean:
    it is TopK's.
    """

    config_type: ClassVar[type[ArchitectureConfig]] = VariationalConfig

    def initial(self, d: int, seed: int, label_width: int = 0) -> Parameters:
        """As every architecture; deviations of exp(-1)."""
        import torch

        return super().initial(d, seed, label_width) | {"log_deviation": torch.full((self.config.k_features,), -1.0)}

    def reset(self, parameters: Parameters, features: "torch.Tensor", directions: "torch.Tensor", size: float) -> None:
        """As every architecture; the deviation starts anew."""
        super().reset(parameters, features, directions, size)
        parameters["log_deviation"][features] = -1.0

    def penalize_codes(
        self, codes: "torch.Tensor", code_gradients: "torch.Tensor", rows: int, buffers: Parameters, batch: Batch
    ) -> "torch.Tensor | None":
        """The KL; and the deviations' gradients, for which the samples' are needed."""
        import torch

        log_deviation, mean, shift = buffers["log_deviation"], buffers[_MEAN], buffers[_SHIFT]
        weight = 2.0 * self.config.noise_variance / (batch.x.shape[1] * rows)
        variance = (2.0 * log_deviation).exp()
        if _FEATURES in buffers:
            places = buffers[_FEATURES]
            counts = torch.bincount(places, minlength=len(variance)).to(variance.dtype)
            by_deviation = torch.bincount(places, code_gradients * shift, len(variance)).to(variance.dtype)
            squares = mean.square().sum()
        else:
            active = codes > 0
            counts = active.sum(0).to(variance.dtype)
            by_deviation = (code_gradients * shift * active).sum(0)
            squares = (mean.square() * active).sum()
        buffers[_OUT].copy_(by_deviation + weight * counts * (variance - 1.0))
        code_gradients.add_(mean, alpha=weight)
        return weight * (0.5 * squares + (counts * (0.5 * (variance - 1.0) - log_deviation)).sum())

    def gradients(
        self, parameters: Parameters, buffers: Parameters, batch: Batch, gradients: Parameters
    ) -> GradientStep:
        """As Linear's, on samples of the pre-activations."""
        import torch

        pre = product(batch.x, self.encoder(parameters).T, batch.dtype).add_(parameters["b_enc"])
        generator = torch.Generator(pre.device).manual_seed(batch.seed)
        noise = torch.randn(pre.shape, generator=generator, device=pre.device, dtype=pre.dtype)
        shift = noise.mul_(parameters["log_deviation"].exp())
        context = {**buffers, "log_deviation": parameters["log_deviation"], _OUT: gradients["log_deviation"]}
        sample = pre + shift
        codes = self._sparse_codes(sample, buffers, batch)
        if codes is None:
            context |= {_MEAN: pre, _SHIFT: shift}
            step, error = self._dense(parameters, context, batch, gradients, sample)
        else:
            features = torch.from_numpy(codes.features)
            rows = torch.repeat_interleave(torch.from_numpy(codes.starts).diff())
            context |= {_MEAN: pre[rows, features], _SHIFT: shift[rows, features], _FEATURES: features}
            step, error = self._sparse(parameters, context, batch, gradients, codes)
        if batch.dead is None or batch.aux_weight == 0:
            return step
        return step._replace(loss=step.loss + self._auxiliary(parameters, gradients, batch, pre, error, batch.dead))
