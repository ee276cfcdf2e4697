"""LUD-VAE's parts: features of an image at several levels, and the way back down to an image.

What is drawn between them is the model's business: here are only maps of features.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vbl.networks.network import Network

SPEED = 5  # of weights that start from 0 and have far to go, where Adam moves all alike
REACH = 4  # convolutions of a block, and so the places it looks away


def convolution(a: int, b: int, side: int = 1, then: str = "linear") -> nn.Conv2d:
    """Padded with zeros. Its first weights are He's, by what follows it.

    The authors' are PyTorch's own, which let a signal die on the way through so many layers: what
    the network first decodes of an image then has hardly a hundredth of its contrast.
    """
    layer = nn.Conv2d(a, b, side, padding=side // 2)
    nn.init.kaiming_normal_(layer.weight, nonlinearity=then)
    nn.init.zeros_(layer.bias)
    return layer


def block(width: int) -> nn.Sequential:
    """Four 3 x 3 convolutions with ReLU between them, none behind the last."""
    layers: list[nn.Module] = []
    for _ in range(REACH - 1):
        layers += [convolution(width, width, 3, "relu"), nn.ReLU()]
    return nn.Sequential(*layers, convolution(width, width, 3))


class Features(Network):
    """An image as one map of features for each level; level 1 is the deepest and the coarsest.

    Args:
        channels: Of the image.
        width: Channels of the maps.
        factors: Pixels of the image for one place of the map along each side, level 1 first. Each
            is a multiple of the next, the last is 1; the paper's are all 1.
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
    """Maps side by side, a 1 x 1 convolution, and what follows it.

    Args:
        in_channels: Of each map.
        out_channels: Of the convolution.
        then: What follows.
        enlarge: Places of the other maps for one of the first, along each side.
        reach: How many pixels of the image `then` looks away.
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
        """Maps of the size of the last."""
        first, *others = maps
        if self.enlarge > 1:
            height, width = others[-1].shape[-2:]
            first = F.interpolate(first, scale_factor=self.enlarge)[..., :height, :width]
        return self.layers(torch.cat([first, *others], 1))


class Neighbours(nn.Module):
    """L = I + N, which adds to white noise what the neighbours before it share with it.

    Numbers stand in the order of the rows, of the places in a row, of the channels at a place. N
    has weights for those before each number alone, up to a distance, and the same everywhere: L is
    triangular, with ones on the diagonal, and its determinant is 1 whatever is learned.

    Args:
        channels: Of the noise.
        radius: Places it looks away, along each side.
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
        """The diagonal of L Lᵀ, the variance of each number of L ε, for maps of that size."""
        ones = torch.ones_like(like[:1])
        return 1 + F.conv2d(ones, (self.weight * self.before).square(), padding=self.radius)


class NoiseEncoder(nn.Module):
    """What a degraded image says of its degradation, level by level.

    Args:
        channels: Of the image.
        width: Channels of the maps.
        latent: Channels of the latents; two numbers are said of each.
        factors: As of `Features`.
    """

    def __init__(self, channels: int, width: int, latent: int, factors: Sequence[int]):
        super().__init__()
        self.features = Features(channels, width, factors)
        first = Mix([width], 2 * latent)  # there is no state yet to compare with
        others = (Mix([width, width], width, convolution(width, 2 * latent)) for _ in factors[1:])
        self.heads = nn.ModuleList([first, *others])


class LevelDecoder(nn.Module):
    """From the content and the latents of the degradation to an image.

    The state is the content of level 1. At each later level it meets that level's content (`joins`)
    and says what latents to expect (`priors`); at every level it takes in the latents (`steps`).

    Args:
        channels: Of the image.
        width: Channels of the content and of the state.
        latent: Channels of the latents; two numbers are said of each.
        factors: As of `Features`.
        expects: Whether the state says what latents to expect.
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
        self.tail = convolution(width, channels)  # in float32: what comes out is no residual
