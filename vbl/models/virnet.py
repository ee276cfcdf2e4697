"""VIRNet: infer the noise variance, then restore, conditioned on it.

Generative model (C values at each pixel i; the variance map has C channels or one for all):

    y_i ~ N(z_i, σ_i²)      z_i ~ N(x_i, eps0²)      σ_i² ~ IG(alpha0 - 1, alpha0 ξ_i)

with x the clean image of the training pair and ξ the local noise variance estimated from the pair,
the mode of σ²'s prior. Posterior, given y alone:

    q(σ², z | y) = q(σ² | y) q(z | y, σ²)
    q(σ_i² | y) = IG(alpha0 - 1, alpha0 β_i),   β = SNet(y)
    q(z_i | y, σ²) = N(μ_i, eps0²),             μ = RNet(y, √β)

Yue et al., "Deep variational network toward blind image restoration", Eq. (2)-(5), (12)-(22).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vbl.degradations import Degraded, local_variance
from vbl.models.model import FIRST_STD, LOG_VARIANCE, Restoration, check_choices
from vbl.networks import ResUNet, SigmaNet
from vbl.probability import (
    Elbo,
    expected_log_normal,
    kl_inverse_gamma,
    per_image,
    rsample_inverse_gamma,
)
from vbl.utils import randn_like


@dataclass(frozen=True)
class Config:
    """Constants of the model, choices of its training, sizes of its networks.

    Attributes:
        p: Side in pixels of the window in which ξ is estimated; alpha0 = p²/2.
        window_std: Standard deviation of that window in pixels.
        eps0_sq: eps0², variance of z given x.
        map_channels: 3 for one variance per colour, 1 for a shared one.
        xi: "filtered" estimates ξ from the pair (Eq. 5), "true" takes the true variance of the
            noise, as the authors' synthetic training does.
        conditioning: What RNet is conditioned on beside y: the "mode" √β, a "sample" of σ from
            q(σ² | y), which makes q(z | y, σ²) a true conditional, or "nothing".
        gradient: "stop" detaches this input, so that SNet is trained by its own terms only; with
            "flow", as in the authors' code, KL_z is backpropagated through it into SNet, with
            gradients many times larger.
        likelihood: "exact" (σ² and z integrated out) or "monte carlo" (Eq. 20, one sample of each).
        sigma_width: Hidden channels of SNet.
        sigma_depth: Convolutions of SNet.
        sigma_slope: Negative slope of its leaky ReLUs.
        widths: Channels of RNet at each scale.
        blocks: Residual blocks of RNet, one number or one per scale.

    Raises:
        ValueError: If a choice is unknown, or "sample" is combined with the "exact" likelihood,
            which holds only if μ does not depend on σ².
    """

    p: int = 7
    window_std: float = 1.4
    eps0_sq: float = 1e-6
    map_channels: int = 1
    xi: str = "filtered"
    conditioning: str = "mode"
    gradient: str = "stop"
    likelihood: str = "exact"
    sigma_width: int = 64
    sigma_depth: int = 5
    sigma_slope: float = 0.25
    widths: tuple[int, ...] = (96, 192, 288)
    blocks: int | tuple[int, ...] = 3

    def __post_init__(self):
        choices = {
            "map_channels": (1, 3),
            "xi": ("filtered", "true"),
            "conditioning": ("mode", "sample", "nothing"),
            "gradient": ("stop", "flow"),
            "likelihood": ("exact", "monte carlo"),
        }
        check_choices(self, choices)
        if self.conditioning == "sample" and self.likelihood == "exact":
            raise ValueError("likelihood: a sampled σ needs 'monte carlo', got 'exact'")

    @property
    def alpha0(self) -> float:
        """p²/2, the noise prior's shape plus 1."""
        return self.p**2 / 2


@dataclass(frozen=True)
class Posterior:
    """q(σ², z | y).

    Attributes:
        mean: μ of q(z | y, σ²), (B, C, H, W).
        mode: β of q(σ² | y), (B, 1 or C, H, W).
        draw: The sample of σ² that RNet was conditioned on, else None.
    """

    mean: Float[Tensor, "b c h w"]
    mode: Float[Tensor, "b n h w"]
    draw: Tensor | None = None


class VIRNet(nn.Module):
    """The denoising network of the paper, by default that of its synthetic experiments."""

    def __init__(self, config: Config | None = None):
        super().__init__()
        self.config = c = config or Config()
        first = 2 * math.log(FIRST_STD)
        sizes = c.sigma_width, c.sigma_depth, c.map_channels
        self.sigma = SigmaNet(3, *sizes, first=first, slope=c.sigma_slope)
        extra = 0 if c.conditioning == "nothing" else c.map_channels
        self.restorer = ResUNet(3 + extra, c.widths, c.blocks)

    def objectives(self) -> dict[str, dict[str, nn.Module]]:
        """Objective -> {name: network that it trains}; see `vbl.training.fit`."""
        return {"bound": {"restorer": self.restorer, "sigma": self.sigma}}

    # 1. Generative model

    def xi(self, batch: Degraded) -> Float[Tensor, "b n h w"]:
        """ξ, the mode of the prior of σ², Eq. (5)."""
        if self.config.xi == "true":
            return batch.noise_var.clamp_min(1e-10).expand(-1, self.config.map_channels, -1, -1)
        shared = self.config.map_channels == 1
        window = self.config.p, self.config.window_std
        return local_variance(batch.y, batch.x, *window, shared=shared)

    # 2. Posterior

    def posterior(
        self, y: Float[Tensor, "b c h w"], *, generator: torch.Generator | None = None
    ) -> Posterior:
        """q(σ², z | y) of noisy images; `generator` is used only if σ² is sampled."""
        beta = self.sigma(y).clamp(*LOG_VARIANCE).exp()
        conditioning, draw = self.config.conditioning, None
        if conditioning == "nothing":
            return Posterior(y + self.restorer(y), beta)
        if conditioning == "sample":
            shape = torch.full_like(beta, self.config.alpha0 - 1)
            draw = rsample_inverse_gamma(shape, self.config.alpha0 * beta, generator=generator)
        std = (beta if draw is None else draw).sqrt()
        if self.config.gradient == "stop":
            std = std.detach()
        return Posterior(y + self.restorer(torch.cat([y, std], 1)), beta, draw)

    # 3. ELBO

    def bound(
        self, batch: Degraded, q: Posterior, *, generator: torch.Generator | None = None
    ) -> Elbo:
        """L = E log p(y | z, σ²) - KL_z - KL_σ, :eq:`eq-virnet-bound`; Eq. (18)."""
        alpha0, eps0_sq, xi = self.config.alpha0, self.config.eps0_sq, self.xi(batch)
        if self.config.likelihood == "exact":
            shape, scale = alpha0 - 1, alpha0 * q.mode
            log_likelihood = expected_log_normal(batch.y, q.mean, eps0_sq, shape, scale)
        else:
            log_likelihood = self._drawn_log_likelihood(batch.y, q, generator)
        kl_z = (q.mean - batch.x).square() / (2 * eps0_sq)  # Eq. (21): equal variances
        # Eq. (22) with the factor alpha0 - 1: the paper prints alpha0, see the errata
        kl_sigma = kl_inverse_gamma(alpha0 - 1, alpha0 * q.mode, alpha0 - 1, alpha0 * xi)
        return Elbo(
            {"noisy image": per_image(log_likelihood)},
            {"clean image": per_image(kl_z), "noise variance": per_image(kl_sigma)},
        )

    def _drawn_log_likelihood(
        self, y: Tensor, q: Posterior, generator: torch.Generator | None
    ) -> Tensor:
        """Eq. (20), by one sample of z and σ²; with log σ² where the paper prints log σ."""
        var = q.draw
        if var is None:
            shape = torch.full_like(q.mode, self.config.alpha0 - 1)
            var = rsample_inverse_gamma(shape, self.config.alpha0 * q.mode, generator=generator)
        noise = randn_like(y, generator=generator)
        z = q.mean + math.sqrt(self.config.eps0_sq) * noise
        return -0.5 * ((2 * math.pi * var).log() + (y - z).square() / var)

    def forward(self, batch: Degraded, *, generator: torch.Generator | None = None) -> Elbo:
        """The bound of a batch of pairs, in nats per image."""
        q = self.posterior(batch.y, generator=generator)
        return self.bound(batch, q, generator=generator)

    # 4. Restoration

    def restore(
        self, y: Float[Tensor, "b c h w"], *, generator: torch.Generator | None = None
    ) -> Restoration:
        """The posterior mean of z, and √β from the mode of the noise variance."""
        q = self.posterior(y, generator=generator)
        return Restoration(q.mean, noise_std=q.mode.sqrt())
