"""Writing a picture of any height row by row.

Rows are appended to a raw file, which libvips then encodes: memory does not depend on the height.
"""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
import torch
from torch import Tensor

from vbl.images.exif import add_to_tiff
from vbl.images.formats import PROFILE
from vbl.images.picture import NUMBERS, WHITE, Picture


@dataclass(frozen=True)
class Format:
    """What a file format can hold.

    Attributes:
        saver: libvips's function.
        options: Its options.
        depths: Types of values, the largest last.
        alpha: Whether it has transparency.
        side: Largest width or height in pixels.
    """

    saver: str
    options: dict[str, Any]
    depths: tuple[str, ...] = ("uchar",)
    alpha: bool = True
    side: int = 2**31 - 1


JPEG = Format("jpegsave", {"Q": 95, "subsample_mode": "off"}, alpha=False, side=65_500)
TIFF = Format(
    "tiffsave", {"compression": "deflate", "predictor": "horizontal"}, ("uchar", "ushort", "float")
)
FORMATS = {
    ".png": Format("pngsave", {}, ("uchar", "ushort")),
    ".jpg": JPEG,
    ".jpeg": JPEG,
    ".tif": TIFF,
    ".tiff": TIFF,
    ".webp": Format("webpsave", {"Q": 95}, side=16_383),
    ".avif": Format("heifsave", {"Q": 90, "compression": "av1"}, side=16_384),
}
COLOURS = {("uchar", 1): "b-w", ("ushort", 1): "grey16", ("float", 1): "b-w"}
COLOURS |= {("uchar", 3): "srgb", ("ushort", 3): "rgb16", ("float", 3): "scrgb"}
BIGTIFF = 2**31  # bytes of pixels above which a TIFF needs 64-bit offsets


def check_format(picture: Picture, suffix: str, scale: int) -> None:
    """Check that a restored picture fits into a format.

    Raises:
        ValueError: When it does not.
    """
    side = scale * max(picture.width, picture.height)
    if side > FORMATS[suffix].side:
        raise ValueError(f"{suffix} holds sides of {FORMATS[suffix].side} pixels, not {side}")
    if picture.has_alpha and not FORMATS[suffix].alpha:
        raise ValueError(f"{picture.path} is transparent in places, which {suffix} cannot hold")


class PictureWriter:
    """A picture that is written from top to bottom.

    Args:
        raw: Where the raw rows are kept.
        source: The picture that is restored: its depth, range, transparency and metadata.
        suffix: Of the format.
        scale: How many times larger than `source` the written picture is.
    """

    def __init__(self, raw: Path, source: Picture, suffix: str, scale: int = 1):
        self.raw, self.source, self.scale = raw, source, scale
        self.format = FORMATS[suffix]
        fits = source.depth in self.format.depths
        self.depth = source.depth if fits else self.format.depths[-1]
        self.width, self.height = scale * source.width, scale * source.height
        same = fits and self.format.depths[-1] != "uchar"
        self.low, self.high = (source.low, source.high) if same else (0.0, WHITE[self.depth])
        raw.touch()

    def append(self, rows: Tensor) -> None:
        """Add rows (1, C, h, W) in [0, 1]; others are clipped, unless the picture is in floats.

        Raises:
            ValueError: When a value is not finite.
        """
        low, high = (v.item() for v in rows.aminmax())
        if not np.isfinite([low, high]).all():
            found = f"restored values from {low:g} to {high:g}, expected numbers"
            raise ValueError(f"{self.source.path}: {found}")
        with self.raw.open("ab") as file:
            for part in rows[0].permute(1, 2, 0).split(64):
                file.write(self._numbers(part).tobytes())

    def _numbers(self, part: Tensor) -> np.ndarray:
        """Values as in the file."""
        values = part.cpu().double()
        values = values if self.depth == "float" else values.clamp(0, 1)
        values = self.low + (self.high - self.low) * values
        values = values if self.depth == "float" else values.round()
        return values.numpy().astype(NUMBERS[self.depth])

    def read_back(self, rows: slice) -> Tensor:
        """Written rows, (1, C, h, W) in [0, 1]."""
        kind, row = np.dtype(NUMBERS[self.depth]), self.width * self.source.channels
        count = (rows.stop - rows.start) * row
        written = np.fromfile(self.raw, kind, count, offset=rows.start * row * kind.itemsize)
        written = written.reshape(-1, self.width, self.source.channels)
        values = (written.astype(np.float32) - self.low) / (self.high - self.low)
        return torch.from_numpy(values.transpose(2, 0, 1).copy())[None].clamp(0, 1)

    def save(self, path: Path, *, strip: bool = False, name: Path | None = None) -> None:
        """Encode the rows.

        Args:
            path: The file.
            strip: Leave out profile, EXIF and other metadata.
            name: What an error calls the file.

        Raises:
            OSError: When the file cannot be written.
        """
        image = self._image()
        annotated = image if strip else self.source.annotate(image)
        try:
            self._encode(annotated, path, strip)
        except pyvips.Error as reason:
            line = _in_a_line(reason)
            if not annotated.get_typeof(PROFILE):
                raise OSError(f"cannot write {name or path}: {line}") from reason
            warnings.warn(f"{name or path}: without the colour profile: {line}", stacklevel=2)
            annotated.remove(PROFILE)
            self._encode(annotated, path, strip)

    def _image(self) -> pyvips.Image:
        """The written rows, with the source's transparency."""
        channels = self.source.channels
        image = pyvips.Image.rawload(
            os.fsencode(self.raw),
            self.width,
            self.height,
            channels,
            format=self.depth,
            interpretation=COLOURS[self.depth, channels],
        )
        alpha = self.source.alpha()
        return image if alpha is None else image.bandjoin(self._converted(alpha))

    def _encode(self, image: pyvips.Image, path: Path, strip: bool) -> None:
        options = dict(self.format.options, keep="none" if strip else "all")
        if self.format is TIFF:
            options["bigtiff"] = self.raw.stat().st_size > BIGTIFF
        _run(image, self.format.saver, path, options)
        if self.format is TIFF and not strip and (exif := self.source.exif()):
            add_to_tiff(path, exif)

    def _converted(self, alpha: pyvips.Image) -> pyvips.Image:
        """Transparency in the size and type of the written picture."""
        if self.scale > 1:
            alpha = alpha.resize(self.scale, kernel="linear")
        if self.depth != self.source.depth:
            alpha = alpha * (WHITE[self.depth] / WHITE[self.source.depth])
        return alpha.rint().cast(self.depth) if self.depth != "float" else alpha.cast("float")


def _in_a_line(reason: pyvips.Error) -> str:
    """What the system said, or else libvips."""
    said = (reason.detail or str(reason)).splitlines()
    by_system = [line for line in said if line.startswith("system error: ")]
    return by_system[0].partition(": ")[2] if by_system else " ".join(" ".join(said).split())


def _run(image: pyvips.Image, saver: str, path: Path, options: dict[str, Any]) -> None:
    """Save; Ctrl-C and other signals, which Python sees only in a callback, end it."""
    stopped: list[BaseException] = []

    def look_for_signals(*_: object) -> None:
        try:
            for _step in range(2):
                pass
        except BaseException as signal:
            stopped.append(signal)
            image.set_kill(True)

    image.set_progress(True)
    image.signal_connect("eval", look_for_signals)
    try:
        getattr(image, saver)(os.fsencode(path), **options)
    finally:
        if stopped:
            raise stopped[0]
