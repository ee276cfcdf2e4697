"""JPEG compression, of colour images or of the luma."""

import io

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from vbl.degradations.degraded import Degraded, Level, check_images, holds, one_per_image
from vbl.images import luma


def through_jpeg(
    image: Float[Tensor, "c h w"], quality: int, subsampling: str = "4:2:0"
) -> Float[Tensor, "c h w"]:
    """Encode an image with Pillow's JPEG and decode it.

    Args:
        image: (1 or 3, H, W) in [0, 1]; rounded to 8 bits first.
        quality: Quality factor, 1 ... 100.
        subsampling: Of the chroma, "4:2:0" (half the resolution) or "4:4:4" (none).
    """
    pixels = (image * 255).round().byte().cpu().permute(1, 2, 0).numpy()
    file, grey = io.BytesIO(), len(image) == 1
    picture = Image.fromarray(pixels[..., 0] if grey else pixels)
    picture.save(file, "JPEG", quality=quality, subsampling=subsampling)
    back = np.asarray(Image.open(file), np.float32).reshape(pixels.shape) / 255
    return torch.from_numpy(back).permute(2, 0, 1).to(image)


def jpeg(
    x: Float[Tensor, "b c h w"],
    quality: Level = (10.0, 95.0),
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """JPEG compression and decompression, by Pillow on the CPU.

    Args:
        x: Images (B, C, H, W); rounded to 8 bits first.
        quality: Quality factor 1 ... 95, rounded to an integer.

    Raises:
        ValueError: If a quality lies outside 1 ... 95.
    """
    check_images(x)
    q = one_per_image(quality, x, generator).round()
    if not holds((q >= 1) & (q <= 95)):
        raise ValueError(f"quality: expected 1 ... 95, got {q.min():.0f} to {q.max():.0f}")
    images = zip(x.cpu(), q.tolist(), strict=True)
    y = torch.stack([through_jpeg(image, int(v)) for image, v in images])
    return Degraded(y.to(x), x, truth={"quality": q})


def jpeg_luma(
    x: Float[Tensor, "b c h w"],
    quality: Level = (10.0, 95.0),
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """JPEG compression of the luma; the clean image is the luma in 8 bits, (B, 1, H, W).

    Args:
        x: RGB images (B, 3, H, W), or grey images, which are rounded only.
        quality: As in `jpeg`.
    """
    check_images(x)
    grey = luma(x) if x.shape[1] == 3 else x
    return jpeg((255 * grey).round() / 255, quality, generator=generator)
