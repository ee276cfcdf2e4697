"""A model of your own, with its bound: bands whose offsets are latent variables.

Generative model of a picture with bands, given the clean one, one offset o for each row:

    y = x + o(row) + s n,    o ~ N(0, r²),    n ~ N(0, 1);    q(o | y) = N(m(y), v(y))

    log p(y | x) >= E_q log N(y; x + o, s²) - KL(q(o | y) || p(o))
"""

import math
from dataclasses import dataclass

import torch
from torch import nn

from vbl.models import Restoration
from vbl.networks import Network
from vbl.probability import Elbo, kl_normal, per_image


@dataclass(frozen=True)
class Config:
    """s, r, and the channels of the network."""

    std: float = 0.02
    band_std: float = 0.06
    width: int = 16


class Rows(Network):
    """From images (B, C, H, W) to two numbers for each row, (B, 2, H)."""

    def __init__(self, width):
        super().__init__()
        self.in_channels = 1
        pairs = ((1, width), (width, width), (width, width))
        convolutions = [nn.Conv2d(*pair, (9, 3), padding=(4, 1)) for pair in pairs]
        self.features = nn.Sequential(*(m for c in convolutions for m in (c, nn.ReLU())))
        self.head = nn.Conv1d(width, 2, 9, padding=4)

    def forward(self, y):
        return self.head(self.features(y.mean(1, keepdim=True)).mean(-1))


class Bands(nn.Module):
    """Infers the offsets of the rows and subtracts their means."""

    def __init__(self, config=None):
        super().__init__()
        self.config = config or Config()
        self.rows = Rows(self.config.width)

    def objectives(self):
        return {"bound": {"rows": self.rows}}

    def posterior(self, y):
        """q(o | y): means and variances, (B, H)."""
        mean, log_var = self.rows(y).unbind(1)
        return 0.1 * mean, (log_var.clamp(-8, 8) - 8).exp()

    def elbo(self, batch, mean, var):
        """The bound for given q, exactly: E (y - x - o)² = (y - x - m)² + v."""
        s_sq = self.config.std**2
        m, v = mean[:, None, :, None], var[:, None, :, None]
        error_sq = (batch.y - batch.x - m).square() + v
        log_p = -0.5 * (math.log(2 * math.pi * s_sq) + error_sq / s_sq)
        prior = torch.zeros_like(mean), torch.full_like(mean, self.config.band_std**2)
        return Elbo({"y": per_image(log_p)}, {"offsets": per_image(kl_normal(mean, var, *prior))})

    def forward(self, batch, *, generator=None):
        return self.elbo(batch, *self.posterior(batch.y))

    def restore(self, y):
        mean, _ = self.posterior(y)
        return Restoration(y - mean[:, None, :, None])
