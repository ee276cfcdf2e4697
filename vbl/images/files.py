"""Reading and writing whole pictures as tensors, float32 ``(1, C, H, W)`` in [0, 1]."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
import torch
from jaxtyping import Float
from torch import Tensor

from vbl.images.picture import MAX_PIXELS, WHITE, open_picture
from vbl.utils import complete_or_absent


def read(path: Any, *, max_pixels: int = MAX_PIXELS) -> Float[Tensor, "1 c h w"]:
    """Read a picture, as `open_picture` opens it; transparency is composited on white.

    Args:
        path: The file (a string or a ``pathlib.Path``).
        max_pixels: Largest height times width; checked before decoding.

    Returns:
        The picture, float32 in [0, 1]; C is 1 for grey files and 3 for colour.

    Raises:
        UnreadableImage: With one line naming the file and the reason.
        TypeError: When ``path`` is neither a string nor a path.
    """
    picture = open_picture(path, max_pixels=max_pixels)
    image = picture[:, :]
    if picture.has_alpha:
        alpha = torch.from_numpy(picture.alpha().numpy()) / WHITE[picture.depth]
        image = image * alpha + (1 - alpha)
    return image


def write(path: Any, image: Any, *, bits: int = 8, quality: int = 95) -> None:
    """Write a picture as PNG, JPEG or TIFF, atomically, replacing an older file.

    Values are rounded to the nearest level (halves to even), never clipped.

    Args:
        path: The file; its suffix, .png, .jpg, .jpeg, .tif or .tiff, is the format.
        image: ``(1, C, H, W)``, C = 1 or 3, floating point, every value in [0, 1].
        bits: 8, or 16 for PNG and TIFF.
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
    if suffix not in (".png", ".jpg", ".jpeg", ".tif", ".tiff"):
        raise ValueError(f"cannot write {path}: expected a name in .png, .jpg, .jpeg or .tif")
    _check_image(image)
    jpeg = suffix in (".jpg", ".jpeg")
    if bits not in ((8,) if jpeg else (8, 16)):
        raise ValueError(f"cannot write {path}: bits must be 8 (or 16, but no JPEG), got {bits}")
    if quality not in range(1, 101):
        raise ValueError(f"cannot write {path}: quality must be from 1 to 100, got {quality}")
    options = {"Q": quality, "subsample_mode": "off"} if jpeg else {}
    levels = pyvips.Image.new_from_array(_levels(image, bits))
    kinds = {1: "b-w" if bits == 8 else "grey16", 3: "srgb" if bits == 8 else "rgb16"}
    data = levels.copy(interpretation=kinds[levels.bands]).write_to_buffer(suffix, **options)
    try:
        with complete_or_absent(path) as file:
            file.write(data)
    except OSError as reason:
        raise OSError(f"cannot write {path}: {reason.strerror or reason}") from reason


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
    return levels[0].permute(1, 2, 0).numpy().astype(np.uint8 if bits == 8 else np.uint16)
