"""A Gaussian posterior or prior of latents, whose means and log-variances a network computes."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vbl.probability import kl_normal
from vbl.utils import randn_like

LOG_VARIANCE = (-14.0, 4.0)  # clamp of the latents' log-variances


@dataclass(frozen=True)
class Gaussian:
    """N(mean, diag var), both of shape (B, n, h, w)."""

    mean: Float[Tensor, "b n h w"]
    var: Float[Tensor, "b n h w"]

    def draw(self, *, generator: torch.Generator | None = None) -> Float[Tensor, "b n h w"]:
        """A sample, with pathwise gradients."""
        return self.mean + self.var.sqrt() * randn_like(self.mean, generator=generator)

    def kl(self, p: "Gaussian") -> Float[Tensor, "b n h w"]:
        """KL(self || p) of each entry, in nats."""
        return kl_normal(self.mean, self.var, p.mean, p.var)


def gaussian(numbers: Float[Tensor, "b m h w"]) -> Gaussian:
    """N(mean, diag var) from means and log-variances, stacked as channels."""
    mean, log_var = numbers.chunk(2, 1)
    return Gaussian(mean, log_var.clamp(*LOG_VARIANCE).exp())
