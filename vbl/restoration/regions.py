"""Restoration region by region, for a degradation that varies over the image.

::

    found = restore_regions("vbdeblur-natural", street, side=192)
    found.image, found.parts[0].kernel

As in VBDeblurNet's Section 3.5: a blur that is not uniform is nearly uniform in a small region.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vbl.models import Restoration
from vbl.restoration.restore import restore


@dataclass(frozen=True)
class Regional:
    """A restored image and the restoration of each region.

    Attributes:
        image: Restored images (B, C, H, W), not clipped.
        places: Row and column of each region's upper left corner.
        parts: The `Restoration` of each region.
    """

    image: Tensor
    places: tuple[tuple[int, int], ...]
    parts: tuple[Restoration, ...]


def restore_regions(model: Any, image: Tensor, *, side: int = 256, **options: Any) -> Regional:
    """Restore overlapping squares of an image independently, and blend them.

    Neighbouring squares overlap by at least half; blending weights fall from the middle of a square
    to its edges.

    Args:
        model: As in `vbl.restore`, but not of super-resolution.
        image: Degraded images (B, C, H, W).
        side: Side of the squares in pixels, at least 2, in which the degradation is about uniform.
        **options: Options of `vbl.restore`.

    Raises:
        ValueError: If `side` is too small, the model enlarges, or as `vbl.restore`.
    """
    if side < 2:
        raise ValueError(f"side: expected at least 2 pixels, got {side}")
    height, width = image.shape[-2:]
    rows, columns = _starts(height, side), _starts(width, side)
    places = tuple((top, left) for top in rows for left in columns)
    weight = _tent(min(side, height))[:, None] * _tent(min(side, width))
    total, weights, parts = torch.zeros_like(image), torch.zeros_like(image[:1, :1]), []
    for top, left in places:
        at = (..., slice(top, top + side), slice(left, left + side))
        part = restore(model, image[at], **options)
        if part.image.shape != image[at].shape:
            sizes = f"{tuple(image[at].shape)} to {tuple(part.image.shape)}"
            raise ValueError(f"model: expected one that keeps the size, it restores {sizes}")
        total[at] += weight.to(image) * part.image
        weights[at] += weight.to(image)
        parts.append(part)
    return Regional(total / weights, places, tuple(parts))


def _starts(length: int, side: int) -> list[int]:
    """Where squares begin along one axis: at most half a square apart."""
    if length <= side:
        return [0]
    count = math.ceil((length - side) / (side / 2)) + 1
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def _tent(length: int) -> Tensor:
    """Weights that fall linearly from the middle to both ends."""
    i = torch.arange(length)
    return torch.minimum(i + 1, length - i).float()
