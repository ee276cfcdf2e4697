"""Photon counting, a model with a posterior and an evidence in closed form.

A pixel of brightness x sends y photons, with a Gamma prior on the brightness:

    x ~ Gamma(a, b)          y | x ~ Poisson(P x)

with P the photons expected at x = 1. The posterior is Gamma(a + y, b + P), the evidence a negative
binomial, so that bound, gap and amortisation can be compared with exact values. The five systems of
the book have the same four sections as this file.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Gamma

from vbl.probability import Elbo, kl_inverse_gamma, per_image


@dataclass(frozen=True)
class Config:
    """Constants of the model and size of the network.

    Attributes:
        photons: P, photons expected at brightness 1.
        prior_shape: a > 0 of the prior Gamma(a, b).
        prior_rate: b > 0; the prior's mean is a/b.
        width: Hidden units of the amortised posterior.

    Raises:
        ValueError: If one of them is not positive and finite.
    """

    photons: float = 20.0
    prior_shape: float = 2.0
    prior_rate: float = 4.0
    width: int = 16

    def __post_init__(self):
        for name, value in vars(self).items():
            if not 0 < value < math.inf:
                raise ValueError(f"{name}: expected a positive finite number, got {value}")


class PhotonModel(nn.Module):
    """Poisson counts, a Gamma prior, and a network for the posterior of each pixel."""

    def __init__(self, config: Config | None = None):
        super().__init__()
        self.config = config or Config()
        width = self.config.width
        self.network = nn.Sequential(
            nn.Conv2d(1, width, 1), nn.Tanh(), nn.Conv2d(width, width, 1), nn.Tanh(),
            nn.Conv2d(width, 2, 1),
        )  # fmt: skip

    # 1. Generative model

    def sample(
        self, size: tuple[int, int, int, int], *, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "b 1 h w"], Float[Tensor, "b 1 h w"]]:
        """Draw brightness x and counts y, both (B, 1, H, W), from the model."""
        device = generator.device if generator else None
        shape = torch.full(size, float(self.config.prior_shape), device=device)
        x = torch._standard_gamma(shape, generator=generator) / self.config.prior_rate
        return x, torch.poisson(self.config.photons * x, generator=generator)

    def log_evidence(self, y: Float[Tensor, "b 1 h w"]) -> Float[Tensor, " b"]:
        """log p(y) per image, :eq:`eq-photon-evidence`: a negative binomial at every pixel."""
        a, b, p = self.config.prior_shape, self.config.prior_rate, self.config.photons
        a, b, p = (torch.as_tensor(v, dtype=y.dtype, device=y.device) for v in (a, b, p))
        combinations = (a + y).lgamma() - a.lgamma() - (y + 1).lgamma()
        return per_image(combinations + a * (b / (b + p)).log() + y * (p / (b + p)).log())

    # 2. Posterior

    def exact_posterior(self, y: Float[Tensor, "b 1 h w"]) -> Gamma:
        """p(x | y) = Gamma(a + y, b + P), :eq:`eq-photon-posterior`."""
        rate = self.config.prior_rate + self.config.photons
        return Gamma(self.config.prior_shape + y, torch.full_like(y, rate))

    def posterior(self, y: Float[Tensor, "b 1 h w"]) -> Gamma:
        """q(x | y), one Gamma for each pixel: the network outputs log shape and log rate."""
        log_shape, log_rate = self.network((1 + y).log()).split(1, dim=1)
        return Gamma(log_shape.exp(), log_rate.exp())

    # 3. ELBO

    def bound(self, y: Float[Tensor, "b 1 h w"], q: Gamma) -> Elbo:
        """The bound of any Gamma posterior, in closed form, :eq:`eq-photon-bound`."""
        p, a, b = self.config.photons, self.config.prior_shape, self.config.prior_rate
        expected_log = q.concentration.digamma() - q.rate.log()
        log_likelihood = y * (expected_log + torch.log(y.new_tensor(p)))
        log_likelihood = log_likelihood - p * q.mean - (y + 1).lgamma()
        # x → 1/x is one-to-one, so the KL of Gammas is that of the inverse Gammas.
        kl = kl_inverse_gamma(q.concentration, q.rate, a, b)
        return Elbo({"counts": per_image(log_likelihood)}, {"brightness": per_image(kl)})

    def forward(self, y: Float[Tensor, "b 1 h w"]) -> Elbo:
        """The bound of the network's own posterior."""
        return self.bound(y, self.posterior(y))

    # 4. Restoration

    def restore(self, y: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
        """The posterior mean of the brightness."""
        return self.posterior(y).mean
