"""Division of an image into tiles such that their restorations equal that of the whole image.

A restored pixel depends on the input pixels within the network's receptive radius and, if the
network downsamples, on its position modulo the stride. So each tile begins at a multiple of the
stride, has an overlap on every side, and only the output inside the overlap is kept. With an
overlap of the receptive radius or more the results differ by rounding only; with less,
neighbouring tiles disagree along their common edge.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from vbl.networks import Network


@dataclass(frozen=True)
class Tile:
    """A part of an image.

    Attributes:
        seen: Rows and columns of the network's input.
        kept: Rows and columns of the output that is kept; over all tiles, every pixel once.
    """

    seen: tuple[slice, slice]
    kept: tuple[slice, slice]

    @property
    def inside(self) -> tuple[slice, ...]:
        """The kept rows and columns relative to `seen`."""
        return relative(self.kept, self.seen)


def relative(part: tuple[slice, slice], whole: tuple[slice, slice]) -> tuple[slice, ...]:
    """Rows and columns of `part`, counted from the first of `whole`."""
    return tuple(
        slice(mine.start - first.start, mine.stop - first.start)
        for mine, first in zip(part, whole, strict=True)
    )


def tiles(height: int, width: int, *, size: int, overlap: int, stride: int) -> list[Tile]:
    """Divide an image of `height` x `width` pixels into tiles of nearly equal size.

    Args:
        height: In pixels.
        width: In pixels.
        size: Largest side of the kept part; rounded down to a multiple of `stride`, but not to 0.
        overlap: Further input on each side, inside the image; rounded up to a multiple of `stride`.
        stride: Tiles begin, and inside the image end, at multiples of it.

    Raises:
        ValueError: If `size` is not positive or `overlap` is negative.
    """
    if size < 1:
        raise ValueError(f"tile: expected a side of at least one pixel, got {size}")
    if overlap < 0:
        raise ValueError(f"overlap: expected a number of pixels >= 0, got {overlap}")
    size = max(size // stride, 1) * stride
    overlap = math.ceil(overlap / stride) * stride
    rows, columns = (list(_spans(n, size, overlap, stride)) for n in (height, width))
    return [
        Tile((seen_rows, seen_columns), (kept_rows, kept_columns))
        for seen_rows, kept_rows in rows
        for seen_columns, kept_columns in columns
    ]


def _spans(length: int, size: int, overlap: int, stride: int) -> Iterator[tuple[slice, slice]]:
    """Seen and kept slices along one axis."""
    count = math.ceil(length / size)
    step = math.ceil(length / (count * stride)) * stride
    for start in range(0, length, step):
        stop = min(start + step, length)
        seen = slice(max(start - overlap, 0), min(stop + overlap, length))
        yield seen, slice(start, stop)


def networks_in(model: nn.Module) -> list[Network]:
    """Every `Network` inside a model."""
    return [module for module in model.modules() if isinstance(module, Network)]


def stride(model: nn.Module) -> int:
    """The least common multiple of the strides of a model's networks."""
    return math.lcm(*(network.stride for network in networks_in(model)))


def receptive_radius(model: nn.Module) -> int:
    """The sum of the networks' receptive radii, since their inputs may be others' outputs.

    Raises:
        ValueError: When the radius of a network is unknown, or there is no network.
    """
    radii = [network.receptive_radius for network in networks_in(model)]
    if not radii or None in radii:
        raise ValueError(f"overlap: give it; how far {type(model).__name__} looks is not known")
    return sum(radii)
