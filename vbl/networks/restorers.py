"""Restorers, from a degraded image to a residual: two U-Nets, DnCNN, FFDNet."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vbl.networks.network import Network, keep_variance, outside_autocast, pad_to_multiple


class ResBlock(nn.Module):
    """x + conv(act(conv(act(x)))), pre-activated, no normalisation."""

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Features of the same shape."""
        return x + self.second(F.leaky_relu(self.first(F.leaky_relu(x, 0.2)), 0.2))


class ResUNet(Network):
    """VIRNet's restorer: a U-Net of residual blocks, skips by addition.

    At `widths` (96, 192, 288), three blocks per scale and four input channels it has the
    10,426,179 parameters of VIRNet's synthetic denoiser :cite:p:`yue2024virnet`.

    Args:
        in_channels: Channels of the image and of the inputs it is conditioned on.
        widths: Channels at full, half, quarter, ... resolution.
        blocks: Residual blocks at each scale of the encoder, and of the decoder: one number or
            one per scale.
        out_channels: Channels of the residual.

    Raises:
        ValueError: If `blocks` has another length than `widths`.
    """

    def __init__(
        self,
        in_channels: int = 3,
        widths: Sequence[int] = (32, 64, 96),
        blocks: int | Sequence[int] = 1,
        out_channels: int = 3,
    ):
        super().__init__()
        counts = [blocks] * len(widths) if isinstance(blocks, int) else list(blocks)
        if len(counts) != len(widths):
            raise ValueError(f"blocks: expected one number or {len(widths)}, got {blocks}")

        def stage(width: int, count: int) -> nn.Sequential:
            return nn.Sequential(*(ResBlock(width) for _ in range(count)))

        steps = list(pairwise(widths))
        self.in_channels, self.stride = in_channels, 2 ** len(steps)
        self.head = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.encoders = nn.ModuleList(map(stage, widths, counts))
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in steps)
        self.ups = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in steps)
        self.decoders = nn.ModuleList(map(stage, widths[:-1], counts))
        self.tail = nn.Conv2d(widths[0], out_channels, 3, padding=1)
        # at each scale, in its pixels: 2 for each block of encoder and decoder, 2 for down and up
        scales = [2**scale * (4 * count + 2) for scale, count in enumerate(counts[:-1])]
        self.receptive_radius = 2 + sum(scales) + self.stride * 2 * counts[-1]

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b out h w"]:
        """Residual (B, out_channels, H, W) of the input (B, in_channels, H, W)."""
        height, width = x.shape[-2:]
        x = outside_autocast(self.head, pad_to_multiple(x, self.stride))
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=False):
            skips.append(encoder(x))
            x = down(skips[-1])
        x = self.encoders[-1](x)
        for up, decoder in zip(reversed(self.ups), reversed(self.decoders), strict=True):
            x = decoder(up(x) + skips.pop())
        return self.tail(x)[..., :height, :width]


class UNet(Network):
    """VDN's denoiser: two convolutions per scale, average pooling, skips by concatenation.

    At `widths` (64, 128, 256, 512) and six outputs it has VDN's 7,700,742 parameters.

    Args:
        in_channels: Channels of the image.
        widths: Channels at full, half, quarter, ... resolution.
        out_channels: Channels of the output.
    """

    def __init__(
        self,
        in_channels: int = 3,
        widths: Sequence[int] = (64, 128, 256, 512),
        out_channels: int = 6,
    ):
        super().__init__()
        steps = list(pairwise(widths))
        self.in_channels, self.stride = in_channels, 2 ** len(steps)
        # at each scale, in its pixels: 4 for the convolutions of encoder and decoder, 1 for pooling
        scales = [2**scale * 5 for scale in range(len(steps))]
        self.receptive_radius = 1 + sum(scales) + self.stride * 2
        self.encoders = nn.ModuleList(
            _two_convolutions(a, b) for a, b in [(in_channels, widths[0]), *steps]
        )
        self.ups = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in steps)
        self.decoders = nn.ModuleList(_two_convolutions(2 * a, a) for a, _ in steps)
        self.tail = nn.Conv2d(widths[0], out_channels, 3, padding=1)
        for stage in (*self.encoders, *self.decoders):
            stage.apply(keep_variance)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b out h w"]:
        """Output (B, out_channels, H, W) of the input (B, in_channels, H, W)."""
        height, width = x.shape[-2:]
        skips = [self.encoders[0](pad_to_multiple(x, self.stride))]
        for encoder in self.encoders[1:]:
            skips.append(encoder(F.avg_pool2d(skips[-1], 2)))
        x = skips.pop()
        for up, decoder in zip(reversed(self.ups), reversed(self.decoders), strict=True):
            x = decoder(torch.cat([up(x), skips.pop()], 1))
        return self.tail(x)[..., :height, :width]


def _two_convolutions(a: int, b: int) -> nn.Sequential:
    first, second = nn.Conv2d(a, b, 3, padding=1), nn.Conv2d(b, b, 3, padding=1)
    return nn.Sequential(first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2))


class DnCNN(Network):
    """Convolutions, batch normalisation and ReLU at full resolution :cite:p:`zhang2017dncnn`.

    Args:
        channels: 3 for colour, 1 for grey.
        width: Hidden channels.
        depth: Number of convolutions.
    """

    def __init__(self, channels: int = 3, width: int = 64, depth: int = 17):
        super().__init__()
        self.in_channels, self.receptive_radius = channels, depth
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        for _ in range(depth - 2):
            convolution = nn.Conv2d(width, width, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
        self.noise = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Residual (B, C, H, W): minus the noise it predicts."""
        return -self.noise(y)


class FFDNet(Network):
    """A DnCNN on half-size sub-images conditioned on the noise level :cite:p:`zhang2018ffdnet`.

    Args:
        channels: 3 for colour, 1 for grey.
        width: Hidden channels.
        depth: Number of convolutions.
        conditioning: Channels of an input that replaces the noise level, such as VDIR's code.
    """

    stride = 2
    carries_image = True

    def __init__(
        self, channels: int = 3, width: int = 96, depth: int = 12, conditioning: int | None = None
    ):
        super().__init__()
        self.in_channels, self.receptive_radius = channels, 2 * depth + 1
        self.needs_noise_level = conditioning is None
        extra = 1 if conditioning is None else conditioning
        widths = [4 * channels + extra, *[width] * (depth - 1), 4 * channels]
        convolutions = (nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))
        self.convolutions = nn.ModuleList(convolutions)

    def forward(
        self, y: Float[Tensor, "b c h w"], conditioning: Float[Tensor, "b n h w"]
    ) -> Float[Tensor, "b c h w"]:
        """Residual (B, C, H, W).

        Args:
            y: Noisy images.
            conditioning: Standard deviation of their noise at each pixel, or the input that
                replaces it; averaged over 2 x 2 pixels.
        """
        height, width = y.shape[-2:]
        y = pad_to_multiple(y, self.stride, "replicate")
        conditioning = F.avg_pool2d(pad_to_multiple(conditioning, self.stride, "replicate"), 2)
        x = torch.cat([F.pixel_unshuffle(y, 2), conditioning], 1)
        for convolution in self.convolutions[:-1]:
            x = F.relu(convolution(x))
        clean = F.pixel_shuffle(self.convolutions[-1](x), 2)
        return (clean.to(y) - y)[..., :height, :width]
