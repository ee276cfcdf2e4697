"""Restorers that could take the ResUNet's place: its U-Net on sub-images, and with gated blocks."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vbl.networks import Network, ResUNet, pad_to_multiple


class GatedBlock(nn.Module):
    """NAFNet's block without its attention, which would look at the whole picture.

    Twice: layer norm over channels, a pointwise convolution to twice the width, one half times the
    other, a pointwise convolution back; the first time with a depthwise 3 x 3 before the gate.
    """

    def __init__(self, width: int):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.into = nn.ModuleList(nn.Conv2d(width, 2 * width, 1) for _ in range(2))
        self.around = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)
        self.back = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(2))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Features of the same shape."""
        middles = (self.around, nn.Identity())
        for norm, into, middle, back in zip(self.norms, self.into, middles, self.back, strict=True):
            normed = norm(x.movedim(1, -1)).movedim(-1, 1)
            a, b = middle(into(normed)).chunk(2, 1)
            x = x + back(a * b)
        return x


class GatedUNet(ResUNet):
    """The ResUNet with `GatedBlock` for its residual blocks."""

    def __init__(self, widths: Sequence[int], blocks: Sequence[int]):
        super().__init__(3, widths, blocks)

        def stage(width: int, count: int) -> nn.Sequential:
            return nn.Sequential(*(GatedBlock(width) for _ in range(count)))

        self.encoders = nn.ModuleList(map(stage, widths, blocks))
        self.decoders = nn.ModuleList(map(stage, widths[:-1], blocks))


class UnshuffledUNet(Network):
    """A ResUNet on the four sub-images of every second pixel: no layer at full resolution."""

    def __init__(self, **options: Any):
        super().__init__()
        self.inner = ResUNet(in_channels=12, out_channels=12, **options)
        self.in_channels, self.stride = 3, 2 * self.inner.stride
        self.receptive_radius = 2 * self.inner.receptive_radius + 1

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Residual (B, 3, H, W)."""
        height, width = x.shape[-2:]
        x = pad_to_multiple(x, self.stride)
        return F.pixel_shuffle(self.inner(F.pixel_unshuffle(x, 2)), 2)[..., :height, :width]
