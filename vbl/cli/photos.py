"""Restoration of one photograph from file to files, with the inferred noise and blur.

For ``night.jpg`` it writes ``night_restored.png``, ``night_side_by_side.png`` and, if the model
infers a noise map, the standard deviations ``night_noise_std.npy``, float32 (1 or 3, H, W) in the
units of an image in [0, 1], and ``night_noise_std.png``, a plot. If it infers a blur kernel:
``night_kernel.png``, a plot, and ``night_kernel.json``, the kernel with its parameters and, if that
is one number, the standard deviation of the noise. If it says how far off it may be, likewise
``night_uncertainty.npy``, (1, H, W), and ``night_uncertainty.png``.

Rows are read, restored and written in bands: memory does not depend on the height.
"""

import filecmp
import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor, nn

from vbl.cli.drafts import draft_prefix
from vbl.cli.drawings import save, shrunk, side_by_side
from vbl.figures import show_kernels, show_maps, use_style
from vbl.images import Picture, open_picture
from vbl.images.picture_writer import PictureWriter, check_format
from vbl.models import Restoration
from vbl.restoration import restore_bands, scale_of
from vbl.utils import complete_or_absent

MAPS = {"noise_std": "inferred noise", "uncertainty": "true values: 90 % within ±"}  # titles
LABELS = {"noise_std": "noise std (of 255)", "uncertainty": "half-width (of 255)"}
ENDINGS = (
    "side_by_side.png",
    *(f"{name}.{suffix}" for name in MAPS for suffix in ("npy", "png")),
    "kernel.png",
    "kernel.json",
)


@dataclass(frozen=True)
class Job:
    """A photograph and where its restoration goes.

    Attributes:
        photo: The file.
        restored: The file that it becomes; None for standard output.
        others: What else may be written, by its ending; empty if only the picture is wanted.
        suffix: Of the format of the restored picture; "" for PNG, and TIFF for floating point.
        called: What messages call the photograph, if it is a copy of standard input.
    """

    photo: Path
    restored: Path | None
    others: Mapping[str, Path]
    suffix: str = ""
    called: str = ""

    @property
    def name(self) -> str:
        """What messages call the photograph."""
        return self.called or str(self.photo)

    @property
    def outputs(self) -> list[Path]:
        """All files that may be written."""
        return [*([self.restored] if self.restored else []), *self.others.values()]


def job_for(photo: Path, folder: Path, stem: str, suffix: str = "", called: str = "") -> Job:
    """The job that writes everything about a photograph into a folder."""
    others = {ending: folder / f"{stem}_{ending}" for ending in ENDINGS}
    return Job(photo, folder / f"{stem}_restored{suffix or '.png'}", others, suffix, called)


def is_filled(path: Path) -> bool:
    """Whether there is a file with some content."""
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:  # there can be none of this name
        return False


def restore_file(
    model: nn.Module,
    job: Job,
    *,
    sigma: float | None = None,
    overwrite: bool = False,
    strip: bool = False,
    full_range: bool = False,
    max_pixels: int,
    progress: Callable[[float], None] | bool = False,
    **options: Any,
) -> str:
    """Restore one photograph; all of its files are written, or none.

    Transparency is kept as it is, and so are the depth, the colour profile, EXIF, the resolution
    and the date of the file.

    Args:
        model: A model with a method ``restore``.
        job: The photograph and its destinations, in existing folders.
        sigma: Noise level, 0 to 255, for a model that needs it.
        overwrite: Replace files of the names that are written; no other file is touched.
        strip: Leave out profile, EXIF, resolution and date.
        full_range: Scale the picture by its own smallest and largest value.
        max_pixels: Of the photograph; a larger one is refused.
        progress: As of `vbl.restoration.restore_bands`.
        options: Further options of it.

    Returns:
        A line with the restored file and a summary of the inferred noise and blur.

    Raises:
        UnreadableImage: When the file is not a picture.
        FileExistsError: When an output file exists and `overwrite` is false.
        ValueError: When the restored values are not finite, or do not fit the format.
        OSError: When a file cannot be written.
    """
    with _errors_as_asked(job):
        picture = open_picture(job.photo, max_pixels=max_pixels, full_range=full_range)
        job = _in_its_format(job, picture)
        check_format(picture, job.suffix, scale_of(model))
        _check_places(job.outputs)
        _check_absent([job.restored] if job.restored else [], overwrite)  # before the work
        noise_std = None if sigma is None else sigma / 255
        home = job.restored.parent if job.restored else None
        with TemporaryDirectory(prefix=draft_prefix(), dir=home) as drafts:
            work = _Work(Path(drafts), picture, job, scale_of(model))
            bands = restore_bands(model, picture, noise_std=noise_std, progress=progress, **options)
            for rows, band in bands:
                work.add(rows, band)
            written = work.finish(strip=strip)
            if job.restored is None:
                with written["restored"].open("rb") as file:
                    shutil.copyfileobj(file, sys.stdout.buffer)
                return f"-{work.summary()}"
            _publish(written, job, overwrite)
            return f"{job.restored}{work.summary()}"


@contextmanager
def _errors_as_asked(job: Job) -> Iterator[None]:
    """Errors about the files that the user named, not about drafts and copies."""
    try:
        yield
    except OSError as reason:
        if reason.strerror is None or isinstance(reason, BrokenPipeError):  # ours; for `main`
            raise
        raise OSError(f"cannot write {job.restored or 'stdout'}: {reason.strerror}") from reason
    except ValueError as reason:
        if not job.called:
            raise
        raise ValueError(str(reason).replace(str(job.photo), job.called)) from reason


def _in_its_format(job: Job, picture: Picture) -> Job:
    """The job with the format that it leaves open: PNG, or TIFF for floating point."""
    if job.suffix or picture.depth != "float" or job.restored is None:
        return replace(job, suffix=job.suffix or ".png")
    return replace(job, restored=job.restored.with_suffix(".tif"), suffix=".tif")


def _check_places(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "no regular file"
            raise FileExistsError(f"{path} is {what}: it is not replaced")


def _check_absent(paths: Iterable[Path], overwrite: bool) -> None:
    there = [path for path in paths if is_filled(path) or path.is_symlink()]
    if there and not overwrite:
        raise FileExistsError(f"{there[0]} exists: give --overwrite to replace it")


def _publish(written: Mapping[str, Path], job: Job, overwrite: bool) -> None:
    """Move finished files to their places, the restored picture last.

    One that is there with the same content is no obstacle: a run was killed between two of them.
    """
    targets = {draft: job.others[end] for end, draft in written.items() if end != "restored"}
    targets[written["restored"]] = job.restored
    news = {
        draft: path
        for draft, path in targets.items()
        if not (path.is_file() and filecmp.cmp(draft, path, shallow=False))
    }
    _check_places(news.values())
    _check_absent(news.values(), overwrite)
    placed: list[tuple[Path, Path | None]] = []
    try:
        for number, (draft, path) in enumerate(news.items()):
            old = draft.with_name(f"old-{number}") if os.path.lexists(path) else None
            if old:
                shutil.copy2(path, old, follow_symlinks=False)
            placed.append((path, old))
            draft.replace(path)
    except BaseException:  # also after a signal: all files or none
        for path, old in placed:
            old.replace(path) if old else path.unlink(missing_ok=True)
        raise


class _Work:
    """What is written about one photograph, band by band, into a folder of drafts.

    Their names are short whatever the photograph is called.
    """

    def __init__(self, folder: Path, picture: Picture, job: Job, scale: int):
        self.folder, self.picture, self.job = folder, picture, job
        self.writer = PictureWriter(folder / "rows.raw", picture, job.suffix, scale)
        self.values: dict[str, Tensor] = {}  # about the whole picture
        self.levels: list[
            Tensor
        ] = []  # of the noise in each band: lowest, share of the mean, highest

    def add(self, rows: slice, band: Restoration) -> None:
        """Take in some rows."""
        self.writer.append(band.image)
        share = (rows.stop - rows.start) / self.picture.height
        for name, value in band.parts.items():
            if name in MAPS and value.numel() > 1:
                self._add_map(name, rows, value[0].cpu(), share)
            elif name != "image":
                self.values[name] = self.values.get(name, 0) + share * value.cpu()

    def _add_map(self, name: str, rows: slice, values: Tensor, share: float) -> None:
        if name == "noise_std":
            self.levels.append(torch.stack([values.min(), values.mean() * share, values.max()]))
        if not self.job.others:
            return
        path, shape = self.folder / f"{name}.npy", (len(values), *self.picture.shape[-2:])
        mode = "r+" if path.exists() else "w+"
        np.lib.format.open_memmap(path, mode, np.float32, shape=shape)[:, rows] = values.numpy()

    def _shrunk_map(self, name: str) -> Tensor | None:
        """The mean over its channels, downsampled; None if the model says nothing of it."""
        path = self.folder / f"{name}.npy"
        if not path.exists():
            return None

        def rows(where: slice) -> Tensor:
            array = np.load(path, mmap_mode="r")  # anew, to release its memory
            return torch.from_numpy(array[:, where].copy())[None]

        return shrunk(rows, self.picture.height, self.picture.width).mean(1, keepdim=True)

    def finish(self, *, strip: bool) -> dict[str, Path]:
        """Write all files; return the drafts by their ending."""
        restored = self.folder / f"restored{self.job.suffix}"
        self.writer.save(restored, strip=strip, name=self.job.restored or Path("-"))
        if not strip:
            found = self.job.photo.stat()
            os.utime(restored, ns=(found.st_atime_ns, found.st_mtime_ns))
        with restored.open("rb") as file:
            os.fsync(file.fileno())
        if self.job.others:
            self._draw()
        ends = (end for end in self.job.others if (self.folder / end).exists())
        return {"restored": restored} | {end: self.folder / end for end in ends}

    def _draw(self) -> None:
        height, width = self.picture.height, self.picture.width
        kernel, maps = self.values.get("kernel"), {name: self._shrunk_map(name) for name in MAPS}
        photo = shrunk(lambda rows: self.picture[rows, :], height, width)
        restored = shrunk(self.writer.read_back, self.writer.height, self.writer.width)
        with plt.rc_context():
            use_style()
            shown = {"photograph": photo, "restored": restored}
            save(side_by_side(shown, maps["noise_std"]), self.folder / "side_by_side.png")
            for name, drawn in maps.items():
                if drawn is not None:
                    figure = show_maps({MAPS[name]: drawn}, label=LABELS[name])
                    save(figure, self.folder / f"{name}.png")
            if kernel is not None:
                save(show_kernels({"inferred kernel": kernel}), self.folder / "kernel.png")
        if kernel is not None:
            with complete_or_absent(self.folder / "kernel.json") as file:
                file.write(json.dumps(_about_kernel(self.values), indent=2).encode())

    def summary(self) -> str:
        """The inferred noise and blur in words."""
        return self._noise() + _blur(self.values.get("kernel_parameters"))

    def _noise(self) -> str:
        if "noise_std" in self.values:
            return f": noise std {255 * self.values['noise_std'].item():.1f} (of 255)"
        if not self.levels:
            return ""
        lows, means, highs = torch.stack(self.levels).unbind(1)
        low, mean, high = (255 * v.item() for v in (lows.min(), means.sum(), highs.max()))
        return f": noise std {mean:.1f}, from {low:.1f} to {high:.1f} (of 255)"


def _about_kernel(values: Mapping[str, Tensor]) -> dict[str, Any]:
    """The content of ``kernel.json``; lengths in pixels of the restored image."""
    about: dict[str, Any] = {"kernel": values["kernel"][0, 0].tolist()}
    if "kernel_parameters" in values:
        parameters = values["kernel_parameters"][0].tolist()
        about |= dict(zip(("lambda1_sq", "lambda2_sq", "rho"), parameters, strict=True))
    if "noise_std" in values and values["noise_std"].numel() == 1:
        about["noise_std"] = values["noise_std"].item()
    return about


def _blur(parameters: Tensor | None) -> str:
    if parameters is None:
        return ""
    lambda1_sq, lambda2_sq, rho = parameters[0].tolist()
    widths = f"{math.sqrt(lambda1_sq):.2f} x {math.sqrt(lambda2_sq):.2f}"
    return f"; blur std {widths} pixels, correlation {rho:.2f}"
