"""VDIR's restorer."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vbl.networks.network import Network, outside_autocast, pad_to_multiple


class RIRNet(Network):
    """Residual groups of residual blocks at one resolution :cite:p:`soh2022vdir`.

    At width 64, five groups of five blocks and the seven channels of a colour image and its code
    it has 2,073,795 parameters.

    Args:
        in_channels: Channels of the image and of the inputs it is conditioned on.
        width: Hidden channels.
        groups: Residual groups (the paper's D).
        blocks: Residual blocks in each group (the paper's N).
        out_channels: Channels of the residual.
        shrink: Factor of the pixel-unshuffle at the input: shrink² times less time. The paper's
            has 1.
    """

    def __init__(
        self,
        in_channels: int = 7,
        width: int = 64,
        groups: int = 5,
        blocks: int = 5,
        out_channels: int = 3,
        shrink: int = 1,
    ):
        super().__init__()
        self.in_channels, self.stride = in_channels, shrink
        self.head = nn.Conv2d(in_channels * shrink**2, width, 3, padding=1)
        self.groups = nn.Sequential(*(ResidualGroup(width, blocks) for _ in range(groups)))
        self.trunk = nn.Conv2d(width, width, 3, padding=1)
        self.tail = nn.Conv2d(width, out_channels * shrink**2, 3, padding=1)
        convolutions = 3 + groups * (2 * blocks + 1)
        self.receptive_radius = shrink * convolutions + shrink - 1

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b out h w"]:
        """Residual (B, out_channels, H, W) of the input (B, in_channels, H, W)."""
        height, width = x.shape[-2:]
        x = F.pixel_unshuffle(pad_to_multiple(x, self.stride), self.stride)
        x = outside_autocast(self.head, x)
        x = x + self.trunk(self.groups(x))
        return F.pixel_shuffle(self.tail(x), self.stride)[..., :height, :width]


class ResidualGroup(nn.Module):
    """x + conv(blocks(x)), each block b + conv(ReLU(conv(b))), no normalisation."""

    def __init__(self, width: int, blocks: int):
        super().__init__()
        convolutions = [nn.Conv2d(width, width, 3, padding=1) for _ in range(2 * blocks + 1)]
        self.firsts = nn.ModuleList(convolutions[:-1:2])
        self.seconds = nn.ModuleList(convolutions[1::2])
        self.last = convolutions[-1]

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Features of the same shape."""
        inner = x
        for first, second in zip(self.firsts, self.seconds, strict=True):
            inner = inner + second(F.relu(first(inner)))
        return x + self.last(inner)
