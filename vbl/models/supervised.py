"""Supervised learning from pairs, the baseline of every chapter.

The clean image is the network's output plus Gaussian noise of fixed variance:

    x | y ~ N(y + f(y), eps0² I)

Its log-likelihood is -‖x - y - f(y)‖²/(2 eps0²) up to a constant: to maximise it is to minimise the
mean squared error at the loss scale 1/(2 eps0²). With VIRNet's eps0² this is -KL_z, the term of
VIRNet's bound that trains its restorer: so the baseline is VIRNet without its noise model.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vbl.degradations import Degraded
from vbl.models.model import Restoration, check_choices
from vbl.networks import DnCNN, FFDNet, Network, ResUNet
from vbl.probability import Elbo, per_image

NETWORKS: dict[str, type[Network]] = {"ResUNet": ResUNet, "DnCNN": DnCNN, "FFDNet": FFDNet}


@dataclass(frozen=True)
class Config:
    """Constants of the model and its network.

    Attributes:
        network: A key of `NETWORKS`.
        options: Arguments of the network.
        eps0_sq: Variance of the clean image around the network's output; sets the loss scale.
        levels: Values of the pictures to restore that were 0 and 1 in training; other than (0, 1)
            for deep pictures that use a small part of their range.

    Raises:
        ValueError: If the network is unknown, `eps0_sq` is not positive or the levels do not rise.
    """

    network: str = "ResUNet"
    options: Mapping[str, Any] = field(default_factory=dict)
    eps0_sq: float = 1e-6
    levels: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self):
        check_choices(self, {"network": tuple(NETWORKS)})
        if not self.eps0_sq > 0:
            raise ValueError(f"eps0_sq: expected a positive variance, got {self.eps0_sq}")
        if not self.levels[0] < self.levels[1]:
            raise ValueError(f"levels: expected two rising values, got {self.levels}")


class Supervised(nn.Module):
    """A restorer trained on pairs by least squares; FFDNet has the noise level as an input."""

    def __init__(self, config: Config | None = None):
        super().__init__()
        self.config = config or Config()
        self.restorer = NETWORKS[self.config.network](**self.config.options)

    def objectives(self) -> dict[str, dict[str, nn.Module]]:
        """Objective -> {name: network that it trains}; see `vbl.training.fit`."""
        return {"bound": {"restorer": self.restorer}}

    # 1. Generative model

    def mean(
        self, y: Float[Tensor, "b c h w"], noise_std: Float[Tensor, "..."] | None = None
    ) -> Float[Tensor, "b c h w"]:
        """E[x | y] = y + f(y).

        Args:
            y: Degraded images.
            noise_std: Standard deviation of their noise, for a network that has it as an input;
                anything that expands to (B, 1, H, W).

        Raises:
            ValueError: If the network needs the noise level and it is not given.
        """
        if not self.restorer.needs_noise_level:
            return y + self.restorer(y)
        if noise_std is None:
            raise ValueError(f"{self.config.network} must be told the noise level: give noise_std")
        return y + self.restorer(y, noise_std.to(y).expand(len(y), 1, *y.shape[-2:]))

    # 3. Log-likelihood (there is no latent variable, hence no posterior and no KL)

    def forward(self, batch: Degraded, *, generator: torch.Generator | None = None) -> Elbo:
        """log p(x | y), in nats per image.

        Args:
            batch: Pairs; `noise_var` is used only by a network that has the level as an input.
            generator: Not used: nothing is sampled.
        """
        std = batch.noise_var.sqrt() if self.restorer.needs_noise_level else None
        error_sq = (batch.x - self.mean(batch.y, std)).square()
        eps0_sq = self.config.eps0_sq
        log_density = -0.5 * (math.log(2 * math.pi * eps0_sq) + error_sq / eps0_sq)
        return Elbo({"clean image": per_image(log_density)}, {})

    # 4. Restoration

    def restore(
        self, y: Float[Tensor, "b c h w"], noise_std: Float[Tensor, "..."] | None = None
    ) -> Restoration:
        """The `mean` of degraded images (B, C, H, W) of any size, on the levels of training."""
        low, high = self.config.levels
        if (low, high) == (0, 1):
            return Restoration(self.mean(y, noise_std))
        room = high - low
        told = None if noise_std is None else noise_std / room
        return Restoration(low + room * self.mean((y - low) / room, told))
