"""VDN: infer the clean image and the noise variance jointly, both with uncertainty.

Generative model (C values at each pixel i):

    y_i ~ N(z_i, σ_i²)      z_i ~ N(x_i, eps0²)      σ_i² ~ IG(p²/2 - 1, p² ξ_i/2)

with x the clean image of the training pair and ξ the local noise variance estimated from the pair,
the mode of σ²'s prior. Posterior, a mean field given y alone:

    q(z, σ² | y) = q(z | y) q(σ² | y)
    q(z_i | y) = N(μ_i, m_i²),          μ, log m² = DNet(y)
    q(σ_i² | y) = IG(α_i, β_i),         log α, log β = SNet(y)

Yue et al., "Variational denoising network: toward blind noise modeling and removal", NeurIPS 2019.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vbl.degradations import Degraded, local_variance
from vbl.models.model import FIRST_STD, Restoration, check_choices
from vbl.networks import Network, ResUNet, SigmaNet, UNet
from vbl.probability import (
    Elbo,
    expected_log_normal,
    inverse_gamma_mode,
    kl_inverse_gamma,
    kl_normal,
    per_image,
)

NETWORKS: dict[str, type[Network]] = {"UNet": UNet, "ResUNet": ResUNet}
LOG_RANGE = (math.log(1e-8), math.log(1e4))  # of m², α and β, as the authors clamp them


@dataclass(frozen=True)
class Config:
    """Constants of the model and sizes of its networks.

    Attributes:
        p: Side in pixels of the window in which ξ is estimated.
        window_std: Standard deviation of that window in pixels.
        eps0_sq: eps0², variance of z given x.
        xi: "filtered" estimates ξ from the pair, "true" takes the true variance of the noise, as
            the authors' synthetic training does.
        network: DNet, a key of `NETWORKS`: the authors' "UNet", or VIRNet's "ResUNet", which
            trains faster.
        widths: Channels of DNet at each scale.
        sigma_width: Hidden channels of SNet.
        sigma_depth: Convolutions of SNet.
        sigma_slope: Negative slope of its leaky ReLUs.

    Raises:
        ValueError: If `xi` or the network is unknown.
    """

    p: int = 7
    window_std: float = 3.0
    eps0_sq: float = 1e-6
    xi: str = "filtered"
    network: str = "UNet"
    widths: tuple[int, ...] = (64, 128, 256, 512)
    sigma_width: int = 64
    sigma_depth: int = 5
    sigma_slope: float = 0.2

    def __post_init__(self):
        check_choices(self, {"xi": ("filtered", "true"), "network": tuple(NETWORKS)})


@dataclass(frozen=True)
class Posterior:
    """q(z | y) q(σ² | y), every field (B, C, H, W).

    Attributes:
        mean: μ.
        var: m².
        shape: α.
        scale: β.
    """

    mean: Float[Tensor, "b c h w"]
    var: Float[Tensor, "b c h w"]
    shape: Float[Tensor, "b c h w"]
    scale: Float[Tensor, "b c h w"]


class VDN(nn.Module):
    """The network of the paper; 7,816,780 parameters by default."""

    def __init__(self, config: Config | None = None):
        super().__init__()
        self.config = c = config or Config()
        self.denoiser = NETWORKS[c.network](3, c.widths, out_channels=6)
        self.sigma = SigmaNet(3, c.sigma_width, c.sigma_depth, 6, slope=c.sigma_slope)
        self._start_near_the_prior()

    def _start_near_the_prior(self) -> None:
        """Initialise m² = eps0², and q(σ²) with the prior's shape and a mode of (25/255)²."""
        with torch.no_grad():
            self.denoiser.tail.bias[3:] = math.log(self.config.eps0_sq)
            shape = self.prior_shape
            bias = self.sigma.convolutions[-1].bias
            bias[:3] = math.log(shape)
            bias[3:] = math.log((shape + 1) * FIRST_STD**2)

    @property
    def prior_shape(self) -> float:
        """p²/2 - 1."""
        return self.config.p**2 / 2 - 1

    def objectives(self) -> dict[str, dict[str, nn.Module]]:
        """Objective -> {name: network that it trains}; see `vbl.training.fit`."""
        return {"bound": {"restorer": self.denoiser, "sigma": self.sigma}}

    # 1. Generative model

    def xi(self, batch: Degraded) -> Float[Tensor, "b c h w"]:
        """ξ, the mode of the prior of σ²."""
        if self.config.xi == "true":
            return batch.noise_var.clamp_min(1e-10).expand_as(batch.y)
        return local_variance(batch.y, batch.x, self.config.p, self.config.window_std, shared=False)

    # 2. Posterior

    def posterior(self, y: Float[Tensor, "b c h w"]) -> Posterior:
        """q(z | y) q(σ² | y) of noisy images."""
        noise, log_var = self.denoiser(y).split(3, 1)
        log_shape, log_scale = self.sigma(y).clamp(*LOG_RANGE).split(3, 1)
        var = log_var.clamp(*LOG_RANGE).exp()
        return Posterior(y - noise, var, log_shape.exp(), log_scale.exp())

    # 3. ELBO

    def bound(self, batch: Degraded, q: Posterior) -> Elbo:
        """L = E log p(y | z, σ²) - KL_z - KL_σ, all in closed form, :eq:`eq-vdn-bound`."""
        prior_scale = (self.prior_shape + 1) * self.xi(batch)
        log_likelihood = expected_log_normal(batch.y, q.mean, q.var, q.shape, q.scale)
        kl_z = kl_normal(q.mean, q.var, batch.x, self.config.eps0_sq)
        kl_sigma = kl_inverse_gamma(q.shape, q.scale, self.prior_shape, prior_scale)
        return Elbo(
            {"noisy image": per_image(log_likelihood)},
            {"clean image": per_image(kl_z), "noise variance": per_image(kl_sigma)},
        )

    def forward(self, batch: Degraded, *, generator: torch.Generator | None = None) -> Elbo:
        """The bound of a batch of pairs, in nats per image; nothing is sampled."""
        return self.bound(batch, self.posterior(batch.y))

    # 4. Restoration

    def restore(self, y: Float[Tensor, "b c h w"]) -> Restoration:
        """The posterior mean of z, and the mode of σ² as a standard deviation."""
        q = self.posterior(y)
        return Restoration(q.mean, noise_std=inverse_gamma_mode(q.shape, q.scale).sqrt())
