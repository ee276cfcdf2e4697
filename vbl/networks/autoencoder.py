"""VDIR's encoder, decoder and estimator; the code has a quarter of the image's height and width."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vbl.networks.network import Network, convolution, fine, keep_variance

SMALL = -6.0  # initial log-variance, small compared with the prior's 0
REDUCTION = 4  # height and width of the image over those of the code


class Encoder(Network):
    """Mean and log-variance of each value of a code.

    At width 64 and three input channels it has VDIR's 154,120 parameters :cite:p:`soh2022vdir`.

    Args:
        channels: Channels of the image.
        width: Hidden channels.
        code: Channels of the code.
        detail: If not 0, the image minus its local mean, times `detail`, is a further input, the
            weights have He's initialisation and the variances start small. Without any of the
            three the encoder did not learn the JPEG quality.
    """

    stride = REDUCTION
    receptive_radius = 28  # of the convolutions at the three scales and of the poolings

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
    """From a code to the mean of the image.

    At width 64 and a code of four channels it has VDIR's 114,883 parameters.

    Args:
        channels: Channels of the image.
        width: Hidden channels.
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
    """Estimates parameters of the degradation from a code, by two convolutions.

    At width 64, a code of four channels and three outputs it has VDIR's 4,099 parameters.

    Args:
        code: Channels of the code.
        width: Hidden channels.
        numbers: Output channels.
    """

    stride, receptive_radius = REDUCTION, 2 * REDUCTION

    def __init__(self, code: int = 4, width: int = 64, numbers: int = 3):
        super().__init__()
        self.in_channels = code
        self.first, self.second = convolution(code, width), convolution(width, numbers)

    def forward(self, code: Float[Tensor, "b n h w"]) -> Float[Tensor, "b m h w"]:
        """Estimates (B, numbers, h, w), unbounded."""
        return self.second(F.relu(self.first(code)))
