"""Learning to denoise from noisy pictures alone, in the manner of Noise2Void.

A few pixels are replaced by neighbours, and the network is asked for what was there. It cannot copy
the noise there unless its neighbours know it: so it answers with the mean, if noise is independent
from pixel to pixel and has the mean zero (Krull, Buchholz and Jug, "Noise2Void: learning denoising
from single noisy images", CVPR 2019).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from vbl.degradations import Degraded
from vbl.models import Supervised
from vbl.probability import Elbo, per_image

SHARE = 1 / 16  # of the pixels are hidden; the paper hides 64 of 64 x 64, and learns longer
REACH = 2  # of the window that the other value is from, in pixels


def hidden(
    y: Float[Tensor, "b c h w"], *, generator: torch.Generator | None = None
) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b 1 h w"]]:
    """Images in which a few pixels have the values of neighbours, and which these are (0 or 1)."""
    b, _, h, w = y.shape
    spots = torch.rand((b, 1, h, w), generator=generator, device=y.device) < SHARE
    width = 2 * REACH + 1
    which = torch.randint(width**2 - 1, (b, 1, h, w), generator=generator, device=y.device)
    which = which + (which >= width**2 // 2).long()  # not the pixel itself, but by reflection
    windows = F.unfold(F.pad(y, (REACH,) * 4, mode="reflect"), width)
    windows = windows.view(b, y.shape[1], width**2, h, w)
    other = windows.gather(2, which.unsqueeze(1).expand(-1, y.shape[1], -1, -1, -1)).squeeze(2)
    return torch.where(spots, other, y), spots.to(y)


class BlindSpots(Supervised):
    """A restorer that is trained on noisy pictures, by least squares at hidden pixels."""

    def forward(self, batch: Degraded, *, generator: torch.Generator | None = None) -> Elbo:
        """Log-likelihood of the hidden pixels, up to a constant, in nats per image.

        Args:
            batch: Noisy pictures `y`; `x` is not used.
            generator: Of the pixels that are hidden.
        """
        seen, spots = hidden(batch.y, generator=generator)
        error_sq = (batch.y - self.mean(seen)).square() * spots / SHARE
        return Elbo({"hidden pixels": per_image(-error_sq / (2 * self.config.eps0_sq))}, {})
