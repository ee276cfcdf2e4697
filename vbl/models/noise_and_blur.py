"""The posterior of noise and blur in VIRNet's super-resolution, one per image."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from vbl.probability import rsample_inverse_gamma
from vbl.utils import randn_like

LARGEST_RHO = 0.999  # keeps the covariance of the kernel regular, also for samples of ρ


@dataclass(frozen=True)
class Inferred:
    """q(σ² | y) and q(Λ | y), one of each per image.

    Attributes:
        mode: β of q(σ² | y), (B, 1, 1, 1).
        eta: η, the modes of q(λ_l² | y), (B, 2), in pixels² of z.
        rho: m, the mean of q(ρ | y), (B, 1).
        kappa: Shape + 1 of q(λ_l² | y), (B, 2).
        spread: The variance of q(ρ | y), (B, 1).
    """

    mode: Float[Tensor, "b 1 1 1"]
    eta: Float[Tensor, "b 2"]
    rho: Float[Tensor, "b 1"]
    kappa: Float[Tensor, "b 2"]
    spread: Float[Tensor, "b 1"]

    def detach(self) -> "Inferred":
        """A copy with all parameters detached."""
        return Inferred(**{name: value.detach() for name, value in vars(self).items()})

    @property
    def mean(self) -> Float[Tensor, "b 2"]:
        """The mean of q(λ_l² | y), for kappa > 2."""
        return self.kappa * self.eta / (self.kappa - 2)

    def detach_location(self) -> "Inferred":
        """A copy with E[λ²] and m detached: the loss is backpropagated to the widths only."""
        eta = self.mean.detach() * (self.kappa - 2) / self.kappa
        return replace(self, eta=eta, rho=self.rho.detach())

    def with_prior_width(self, kappa0: float, r0_sq: float) -> "Inferred":
        """A copy with the same means of λ² and ρ, and the prior's kappa0 and r0²."""
        kappa = torch.full_like(self.kappa, kappa0)
        spread = torch.full_like(self.spread, r0_sq)
        return replace(self, eta=self.mean, kappa=kappa, spread=spread)

    def draw(
        self, *, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "b 2"], Float[Tensor, "b 1"]]:
        """Sample λ² and ρ from q(Λ | y), with pathwise gradients."""
        lambda_sq = rsample_inverse_gamma(
            self.kappa - 1, self.kappa * self.eta, generator=generator
        )
        rho = self.rho + self.spread.sqrt() * randn_like(self.rho, generator=generator)
        return lambda_sq, rho.clamp(-LARGEST_RHO, LARGEST_RHO)
