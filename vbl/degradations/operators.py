"""The linear operator H of y = H z + n: blur and downsampling.

`blur` is a convolution (the kernel is flipped, as in k * z), not the cross-correlation that
``conv2d`` computes. All operators take images of any size, also smaller than the kernel.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.fft import next_fast_len
from torch import Tensor

BOUNDARIES = ("reflect", "symmetric", "circular")


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # else they could not take part in a backward pass
def _outside(length: int, before: int, after: int, boundary: str, device: torch.device) -> Tensor:
    """Indices of the pixels at positions -before ... length + after - 1 of a padded row."""
    i = torch.arange(-before, length + after, device=device)
    if boundary == "circular":
        return i % length
    if boundary == "symmetric":  # ... b a | a b c | c b ...
        i = i % (2 * length)
        return torch.where(i < length, i, 2 * length - 1 - i)
    if boundary == "reflect":  # ... c b | a b c | b a ...
        period = max(2 * length - 2, 1)
        i = i % period
        return torch.where(i < length, i, period - i)
    raise ValueError(f"boundary: expected one of {', '.join(BOUNDARIES)}, got {boundary!r}")


def pad(
    x: Float[Tensor, "b c h w"], margin: int, boundary: str = "reflect"
) -> Float[Tensor, "b c h2 w2"]:
    """Pad images (B, C, H, W) by `margin` pixels on every side.

    Args:
        x: Images.
        margin: Pixels to add on each side; may exceed the image.
        boundary: "reflect" (the edge pixel is not repeated), "symmetric" (it is) or "circular".

    Raises:
        ValueError: If `boundary` is unknown.
    """
    rows = _outside(x.shape[-2], margin, margin, boundary, x.device)
    cols = _outside(x.shape[-1], margin, margin, boundary, x.device)
    return x[..., rows, :][..., cols]


def check_kernel(kernel: Float[Tensor, "n 1 k k2"], b: int) -> None:
    """Raise a ValueError unless there are 1 or b kernels of odd side."""
    side_odd = kernel.shape[-1] == kernel.shape[-2] and kernel.shape[-1] % 2 == 1
    if kernel.shape[0] not in (1, b) or not side_odd:
        raise ValueError(
            f"kernel: expected (1 or {b}, 1, k, k) with k odd, got {tuple(kernel.shape)}"
        )


def blur(
    x: Float[Tensor, "b c h w"], kernel: Float[Tensor, "n 1 k k"], boundary: str = "reflect"
) -> Float[Tensor, "b c h w"]:
    """The convolution k * x, each image with its own kernel; see :eq:`eq-degradation`.

    By Fourier transform: its backward pass costs a fifth of a grouped convolution's.

    Args:
        kernel: Kernels (B, 1, k, k), or one for all (1, 1, k, k); k odd, centre in the middle.
        boundary: How the image is padded; see `pad`.

    Raises:
        ValueError: If the number or the side of the kernels does not fit.
    """
    check_kernel(kernel, len(x))
    edge = kernel.shape[-1] - 1
    padded = pad(x, edge // 2, boundary)
    size = [next_fast_len(side, real=True) for side in padded.shape[-2:]]
    product = torch.fft.rfft2(padded, s=size) * torch.fft.rfft2(kernel.to(x.dtype), s=size)
    wide = torch.fft.irfft2(product, s=size)  # wrap-around affects only the first `edge` rows
    return wide[..., edge : padded.shape[-2], edge : padded.shape[-1]]


def downsample(x: Float[Tensor, "b c h w"], scale: int) -> Float[Tensor, "b c h2 w2"]:
    """Direct sampling, the arrow in (z * k)↓s: keep the upper-left pixel of each s x s block.

    From (B, C, H, W) to (B, C, ceil(H/s), ceil(W/s)), s >= 1.
    """
    return x[..., ::scale, ::scale]


def check_scale(x: Float[Tensor, "b c h w"], scale: int) -> None:
    """Raise a ValueError unless s divides the height and the width of the images."""
    h, w = x.shape[-2:]
    if scale < 1 or h % scale or w % scale:
        raise ValueError(f"scale {scale} does not divide the image size {h} x {w}: crop it first")


def bicubic_downsample(x: Float[Tensor, "b c h w"], scale: int) -> Float[Tensor, "b c h2 w2"]:
    """Antialiased cubic downsampling (Keys' a = -1/2, widened by s), MATLAB's ``imresize``.

    Args:
        scale: s, a divisor of H and W.

    Returns:
        Images (B, C, H/s, W/s); pixel i covers the block that begins at s i.

    Raises:
        ValueError: If s does not divide H and W.
    """
    check_scale(x, scale)
    # Padding by two blocks holds the widened kernel; torch alone would cut it off at the edge.
    wide = pad(x, 2 * scale, "symmetric")
    size = (wide.shape[-2] // scale, wide.shape[-1] // scale)
    return F.interpolate(wide, size=size, mode="bicubic", antialias=True)[..., 2:-2, 2:-2]


SAMPLINGS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "direct": downsample,  # VIRNet's text
    "bicubic": bicubic_downsample,  # VIRNet's public code and tables
}


@lru_cache(maxsize=4)
@torch.inference_mode(False)
def _cubic_matrix(
    n: int, scale: int, offset: float, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Weights (s n, n) that interpolate n samples at the places (i - offset)/s.

    By Keys' kernel (1981) with a = -1/2: unlike ``F.interpolate`` (a = -3/4), it reproduces
    straight lines exactly.
    """
    positions = (torch.arange(n * scale, dtype=torch.float64, device="cpu") - offset) / scale
    base = positions.floor()
    taps = base[:, None] + torch.arange(-1, 3, dtype=positions.dtype, device="cpu")
    t = (positions[:, None] - taps).abs()
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    weights = torch.where(t <= 1, near, torch.where(t < 2, far, 0))
    taps = taps.clamp(0, n - 1).long()
    matrix = torch.zeros(len(positions), n, dtype=positions.dtype, device="cpu")
    return matrix.scatter_add(1, taps, weights).to(device, dtype)


def bicubic_upsample(
    y: Float[Tensor, "b c h w"], scale: int, grid: str = "direct"
) -> Float[Tensor, "b c h2 w2"]:
    """Cubic interpolation onto the grid that was downsampled.

    `downsample` keeps pixel s i of the large image, `bicubic_downsample` averages around
    s i + (s - 1)/2. Using one's grid for the other shifts the image by (s - 1)/2 pixels, which
    costs more than 1 dB.

    Args:
        y: Images (B, C, h, w).
        scale: s.
        grid: "direct" for samples of `downsample`, "centred" for those of `bicubic_downsample`.

    Returns:
        Images (B, C, s h, s w).

    Raises:
        ValueError: If `grid` is neither.
    """
    if grid not in ("direct", "centred"):
        raise ValueError(f"grid: expected 'direct' or 'centred', got {grid!r}")
    offset = 0.0 if grid == "direct" else (scale - 1) / 2
    rows, cols = (_cubic_matrix(n, scale, offset, y.dtype, y.device) for n in y.shape[-2:])
    return rows @ y @ cols.mT
