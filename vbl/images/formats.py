"""Which format a file has, and how a file that is no picture is refused."""

import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import pyvips
from PIL import Image, TiffImagePlugin

PROFILE = "icc-profile-data"  # libvips's name of the colour profile

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".avif", ".mpo")
EXTRA_SUFFIXES = (".heic", ".heif", ".jxl", ".dng", ".nef", ".cr2", ".cr3", ".arw", ".raf", ".orf")
EXTRA_SUFFIXES += (".rw2", ".pef", ".srw")

# First bytes of a file -> its format; "ftyp" boxes and TIFFs are looked into.
SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"BM": "BMP",
    b"GIF8": "GIF",
    b"RIFF": "WebP",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"FUJIFILMCCD-RAW": "raw",
    b"IIU\0": "raw",
    b"IIRO": "raw",
    b"IIRS": "raw",
    b"FOVb": "raw",
}
BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"crx ": "raw"}  # of "ftyp" boxes; others are HEIC
SUBFILE_TYPE, SUB_DIRECTORIES, DNG_VERSION, TIFF_COLOURS = 254, 330, 50706, 262  # tags of TIFF
TIFF_BITS, TIFF_COMPRESSION, MAKE, TIFF_NUMBERS = 258, 259, 271, 339
COLOUR_FILTER, YCBCR, JPEG_IN_TIFF, LAB, FLOATING = 32803, 6, (6, 7), 8, 3

LOADED = ("PNG", "JPEG", "TIFF", "WebP", "AVIF", "GIF")  # by libvips

# Exceptions of the decoders on damaged files.
DECODER_ERRORS = (
    pyvips.Error,
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
    zlib.error,
    Image.DecompressionBombError,
)


class UnreadableImage(ValueError):
    """A file that cannot be read as a picture; the message is one line with path and reason."""

    def __init__(self, path: object, reason: object):
        lines = dict.fromkeys(filter(None, map(str.strip, str(reason).splitlines())))
        line = "; ".join(lines) or type(reason).__name__
        super().__init__(f"cannot read {path}: {line}")


def format_of(path: Path) -> str:
    """The name of the file's format, from its first bytes."""
    with path.open("rb") as file:
        start = file.read(16)
        if start[4:8] == b"ftyp":
            return BRANDS.get(start[8:12], "HEIC")
        for signature, name in SIGNATURES.items():
            if start.startswith(signature):
                return _kind_of_tiff(file) if name == "TIFF" else name
    raise UnreadableImage(path, "its format is none of PNG, JPEG, TIFF, WebP, AVIF, GIF and BMP")


def _kind_of_tiff(file: Any) -> str:
    """ "raw" for the file of a camera, whose first picture is a thumbnail; "TIFF" if libvips reads
    it as it is meant, else "YCbCr", "Lab" or "float64".
    """
    file.seek(0)
    start = file.read(16)
    if start[8:10] == b"CR":  # Canon's
        return "raw"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # libvips will say what is damaged
            tags = TiffImagePlugin.ImageFileDirectory_v2(start[: 16 if b"+" in start[2:4] else 8])
            file.seek(tags.next)
            tags.load(file)
            colours, compression = tags.get(TIFF_COLOURS), tags.get(TIFF_COMPRESSION)
            bits, numbers = (max(tags.get(tag, (1,))) for tag in (TIFF_BITS, TIFF_NUMBERS))
            thumbnail = tags.get(SUBFILE_TYPE, 0) & 1 or SUB_DIRECTORIES in tags
            if DNG_VERSION in tags or colours == COLOUR_FILTER or (thumbnail and MAKE in tags):
                return "raw"
    except DECODER_ERRORS:
        return "TIFF"
    if numbers == FLOATING and bits == 64:
        return "float64"
    if colours == LAB and bits == 8:
        return "Lab"
    return "YCbCr" if colours == YCBCR and compression not in JPEG_IN_TIFF else "TIFF"


def check_size(path: Path, width: int, height: int, max_pixels: int) -> None:
    if width * height == 0:
        raise UnreadableImage(path, "it has no pixels")
    if width * height > max_pixels:
        found = f"{width} x {height} = {width * height:,} pixels"
        raise UnreadableImage(path, f"{found}, more than max_pixels = {max_pixels:,}")


def several(frames: object) -> str:
    return f"it holds {frames} frames or pages, expected one picture"
