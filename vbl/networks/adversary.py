"""The discriminator of VDIR's adversarial loss."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from vbl.networks.network import Network


class Discriminator(Network):
    """Ten convolutions with spectral normalisation, every second one of stride 2.

    At width 64 it has VDIR's 9,409,601 parameters :cite:p:`soh2022vdir`.

    Args:
        channels: Channels of the image.
        width: Channels of the first convolutions; the last have eight times as many.
    """

    def __init__(self, channels: int = 3, width: int = 64):
        super().__init__()
        self.in_channels = channels
        widths = [channels, *(factor * width for factor in (1, 1, 2, 2, 4, 4, 8, 8, 8, 8))]
        self.convolutions = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 3, stride=1 + number % 2, padding=1))
            for number, (a, b) in enumerate(pairwise(widths))
        )
        self.tail = spectral_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h32 w32"]:
        """Logits of being real, one for each patch of 32 pixels: (B, 1, ⌈H/32⌉, ⌈W/32⌉)."""
        for layer in self.convolutions:
            y = F.leaky_relu(layer(y), 0.2)
        return self.tail(y)
