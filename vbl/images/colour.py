"""Luma, as in the papers' comparisons, and the sRGB transfer curve."""

import torch
from jaxtyping import Float
from torch import Tensor

from vbl.utils import constant

_LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)


def luma(x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    """BT.601 luma in studio swing, as MATLAB's ``rgb2ycbcr``: black is 16/255, white 235/255."""
    weight = constant(_LUMA, x).view(1, 3, 1, 1)
    return 16 / 255 + (weight * x).sum(1, keepdim=True)


def grey(x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    """BT.601 luma at full range, as in JPEG: black is 0, white 1."""
    weight = constant((0.299, 0.587, 0.114), x).view(1, 3, 1, 1)
    return (x * weight).sum(1, keepdim=True)


def srgb_to_linear(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """The inverse sRGB transfer curve (IEC 61966-2-1): values in [0, 1] to linear light."""
    return torch.where(x <= 0.04045, x / 12.92, ((x.clamp_min(0) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """The sRGB transfer curve (IEC 61966-2-1): linear light in [0, 1] to picture values."""
    # Clamped, as the power of a negative number in the unused branch would be NaN.
    return torch.where(
        x <= 0.0031308, 12.92 * x, 1.055 * x.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    )
