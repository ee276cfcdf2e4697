"""Small pictures, maps and kernels in labelled rows."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from vbl.figures.plots import NOISE_COLOURS


def show_grid(
    rows: Mapping[str, Sequence[Tensor]],
    *,
    titles: Sequence[str] = (),
    top: float | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Small pictures in labelled rows, without axes.

    Args:
        rows: Label of a row to its pictures (C, H, W) or (1, C, H, W), in [0, 1] if they have three
            channels. One of a single channel is a map: grey, from its least value to its greatest.
        titles: Of the first row's pictures.
        top: If given, maps share the colours of noise maps, from 0 to this value.
        figure: Where to draw; by default a new one of the width of a page.

    Raises:
        ValueError: If there is no picture, or one has another shape.
    """
    columns = max((len(row) for row in rows.values()), default=0)
    if not columns:
        raise ValueError("rows: expected at least one picture")
    size = (7.2, 7.2 / columns * len(rows) + 0.3)
    figure = figure or plt.figure(figsize=size)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    colours = {} if top is None else {"cmap": NOISE_COLOURS, "vmin": 0, "vmax": top}
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[], frame_on=False)
    for places, (label, row) in zip(axes, rows.items(), strict=True):
        places[0].set_ylabel(label)
        for ax, image in zip(places, row, strict=False):
            picture = _array(image)
            options = {} if picture.ndim == 3 else {"cmap": "gray", **colours}
            ax.imshow(picture, interpolation="nearest", **options)
    for ax, title in zip(axes[0], titles, strict=False):
        ax.set_title(title)
    return figure


def _array(image: Tensor) -> np.ndarray:
    """Return a picture (H, W, 3), clipped to [0, 1], or a map (H, W)."""
    values = image[0] if image.ndim == 4 and len(image) == 1 else image
    if values.ndim != 3 or len(values) not in (1, 3):
        raise ValueError(f"expected (C, H, W) with 1 or 3 channels, got {tuple(image.shape)}")
    values = values.detach().cpu()
    return values[0].numpy() if len(values) == 1 else values.clamp(0, 1).permute(1, 2, 0).numpy()


def as_blocks(image: Tensor, scale: int) -> Tensor:
    """Enlarge (..., H, W) to (..., scale H, scale W): every pixel becomes a block of one colour."""
    return image.repeat_interleave(scale, -2).repeat_interleave(scale, -1)
