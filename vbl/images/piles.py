"""Piles of pictures of one origin: what is in them, and in one form for training.

::

    pile = open_folder("noisy")
    facts = facts_of(pile)               grey? deep? how strong is the noise where it is quiet?
    prepared(pile, facts.channels, facts.levels)
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from vbl.images.colour import grey
from vbl.images.datasets import ImageSet, Sample

LOOKED_AT = 8  # pictures, at most
FEW = 10  # pictures, below which a pile says too little
CLIPPED = 0.05  # share of black or white values above which it does, too
ENDS = (0.0005, 0.9995)  # quantiles between which the values of dim pictures lie
MARGIN = 0.1  # of their distance is added at either end, for the noise
BLOCK = 16  # side of a quiet block, in pixels
QUIETEST = 0.05  # share of the blocks
FLATTEST = 0.25  # share of a picture's blocks
LEVELS, FEW_LEVELS = 32, 8  # of brightness; where few pixels are looked at
MANY = 1_000_000  # pixels
SCALES = (1, 2, 4)  # of the detail
WIDER = 8  # side of the block whose brightness counts, in pixels
ENOUGH = 500  # differences, to take a median of


@dataclass(frozen=True)
class Facts:
    """What some pictures of a pile say about it.

    Attributes:
        count: Pictures in the pile.
        channels: 1 if all are grey, else 3.
        deep: Whether values lie between the 256 levels of 8 bits.
        clipped: Share of values that are black or white.
        levels: The values that stand for black and white: (0, 1), unless the pictures are deep and
            use less than half of that range, as those of a microscope may.
        std: Standard deviation of what is left of the quietest blocks without mean and slope, in
            units of the levels: about that of the noise where the pile has least of it.
        lag: Correlation of horizontal neighbours there.
        fine: Of differences of neighbours along both diagonals, the median absolute value over that
            of a Gaussian of variance one, mean over brightnesses; in units of the levels.
    """

    count: int
    channels: int
    deep: bool
    clipped: float
    levels: tuple[float, float]
    std: float
    lag: float
    fine: float


def some_of(pile: Sequence[Sample], count: int = LOOKED_AT) -> Iterator[Tensor]:
    """Up to `count` pictures (1, C, H, W), spread evenly over a pile, one after the other."""
    count = min(count, len(pile))
    return (pile[i * len(pile) // count].image for i in range(count))


def facts_of(pile: ImageSet) -> Facts:
    """Look at some pictures of a pile."""
    images = list(some_of(pile))
    colourless = all(torch.equal(v, v[:, :1].expand_as(v)) for v in images)
    deep = not all(torch.allclose(255 * v, (255 * v).round(), atol=1e-3) for v in images)
    ends = torch.stack([((v <= 0.004) | (v >= 0.996)).float().mean() for v in images]).mean()
    levels = _levels(images) if deep else (0.0, 1.0)
    if levels != (0.0, 1.0):
        ends = torch.stack([((v <= 0) | (v >= 1)).float().mean() for v in images]).mean()
    scaled = [_in_channels(_on(v, levels), 1 if colourless else 3) for v in images]
    noise = *quiet_noise(scaled), _detail(scaled, 1, FEW_LEVELS).nanmean().item()
    return Facts(len(pile), 1 if colourless else 3, deep, ends.item(), levels, *noise)


def _levels(images: Sequence[Tensor]) -> tuple[float, float]:
    values = torch.cat([v[..., ::4, ::4].flatten() for v in images])
    some = values[:: len(values) // 1_000_000 + 1]
    low, high = (torch.quantile(some, end).item() for end in ENDS)
    if not 0 < high - low < 0.5:
        return 0.0, 1.0
    room = MARGIN * (high - low)
    return max(0.0, low - room), min(1.0, high + room)


def _on(image: Tensor, levels: tuple[float, float]) -> Tensor:
    low, high = levels
    return ((image - low) / (high - low)).clamp(0, 1)


def _in_channels(image: Tensor, channels: int) -> Tensor:
    return grey(image) if channels < image.shape[1] else image.expand(-1, channels, -1, -1)


def prepared(pile: ImageSet, channels: int, levels: tuple[float, float] = (0.0, 1.0)) -> ImageSet:
    """The pictures of a pile in grey or in colour, with values from 0 at one level to 1 at another.

    Args:
        pile: Pictures, grey and colour ones.
        channels: 1, colour pictures are made grey, or 3.
        levels: Values that become 0 and 1; what is outside is clipped.
    """

    def one(name: str) -> Sample:
        return Sample(name, _in_channels(_on(pile[name].image, levels), channels))

    return ImageSet(pile.name, {name: partial(one, name) for name in pile.names})


def quiet_noise(images: Sequence[Float[Tensor, "1 c h w"]]) -> tuple[float, float]:
    """Standard deviation, and correlation of horizontal neighbours, where pictures are quiet.

    Of each channel's blocks those with the smallest variance are taken, without the mean and the
    slope, which are the picture's.

    Args:
        images: Pictures in [0, 1], no side shorter than a block.
    """
    blocks = torch.cat([_detrended(v) for v in images])
    var = blocks.var((1, 2))
    some = var[var > 1e-8] if (var > 1e-8).any() else var  # black and white have no noise
    quiet = blocks[(var <= some.quantile(QUIETEST)) & (var >= some.min())]
    pairs = (quiet[..., 1:] * quiet[..., :-1]).mean() / quiet.square().mean().clamp_min(1e-12)
    return quiet.std().item(), pairs.item()


def _detrended(image: Tensor) -> Tensor:
    """Blocks (n, side, side) of an image without their means and slopes."""
    columns = F.unfold(image.transpose(0, 1), BLOCK, stride=BLOCK).mT
    blocks = columns.reshape(-1, BLOCK, BLOCK)
    t = torch.arange(BLOCK, device=image.device) - (BLOCK - 1) / 2
    ones = torch.ones_like(t)
    for shape in (torch.outer(ones, ones), torch.outer(ones, t), torch.outer(t, ones)):
        shape = shape / shape.norm()
        blocks = blocks - (blocks * shape).sum((1, 2), keepdim=True) * shape
    return blocks


def flat_spectrum(images: Sequence[Float[Tensor, "1 c h w"]]) -> Float[Tensor, "16 9 c c"]:
    """Power of flat blocks at each frequency, as a covariance of channels; most of it is noise.

    Flat are the blocks whose mean is nearest to the mean of their surroundings: the noise within a
    block has little say in that, so those of weak noise are not preferred. Powers are medians of
    squared coefficients over ln 2, which for a complex Gaussian is their mean, and which few blocks
    with a texture do not move; covariances are differences of the powers of sums and of differences
    (Gnanadesikan and Kettenring, "Robust estimates, residuals, and outlier detection with
    multiresponse data", 1972).

    Args:
        images: Pictures in [0, 1], of one number of channels, no side shorter than a block.

    Returns:
        (16, 9, C, C), at the frequencies of `torch.fft.rfft2`: for white noise its covariance. At
        those whose coefficients are real, it is smaller.
    """
    blocks = torch.cat([_flat_blocks(v) for v in images], 1)
    window = torch.hann_window(BLOCK + 2, periodic=False, device=blocks.device)[1:-1]
    window = window / window.norm()
    f = torch.fft.rfft2(blocks * torch.outer(window, window))
    plus, minus = (
        (f + sign * f.unsqueeze(1)).abs().square().median(2).values / math.log(2)
        for sign in (1, -1)
    )
    return ((plus - minus) / 4).permute(2, 3, 0, 1)


def _flat_blocks(image: Tensor) -> Tensor:
    """Detrended blocks (C, n, side, side) of an image where it is flat; clipped ones come last."""
    means = F.avg_pool2d(image, BLOCK)
    around = F.avg_pool2d(means, 3, 1, 1, count_include_pad=False)
    bend = (means - around).square().sum(1).flatten()
    clipped = F.avg_pool2d(((image <= 0) | (image >= 1)).float(), BLOCK).amax(1).flatten()
    bend = bend + image.shape[1] * (clipped > CLIPPED)
    return _detrended(image).unflatten(0, (image.shape[1], -1))[:, bend <= bend.quantile(FLATTEST)]


def brightnesses(*piles: Sequence[Tensor]) -> int:
    """How many brightnesses the pixels of some pictures (1, C, H, W) are enough for."""
    pixels = (sum(v.shape[-2] * v.shape[-1] for v in images) for images in piles)
    return LEVELS if min(pixels) >= MANY else FEW_LEVELS


def fine_strength(
    images: Sequence[Float[Tensor, "1 c h w"]], levels: int = FEW_LEVELS
) -> Float[Tensor, "c n"]:
    """How strong fine detail is at each brightness; most of it is noise.

    Of the differences of neighbours along both diagonals, the median absolute value: few of them
    are edges, and a median does not mind these (Donoho and Johnstone, "Ideal spatial adaptation by
    wavelet shrinkage", 1994). Likewise of means of 2 x 2 and 4 x 4 pixels, where correlated noise
    has more of its power; the squares are added, so that white noise has the same in each. Those of
    nothing, where values are clipped, are left out.

    Args:
        images: Pictures in [0, 1], of one number of channels.
        levels: Brightnesses that are told apart; see `brightnesses`.

    Returns:
        (C, levels), by channel and its brightness, for white noise its standard deviation; NaN
        where there are fewer than 500 differences.
    """
    squares = [scale**2 * _detail(images, scale, levels).square() for scale in SCALES]
    return (sum(squares) / len(SCALES)).sqrt()


def _detail(images: Sequence[Tensor], scale: int, levels: int) -> Tensor:
    """What `fine_strength` measures, of means of so many pixels each way."""
    values, details = zip(*(_blocks_of_four(image, scale) for image in images), strict=True)
    value, detail = torch.cat(values, 1), torch.cat(details, 1)
    level = (value * levels).long().clamp(0, levels - 1)
    found = torch.full((len(level), levels), torch.nan, device=level.device)
    for c in range(len(level)):
        for i in range(levels):
            some = detail[c][(level[c] == i) & (detail[c] > 0)]
            if len(some) >= ENOUGH // scale**2:
                found[c, i] = some.median() / 0.6745
    return found


def _blocks_of_four(image: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """Brightness and absolute diagonal difference of 2 x 2 means of pixels, both (C, n).

    The brightness is that of a wider block, or noise would sort pixels by itself.
    """
    h, w = (n // WIDER * WIDER for n in image.shape[-2:])
    image = image[0, :, :h, :w]
    coarse = F.avg_pool2d(image, scale)
    a, b, c, d = (coarse[:, i::2, j::2] for i in (0, 1) for j in (0, 1))
    brightness = F.avg_pool2d(image, WIDER)
    for side in (-2, -1):
        brightness = brightness.repeat_interleave(WIDER // (2 * scale), side)
    return brightness.flatten(1), ((a - b - c + d) / 2).abs().flatten(1)


def doubts(facts: Mapping[str, Facts]) -> list[str]:
    """What speaks against two piles, a sentence each.

    Args:
        facts: Of the piles "noisy" and "clean".
    """
    found = []
    for name, pile in facts.items():
        if pile.count < FEW:
            found.append(f"The {name} pile has {pile.count} pictures; {FEW} or more are advised.")
        if pile.clipped > CLIPPED:
            share = f"{pile.clipped:.0%}"
            found.append(f"Of the {name} values {share} are black or white: noise is cut off.")
    noisy, clean = facts["noisy"], facts["clean"]
    if noisy.channels != clean.channels:
        one = "noisy" if noisy.channels == 1 else "clean"
        found.append(f"The {one} pile is grey and the other is not: both are used as the noisy is.")
    if clean.std > noisy.std / 2:
        found.append(
            f"Where the clean pile is quietest it has a noise of {255 * clean.std:.1f} of 255, "
            f"the noisy one {255 * noisy.std:.1f}: clean pictures should have half of it or less."
        )
    return found
