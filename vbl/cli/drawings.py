"""Figures about one photograph that was restored: pictures side by side, maps, reduced in size."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from vbl.figures import NOISE_COLOURS
from vbl.utils import complete_or_absent

SHOWN = 640  # largest side of a photograph in a figure, in pixels


def side_by_side(pictures: Mapping[str, Tensor], std: Tensor | None) -> Figure:
    """Pictures and the noise map, of any aspect ratio, in a figure of moderate size."""
    count = len(pictures) + (std is not None)
    height, width = pictures["photograph"].shape[-2:]
    inches = (4 * count, 4 * min(max(height / width, 0.25), 2) + 0.5)
    figure, axes = plt.subplots(1, count, figsize=inches)
    for ax, (title, picture) in zip(axes, pictures.items(), strict=False):
        ax.imshow(picture[0].expand(3, -1, -1).permute(1, 2, 0).numpy(), interpolation="nearest")
        ax.set_title(title)
    if std is not None:
        drawn = axes[-1].imshow(
            255 * std[0, 0].numpy(), cmap=NOISE_COLOURS, interpolation="nearest"
        )
        axes[-1].set_title("inferred noise")
        figure.colorbar(drawn, ax=axes[-1], label="noise std (of 255)", shrink=0.8)
    for ax in axes:
        ax.axis("off")
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all, and close it."""
    try:
        with complete_or_absent(path) as file:
            figure.savefig(file, format="png")
    finally:
        plt.close(figure)


def shrunk(rows: Callable[[slice], Tensor], height: int, width: int) -> Tensor:
    """Downsampled to at most `SHOWN` pixels, by averages over squares, from rows (1, C, h, W)."""
    factor = math.ceil(max(height, width) / SHOWN)
    step = factor * math.ceil(256 / factor)
    parts = (rows(slice(top, min(top + step, height))) for top in range(0, height, step))
    return torch.cat([F.avg_pool2d(part, factor, ceil_mode=True) for part in parts], 2)
