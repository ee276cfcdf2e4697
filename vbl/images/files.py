"""Reading and writing pictures safely.

A file may be truncated, animated, transparent, rotated by a flag, sixteen bits deep, or a few
kilobytes that decompress to a gigapixel. ``read`` converts pictures to one layout, float32
``(1, C, H, W)`` in [0, 1], and refuses other files with one line. Nothing is repaired silently, and
no global state of Pillow is changed, so both functions are thread-safe.
"""

import os
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from jaxtyping import Float
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from torch import Tensor

from vbl.utils import complete_or_absent

# First bytes of a file -> the class that opens it. Calling the class, not Image.open, excludes rare
# and risky formats and applies our pixel limit before Pillow's warning.
OPENERS = {
    b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile,
    b"\xff\xd8\xff": JpegImagePlugin.jpeg_factory,
    b"II*\0": TiffImagePlugin.TiffImageFile,
    b"MM\0*": TiffImagePlugin.TiffImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
    b"GIF8": GifImagePlugin.GifImageFile,
    b"RIFF": WebPImagePlugin.WebPImageFile,
}
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp")

# Pillow reads only the high byte of 16-bit colour. With the raw mode of the opposite byte order it
# reads the low byte, so decoding twice gives all sixteen bits.
_NATIVE, _SWAPPED = (";16L", ";16B") if sys.byteorder == "little" else (";16B", ";16L")
LOW_BYTE = {
    colours + order: colours + other
    for colours in ("RGB", "RGBA")
    for order, other in ((";16B", ";16L"), (";16L", ";16B"), (";16N", _SWAPPED))
}
TIFF_BITS, TIFF_PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0
TIFF_PLANES, SEPARATE_PLANES = 284, 2
DEEP_TIFF = {"I;16", "I;16B", "I;16N", "F;32F", "F;32BF", *LOW_BYTE}

# Exceptions of Pillow's decoders on damaged files (Image.open and load catch the same).
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    struct.error,
    Image.DecompressionBombError,
)


class UnreadableImage(ValueError):
    """A file that ``read`` does not accept; the message is one line with path and reason."""

    def __init__(self, path: object, reason: str):
        super().__init__(f"cannot read {path}: {reason}")


def read(path: Any, *, max_pixels: int = 50_000_000) -> Float[Tensor, "1 c h w"]:
    """Read a PNG, JPEG, TIFF, BMP, GIF or WebP file.

    The EXIF orientation is applied; transparency is composited on white; palettes, CMYK, YCbCr and
    Lab become RGB; 16-bit values are divided by 65535 (colour too: Pillow alone would keep 8 bits);
    32-bit float TIFFs are accepted when finite and in [0, 1]. Colour profiles are not applied.
    Files with several frames or pages are refused, except for a phone's multi-picture JPEG, of
    which the first picture, the photograph, is read.

    Args:
        path: The file (a string or a ``pathlib.Path``).
        max_pixels: Largest height times width; checked before decoding.

    Returns:
        The picture, float32 in [0, 1]; C is 1 for grey files and 3 for colour.

    Raises:
        UnreadableImage: With one line naming the file and the reason.
        TypeError: When ``path`` is neither a string nor a path.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a string or a Path, got {type(path).__name__}")
    path = Path(path)
    _check_file(path)
    try:
        with path.open("rb") as file:
            pixels = _pixels(path, file, max_pixels)
    except UnreadableImage:
        raise
    except DECODER_ERRORS as reason:
        line = " ".join(str(reason).split()) or type(reason).__name__
        raise UnreadableImage(path, line) from reason
    return _tensor(path, pixels)


def write(path: Any, image: Any, *, bits: int = 8, quality: int = 95) -> None:
    """Write a picture as PNG or JPEG, atomically, replacing an older file.

    Values are rounded to the nearest level (halves to even), never clipped.

    Args:
        path: The file; its suffix, .png, .jpg or .jpeg, is the format.
        image: ``(1, C, H, W)``, C = 1 or 3, floating point, every value in [0, 1].
        bits: 8, or 16 for a grey PNG.
        quality: Of a JPEG, 1 to 100; the colour channels are not subsampled.

    Raises:
        TypeError: When ``path`` or ``image`` is of another type.
        ValueError: When suffix, shape, range, ``bits`` or ``quality`` is not one of the above.
        OSError: When the file cannot be written.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a string or a Path, got {type(path).__name__}")
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".png", ".jpg", ".jpeg"):
        raise ValueError(f"cannot write {path}: expected a name in .png, .jpg or .jpeg")
    _check_image(image)
    grey_png = suffix == ".png" and image.shape[1] == 1
    if bits not in ((8, 16) if grey_png else (8,)):
        raise ValueError(f"cannot write {path}: bits must be 8 (or 16 for a grey PNG), got {bits}")
    if quality not in range(1, 101):
        raise ValueError(f"cannot write {path}: quality must be from 1 to 100, got {quality}")
    picture = Image.fromarray(_levels(image, bits))
    options = {} if suffix == ".png" else {"quality": quality, "subsampling": 0}
    try:
        with complete_or_absent(path) as file:
            picture.save(file, "PNG" if suffix == ".png" else "JPEG", **options)
    except OSError as reason:
        raise OSError(f"cannot write {path}: {reason.strerror or reason}") from reason


def _check_file(path: Path) -> None:
    try:
        found = path.stat()
    except OSError as reason:
        raise UnreadableImage(path, reason.strerror or "no such file") from reason
    except ValueError as reason:  # a zero byte in the name
        raise UnreadableImage(repr(str(path)), str(reason)) from reason
    if path.is_dir():
        raise UnreadableImage(path, "it is a folder, expected a picture")
    if not path.is_file():
        raise UnreadableImage(path, "it is not a regular file")
    if found.st_size == 0:
        raise UnreadableImage(path, "the file is empty (0 bytes)")


def _pixels(path: Path, file: BinaryIO, max_pixels: int) -> np.ndarray:
    """Decode to float32 (H, W, C) in [0, 1]; the range of float files is checked later."""
    if file.read(4) == b"GIF8":  # Pillow checks their size while opening them, and warns
        _check_size(path, _gif_size(file), max_pixels)
    file.seek(0)
    picture = _open(path, file)
    _check_size(path, picture.size, max_pixels)
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":
        raise UnreadableImage(path, f"it holds {frames} frames or pages, expected one picture")
    raw_mode = _raw_mode(picture)
    _check_depth(path, picture, raw_mode)
    if raw_mode in LOW_BYTE or picture.mode.startswith("I;16"):
        return _sixteen_bits(path, file, picture, raw_mode)
    picture = ImageOps.exif_transpose(picture)
    if picture.mode == "F":
        return np.asarray(picture)[..., None]
    return _over_white(np.asarray(_eight_bits(picture), np.float32) / 255)


def _check_size(path: Path, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise UnreadableImage(path, f"it has no pixels ({width} x {height})")
    if width * height > max_pixels:
        found = f"{width} x {height} = {width * height:,} pixels"
        raise UnreadableImage(path, f"{found}, more than max_pixels = {max_pixels:,}")


def _gif_size(file: BinaryIO) -> tuple[int, int]:
    """Size of a GIF's screen, enlarged to contain the first frame; reads after the signature."""
    width, height, flags = struct.unpack("<2xHHB2x", file.read(9))
    if flags & 128:
        file.seek(3 << (flags & 7) + 1, os.SEEK_CUR)  # a palette
    while (block := file.read(1)) not in (b"", b";", b","):
        if block == b"!":  # an extension: a label, then pieces up to an empty one
            file.seek(1, os.SEEK_CUR)
            while (length := file.read(1)) not in (b"", b"\0"):
                file.seek(length[0], os.SEEK_CUR)
    if block == b",":
        left, top, wide, high = struct.unpack("<4H", file.read(8))
        width, height = max(width, left + wide), max(height, top + high)
    return width, height


def _open(path: Path, file: BinaryIO) -> Image.Image:
    start = file.read(12)
    file.seek(0)
    for signature, opener in OPENERS.items():
        if start.startswith(signature):
            return opener(file, str(path))
    found = start[:8].hex(" ")
    raise UnreadableImage(path, f"not a PNG, JPEG, TIFF, BMP, GIF or WebP (it starts with {found})")


def _raw_mode(picture: Image.Image) -> str:
    """The decoder's raw mode, e.g. "RGB;16B"; "" if Pillow does not have it."""
    args = picture.tile[0].args if getattr(picture, "tile", None) else ""
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _check_depth(path: Path, picture: Image.Image, raw_mode: str) -> None:
    """Refuse pixel formats that Pillow would truncate, or whose white level is not defined."""
    tags = getattr(picture, "tag_v2", {})
    deep = max(tags.get(TIFF_BITS, (1,))) > 8 or ";16" in raw_mode
    odd = (
        (raw_mode not in DEEP_TIFF)
        or tags.get(TIFF_PHOTOMETRIC) == WHITE_IS_ZERO
        or tags.get(TIFF_PLANES) == SEPARATE_PLANES
    )
    if picture.mode == "I" or (deep and odd):
        what = f"pixels stored as {raw_mode or picture.mode}"
        raise UnreadableImage(path, f"{what}; expected 8 or 16 bits, or float, grey or RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Convert any 8-bit mode to L, LA, RGB or RGBA."""
    grey = picture.mode in ("1", "L", "LA", "La")
    if picture.has_transparency_data:
        return picture.convert("RGBA").convert("LA") if grey else picture.convert("RGBA")
    return picture.convert("L" if grey else "RGB")


def _sixteen_bits(path: Path, file: BinaryIO, picture: Image.Image, raw_mode: str) -> np.ndarray:
    transparent = picture.info.get("transparency")
    if raw_mode not in LOW_BYTE:
        values = np.asarray(ImageOps.exif_transpose(picture), np.uint16)[..., None]
    else:
        high = np.asarray(ImageOps.exif_transpose(picture), np.uint16)
        file.seek(0)
        again = _open(path, file)
        again.tile = [_with_raw_mode(tile, LOW_BYTE[raw_mode]) for tile in again.tile]
        values = 256 * high + np.asarray(ImageOps.exif_transpose(again), np.uint16)
    if transparent is not None:  # one colour of the file means transparent
        values = np.where((values == transparent).all(-1, keepdims=True), 65535, values)
    return _over_white(values.astype(np.float32) / 65535)


def _with_raw_mode(tile: Any, raw_mode: str) -> Any:
    args = (raw_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else raw_mode
    return tile._replace(args=args)


def _over_white(pixels: np.ndarray) -> np.ndarray:
    """(H, W) or (H, W, C) -> (H, W, 1 or 3), compositing an alpha channel on white."""
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if pixels.shape[-1] in (1, 3):
        return pixels
    colour, alpha = pixels[..., :-1], pixels[..., -1:]
    return colour * alpha + (1 - alpha)


def _tensor(path: Path, pixels: np.ndarray) -> Tensor:
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= 0 and high <= 1):  # written so that NaN fails
        raise UnreadableImage(path, f"values from {low:g} to {high:g}, expected [0, 1]")
    return torch.from_numpy(np.array(pixels.transpose(2, 0, 1), np.float32, order="C"))[None]


def _check_image(image: Any) -> None:
    expected = "expected an image (1, C, H, W), C = 1 or 3, in [0, 1]"
    if not isinstance(image, Tensor):
        raise TypeError(f"{expected}, got {type(image).__name__}")
    shape = tuple(image.shape)
    if len(shape) != 4 or shape[0] != 1 or shape[1] not in (1, 3) or 0 in shape:
        raise ValueError(f"{expected}, got shape {shape}")
    if not image.is_floating_point():
        raise ValueError(f"{expected}, got {image.dtype}")
    low, high = (float(v) for v in torch.aminmax(image.detach()))
    if not (low >= 0 and high <= 1):
        raise ValueError(f"{expected}, got values from {low:g} to {high:g}")


def _levels(image: Tensor, bits: int) -> np.ndarray:
    levels = (image.detach().cpu().double() * (2**bits - 1)).round()  # torch rounds halves to even
    array = levels[0].permute(1, 2, 0).numpy().astype(np.uint8 if bits == 8 else np.uint16)
    return array[..., 0] if array.shape[-1] == 1 else array
