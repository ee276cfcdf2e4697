"""Networks that estimate the degradation of an image: noise per pixel, blur per image."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vbl.networks.network import Network, fine


class SigmaNet(Network):
    """SNet of VIRNet and VDN: plain convolutions without normalisation; outputs are logarithms.

    At width 64 and depth 5 it has the 113,153 parameters of VIRNet's (one output) and the 116,038
    of VDN's (six).

    Args:
        in_channels: Channels of the image.
        width: Hidden channels.
        depth: Number of convolutions.
        out_channels: Logarithms per pixel.
        first: Initial bias of the outputs, to start near the noise level of photographs.
        slope: Negative slope of the leaky ReLUs: 0.25 in VIRNet, 0.2 in VDN.
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
    """VIRNet's KNet: a few outputs per image, such as the parameters of its blur kernel.

    At width 64, eight blocks and three outputs it has VIRNet's 612,771 parameters.

    Args:
        in_channels: Channels of the image.
        width: Hidden channels.
        blocks: Residual blocks with channel attention (`AttentiveBlock`).
        numbers: Outputs N.
        whiten: Apply `whitened` to the image first.
        step: Stride of the first convolution.
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
        """Outputs (B, N), unbounded."""
        y = whitened(y) if self.whiten else y
        return self.tail(self.blocks(self.head(y))).mean((2, 3))


def whitened(y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """An image minus its local mean, divided by the standard deviation of the difference.

    The local mean carries no information about the blur; a network with it as input learns at first
    the same kernel for every image.
    """
    y = fine(y)
    return y / (y.square().mean((1, 2, 3), keepdim=True) + 1e-8).sqrt()


class AttentiveBlock(nn.Module):
    """A residual block with channel attention (squeeze and excitation)."""

    def __init__(self, width: int):
        super().__init__()
        inner = max(width // 16, 1)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.squeeze, self.excite = nn.Conv2d(width, inner, 1), nn.Conv2d(inner, width, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Features of the same shape."""
        change = self.second(F.leaky_relu(self.first(x), 0.2))
        weights = F.leaky_relu(self.squeeze(change.mean((2, 3), keepdim=True)), 0.2)
        return x + change * self.excite(weights).sigmoid()
