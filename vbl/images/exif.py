"""EXIF, the notes of a camera about a photograph, where libvips does not carry them.

A TIFF, and most raw files of cameras are TIFFs, has them among the tags of its picture and, for
exposure and place, in two further directories of tags (EXIF 3.0, sections 4.5 and 4.6).
"""

import os
import re
import struct
import warnings
from pathlib import Path
from typing import Any

from PIL import Image, TiffImagePlugin

from vbl.images.formats import DECODER_ERRORS

EXPOSURE, PLACE = 0x8769, 0x8825
X_RESOLUTION, Y_RESOLUTION, UNIT, CENTIMETRES = 282, 283, 296, 3
# Description, maker, model, software, date, artist, copyright; the other tags are about pixels.
DESCRIBING = (270, 271, 272, 305, 306, 315, 33432)
OF_OLD_PIXELS = (0xA002, 0xA003, 0xA005)  # width, height, where a further directory was


def exif_of_tiff(path: Path) -> bytes:
    """What a TIFF says about the photograph, as a JPEG holds it; empty if it says nothing."""
    found, kept = Image.Exif(), Image.Exif()
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")
            found.load_from_fp(file)
            kept.update(_about_photograph(found))
            about = (X_RESOLUTION, Y_RESOLUTION, UNIT)
            kept.update({tag: found[tag] for tag in about if tag in found})
            return kept.tobytes() if set(kept) - set(about) else b""
    except DECODER_ERRORS:
        return b""


def pixels_per_mm(exif: Image.Exif) -> tuple[float, float] | None:
    """The horizontal and the vertical resolution, or None if there is none."""
    try:
        per_unit = float(exif[X_RESOLUTION]), float(exif[Y_RESOLUTION])
    except (LookupError, TypeError, ValueError, ZeroDivisionError):
        return None
    mm = 10 if exif.get(UNIT) == CENTIMETRES else 25.4
    return per_unit[0] / mm, per_unit[1] / mm


def add_to_tiff(tiff: Path, exif: bytes) -> None:
    """Add EXIF, as a JPEG holds it, to the tags of a TIFF; nothing if it is damaged.

    The directory of tags is written anew at the end of the file, and the old one is left unused.

    Raises:
        OSError: When the file cannot be written.
    """
    with tiff.open("r+b") as file:
        start = file.read(16)
        big = b"+" in start[2:4]
        news = TiffImagePlugin.ImageFileDirectory_v2(start[: 16 if big else 8])
        file.seek(news.next)
        old = _entries(file.read(1 << 16), start)
        at = file.seek(0, os.SEEK_END)
        at += file.write(bytes(at % 2))  # directories begin at even bytes
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                notes = Image.Exif()
                notes.load(exif)
                for tag, value in _about_photograph(notes).items():
                    news[tag] = value
                content = news.tobytes(at)
        except DECODER_ERRORS:
            return
        tags = sorted((old | _entries(content, start)).items())
        content += bytes(len(content) % 2)
        order, count, _, pointer = _layout(start)
        file.write(content + struct.pack(order + count, len(tags)))
        file.write(b"".join(entry for _, entry in tags) + struct.pack(order + pointer, 0))
        file.seek(8 if big else 4)
        file.write(struct.pack(order + pointer, at + len(content)))


def _layout(start: bytes) -> tuple[str, str, int, str]:
    """Byte order, type of a count, bytes of an entry and type of an offset, by a TIFF's start."""
    order = "<" if start.startswith(b"I") else ">"
    return (order, "Q", 20, "Q") if b"+" in start[2:4] else (order, "H", 12, "I")


def _entries(directory: bytes, start: bytes) -> dict[int, bytes]:
    """The entries of a directory of tags, as they are in the file."""
    order, count, size, _ = _layout(start)
    (number,) = struct.unpack_from(order + count, directory)
    first = struct.calcsize(order + count)
    entries = (directory[first + size * i :][:size] for i in range(number))
    return {struct.unpack_from(order + "H", entry)[0]: entry for entry in entries}


def _about_photograph(exif: Image.Exif) -> dict[int, Any]:
    """The tags that describe the photograph, directories of tags as dictionaries."""
    about = {tag: _as_stored(exif[tag]) for tag in DESCRIBING if tag in exif}
    for group in (EXPOSURE, PLACE):
        tags = exif.get_ifd(group)
        if kept := {tag: _as_stored(v) for tag, v in tags.items() if tag not in OF_OLD_PIXELS}:
            about[group] = kept
    return about


def _as_stored(value: Any) -> Any:
    """Text that is not ASCII as its bytes, of which Pillow would write question marks."""
    is_text = isinstance(value, str) and not value.isascii()
    return value.encode("latin-1", "replace") if is_text else value


def without_thumbnail(exif: bytes) -> bytes:
    """EXIF whose second directory, the thumbnail, is no longer referred to."""
    at = 6 if exif.startswith(b"Exif\0\0") else 0
    order = "<" if exif[at : at + 1] == b"I" else ">"
    try:
        (first,) = struct.unpack_from(order + "I", exif, at + 4)
        (number,) = struct.unpack_from(order + "H", exif, at + first)
    except struct.error:  # damaged: libvips will see what it can use
        return exif
    end = at + first + 2 + 12 * number
    return exif[:end] + bytes(4) + exif[end + 4 :] if end + 4 <= len(exif) else exif


def upright(xmp: bytes) -> bytes:
    """XMP that says that the picture need not be turned."""
    return re.sub(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[2-8]", rb"\g<1>1", xmp)
