"""The pictures that libvips does not decode: by Pillow, tifffile or rawpy, at once, not by rows.

BMP, TIFFs in YCbCr without JPEG, in Lab of 8 bits or in float64 and, with the extra
``vbl[photos]``, HEIC, JPEG XL and the raw files of cameras.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from PIL import Image, ImageOps

from vbl.images.exif import exif_of_tiff, pixels_per_mm
from vbl.images.formats import PROFILE, UnreadableImage, check_size, several
from vbl.images.jpeg_xl import bits_per_sample

DEEP = ("I;16", "F")  # Pillow's modes of more than 8 bits
PACKAGES = {"HEIC": "pillow_heif", "JPEG XL": "pillow_jxl", "raw": "rawpy"}

for library in ("PIL", "tifffile"):  # their errors are raised; what they log is not for the user
    logging.getLogger(library).addHandler(logging.NullHandler())


def decode_at_once(path: Path, name: str, max_pixels: int) -> pyvips.Image:
    """The whole picture of a file in the format `name`, upright."""
    package = _package(path, name) if name in PACKAGES else None
    if name == "raw":
        return _developed(package, path, max_pixels)
    if name == "float64":
        return _in_doubles(path, max_pixels)
    if name == "HEIC":
        package.register_heif_opener()
    with warnings.catch_warnings(), Image.open(path) as opened:
        warnings.simplefilter("ignore")  # Pillow has a limit of its own
        check_size(path, *opened.size, max_pixels)
        frames = getattr(opened, "n_frames", 1)
        if frames > 1:
            raise UnreadableImage(path, several(frames))
        if name == "HEIC" and opened.info.get("bit_depth", 8) > 8:
            image = _in_sixteen_bits(package, path)
            exif = opened.getexif()
        else:
            upright = ImageOps.exif_transpose(opened)
            image, exif = _image(upright), upright.getexif()
        profile, dpi = opened.info.get("icc_profile"), opened.info.get("dpi")
    if name == "JPEG XL" and opened.mode not in DEEP:
        _say_what_is_lost(path)
    resolution = [float(v) / 25.4 for v in dpi] if dpi else pixels_per_mm(exif)
    return _annotated(image, exif.tobytes() if exif else b"", resolution, profile)


def _package(path: Path, name: str) -> Any:
    try:
        return __import__(PACKAGES[name])
    except ImportError as reason:
        kind = "the raw file of a camera" if name == "raw" else f"a picture in {name}"
        how = "to open it: pip install 'vbl[photos]'"
        raise UnreadableImage(path, f"it is {kind}; {how}") from reason


def _image(upright: Image.Image) -> pyvips.Image:
    """A picture of Pillow's for libvips."""
    if upright.mode == "LAB":
        lightness, *others = np.moveaxis(np.asarray(upright), -1, 0)
        lab = np.stack([lightness * np.float32(100 / 255), *(v.view(np.int8) for v in others)], -1)
        return pyvips.Image.new_from_array(lab).copy(interpretation="lab").colourspace("srgb")
    if upright.mode not in ("L", "LA", "RGB", "RGBA", *DEEP):
        upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    return pyvips.Image.new_from_array(np.asarray(upright))


def _say_what_is_lost(jxl: Path) -> None:
    with jxl.open("rb") as file:
        bits = bits_per_sample(file.read(4096))
    if bits is not None and bits > 8:
        warnings.warn(f"{jxl.name}: its {bits} bits are read as 8", stacklevel=2)


def _in_sixteen_bits(pillow_heif: Any, path: Path) -> pyvips.Image:
    """A HEIC of 10 or 12 bits, its largest value as 65535; Pillow would make 8 bits of it."""
    opened = pillow_heif.open_heif(path, convert_hdr_to_8bit=False)
    bits = opened.info["bit_depth"]
    values = np.asarray(opened) >> (16 - bits)
    deep = np.round(values * (65535 / (2**bits - 1))).astype(np.uint16)
    return pyvips.Image.new_from_array(deep)


def _in_doubles(path: Path, max_pixels: int) -> pyvips.Image:
    """A TIFF in float64, as float32."""
    import tifffile  # rarely needed

    with tifffile.TiffFile(path) as opened:
        page, *others = opened.pages
        if others:
            raise UnreadableImage(path, several(len(opened.pages)))
        check_size(path, page.imagewidth, page.imagelength, max_pixels)
        values = page.asarray()
        values = np.moveaxis(values, 0, -1) if page.axes == "SYX" else values
    with np.errstate(over="ignore"):  # infinity is refused as such
        image = pyvips.Image.new_from_array(values.astype(np.float32))
    return _with_exif_of(path, image, page.iccprofile)


def _developed(rawpy: Any, path: Path, max_pixels: int) -> pyvips.Image:
    """The raw file of a camera in its own white balance, as sRGB of 16 bits."""
    try:
        with _silence(), rawpy.imread(str(path)) as raw:
            check_size(path, raw.sizes.width, raw.sizes.height, max_pixels)
            pixels = raw.postprocess(output_bps=16, use_camera_wb=True)
    except rawpy.LibRawError as reason:
        said = reason.args[0] if reason.args else reason
        said = said.decode() if isinstance(said, bytes) else said
        raise UnreadableImage(path, said) from reason
    image = pyvips.Image.new_from_array(pixels).copy(interpretation="rgb16")
    return _with_exif_of(path, image)


@contextmanager
def _silence() -> Iterator[None]:
    """Nothing on standard error, where LibRaw writes about damaged files by itself."""
    try:
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # it is closed
        yield
        return
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _with_exif_of(tiff: Path, image: pyvips.Image, profile: bytes | None = None) -> pyvips.Image:
    exif = Image.Exif()
    exif.load(content := exif_of_tiff(tiff))
    return _annotated(image, content, pixels_per_mm(exif), profile)


def _annotated(
    image: pyvips.Image, exif: bytes, resolution: Any, profile: bytes | None = None
) -> pyvips.Image:
    """With EXIF, resolution in pixels per mm and colour profile."""
    if resolution is not None and all(0 < v < 1e5 for v in resolution):
        image = image.copy(xres=resolution[0], yres=resolution[1])
    for field_name, content in (("exif-data", exif), (PROFILE, profile)):
        if content:
            image.set_type(pyvips.GValue.blob_type, field_name, content)
    return image
