"""A degradation that changes over the image: inferred and undone region by region.

::

    found = restore_regions("vbdeblur-natural", street, side=192)
    found.image, found.parts[0].kernel

VBDeblurNet's Section 3.5: where no kernel holds for the whole, one may hold for a part of it.
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
    """What was restored, and what was inferred where.

    Attributes:
        image: Restored images (B, C, H, W), not clipped.
        places: Row and column at which each region begins.
        parts: Each region's own `Restoration`.
    """

    image: Tensor
    places: tuple[tuple[int, int], ...]
    parts: tuple[Restoration, ...]


def restore_regions(model: Any, image: Tensor, *, side: int = 256, **options: Any) -> Regional:
    """Restore overlapping squares of an image, each as an image of its own, and blend them.

    Each square has half of its neighbours in it; the weight of a pixel falls from the middle of a
    square to its edges.

    Args:
        model: As in `vbl.restore`; not one of super-resolution.
        image: Degraded images (B, C, H, W).
        side: Of the squares, at least 2: as large as one kernel may hold for.
        **options: Of `vbl.restore`.

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
    """Where squares begin along one side: no further apart than half of one."""
    if length <= side:
        return [0]
    count = math.ceil((length - side) / (side / 2)) + 1
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def _tent(length: int) -> Tensor:
    """Weights that fall from the middle to both ends."""
    i = torch.arange(length)
    return torch.minimum(i + 1, length - i).float()
