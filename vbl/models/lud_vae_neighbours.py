"""LUD-VAE with a posterior that is correlated between neighbouring latents.

The model is `vbl.models.lud_vae`'s; the posterior of the latents of the noise differs:

    q(z_n^l | z_n^{<l}, z, y) = N(μ_q^l, S L Lᵀ S),      S² = diag ς_q^l

In the paper L = I: the entries of the latents are independent given the image. If the decoder
filters white latents to correlated noise, they are dependent under the exact posterior, and the
bound of an independent q is biased to whiter noise. Here L is a unit triangular convolution, one
for each level; samples and divergences are still in closed form. An extension of the book.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vbl.models import lud_vae
from vbl.models.gaussian import Gaussian, gaussian
from vbl.models.lud_vae import LUDVAE
from vbl.networks import Neighbours
from vbl.probability import kl_normal
from vbl.utils import randn_like


@dataclass(frozen=True)
class Config(lud_vae.Config):
    """The configuration of LUD-VAE, and the radius of L.

    Attributes:
        neighbours: Radius of the convolution L; 0 is the paper's, L = I.

    Raises:
        ValueError: If a number is out of range.
    """

    neighbours: int = 0

    def __post_init__(self):
        super().__post_init__()
        if not self.neighbours >= 0:
            raise ValueError(f"neighbours: expected a number >= 0, got {self.neighbours}")


@dataclass(frozen=True)
class CorrelatedGaussian(Gaussian):
    """N(mean, S L Lᵀ S) with S² = diag var.

    Attributes:
        cholesky: L, the unit-triangular factor of the noise.
    """

    cholesky: Neighbours

    def draw(self, *, generator: torch.Generator | None = None) -> Float[Tensor, "b n hf wf"]:
        """A sample, with pathwise gradients."""
        noise = self.cholesky(randn_like(self.mean, generator=generator))
        return self.mean + self.var.sqrt() * noise

    def kl(self, p: Gaussian) -> Float[Tensor, "b n hf wf"]:
        """KL(self || p), in nats, for a p with independent entries; its sum is exact.

        The variances are var times the diagonal of L Lᵀ; log det(S L Lᵀ S) is the sum of log var.
        """
        gain = self.cholesky.gain(self.mean)
        return kl_normal(self.mean, self.var * gain, p.mean, p.var) + gain.log() / 2


class LUDVAENeighbours(LUDVAE):
    """LUD-VAE with a triangular factor of q(z_n | y, z) at each level."""

    def __init__(self, config: Config | None = None):
        super().__init__(config or Config())
        c = self.config
        if c.neighbours > 0:
            factors = (Neighbours(c.latent, c.neighbours) for _ in c.factors)
            self.noise.cholesky = nn.ModuleList(factors)

    # 2. Posterior

    def noise_posterior(self, level: int, numbers: Float[Tensor, "b m hf wf"]) -> Gaussian:
        """q(z_n^l | z_n^{<l}, z, y) from the noise encoder's outputs; `level` is l - 1, from 0."""
        q = gaussian(numbers)
        if self.config.neighbours == 0:
            return q
        return CorrelatedGaussian(q.mean, q.var, self.noise.cholesky[level])
