"""A picture's file, opened: its size and depth at once, its pixels from top to bottom.

``open_picture`` accepts what cameras, phones, scanners and editors write, and refuses other files
with one line before it decodes a pixel. libvips decodes, a few rows at a time; what it does not
know, `vbl.images.decoders`.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
import torch
from jaxtyping import Float
from torch import Tensor

from vbl.images.decoders import decode_at_once
from vbl.images.exif import exif_of_tiff, upright, without_thumbnail
from vbl.images.formats import (
    DECODER_ERRORS,
    LOADED,
    PROFILE,
    UnreadableImage,
    check_size,
    format_of,
    several,
)

MAX_PIXELS = 250_000_000
NUMBERS = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}
HUGE = 1e37  # of float32, with room for restored values outside the range
WHITE = {"uchar": 255.0, "ushort": 65535.0, "float": 1.0}  # by libvips's name of the type
CONVERTED = ("lab", "labs", "lch", "xyz", "yxy")  # to sRGB of 16 bits
EXIF = "exif-data"
CARRIED = (PROFILE, "iptc-data", "xmp-data")  # other fields of an image's metadata

pyvips.cache_set_max(0)  # else a file that has changed would be read as it was


@dataclass
class Picture:
    """An opened picture: images (1, C, H, W) of which rows can be read, the fastest in order.

    Attributes:
        path: The file.
        width: In pixels, upright.
        height: In pixels, upright.
        channels: 1 for grey, 3 for RGB; transparency is not counted.
        has_alpha: Whether there is transparency.
        depth: "uchar", "ushort" or "float".
        low: Value in the file that is read as 0.
        high: Value in the file that is read as 1.
    """

    path: Path
    width: int
    height: int
    channels: int
    has_alpha: bool
    depth: str
    low: float
    high: float
    _decoded: pyvips.Image | None = field(default=None, repr=False)  # whole, in memory
    _region: pyvips.Region | None = field(default=None, repr=False)
    _rows: np.ndarray | None = field(default=None, repr=False)  # those that may be asked again
    _first: int = 0

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """1, C, H and W."""
        return 1, self.channels, self.height, self.width

    def decode(self) -> pyvips.Image:
        """The pixels for libvips: upright, grey or RGB, with alpha if there is some."""
        return _standard(_loaded(self.path) if self._decoded is None else self._decoded)

    def __getitem__(self, part: tuple[slice, slice]) -> Float[Tensor, "1 c h w"]:
        """Pixels of some rows and columns, without alpha, scaled to [0, 1].

        Raises:
            UnreadableImage: When they cannot be decoded.
        """
        rows, columns = part
        top, bottom, _ = rows.indices(self.height)
        values = self._read(top, bottom)[:, columns, : self.channels]
        wide = values.astype(np.float64 if self.depth == "float" else np.float32)
        scaled = ((wide - self.low) / (self.high - self.low)).astype(np.float32)
        return torch.from_numpy(scaled.transpose(2, 0, 1).copy())[None]

    def _read(self, top: int, bottom: int) -> np.ndarray:
        """Rows (H, W, C and alpha) as in the file; those above `top` are forgotten."""
        if self._region is None or top < self._first:
            self._region = pyvips.Region.new(self.decode())
            self._rows, self._first = self._fetch(top, bottom), top
        end = self._first + len(self._rows)
        kept = self._rows[min(top, end) - self._first :]
        news = [self._fetch(max(top, end), bottom)] if bottom > end else []
        self._rows, self._first = np.concatenate([kept, *news]) if news else kept, top
        return self._rows[: bottom - top]

    def _fetch(self, top: int, bottom: int) -> np.ndarray:
        try:
            data = self._region.fetch(0, top, self.width, bottom - top)
        except pyvips.Error as reason:
            raise UnreadableImage(self.path, reason.detail or reason) from reason
        return np.frombuffer(data, NUMBERS[self.depth]).reshape(bottom - top, self.width, -1)

    def alpha(self) -> pyvips.Image | None:
        """The transparency, or None."""
        return self.decode()[self.channels] if self.has_alpha else None

    def annotate(self, image: pyvips.Image) -> pyvips.Image:
        """Another image with this one's colour profile, EXIF, XMP, IPTC data and resolution.

        What they say about the pixels is brought up to date: the other image is upright, and the
        thumbnail is left out.
        """
        mine = self.decode()
        image = image.copy(xres=min(mine.xres, 1e5), yres=min(mine.yres, 1e5))
        for name in set(mine.get_fields()).intersection(CARRIED):
            image.set_type(mine.get_typeof(name), name, mine.get(name))
        if exif := self.exif():  # libvips derives other fields from it
            image.set_type(pyvips.GValue.blob_type, EXIF, without_thumbnail(exif))
        if image.get_typeof("xmp-data"):
            image.set_type(pyvips.GValue.blob_type, "xmp-data", upright(image.get("xmp-data")))
        if image.get_typeof("orientation"):  # that of "exif-data"
            image.set("orientation", 1)
        return image

    def exif(self) -> bytes:
        """EXIF as a JPEG holds it; empty if there is none."""
        mine = self.decode()
        return mine.get(EXIF) if mine.get_typeof(EXIF) else exif_of_tiff(self.path)

    def extremes(self) -> tuple[float, float]:
        """The smallest and the largest value in the file, without alpha; NaN if there is one."""
        lows, highs = [], []
        for top in range(0, self.height, 256):
            values = self._read(top, min(top + 256, self.height))[..., : self.channels]
            lows.append(values.min())
            highs.append(values.max())
        return float(np.min(lows)), float(np.max(highs))


def open_picture(path: Any, *, max_pixels: int = MAX_PIXELS, full_range: bool = False) -> Picture:
    """Open a picture.

    The EXIF orientation is applied; palettes, CMYK and Lab become RGB. Values are divided by 255,
    by 65535 for 16 bits, and not for floating point. Colour profiles are carried along, not
    applied. Files with several frames or pages are refused, except for a phone's multi-picture
    JPEG, of which the first picture, the photograph, is read.

    Args:
        path: The file (a string or a ``pathlib.Path``).
        max_pixels: Largest height times width; checked before decoding.
        full_range: Scale the smallest value in the file to 0 and the largest to 1.

    Raises:
        UnreadableImage: With one line naming the file and the reason.
        TypeError: When ``path`` is neither a string nor a path.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a string or a Path, got {type(path).__name__}")
    path = Path(path)
    _check_file(path)
    try:
        picture = _opened(path, format_of(path), max_pixels)
        if full_range or picture.depth == "float":
            _set_range(picture, full_range)
    except UnreadableImage:
        raise
    except DECODER_ERRORS as reason:
        raise UnreadableImage(path, getattr(reason, "detail", "") or reason) from reason
    return picture


def _check_file(path: Path) -> None:
    try:
        found = path.stat()
    except OSError as reason:
        raise UnreadableImage(path, reason.strerror or "no such file") from reason
    except ValueError as reason:  # a zero byte in the name
        raise UnreadableImage(repr(str(path)), reason) from reason
    if path.is_dir():
        raise UnreadableImage(path, "it is a folder, expected a picture")
    if not path.is_file():
        raise UnreadableImage(path, "it is not a regular file")
    if found.st_size == 0:
        raise UnreadableImage(path, "the file is empty (0 bytes)")


def _opened(path: Path, name: str, max_pixels: int) -> Picture:
    by_vips = name in LOADED
    image = _loaded(path) if by_vips else decode_at_once(path, name, max_pixels)
    whole = None if by_vips else image
    check_size(path, image.width, image.height, max_pixels)
    _check_frames(path, name, image)
    image = _standard(image)
    if image.format not in WHITE or image.bands > 4:
        found = f"{image.bands} channels of type {image.format}"
        raise UnreadableImage(path, f"{found}; expected 8 or 16 bits, or float, grey or RGB")
    has_alpha = image.bands in (2, 4)
    return Picture(
        path,
        image.width,
        image.height,
        channels=image.bands - has_alpha,
        has_alpha=has_alpha,
        depth=image.format,
        low=0.0,
        high=WHITE[image.format],
        _decoded=whole,
    )


def _loaded(path: Path) -> pyvips.Image:
    """The file as libvips decodes it, from top to bottom if it need not be turned."""

    def loaded(access: str) -> pyvips.Image:
        source = pyvips.Source.new_from_file(os.fsencode(path))  # any name, also with brackets
        return pyvips.Image.new_from_source(source, "", access=access, fail_on="error")

    image = loaded("sequential")
    turned = image.get_typeof("orientation") and image.get("orientation") > 1
    return _full_range(loaded("random") if turned else image)


def _full_range(image: pyvips.Image) -> pyvips.Image:
    """White as 65535 also from the 10 or 12 bits of an AVIF, which libvips shifts up to 16."""
    if image.get("vips-loader").startswith("heifload") and image.format == "ushort":
        bits = image.get("bits-per-sample")
        white = (2**bits - 1) << (16 - bits)
        return (image * (65535 / white) + 0.5).cast("ushort").copy(interpretation="rgb16")
    return image


def _standard(image: pyvips.Image) -> pyvips.Image:
    """Upright, and grey or RGB; what is converted to sRGB keeps 8 bits or gets 16."""
    image = image.autorot()
    if image.interpretation == "cmyk":
        depth = 8 if image.format == "uchar" else 16
        rgb = image.icc_transform("srgb", embedded=True, input_profile="cmyk", depth=depth)
        return _without_profile(rgb)
    if image.interpretation in CONVERTED:
        return _without_profile(image.colourspace("rgb16"))
    return image


def _without_profile(image: pyvips.Image) -> pyvips.Image:
    image = image.copy()
    if image.get_typeof(PROFILE):
        image.remove(PROFILE)
    return image


def _check_frames(path: Path, name: str, image: pyvips.Image) -> None:
    frames = image.get("n-pages") if image.get_typeof("n-pages") else 1
    if frames > 1:
        raise UnreadableImage(path, several(frames))
    if name == "PNG" and _is_animated(path):
        raise UnreadableImage(path, several("several"))


def _is_animated(png: Path) -> bool:
    """Whether a PNG has an animation's chunk before its pixels; libvips reads the first frame."""
    with png.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
            if head[4:] == b"acTL":
                return True
            file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
    return False


def _set_range(picture: Picture, full_range: bool) -> None:
    low, high = picture.extremes()
    if not np.isfinite([low, high]).all():
        raise UnreadableImage(picture.path, f"values from {low:g} to {high:g}, expected numbers")
    if full_range:
        if max(-low, high) > HUGE:
            found = f"values from {low:g} to {high:g}"
            raise UnreadableImage(picture.path, f"{found}, too large to compute with")
        if low == high:
            raise UnreadableImage(picture.path, f"all its values are {low:g}: it has no range")
        picture.low, picture.high = low, high
    elif low < 0 or high > 1:
        found = f"values from {low:g} to {high:g}, expected [0, 1]"
        raise UnreadableImage(picture.path, f"{found}; full_range (--range) scales them")
