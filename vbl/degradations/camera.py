"""A simulated digital camera, from the scene to the image file.

`expose` inverts the processing to noise-free sensor values, `sense` adds the sensor's noise,
`develop` is the camera's processing. Together they make noise that depends on the signal, is
correlated between pixels and channels, and is not Gaussian.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from vbl.degradations.degraded import Degraded, Level, check_images, holds, one_per_image
from vbl.degradations.operators import pad
from vbl.images import linear_to_srgb, srgb_to_linear
from vbl.utils import constant, randn_like

# The sensor is less sensitive to red and blue than to green; these gains compensate.
WHITE_BALANCE = (2.0, 1.0, 1.6)

# Camera colours to linear sRGB; every row sums to 1, so that white stays white.
COLOUR_MATRIX = ((1.6, -0.5, -0.1), (-0.2, 1.5, -0.3), (0.0, -0.6, 1.6))


def _per_channel(values: tuple[float, ...], like: Tensor) -> Tensor:
    return constant(values, like).view(1, 3, 1, 1)


def _recolour(x: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("ij,bjhw->bihw", matrix, x)


def bayer_masks(h: int, w: int, like: Tensor) -> Float[Tensor, "1 3 h w"]:
    """Which of R, G, B each pixel of an RGGB sensor measures: (1, 3, H, W) of 0 and 1."""
    row = torch.arange(h, device=like.device)[:, None] % 2
    col = torch.arange(w, device=like.device)[None, :] % 2
    red, blue = (row == 0) & (col == 0), (row == 1) & (col == 1)
    return torch.stack([red, row != col, blue])[None].to(like.dtype)


def expose(x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Noise-free sensor values of an image: inverse transfer curve, colour matrix, gains, mosaic.

    From RGB images in [0, 1] to RGGB mosaics in [0, 1], 1 being the sensor's saturation.
    """
    inverse = torch.linalg.inv_ex(constant(COLOUR_MATRIX, x)).inverse
    light = _recolour(srgb_to_linear(x), inverse) / _per_channel(WHITE_BALANCE, x)
    masks = bayer_masks(*x.shape[-2:], x)
    return (light.clamp(0, 1) * masks).sum(1, keepdim=True)


def sense(
    raw: Float[Tensor, "b 1 h w"],
    electrons: Float[Tensor, " b"],
    read_std: Float[Tensor, " b"],
    *,
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, "b 1 h w"], Float[Tensor, "b 1 h w"]]:
    """Add photon noise and read noise, digitise to 12 bits.

    Args:
        raw: Noise-free sensor values (B, 1, H, W) in [0, 1].
        electrons: Electrons at saturation, (B,): fewer means a higher ISO setting.
        read_std: Standard deviation of the read noise, (B,), in electrons.

    Returns:
        The noisy sensor values in [0, 1], and the variance raw/electrons + (read_std/electrons)²
        of the noise before clipping and digitisation, both (B, 1, H, W).
    """
    full, read = electrons.view(-1, 1, 1, 1), read_std.view(-1, 1, 1, 1)
    counts = torch.poisson(raw * full, generator=generator)
    normal = randn_like(raw, generator=generator)
    noisy = ((counts + read * normal) / full).clamp(0, 1)
    return (noisy * 4095).round() / 4095, raw / full + (read / full) ** 2


# Gradient-corrected linear interpolation (Malvar, He and Cutler, ICASSP 2004), in eighths: the
# mean of the neighbours of the wanted colour, corrected by the Laplacian of the measured one.
_GREEN = ((0, 0, -1, 0, 0), (0, 0, 2, 0, 0), (-1, 2, 4, 2, -1), (0, 0, 2, 0, 0), (0, 0, -1, 0, 0))
_SAME_ROW = (
    (0, 0, 0.5, 0, 0),
    (0, -1, 0, -1, 0),
    (-1, 4, 5, 4, -1),
    (0, -1, 0, -1, 0),
    (0, 0, 0.5, 0, 0),
)
_DIAGONAL = (
    (0, 0, -1.5, 0, 0),
    (0, 2, 0, 2, 0),
    (-1.5, 0, 6, 0, -1.5),
    (0, 2, 0, 2, 0),
    (0, 0, -1.5, 0, 0),
)


def demosaic(raw: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Interpolate the two missing colours of each pixel, by Malvar, He and Cutler's 5 x 5 filters.

    From RGGB mosaics to colour images; measured values are unchanged.
    """
    filters = constant((_GREEN, _SAME_ROW, _DIAGONAL), raw)
    filters = torch.stack([*filters, filters[1].mT])[:, None] / 8
    # Padding by reflection continues the mosaic's pattern.
    green, row, diagonal, column = F.conv2d(pad(raw, 2), filters).unbind(1)
    red, _, blue = bayer_masks(*raw.shape[-2:], raw)[0].bool()
    measured, even_row = raw[:, 0], torch.arange(raw.shape[-2], device=raw.device)[:, None] % 2 == 0

    def fill(own: Tensor, opposite: Tensor, in_own_row: Tensor) -> Tensor:
        beside = torch.where(in_own_row, row, column)
        return torch.where(own, measured, torch.where(opposite, diagonal, beside))

    channels = (
        fill(red, blue, even_row),
        torch.where(red | blue, green, measured),
        fill(blue, red, ~even_row),
    )
    return torch.stack(channels, 1)


def stages(raw: Float[Tensor, "b 1 h w"]) -> dict[str, Float[Tensor, "b 3 h w"]]:
    """The image after each stage of the camera's processing, by the stage's name.

    From RGGB mosaics in [0, 1]: demosaiced; white-balanced and mixed by the colour matrix, both in
    linear light; through the transfer curve and rounded to 8 bits, which is `develop`'s.
    """
    rgb = demosaic(raw)
    balanced = (rgb * _per_channel(WHITE_BALANCE, raw)).clamp(0, 1)
    light = _recolour(balanced, constant(COLOUR_MATRIX, raw)).clamp(0, 1)
    file = (linear_to_srgb(light) * 255).round() / 255
    return {"demosaiced": rgb, "colours mixed": light, "gamma, 8 bits": file}


def develop(raw: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 3 h w"]:
    """The camera's processing: demosaic, white balance, colour matrix, transfer curve, 8 bits.

    From RGGB mosaics in [0, 1] to RGB images in [0, 1], multiples of 1/255.
    """
    return stages(raw)["gamma, 8 bits"]


def camera(
    x: Float[Tensor, "b c h w"],
    electrons: Level = (200.0, 2000.0),
    read_std: Level = (1.0, 6.0),
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """A simulated camera: photon and read noise on the sensor, then the camera's processing.

    The clean image x that is returned is the same camera's without noise, so y - x is noise alone.

    Args:
        x: RGB images (B, 3, H, W), the scene.
        electrons: Electrons at saturation: 2000 for a good night photograph, 200 for a bad one.
        read_std: Read noise in electrons.

    Raises:
        ValueError: If the images are not RGB, or `electrons` is zero.
    """
    check_images(x)
    if x.shape[1] != 3:
        raise ValueError(f"expected RGB images (B, 3, H, W), got {tuple(x.shape)}")
    full, read = one_per_image(electrons, x, generator), one_per_image(read_std, x, generator)
    if not holds(full > 0):
        raise ValueError("electrons: expected positive numbers, got 0")
    raw = expose(x)
    noisy, raw_var = sense(raw, full, read, generator=generator)
    truth = {"electrons": full, "read_std": read, "raw_noise_var": raw_var}
    return Degraded(develop(noisy), develop(raw), truth=truth)


DARKEST, BRIGHTEST = 200.0, 20_000.0  # electrons at saturation: high ISO at night, noon


def photographed(
    x: Float[Tensor, "b c h w"], *, generator: torch.Generator | None = None
) -> Degraded:
    """A simulated camera with log-uniform exposure, from 200 to 20,000 electrons at saturation.

    Args:
        x: RGB images (B, 3, H, W), the scene.
    """
    check_images(x)
    u = torch.rand(len(x), generator=generator, device=x.device)
    return camera(x, DARKEST * (BRIGHTEST / DARKEST) ** u, generator=generator)
