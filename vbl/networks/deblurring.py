"""VBDeblurNet's networks: Deblur-Net, Kernel-Net and the code of a kernel that conditions."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vbl.networks.network import Anywhere, Network, append_constants, convolution, pad_to_multiple
from vbl.networks.restorers import ResBlock


class DeblurNet(Network):
    """Deblur-Net: a U-Net of constant width, skips by concatenation :cite:p:`wang2021vbdeblurnet`.

    At width 64 and six outputs it has the authors' 2,689,654, 3,871,350 and 5,053,046 parameters
    for 2, 4 and 6 blocks; conditioned on a code of 20 values, together with the `KernelCode` that
    computes it, their 3,459,210, 4,640,906 and 5,822,602. The residual blocks are the library's,
    which have one activation more.

    Args:
        in_channels: Channels of the image.
        width: Channels at every scale.
        blocks: Residual blocks at each scale, in the encoder and again in the decoder.
        scales: Number of downsamplings by 2.
        middle: Residual blocks at the coarsest scale; by default the authors': 6, or 5 if the
            network is conditioned on a code.
        out_channels: Output channels: the residual's and any others, such as log-variances.
        code: Length of the kernel's code that it is conditioned on; 0 for none.
        shrink: Factor of the pixel-unshuffle at the input: shrink² times less time. The authors'
            has 1.
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: int = 64,
        blocks: int = 4,
        scales: int = 4,
        middle: int | None = None,
        out_channels: int = 6,
        code: int = 0,
        shrink: int = 1,
    ):
        super().__init__()
        if middle is None:
            middle = 5 if code else 6
        outputs = out_channels * shrink**2
        inner = max(width // 4, outputs)
        self.in_channels, self.shrink, self.stride = in_channels, shrink, shrink * 2**scales
        self.head = convolution(in_channels * shrink**2, width, 7)
        self.encoders = nn.ModuleList(
            Stage(width, blocks, code, modulates="after") for _ in range(scales)
        )
        self.downs = nn.ModuleList(convolution(width, width, stride=2) for _ in range(scales))
        self.middle = Stage(width, middle)
        self.ups = nn.ModuleList(_doubling(width) for _ in range(scales))
        self.skips = nn.ModuleList(convolution(width, width) for _ in range(scales))
        self.merges = nn.ModuleList(convolution(2 * width, width) for _ in range(scales))
        self.decoders = nn.ModuleList(Stage(width, blocks, code) for _ in range(scales))
        self.tail = nn.ModuleList([convolution(width, inner, 7), convolution(inner, outputs, 7)])
        # at each scale, in its pixels: 4 for downsampling, upsampling and merging, 2 for each block
        # and modulation of encoder and decoder; 3 for each of the three 7 x 7 convolutions
        at_scale = 4 + 4 * blocks + (4 if code else 0)
        radius = 9 + at_scale * (2**scales - 1) + 2**scales * 2 * middle
        self.receptive_radius = shrink * radius + shrink - 1

    def forward(
        self, y: Float[Tensor, "b c h w"], code: Float[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b out h w"]:
        """Residual and any other outputs, (B, out_channels, H, W), of blurred images and codes."""
        height, width = y.shape[-2:]
        x = self.head(F.pixel_unshuffle(pad_to_multiple(y, self.stride), self.shrink))
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            skips.append(encoder(x, code))
            x = down(skips[-1])
        x = self.middle(x)
        ways = (self.ups, self.skips, self.merges, self.decoders)
        for up, skip, merge, decoder in zip(*map(reversed, ways), strict=True):
            x = decoder(merge(torch.cat([up(x), skip(skips.pop())], 1)), code)
        x = self.tail[1](F.leaky_relu(self.tail[0](x), 0.2))
        return F.pixel_shuffle(x, self.shrink)[..., :height, :width]


class Stage(nn.Module):
    """x + blocks(x) at one scale; with a code, modulated before or after.

    As in the authors' Deblur-Net, the encoder modulates after its blocks, so that the skips are
    modulated too, and the decoder before.
    """

    def __init__(self, width: int, blocks: int, code: int = 0, modulates: str = "before"):
        super().__init__()
        self.modulates = modulates
        self.modulation = Modulation(width, code) if code else None
        self.blocks = nn.Sequential(*(ResBlock(width) for _ in range(blocks)))

    def forward(
        self, x: Float[Tensor, "b c h w"], code: Float[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        """Features of the same shape."""
        if self.modulation is None:
            return x + self.blocks(x)
        if self.modulates == "before":
            x = self.modulation(x, code)
            return x + self.blocks(x)
        return self.modulation(x + self.blocks(x), code)


class Modulation(nn.Module):
    """x times a factor in (0, 1) plus a shift, both computed from x and a code."""

    def __init__(self, width: int, code: int):
        super().__init__()
        firsts = (convolution(width + code, width // 2) for _ in range(2))
        self.factor, self.shift = (
            nn.Sequential(first, nn.LeakyReLU(0.2), convolution(width // 2, width))
            for first in firsts
        )

    def forward(
        self, x: Float[Tensor, "b c h w"], code: Float[Tensor, "b n"]
    ) -> Float[Tensor, "b c h w"]:
        """Features of the same shape."""
        given = append_constants(x, code)
        return x * self.factor(given).sigmoid() + self.shift(given)


class KernelCode(Anywhere):
    """From a blur kernel to the code that a restorer is conditioned on.

    At width 64 it has the authors' 159,892 parameters.

    Args:
        numbers: Length N of the code.
        width: Hidden channels.
    """

    def __init__(self, numbers: int = 20, width: int = 64):
        super().__init__()
        widths = [1, *[width] * 5, numbers]
        self.convolutions = nn.ModuleList(
            convolution(a, b, stride=2 if number == 3 else 1)
            for number, (a, b) in enumerate(pairwise(widths))
        )

    def forward(self, kernel: Float[Tensor, "b 1 k k"]) -> Float[Tensor, "b n"]:
        """Codes (B, N), unbounded."""
        x = kernel.shape[-1] * kernel  # the entries of a motion blur across the kernel are then 1
        for layer in self.convolutions[:-1]:
            x = F.leaky_relu(layer(x), 0.2)
        return self.convolutions[-1](x).mean((2, 3))


class KernelPlainNet(Network):
    """Kernel-Net without normalisation of its features, with mean and max pooling.

    The gradient across a blurred sharp edge is determined by the kernel. A network that normalises
    its features, as `KernelResNet` does, loses its magnitude; one that only averages over the image
    dilutes edges with flat regions. So here only the image is normalised, and each feature is
    reduced to its mean and its maximum in a window. Outputs of several windows are averaged.

    Args:
        in_channels: Channels of the image, which are averaged.
        numbers: Outputs N.
        width: Hidden channels.
        blocks: Residual blocks.
        hidden: Width of the layer before the last.
        shrink: Factor of the pixel-unshuffle at the input.
        window: Side of a window in pixels; that of the training crops.
    """

    def __init__(
        self,
        in_channels: int = 3,
        numbers: int = 961,
        width: int = 32,
        blocks: int = 6,
        hidden: int = 256,
        shrink: int = 2,
        window: int = 64,
    ):
        super().__init__()
        self.in_channels, self.shrink, self.window = in_channels, shrink, window
        self.head = convolution(shrink**2, width, 5)
        self.blocks = nn.ModuleList(PlainBlock(width) for _ in range(blocks))
        self.hidden, self.tail = nn.Linear(2 * width, hidden), nn.Linear(hidden, numbers)
        for layer in (self.head, self.hidden):
            nn.init.kaiming_normal_(layer.weight)
        nn.init.normal_(self.tail.weight, std=1e-2)  # initial kernels are nearly uniform
        for layer in (self.head, self.hidden, self.tail):
            nn.init.zeros_(layer.bias)

    def forward(self, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n"]:
        """Outputs (B, N), unbounded."""
        windows = [max(side // self.window, 1) for side in y.shape[-2:]]
        y = pad_to_multiple(_normalised(y.mean(1, keepdim=True)), self.shrink)
        x = self.head(F.pixel_unshuffle(y, self.shrink))
        for block in self.blocks:
            x = block(x)
        x = F.relu(x)
        pools = (F.adaptive_avg_pool2d, F.adaptive_max_pool2d)
        x = torch.cat([pool(x, windows) for pool in pools], 1).permute(0, 2, 3, 1)
        return self.tail(F.relu(self.hidden(x))).mean((1, 2))


class PlainBlock(nn.Module):
    """x + conv(ReLU(conv(ReLU(x)))), the identity at initialisation."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = convolution(width, width), convolution(width, width)
        nn.init.kaiming_normal_(self.first.weight)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Features of the same shape."""
        return x + self.second(F.relu(self.first(F.relu(x))))


class KernelResNet(Network):
    """Kernel-Net: a ResNet on the luminance of an image, with global average pooling.

    With its defaults, for a kernel of 31 x 31 pixels, it has the 12,635,601 parameters of the
    authors', a ResNet-18 :cite:p:`wang2021vbdeblurnet`. The image and all features have instance
    normalisation.

    Args:
        in_channels: Channels of the image, which are averaged.
        numbers: Outputs N.
        widths: Channels at each scale.
        blocks: Residual blocks at each scale.
        hidden: Width of the layer before the last.
    """

    def __init__(
        self,
        in_channels: int = 3,
        numbers: int = 961,
        widths: Sequence[int] = (64, 128, 256, 512),
        blocks: int = 2,
        hidden: int = 1000,
    ):
        super().__init__()
        self.in_channels = in_channels
        self.head = nn.Conv2d(1, widths[0], 7, stride=2, padding=3, bias=False)
        changes = [(widths[0], widths[0], 1), *((a, b, 2) for a, b in pairwise(widths))]
        stages = ([change, *[(change[1], change[1], 1)] * (blocks - 1)] for change in changes)
        self.blocks = nn.Sequential(*(NormalisedBlock(*sizes) for part in stages for sizes in part))
        self.hidden, self.tail = nn.Linear(widths[-1], hidden), nn.Linear(hidden, numbers)

    def forward(self, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n"]:
        """Outputs (B, N), unbounded."""
        x = F.relu(_normalised(self.head(_normalised(y.mean(1, keepdim=True)))))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        x = self.blocks(x).mean((2, 3))
        return self.tail(F.relu(self.hidden(x)))


class NormalisedBlock(nn.Module):
    """A residual block of a ResNet with instance normalisation without parameters."""

    def __init__(self, a: int, b: int, stride: int):
        super().__init__()
        self.first = nn.Conv2d(a, b, 3, stride, padding=1, bias=False)
        self.second = nn.Conv2d(b, b, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(a, b, 1, stride, bias=False) if a != b or stride > 1 else None

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        """Features, `stride` times smaller."""
        change = _normalised(self.second(F.relu(_normalised(self.first(x)))))
        same = x if self.shortcut is None else _normalised(self.shortcut(x))
        return F.relu(same + change)


def _normalised(x: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the pixels of each channel; 0 for a single pixel."""
    var, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
    return (x - mean) * (var + 1e-5).rsqrt()


def _doubling(width: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(width, width, 5, stride=2, padding=2, output_padding=1)
