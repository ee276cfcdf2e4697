"""PSNR and SSIM under explicit conventions.

For the same two images, colour space, rounding and border change the PSNR by up to 2 dB. So a
convention is data, and every table of the book names its own.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.ndimage import shift
from skimage.metrics import structural_similarity
from skimage.registration import phase_cross_correlation
from torch import Tensor

from vbl.images import luma


@dataclass(frozen=True)
class Convention:
    """How both images are processed before they are compared.

    Attributes:
        colour: "rgb" compares all channels, "y" the luma of BT.601 in studio swing (16 ... 235).
        eight_bit: Clip to [0, 1] and round to multiples of 1/255 first (the luma is rounded too).
        border: Pixels cropped on every side; "scale" crops s, "scale_sq" s² pixels.
        window: Of the SSIM: "gaussian" of std 1.5, or "square", 8 x 8 pixels of equal weight.
    """

    colour: str = "rgb"
    eight_bit: bool = True
    border: int | str = 0
    window: str = "gaussian"


CONVENTIONS: dict[str, Convention] = {
    "float": Convention(eight_bit=False),
    "rgb-8bit": Convention(),
    "virnet-table-1": Convention(),
    "virnet-table-2": Convention(),
    "virnet-table-5": Convention(colour="y", border="scale_sq"),
    "vdir-table-1": Convention(),
    "vdir-table-4": Convention(colour="y", border="scale"),
    "vdir-table-6": Convention(colour="y", window="square"),
    "vdir-table-7": Convention(),
    "vbdeblur-table-1": Convention(),
    "registered": Convention(border=12),
}
_WINDOW_SIDE = {"gaussian": 11, "square": 8}
_REACH = 8  # pixels, the largest shift of `registered`


def _round(x: Tensor) -> Tensor:
    return (x.clamp(0, 1) * 255).round() / 255


def _prepare(x: Tensor, convention: Convention, scale: int | None) -> Tensor:
    x = x.double()
    if convention.eight_bit:
        x = _round(x)
    if convention.colour == "y" and x.shape[1] == 3:
        x = _round(luma(x)) if convention.eight_bit else luma(x)
    cut = convention.border
    if isinstance(cut, str):
        if scale is None:
            raise ValueError("this convention cuts a border that depends on scale: give scale=")
        cut = {"scale": scale, "scale_sq": scale**2}[cut]
    if 2 * cut >= min(x.shape[-2:]):
        raise ValueError(f"a border of {cut} pixels leaves nothing of {tuple(x.shape)}")
    return x[..., cut : x.shape[-2] - cut, cut : x.shape[-1] - cut]


def _pair(x: Tensor, y: Tensor, convention: str, scale: int | None) -> tuple[Tensor, Tensor]:
    if x.shape != y.shape:
        raise ValueError(f"images differ in shape: {tuple(x.shape)} and {tuple(y.shape)}")
    low, high = y.aminmax()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"truth: expected an image in [0, 1], got {low:.4g} to {high:.4g}")
    if convention not in CONVENTIONS:
        known = ", ".join(CONVENTIONS)
        raise ValueError(f"convention: expected one of {known}; got {convention!r}")
    return tuple(_prepare(v.detach(), CONVENTIONS[convention], scale) for v in (x, y))


def psnr(
    estimate: Float[Tensor, "b c h w"],
    truth: Float[Tensor, "b c h w"],
    convention: str = "rgb-8bit",
    *,
    scale: int | None = None,
) -> Float[Tensor, " b"]:
    """Peak signal-to-noise ratio -10 log₁₀ MSE in dB, per image; see :eq:`eq-psnr`.

    Args:
        estimate: Images (B, C, H, W), peak value 1.
        truth: The true images.
        convention: A key of `CONVENTIONS`.
        scale: The super-resolution factor s; needed by conventions whose border depends on it.

    Returns:
        (B,) in dB, float64; ∞ for equal images, -∞ if an estimate has infinite values.

    Raises:
        ValueError: If shapes differ, `truth` is not in [0, 1], the convention is unknown, its
            border leaves nothing, or it needs a scale that was not given.
    """
    a, b = _pair(estimate, truth, convention, scale)
    error = ((a - b) ** 2).mean((1, 2, 3))
    infinite = estimate.isinf().flatten(1).any(1)  # clipping would make it finite
    return -10 * error.masked_fill(infinite, torch.inf).log10()


def ssim(
    estimate: Float[Tensor, "b c h w"],
    truth: Float[Tensor, "b c h w"],
    convention: str = "rgb-8bit",
    *,
    scale: int | None = None,
) -> Float[Tensor, " b"]:
    """Structural similarity :cite:p:`wang2004ssim` as in the five papers, per image.

    Population covariances, valid region, mean over channels. The window is a Gaussian of std 1.5
    (11 x 11, computed by scikit-image), but in VDIR's tables on JPEG a square of 8 x 8 pixels:
    only this reproduces their printed SSIM of the compressed images.

    The arguments are as in `psnr`, H and W at least the window's side.

    Returns:
        (B,), at most 1, float64.

    Raises:
        ValueError: As `psnr`, or if a side is shorter than the window.
    """
    prepared = _pair(estimate, truth, convention, scale)
    window = CONVENTIONS[convention].window
    if min(prepared[0].shape[-2:]) < _WINDOW_SIDE[window]:
        side, size = _WINDOW_SIDE[window], tuple(prepared[0].shape[-2:])
        raise ValueError(f"SSIM: expected at least {side} x {side} pixels, got {size}")
    if window == "square":
        return _square_ssim(*prepared)
    pairs = zip(*prepared, strict=True)
    values = [_ssim(a.cpu().numpy(), b.cpu().numpy()) for a, b in pairs]
    return torch.tensor(values, dtype=torch.float64, device=truth.device)


def _ssim(a, b) -> float:
    return structural_similarity(
        a,
        b,
        channel_axis=0,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )


def _square_ssim(a: Tensor, b: Tensor) -> Tensor:
    """The SSIM with a square window."""
    side = _WINDOW_SIDE["square"]
    mean_a, mean_b, aa, bb, ab = (F.avg_pool2d(v, side, 1) for v in (a, b, a * a, b * b, a * b))
    c1, c2 = 0.01**2, 0.03**2  # of Wang et al., for the peak value 1
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    contrast = (2 * (ab - mean_a * mean_b) + c2) / (aa - mean_a**2 + bb - mean_b**2 + c2)
    return (luminance * contrast).mean((1, 2, 3))


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson's, of two maps of one shape; not a number if one is constant."""
    return torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].item()


def registered(
    estimate: Float[Tensor, "b c h w"], truth: Float[Tensor, "b c h w"]
) -> Float[Tensor, "b c h w"]:
    """Images registered to the truth by a subpixel shift, equal for all channels.

    Blind deconvolution determines an image up to a shift: opposite shifts of h and z give the same
    y, so :cite:t:`levin2009understanding` register before they compare. Here the shift is the
    maximum of the cross-correlation, to 1/50 pixel, and at most 8 pixels along rows and columns;
    the image is shifted with cubic splines.

    Args:
        estimate: Images (B, C, H, W) of more than 20 x 20 pixels.
        truth: Images of the same shape.

    Raises:
        ValueError: If the images are too small.
    """
    if min(truth.shape[-2:]) <= 2 * _REACH + 4:
        raise ValueError(f"expected sides above {2 * _REACH + 4}, got {tuple(truth.shape[-2:])}")
    pairs = zip(estimate.detach().cpu(), truth.detach().cpu(), strict=True)
    moved = [_registered(image.numpy(), goal.numpy()) for image, goal in pairs]
    return torch.from_numpy(np.stack(moved)).to(estimate)


def _registered(image: np.ndarray, goal: np.ndarray) -> np.ndarray:
    window = np.outer(*map(np.hanning, goal.shape[-2:]))  # suppresses the wrap-around at the edges
    pair = (window * (v.mean(0) - v.mean()) for v in (goal, image))
    by, *_ = phase_cross_correlation(*pair, upsample_factor=50, normalization=None)
    by = by.clip(-_REACH, _REACH)
    return np.stack([shift(channel, by, mode="nearest") for channel in image])
