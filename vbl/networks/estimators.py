"""Networks from an image to what degraded it: the noise at every pixel, the blur of the whole."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vbl.networks.network import Network, fine


class SigmaNet(Network):
    """VIRNet's and VDN's noise network: plain convolutions, no normalisation, logarithms out.

    At width 64 and depth 5 it has the 113,153 parameters of VIRNet's (one output) and the 116,038
    of VDN's (six).

    Args:
        in_channels: Of the image.
        width: Channels inside.
        depth: Number of convolutions.
        out_channels: Logarithms per pixel.
        first: What every output is before training; without it a network starts far from any
            noise level of photographs.
        slope: Of the leaky ReLUs below 0: 0.25 in VIRNet, 0.2 in VDN.
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: int = 64,
        depth: int = 5,
        out_channels: int = 1,
        first: float = 0.0,
        slope: float = 0.25,
    ):
        super().__init__()
        self.in_channels, self.receptive_radius, self.slope = in_channels, depth, slope
        widths = [in_channels, *[width] * (depth - 1), out_channels]
        convolutions = (nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))
        self.convolutions = nn.ModuleList(convolutions)
        nn.init.constant_(self.convolutions[-1].bias, first)

    def forward(self, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b out h w"]:
        """Logarithms (B, out_channels, H, W), unbounded."""
        for convolution in self.convolutions[:-1]:
            y = F.leaky_relu(convolution(y), self.slope)
        return self.convolutions[-1](y)


class KernelNet(Network):
    """VIRNet's kernel network: a few numbers about a whole image, such as the axes of its blur.

    At width 64, eight blocks and three numbers it has the 612,771 parameters of VIRNet's.

    Args:
        in_channels: Of the image.
        width: Channels inside.
        blocks: Residual blocks, each of which weighs its channels by what they are in the mean.
        numbers: How many come out.
        whiten: Look at the image `whitened`.
        step: Pixels from one place that it looks at to the next.
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: int = 64,
        blocks: int = 8,
        numbers: int = 3,
        whiten: bool = False,
        step: int = 4,
    ):
        super().__init__()
        self.in_channels, self.whiten = in_channels, whiten
        self.head = nn.Conv2d(in_channels, width, 9, stride=step, padding=4, bias=False)
        self.blocks = nn.Sequential(*(AttentiveBlock(width) for _ in range(blocks)))
        self.tail = nn.Conv2d(width, numbers, 3, padding=1)

    def forward(self, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n"]:
        """Numbers (B, N), unbounded."""
        y = whitened(y) if self.whiten else y
        return self.tail(self.blocks(self.head(y))).mean((2, 3))


def whitened(y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """An image without its local mean, divided by its standard deviation then.

    What a scene shows says nothing about its blur, and a network that sees it learns one kernel for
    every image first.
    """
    y = fine(y)
    return y / (y.square().mean((1, 2, 3), keepdim=True) + 1e-8).sqrt()


class AttentiveBlock(nn.Module):
    """A residual block whose channels are weighted by a function of all their means."""

    def __init__(self, width: int, reduction: int = 16):
        super().__init__()
        inner = max(width // reduction, 1)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.squeeze, self.excite = nn.Conv2d(width, inner, 1), nn.Conv2d(inner, width, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Features of the same shape."""
        change = self.second(F.leaky_relu(self.first(x), 0.2))
        weights = F.leaky_relu(self.squeeze(change.mean((2, 3), keepdim=True)), 0.2)
        return x + change * self.excite(weights).sigmoid()
