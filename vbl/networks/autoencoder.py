"""From an image to a code at a quarter of its size, and from the code back: VDIR's three parts."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vbl.networks.network import Network, fine, keep_variance

SMALL = -6.0  # logarithm of a variance that hides nothing of a code
REDUCTION = 4  # pixels of the image for one of the code, along each side


def convolution(a: int, b: int) -> nn.Conv2d:
    """3 x 3, padded with zeros."""
    return nn.Conv2d(a, b, 3, padding=1)


class Encoder(Network):
    """Two numbers for each value of a code: a mean and the logarithm of a variance.

    At width 64 and three channels in it has the 154,120 parameters of VDIR's
    :cite:p:`soh2022vdir`.

    Args:
        channels: Of the image.
        width: Channels inside.
        code: Channels of the code.
        detail: It sees the image without its local mean, too, so many times as strong. It then
            starts with He's initialisation, and with small variances. Without any of the three it
            did not learn to see the quality of JPEG.
    """

    stride = REDUCTION
    # convolutions of 1, 2 and 3 at each scale, what is pooled, and the way back to full size
    receptive_radius = 28

    def __init__(self, channels: int = 3, width: int = 64, code: int = 4, detail: float = 0.0):
        super().__init__()
        self.in_channels, self.detail = channels, detail
        self.at_full = convolution(2 * channels if detail else channels, width)
        self.at_half = nn.ModuleList(convolution(width, width) for _ in range(2))
        self.at_quarter = nn.ModuleList(convolution(width, width) for _ in range(2))
        self.heads = convolution(width, 2 * code)
        if detail:
            self.receptive_radius += 3
            self.apply(keep_variance)
            nn.init.zeros_(self.heads.weight[code:])
            nn.init.constant_(self.heads.bias[code:], SMALL)

    def forward(self, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n h4 w4"]:
        """Means, then log-variances: (B, 2 code, ⌈H/4⌉, ⌈W/4⌉)."""
        y = torch.cat([y, self.detail * fine(y)], 1) if self.detail else y
        x = F.relu(F.max_pool2d(self.at_full(y), 2, ceil_mode=True))
        x = self.at_half[1](F.relu(self.at_half[0](x)))
        x = F.relu(F.max_pool2d(x, 2, ceil_mode=True))
        x = self.at_quarter[1](F.relu(self.at_quarter[0](x)))
        return self.heads(x)


class Decoder(Network):
    """The image that a code stands for.

    At width 64 and a code of four channels it has the 114,883 parameters of VDIR's.

    Args:
        channels: Of the image.
        width: Channels inside.
        code: Channels of the code.
    """

    def __init__(self, channels: int = 3, width: int = 64, code: int = 4):
        super().__init__()
        self.in_channels = code
        self.at_quarter = convolution(code, width)
        self.at_half = nn.ModuleList(convolution(width, width) for _ in range(2))
        self.at_full = nn.ModuleList([convolution(width, width), convolution(width, channels)])

    def forward(self, code: Float[Tensor, "b n h w"]) -> Float[Tensor, "b c h4 w4"]:
        """The mean of the image (B, channels, 4 h, 4 w)."""
        x = F.relu(F.interpolate(self.at_quarter(code), scale_factor=2))
        x = self.at_half[1](F.relu(self.at_half[0](x)))
        x = F.relu(F.interpolate(x, scale_factor=2))
        return self.at_full[1](F.relu(self.at_full[0](x)))


class Estimator(Network):
    """What is known of a degradation, read off a code by two convolutions.

    At width 64, a code of four channels and three numbers it has the 4,099 parameters of VDIR's.

    Args:
        code: Channels of the code.
        width: Channels inside.
        numbers: How many come out at every place of the code.
    """

    stride, receptive_radius = REDUCTION, 2 * REDUCTION

    def __init__(self, code: int = 4, width: int = 64, numbers: int = 3):
        super().__init__()
        self.in_channels = code
        self.first, self.second = convolution(code, width), convolution(width, numbers)

    def forward(self, code: Float[Tensor, "b n h w"]) -> Float[Tensor, "b m h w"]:
        """Numbers (B, numbers, h, w), unbounded."""
        return self.second(F.relu(self.first(code)))
