"""A minimal mean-field model: the brightness of a star and of the sky from two photon counts.

Photons from a patch of sky with a star come from the star or the sky; from a patch beside it, from
the sky alone:

    x ~ Gamma(a, b),   w ~ Gamma(a, b)          brightness of the star and of the sky
    y ~ Poisson(P (x + w)),   u ~ Poisson(P w)  counts on the star and off it

Given the counts, x and w are dependent: the larger one, the smaller the other. The latent n is the
number of the star's photons among the y.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Gamma

from vbl.probability import Elbo, kl_inverse_gamma


@dataclass(frozen=True)
class Config:
    """Constants of the model.

    Attributes:
        photons: P, photons expected at brightness 1.
        prior_shape: a >= 1 of both priors Gamma(a, b).
        prior_rate: b > 0 of both priors.

    Raises:
        ValueError: If one of them is out of its range.
    """

    photons: float = 10.0
    prior_shape: float = 1.5
    prior_rate: float = 1.0

    def __post_init__(self):
        if not (self.photons > 0 and self.prior_shape >= 1 and self.prior_rate > 0):
            raise ValueError(f"expected photons > 0, prior_shape >= 1, prior_rate > 0, got {self}")


@dataclass(frozen=True)
class OnOffModel:
    """The model for one pair of counts (y, u), in float64."""

    y: int
    u: int
    config: Config = Config()

    # 1. Generative model

    def log_joint(self, x: Float[Tensor, "*b"], w: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """log p(y, u, x, w)."""
        c = self.config
        prior = Gamma(torch.tensor(c.prior_shape).double(), torch.tensor(c.prior_rate).double())
        on = _log_poisson(self.y, c.photons * (x + w))
        return prior.log_prob(x) + prior.log_prob(w) + on + _log_poisson(self.u, c.photons * w)

    def grid(self, points: int = 400) -> tuple[Tensor, Tensor, Tensor]:
        """Gauss-Legendre points x, w (points, points) and weights for integrals over both.

        The grid covers a square [0, t]² outside of which the posterior's mass is negligible.
        """
        c = self.config
        most = self.y + self.u + c.prior_shape
        top = (most + 10 * math.sqrt(most) + 10) / (c.photons + c.prior_rate)
        nodes, weights = np.polynomial.legendre.leggauss(points)
        t = torch.from_numpy((nodes + 1) * top / 2)
        weight = torch.from_numpy(weights * top / 2)
        x, w = torch.meshgrid(t, t, indexing="xy")
        return x, w, torch.outer(weight, weight)

    def log_evidence(self) -> Tensor:
        """log p(y, u) by quadrature over x and w."""
        x, w, weight = self.grid()
        return (self.log_joint(x, w) + weight.log()).flatten().logsumexp(0)

    # 2. Posterior

    def update(self, q_x: Gamma, q_w: Gamma) -> tuple[Gamma, Gamma]:
        """One round of coordinate ascent: q(n), then q(x) and q(w), each at its optimum."""
        share = self._share(_mean_log(q_x), _mean_log(q_w))
        return self._gammas(share)

    def start(self) -> tuple[Gamma, Gamma]:
        """Initial q(x) and q(w), for q(n) = Binomial(y, ½)."""
        return self._gammas(torch.tensor(0.5).double())

    def _gammas(self, share: Tensor) -> tuple[Gamma, Gamma]:
        c = self.config
        rate = torch.tensor(c.prior_rate + c.photons).double()
        q_x = Gamma(c.prior_shape + self.y * share, rate)
        return q_x, Gamma(c.prior_shape + self.y * (1 - share) + self.u, rate + c.photons)

    @staticmethod
    def _share(log_x: Tensor, log_w: Tensor) -> Tensor:
        """The expected share of the star in the y photons: q(n) = Binomial(y, share)."""
        return torch.sigmoid(log_x - log_w)

    # 3. ELBO

    def bound(self, q_x: Gamma, q_w: Gamma) -> Elbo:
        """The bound of q(x) q(w) q(n) with the optimal q(n), :eq:`eq-on-off-bound`."""
        c, log_x, log_w = self.config, _mean_log(q_x), _mean_log(q_w)
        log_p = math.log(c.photons)
        on = self.y * (torch.logaddexp(log_x, log_w) + log_p) - c.photons * (q_x.mean + q_w.mean)
        off = self.u * (log_w + log_p) - c.photons * q_w.mean
        likelihood = {
            "on the star": on - math.lgamma(self.y + 1),
            "off the star": off - math.lgamma(self.u + 1),
        }
        kl = {
            name: kl_inverse_gamma(q.concentration, q.rate, c.prior_shape, c.prior_rate)
            for name, q in (("star", q_x), ("sky", q_w))
        }
        as_batch = [{k: v.view(1) for k, v in terms.items()} for terms in (likelihood, kl)]
        return Elbo(*as_batch)

    # 4. Point estimates

    def em(self, steps: int) -> list[tuple[float, float]]:
        """Expectation maximisation: q(n) as in `update`, point estimates instead of q(x), q(w).

        Returns:
            (x, w) after each of the steps; they converge to a maximum of p(x, w | y, u).
        """
        c, share, path = self.config, torch.tensor(0.5).double(), []
        for _ in range(steps):
            x = (c.prior_shape - 1 + self.y * share) / (c.prior_rate + c.photons)
            w = c.prior_shape - 1 + self.y * (1 - share) + self.u
            w = w / (c.prior_rate + 2 * c.photons)
            path.append((x.item(), w.item()))
            share = self._share(x.log(), w.log())
        return path


def _mean_log(q: Gamma) -> Tensor:
    return q.concentration.digamma() - q.rate.log()


def _log_poisson(count: int, mean: Tensor) -> Tensor:
    return count * mean.log() - mean - math.lgamma(count + 1)
