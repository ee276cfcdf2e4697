"""LUD-VAE's networks: multi-level features of an image, and the decoder from them to an image.

Only feature maps are computed here; the latents are drawn by the model.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vbl.networks.network import Anywhere, Network

SPEED = 5  # scale of weights that start at 0: Adam's steps have one size, theirs must be larger
REACH = 4  # convolutions of a block, and so its receptive radius


def convolution(a: int, b: int, side: int = 1, then: str = "linear") -> nn.Conv2d:
    """A convolution with zero padding and He's initialisation for the nonlinearity `then`.

    With PyTorch's default initialisation, as the authors', the signal vanishes through so many
    layers: the first decoded images have hardly a hundredth of the contrast.
    """
    return initialised(nn.Conv2d(a, b, side, padding=side // 2), then)


def initialised(layer: nn.Conv2d, then: str) -> nn.Conv2d:
    """The layer with He's initialisation for the nonlinearity `then`."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity=then)
    nn.init.zeros_(layer.bias)
    return layer


def block(width: int) -> nn.Sequential:
    """Four 3 x 3 convolutions with ReLU between them, not after the last."""
    layers: list[nn.Module] = []
    for _ in range(REACH - 1):
        layers += [convolution(width, width, 3, "relu"), nn.ReLU()]
    return nn.Sequential(*layers, convolution(width, width, 3))


class Features(Network):
    """One feature map of an image for each level; level 1 is the deepest and the coarsest.

    Args:
        channels: Channels of the image.
        width: Channels of the maps.
        factors: Downsampling factor of each level, level 1 first. Each is a multiple of the next,
            the last is 1; the paper's are all 1.
    """

    def __init__(self, channels: int = 3, width: int = 128, factors: Sequence[int] = (1, 1, 1)):
        super().__init__()
        self.in_channels, self.stride = channels, factors[0]
        self.receptive_radius = REACH * sum(factors) + self.stride - 1
        self.head = convolution(channels, width)
        self.blocks = nn.ModuleList(block(width) for _ in factors)
        self.steps = [b // a for a, b in pairwise((1, *reversed(factors)))]

    def forward(self, x: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b n _ _"], ...]:
        """Maps (B, width, ⌈H/f⌉, ⌈W/f⌉) for the factors f, level 1 first."""
        x, found = self.head(x), []
        for step, layers in zip(self.steps, self.blocks, strict=True):
            x = layers(F.avg_pool2d(x, step, ceil_mode=True))
            found.append(x)
        return tuple(reversed(found))


class Mix(Network):
    """Concatenated maps, a 1 x 1 convolution, and further layers.

    Args:
        in_channels: Channels of each map.
        out_channels: Channels of the convolution.
        then: Layers after it.
        enlarge: Upsampling factor of the first map, to the size of the others.
        reach: Receptive radius of `then` in pixels of the image.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        *then: nn.Module,
        enlarge: int = 1,
        reach: int = 0,
    ):
        super().__init__()
        self.in_channels, self.enlarge, self.receptive_radius = in_channels[0], enlarge, reach
        self.layers = nn.Sequential(convolution(sum(in_channels), out_channels), *then)

    def forward(self, *maps: Float[Tensor, "b _ _ _"]) -> Float[Tensor, "b out h w"]:
        """A map (B, out_channels, h, w) of the size of the last input."""
        first, *others = maps
        if self.enlarge > 1:
            height, width = others[-1].shape[-2:]
            first = F.interpolate(first, scale_factor=self.enlarge)[..., :height, :width]
        return self.layers(torch.cat([first, *others], 1))


class Neighbours(Anywhere):
    """L = I + N, a masked convolution that correlates white noise between neighbours.

    Entries are in raster order: rows, columns, then channels. N has weights for the entries before
    each one only, within a radius, the same everywhere: so L is unit lower triangular, and its
    determinant is 1 for all weights.

    Args:
        channels: Channels of the noise.
        radius: Radius of the convolution.
    """

    def __init__(self, channels: int, radius: int):
        super().__init__()
        self.radius, side = radius, 2 * radius + 1
        self.weight = nn.Parameter(torch.zeros(channels, channels, side, side))
        place = torch.arange(side * side).view(side, side)
        channel = torch.arange(channels)
        order = place * channels + channel[:, None, None]
        here = place[radius, radius] * channels + channel
        before = order[None] < here[:, None, None, None]
        self.register_buffer("before", SPEED * before.to(self.weight.dtype), persistent=False)

    def forward(self, noise: Float[Tensor, "b n h w"]) -> Float[Tensor, "b n h w"]:
        """L ε."""
        return noise + F.conv2d(noise, self.weight * self.before, padding=self.radius)

    def gain(self, like: Float[Tensor, "b n h w"]) -> Float[Tensor, "1 n h w"]:
        """The diagonal of L Lᵀ, the variances of L ε, for maps of the size of `like`."""
        squares = (self.weight * self.before).square().to(like.device)
        return 1 + F.conv2d(torch.ones_like(like[:1]), squares, padding=self.radius)


class Tail(Anywhere, nn.Conv2d):
    """The last convolution; in float32, as its output is an image and no residual."""


class NoiseEncoder(nn.Module):
    """Means and log-variances of the degradation's latents at each level.

    Args:
        channels: Channels of the image.
        width: Channels of the maps.
        latent: Channels of the latents.
        factors: As in `Features`.
    """

    def __init__(self, channels: int, width: int, latent: int, factors: Sequence[int]):
        super().__init__()
        self.features = Features(channels, width, factors)
        first = Mix([width], 2 * latent)  # level 1 has no decoder state as a second input
        others = (Mix([width, width], width, convolution(width, 2 * latent)) for _ in factors[1:])
        self.heads = nn.ModuleList([first, *others])


class LevelDecoder(nn.Module):
    """Decodes the content and the latents of the degradation to an image.

    The state starts as the content of level 1. At each later level `joins` adds the level's content
    and `priors` maps the state to the latents' prior; at every level `steps` adds the latents.

    Args:
        channels: Channels of the image.
        width: Channels of the content and of the state.
        latent: Channels of the latents.
        factors: As in `Features`.
        expects: Whether there are `priors`.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        latent: int,
        factors: Sequence[int],
        *,
        expects: bool = True,
    ):
        super().__init__()
        later = [a // b for a, b in pairwise(factors)]
        self.joins = nn.ModuleList(Mix([width, width], width, enlarge=step) for step in later)
        if expects:
            self.priors = nn.ModuleList(Mix([width], 2 * latent) for _ in later)
        self.steps = nn.ModuleList(
            Mix([width, latent], width, *block(width), reach=REACH * factor) for factor in factors
        )
        self.tail = initialised(Tail(width, channels, 1), "linear")
