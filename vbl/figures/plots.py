"""The figures of the book in one style: colour-blind-safe, labelled, pixels not resampled."""

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter
from torch import Tensor

from vbl.evaluation import psnr, ssim
from vbl.figures.noise_statistics import autocorrelation, noise_level_function

# Okabe and Ito's palette: distinct for every common form of colour vision.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
NOISE_COLOURS = "cividis"
KERNEL_COLOURS = "magma"
WIDE = 30  # largest over smallest size of a curve that is drawn on a logarithmic axis

_STYLE = {
    "figure.dpi": 160,
    "savefig.dpi": "figure",
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "axes.prop_cycle": plt.cycler(color=PALETTE),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "font.size": 9,
    "lines.linewidth": 1.6,
}


def use_style() -> None:
    """Set Matplotlib's defaults to the book's style; call once at the top of a notebook."""
    plt.rcParams.update(_STYLE)


def _picture(image: Tensor) -> np.ndarray:
    """(1, C, H, W) to an array for `imshow`, clipped to [0, 1]."""
    if image.ndim != 4 or len(image) != 1:
        raise ValueError(f"expected one image (1, C, H, W), got {tuple(image.shape)}")
    return image[0].detach().cpu().clamp(0, 1).permute(1, 2, 0).expand(-1, -1, 3).numpy()


def _scores(image: Tensor, truth: Tensor) -> str:
    if image.shape != truth.shape or torch.equal(image, truth):
        return ""
    return f"{psnr(image, truth).item():.1f} dB, SSIM {ssim(image, truth).item():.2f}"


def show(
    images: Mapping[str, Tensor],
    *,
    truth: Tensor | None = None,
    unscored: Collection[str] = (),
    columns: int | None = None,
    zoom: tuple[int, int, int] | None = None,
    enlarge: int = 3,
) -> Figure:
    """Images side by side, with an integer number of figure pixels per image pixel.

    Args:
        images: Title to image (1, C, H, W) in [0, 1]; all of one size. A title may have two lines.
        truth: If given, PSNR and SSIM of every other image are added to its title.
        unscored: Titles of images that are no estimates of `truth`.
        columns: Images per row; all in one row if None.
        zoom: (row, column, side) of a square to show enlarged in each image's lower right corner.
        enlarge: Factor of that enlargement.

    Raises:
        ValueError: If the images differ in height and width, or one is not a single image.
    """
    if truth is not None:
        scores = {t: "" if t in unscored else _scores(v, truth) for t, v in images.items()}
        images = {f"{title}\n{scores[title]}": v for title, v in images.items()}
    pictures = {title: _picture(image) for title, image in images.items()}
    sizes = {p.shape[:2] for p in pictures.values()}
    if len(sizes) != 1:
        raise ValueError(f"expected images of one size, got {sorted(sizes)}")
    (h, w), columns = sizes.pop(), columns or len(pictures)
    rows, gap = math.ceil(len(pictures) / columns), max(4, w // 50)
    factor = max(1, round(1200 / (columns * w)))
    lines = max(title.count("\n") + 1 for title in pictures)
    width = columns * (w + gap) - gap
    line = width / 46  # height of a text line, readable in a figure as wide as a page's column
    head = round(lines * line) + 4
    height, dpi = rows * (h + head), 200
    inches = (width * factor / dpi, height * factor / dpi)
    figure = plt.figure(figsize=inches, dpi=dpi, layout="none")
    points = 0.75 * line * factor * 72 / dpi
    for i, (title, picture) in enumerate(pictures.items()):
        row, column = divmod(i, columns)
        left, bottom = column * (w + gap) / width, 1 - (row + 1) * (h + head) / height
        ax = figure.add_axes((left, bottom, w / width, h / height))
        ax.imshow(picture, interpolation="nearest")
        ax.set_title(title, fontsize=points, pad=points / 3)
        ax.axis("off")
        if zoom:
            _inset(ax, picture, zoom, enlarge)
    return figure


def _inset(ax: Axes, picture: np.ndarray, zoom: tuple[int, int, int], enlarge: int) -> None:
    (h, w), (row, column, side) = picture.shape[:2], zoom
    reach_x, reach_y = side * enlarge / w, side * enlarge / h
    inset = ax.inset_axes((1 - reach_x, 0, reach_x, reach_y))
    inset.imshow(picture[row : row + side, column : column + side], interpolation="nearest")
    inset.set(xticks=[], yticks=[])
    colour = PALETTE[4]
    for spine in inset.spines.values():
        spine.set(visible=True, color=colour, linewidth=1.2)
    corner = (column - 0.5, row - 0.5)
    ax.add_patch(Rectangle(corner, side, side, fill=False, color=colour, linewidth=0.8))


def show_maps(maps: Mapping[str, Tensor], *, label: str = "noise std (of 255)") -> Figure:
    """Maps side by side on one colour scale.

    Args:
        maps: Title to map (1, 1, H, W), in units of the image; 255 times that is plotted.
        label: Label of the colour bar.
    """
    arrays = {title: 255 * m[0, 0].detach().cpu().numpy() for title, m in maps.items()}
    low, high = (f([f(a) for a in arrays.values()]) for f in (np.min, np.max))
    figure, axes = plt.subplots(1, len(arrays), figsize=(7, 7 / len(arrays) * 0.9), squeeze=False)
    for ax, (title, array) in zip(axes[0], arrays.items(), strict=True):
        drawn = ax.imshow(array, cmap=NOISE_COLOURS, vmin=low, vmax=high, interpolation="nearest")
        ax.set_title(title)
        ax.axis("off")
    figure.colorbar(drawn, ax=axes[0], label=label, shrink=0.85)
    return figure


def show_kernels(kernels: Mapping[str, Tensor], *, columns: int | None = None) -> Figure:
    """Blur kernels side by side, each on its own scale from 0 to its maximum.

    Args:
        kernels: Title to kernel (1, 1, k, k); the axes are offsets from its centre in pixels.
        columns: Kernels per row; all in one row if None.
    """
    columns = columns or len(kernels)
    rows = math.ceil(len(kernels) / columns)
    size = (1.5 * columns, 1.7 * rows + 0.25)
    figure, axes = plt.subplots(
        rows, columns, figsize=size, squeeze=False, sharex=True, sharey=True
    )
    for ax in axes.flat[len(kernels) :]:
        ax.axis("off")
    for ax, (title, kernel) in zip(axes.flat, kernels.items(), strict=False):
        k = kernel[0, 0].detach().cpu().numpy()
        r = k.shape[-1] / 2
        ax.imshow(k, cmap=KERNEL_COLOURS, vmin=0, extent=(-r, r, r, -r), interpolation="nearest")
        ax.set_title(title, fontsize=8)
        ax.grid(False)
    for ax in axes[-1]:
        ax.set_xlabel("x (pixels)", fontsize=7)
    for ax in axes[:, 0]:
        ax.set_ylabel("y (pixels)", fontsize=7)
    return figure


def noise_profile(pairs: Mapping[str, tuple[Tensor, Tensor]]) -> Figure:
    """Noise of image pairs in three panels: level, correlation, density.

    The level against the clean value, the correlation against the horizontal shift, the density of
    the standardised residual on a log scale.

    Args:
        pairs: Name to (noisy, clean), both (B, C, H, W).
    """
    figure, (level, correlation, density) = plt.subplots(1, 3, figsize=(7.4, 2.5))
    bins = np.linspace(-6, 6, 61)
    for (name, (noisy, clean)), marker in zip(pairs.items(), cycle("osD^v*")):
        noisy, clean = noisy.cpu(), clean.cpu()
        noise = noisy - clean
        value, std = noise_level_function(noise, clean)
        level.plot(value, 255 * std, marker=marker, markersize=3, label=name)
        row = autocorrelation(noise, 4)[4, 4:]
        correlation.plot(row, marker=marker, markersize=3)
        unit = ((noise - noise.mean()) / noise.std()).flatten()
        share = torch.histc(unit, 60, -6, 6) / unit.numel() / (bins[1] - bins[0])
        density.plot((bins[1:] + bins[:-1]) / 2, share.where(share > 0, torch.nan))
    t = np.linspace(-6, 6, 200)
    density.plot(t, np.exp(-(t**2) / 2) / math.sqrt(2 * math.pi), "k:", label="Gaussian")
    density.set(yscale="log", ylim=(1e-5, 3), xlabel="residual / its std", ylabel="density")
    density.legend(loc="lower center")
    level.set(xlabel="clean value", ylabel="noise std (of 255)", ylim=(0, None))
    correlation.set(xlabel="horizontal shift (pixels)", ylabel="correlation", ylim=(-0.25, 1.05))
    correlation.set_xticks(range(5))
    figure.legend(*level.get_legend_handles_labels(), loc="outside lower center", ncols=len(pairs))
    return figure


def against_truth(
    panels: Mapping[str, tuple[Tensor, Tensor]], *, limits: Mapping[str, tuple[float, float]]
) -> Figure:
    """What was inferred against what is true, a panel for each quantity, on equal axes.

    Args:
        panels: Title, with the unit, to the true and the inferred values, both (N,).
        limits: Title to the ends of both axes.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(7.2, 2.8), squeeze=False)
    for ax, (title, (true, inferred)) in zip(axes[0], panels.items(), strict=True):
        ends = limits[title]
        ax.plot(ends, ends, "k:", lw=1)
        ax.scatter(true.cpu(), inferred.cpu(), s=9, color=PALETTE[0])
        ax.set(title=title, xlabel="true", xlim=ends, ylim=ends, aspect="equal")
    axes[0, 0].set_ylabel("inferred")
    return figure


def training_terms(
    history: Sequence[Mapping[str, Any]],
    pixels: int = 1,
    *,
    panels: Mapping[tuple[str, str], Mapping[str, float]] | None = None,
) -> Figure:
    """The terms of a bound during training, and last the validation PSNR.

    Args:
        history: As in `vbl.training.Run`.
        pixels: Pixels of a training crop, for nats per pixel.
        panels: By title and label of the axis the terms to show, each with what it is divided by;
            by default every term has a panel and is divided by `pixels`.
    """
    per_pixel = {(name, "nats per pixel"): {name: pixels} for name in history[-1]["terms"]}
    panels, step = panels or per_pixel, [row["step"] for row in history]
    figure, axes = plt.subplots(1, len(panels) + 1, figsize=(7.6, 2.3), squeeze=False)
    for ax, ((title, label), terms) in zip(axes[0], panels.items(), strict=False):
        curves = {n: [row["terms"][n] / unit for row in history] for n, unit in terms.items()}
        for name, values in curves.items():
            ax.plot(step, values, label=name)
        sizes = ([abs(value) for value in values] for values in curves.values())
        if any(max(size) > WIDE * min(size) for size in sizes):
            ax.set_yscale("symlog", linthresh=1)  # first values may be thousands of times the last
        ax.set(title=title, xlabel="step", ylabel=label)
        if len(terms) > 1:
            ax.legend(fontsize=7)
    validated = [row for row in history if "psnr" in row]
    axes[0, -1].plot(*zip(*((row["step"], row["psnr"]) for row in validated), strict=True), "o-")
    axes[0, -1].set(title="held-out pictures", xlabel="step", ylabel="PSNR (dB)")
    return figure


def learning_curves(
    histories: Mapping[str, Sequence[Mapping[str, Any]]], against: str = "minutes"
) -> Figure:
    """Validation PSNR of several runs against their cost, on a logarithmic axis.

    Args:
        histories: Name of the run to its history.
        against: "minutes" of training or training "images".

    Raises:
        ValueError: If `against` is neither.
    """
    if against not in ("minutes", "images"):
        raise ValueError(f"against: expected 'minutes' or 'images', got {against!r}")
    figure, ax = plt.subplots(figsize=(5.2, 3))
    for (name, history), marker in zip(histories.items(), cycle("osD^v*")):
        rows = [row for row in history if "psnr" in row]
        cost = [row["seconds"] / 60 if against == "minutes" else row["images"] for row in rows]
        ax.plot(cost, [row["psnr"] for row in rows], marker=marker, markersize=3, label=name)
    label = "training time (minutes)" if against == "minutes" else "crops seen"
    ax.set(xscale="log", xlabel=label, ylabel="PSNR of held-out pictures (dB)")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:,g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.legend(loc="lower right")
    return figure
