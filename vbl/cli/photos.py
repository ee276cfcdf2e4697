"""Restoration of photographs from files to files, with the inferred noise and blur.

For ``night.jpg`` it writes ``night_restored.png``, ``night_side_by_side.png`` and, if the model
infers a noise map, the standard deviations ``night_noise_std.npy``, float32 (1 or 3, H, W) in the
units of an image in [0, 1], and ``night_noise_std.png``, a plot. If it infers a blur kernel:
``night_kernel.png``, a plot, and ``night_kernel.json``, the kernel with its parameters and, if that
is one number, the standard deviation of the noise.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from vbl.figures import NOISE_COLOURS, show_kernels, show_maps, use_style
from vbl.images import read, write
from vbl.models import Restoration
from vbl.restoration import is_told, restore
from vbl.utils import complete_or_absent, find_device

SHOWN = 640  # largest side of a photograph in a figure, in pixels


def check_restoration(
    model: nn.Module,
    photos: Sequence[Path],
    folder: Path,
    *,
    sigma: float | None,
    tile: int,
    device: Any,
    **others: Any,
) -> None:
    """Check options, as in `restore_file`, before any photograph is restored.

    Raises:
        ValueError: When an option does not fit, two photographs would become one file, or one
            would be overwritten by what another becomes.
    """
    find_device(device)
    name = type(model).__name__
    if is_told(model) and sigma is None:
        raise ValueError(f"sigma: {name} must be told the noise level, from 0 to 255")
    if sigma is not None and not is_told(model):
        raise ValueError(f"sigma: {name} is not told the noise level, got {sigma:g}")
    if sigma is not None and not 0 <= sigma <= 255:
        raise ValueError(f"sigma: expected a noise level from 0 to 255, got {sigma:g}")
    if tile < 1:
        raise ValueError(f"tile: expected a side of at least one pixel, got {tile}")
    first: dict[str, Path] = {}
    for photo in photos:
        other = first.setdefault(photo.stem.casefold(), photo)
        if other is not photo:
            both = f"{other} and {photo} would both become {photo.stem}_restored.png"
            raise ValueError(f"{both}: restore them into different folders")
    given = {photo.resolve() for photo in photos}
    for photo in photos:
        if taken := [path for path in _outputs(photo, folder) if path.resolve() in given]:
            clash = f"{photo} would become {taken[0]}, which is to be restored itself"
            raise ValueError(f"{clash}: give another folder")


def restore_file(
    model: nn.Module,
    photo: Path,
    folder: Path,
    *,
    sigma: float | None = None,
    overwrite: bool = False,
    **options: Any,
) -> str:
    """Restore one photograph; all of its files are written, or none.

    Args:
        model: A model with a method ``restore``.
        photo: The file.
        folder: An existing folder for the output.
        sigma: Noise level, 0 to 255, for a model that needs it.
        overwrite: Replace files of the names that are written; no other file is touched.
        options: Options of `vbl.restoration.restore`.

    Returns:
        A line with the restored file and a summary of the inferred noise and blur.

    Raises:
        UnreadableImage: When the file is not a picture.
        FileExistsError: When an output file exists and `overwrite` is false.
        ValueError: When the restored values are not finite.
        OSError: When a file cannot be written.
    """
    always = _outputs(photo, folder)[:2]
    _check_absent(always, overwrite)  # before the work
    noise_std = None if sigma is None else sigma / 255
    with TemporaryDirectory(prefix=".vbl-restore-", dir=folder) as drafts:
        y = read(photo)
        restored = restore(model, y, noise_std=noise_std, progress=photo.name, **options)
        small = _shrunk(y)
        del y  # 0.3 GB for 24 megapixels, not needed while the files are written
        _write(restored, small, _outputs(photo, Path(drafts)))
        pairs = zip(_outputs(photo, Path(drafts)), _outputs(photo, folder), strict=True)
        written = {draft: path for draft, path in pairs if draft.exists()}
        _check_absent(written.values(), overwrite)
        for draft, path in written.items():
            draft.replace(path)
    inferred = _noise(restored.noise_std) + _blur(restored)
    return f"{always[0]}{inferred}"


def _check_absent(paths: Iterable[Path], overwrite: bool) -> None:
    there = [path for path in paths if path.exists()]
    if there and not overwrite:
        raise FileExistsError(f"{there[0]} exists: give --overwrite to replace it")


ENDINGS = (
    "restored.png",
    "side_by_side.png",
    "noise_std.npy",
    "noise_std.png",
    "kernel.png",
    "kernel.json",
)


def _outputs(photo: Path, folder: Path) -> tuple[Path, ...]:
    return tuple(folder / f"{photo.stem}_{ending}" for ending in ENDINGS)


def _write(restored: Restoration, photo: Tensor, outputs: Sequence[Path]) -> None:
    """Write all outputs; `photo` is the downsampled photograph."""
    path, side_by_side, array, drawn, kernel, about_kernel = outputs
    write(path, restored.image.clamp_(0, 1))  # in place, to save memory
    std = restored.noise_std
    if std is not None and std.shape[-2:].numel() == 1:
        std = None  # one value, not a map
    if std is not None:
        with complete_or_absent(array) as file:
            np.save(file, std[0].cpu().numpy())
        std = _shrunk(std).mean(1, keepdim=True)
    with plt.rc_context():
        use_style()
        pictures = {"photograph": photo, "restored": _shrunk(restored.image)}
        _save(_side_by_side(pictures, std), side_by_side)
        if std is not None:
            _save(show_maps({"inferred noise": std}), drawn)
        if restored.kernel is not None:
            _save(show_kernels({"inferred kernel": restored.kernel}), kernel)
    if restored.kernel is not None:
        with complete_or_absent(about_kernel) as file:
            file.write(json.dumps(_about_kernel(restored), indent=2).encode())


def _about_kernel(restored: Restoration) -> dict[str, Any]:
    """The content of ``kernel.json``; lengths in pixels of the restored image."""
    about: dict[str, Any] = {"kernel": restored.kernel[0, 0].tolist()}
    if restored.kernel_parameters is not None:
        values = restored.kernel_parameters[0].tolist()
        about |= dict(zip(("lambda1_sq", "lambda2_sq", "rho"), values, strict=True))
    if restored.noise_std is not None and restored.noise_std[0].numel() == 1:
        about["noise_std"] = restored.noise_std.item()
    return about


def _side_by_side(pictures: Mapping[str, Tensor], std: Tensor | None) -> Figure:
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


def _save(figure: Figure, path: Path) -> None:
    try:
        with complete_or_absent(path) as file:
            figure.savefig(file, format="png")
    finally:
        plt.close(figure)


def _shrunk(image: Tensor) -> Tensor:
    """Downsampled to at most `SHOWN` pixels, by averages over squares."""
    factor = math.ceil(max(image.shape[-2:]) / SHOWN)
    return F.avg_pool2d(image, factor, ceil_mode=True).cpu()


def _blur(restored: Restoration) -> str:
    if restored.kernel_parameters is None:
        return ""
    lambda1_sq, lambda2_sq, rho = restored.kernel_parameters[0].tolist()
    widths = f"{math.sqrt(lambda1_sq):.2f} x {math.sqrt(lambda2_sq):.2f}"
    return f"; blur std {widths} pixels, correlation {rho:.2f}"


def _noise(std: Tensor | None) -> str:
    if std is None:
        return ""
    if std.numel() == 1:
        return f": noise std {255 * std.item():.1f} (of 255)"
    low, mean, high = (255 * value for value in (std.min(), std.mean(), std.max()))
    return f": noise std {mean:.1f}, from {low:.1f} to {high:.1f} (of 255)"
