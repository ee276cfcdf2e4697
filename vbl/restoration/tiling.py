"""Where tiles begin and end, so that what is restored tile by tile is what the whole would give.

A pixel that a network restores depends on the pixels within its receptive radius and, where the
network reduces its input, on how the pixel lies in the grid it reduces to. So each tile begins at
a multiple of the network's stride, is shown to the network with a margin, and gives the network's
answer inside the margin alone. With a margin of the receptive radius or more nothing has changed
but the order of sums; with less, the answers of two neighbours differ along their common edge.
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
        seen: Rows and columns that the network sees.
        kept: Those whose restoration is kept; of all tiles together, every pixel once.
    """

    seen: tuple[slice, slice]
    kept: tuple[slice, slice]

    @property
    def inside(self) -> tuple[slice, slice]:
        """The kept rows and columns, counted from the first that is seen."""
        rows, columns = (
            slice(kept.start - seen.start, kept.stop - seen.start)
            for seen, kept in zip(self.seen, self.kept, strict=True)
        )
        return rows, columns


def tiles(height: int, width: int, *, size: int, overlap: int, stride: int) -> list[Tile]:
    """Divide an image into tiles of nearly one size.

    Args:
        height: Of the image.
        width: Of the image.
        size: The largest side of what is kept; rounded down to a multiple of `stride`, but at
            least `stride`.
        overlap: What is seen beyond it on each side, where the image goes on; rounded up to a
            multiple of `stride`.
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
    """What is seen and what is kept, along one side."""
    count = math.ceil(length / size)
    step = math.ceil(length / (count * stride)) * stride
    for start in range(0, length, step):
        stop = min(start + step, length)
        seen = slice(max(start - overlap, 0), min(stop + overlap, length))
        yield seen, slice(start, stop)


def networks_in(model: nn.Module) -> list[Network]:
    """The networks of a model."""
    return [module for module in model.modules() if isinstance(module, Network)]


def stride(model: nn.Module) -> int:
    """The least common multiple of the strides of a model's networks."""
    return math.lcm(*(network.stride for network in networks_in(model)))


def receptive_radius(model: nn.Module) -> int:
    """How far from a pixel the model looks, at most: its networks may feed one another.

    Raises:
        ValueError: When a network does not say how far it looks, or there is none.
    """
    radii = [network.receptive_radius for network in networks_in(model)]
    if not radii or None in radii:
        raise ValueError(f"overlap: give it; how far {type(model).__name__} looks is not known")
    return sum(radii)
