"""Degradations by blur: camera shake, defocus, blurred pages, blur with downsampling."""

import torch
from jaxtyping import Float
from torch import Tensor

from vbl.degradations.degraded import Degraded, Level, check_images
from vbl.degradations.kernels import (
    defocus_kernel,
    gaussian_kernel,
    motion_kernel,
    random_gaussian_parameters,
    rotated_parameters,
)
from vbl.degradations.noise import add_white_noise, grain
from vbl.degradations.operators import SAMPLINGS, blur, check_scale

SHAKE = 9  # side of the motion kernels: deblurring them is learned on a CPU within an hour


def blurred(
    x: Float[Tensor, "b c h w"],
    kernel: Float[Tensor, "n 1 k k"] | None = None,
    std: Level = 2 / 255,
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """Blur and white noise: y = k * x + std · n, with symmetric padding of x.

    Args:
        kernel: Kernels (B or 1, 1, k, k); None draws 21 x 21 motion kernels.
        std: Noise level.

    Raises:
        ValueError: If kernels or levels do not fit the images.
    """
    check_images(x)
    if kernel is None:
        kernel = motion_kernel(21, n=len(x), generator=generator).to(x)
    y, var = add_white_noise(blur(x, kernel, "symmetric"), std, generator)
    return Degraded(y, x, noise_var=var, kernel=kernel.expand(len(x), -1, -1, -1))


def shaken(
    x: Float[Tensor, "b c h w"],
    size: int = SHAKE,
    std: Level = (0.0, 7 / 255),
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """Blur by camera shake (by defocus in one image of four), with white Gaussian noise.

    Args:
        size: Side of the kernels. Defocus discs have radii from half a pixel to `size`/3.
        std: Noise level, as in `vbl.degradations.blurred`.
    """
    check_images(x)
    motion = motion_kernel(size, n=len(x), generator=generator).to(x)
    u = torch.rand(2, len(x), generator=generator, device=x.device, dtype=x.dtype)
    disc = defocus_kernel(0.5 + (size / 3 - 0.5) * u[0], size)
    kernel = torch.where(u[1].view(-1, 1, 1, 1) < 0.25, disc, motion)
    return blurred(x, kernel, std, generator=generator)


def printed(
    x: Float[Tensor, "b c h w"],
    size: int = SHAKE,
    std: Level = (0.0, 7 / 255),
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """Text pages in random colours of ink and paper, with camera shake or defocus, and noise.

    `size` and `std` are as in `shaken`.

    Args:
        x: Pages (B, 1, H, W), 0 for ink and 1 for paper; or (B, 3, H, W), all channels equal.
    """
    check_images(x)
    u = torch.rand(4, len(x), 3, 1, 1, generator=generator, device=x.device, dtype=x.dtype)
    lightness = u[:2, :, :1]  # the same in all channels
    paper = (0.6 + 0.4 * lightness[0] + 0.2 * (u[2] - 0.5)).clamp(0, 1)
    ink = (0.4 * lightness[1] + 0.4 * (u[3] - 0.5)).clamp(0, 1)
    return shaken(ink + (paper - ink) * x, size, std, generator=generator)


def blind_sr(
    x: Float[Tensor, "b c h w"],
    scale: int = 2,
    kernel: Float[Tensor, "n 1 k k"] | None = None,
    std: Level = (0.0, 15 / 255),
    *,
    sampling: str = "direct",
    generator: torch.Generator | None = None,
) -> Degraded:
    """Blur, downsample, add noise: y = (k * x)↓s + std · n, VIRNet's Eq. (6).

    The image is padded symmetrically, as in VIRNet's public code.

    Args:
        x: Images (B, C, H, W), H and W multiples of s.
        scale: s.
        kernel: Kernels (B or 1, 1, k, k); None draws VIRNet's random Gaussian ones (Eq. 27).
        std: Noise level, or the range to draw it from.
        sampling: "direct" keeps the upper-left pixels, as in the paper; "bicubic" is the
            antialiased cubic downsampling of its public code.

    Raises:
        ValueError: If s does not divide the size, or `sampling` is neither.
    """
    check_images(x)
    if sampling not in SAMPLINGS:
        raise ValueError(f"sampling: expected 'direct' or 'bicubic', got {sampling!r}")
    check_scale(x, scale)
    truth = {}
    if kernel is None:
        drawn = random_gaussian_parameters(len(x), scale, generator=generator)
        parameters = [parameter.to(x) for parameter in drawn]
        truth = dict(zip(("lambda1_sq", "lambda2_sq", "rho"), parameters, strict=True))
        kernel = gaussian_kernel(*parameters, size=21)
    small = SAMPLINGS[sampling](blur(x, kernel, "symmetric"), scale)
    y, var = add_white_noise(small, std, generator)
    return Degraded(y, x, var, kernel.expand(len(x), -1, -1, -1), scale, truth)


def round_sr(
    x: Float[Tensor, "b c h w"],
    scale: int = 2,
    var: float = 2.0,
    std: Level = 2 / 255,
    *,
    size: int = 15,
    sampling: str = "direct",
    generator: torch.Generator | None = None,
) -> Degraded:
    """`blind_sr` with the same isotropic Gaussian kernel for every image.

    Args:
        x: Images (B, C, H, W), H and W multiples of s.
        scale: s.
        var: Variance of the Gaussian in pixels² of x.
        std: Noise level.
        size: Side of the kernel in pixels.
        sampling: As in `blind_sr`.
    """
    check_images(x)
    width_sq = x.new_full((1,), var)
    kernel = gaussian_kernel(width_sq, width_sq, 0 * width_sq, size)
    return blind_sr(x, scale, kernel, std, sampling=sampling, generator=generator)


def turned_sr(
    x: Float[Tensor, "b c h w"], scale: int = 2, *, generator: torch.Generator | None = None
) -> Degraded:
    """`blind_sr` with random rotated Gaussians, as in VDIR's training: no noise, direct sampling.

    The variance along the longer axis of a kernel is uniform in (0.5, 2.5 s) pixels², that along
    the shorter axis between 0.5 and the longer. The kernels have 15 x 15 pixels.

    Args:
        x: Images (B, C, H, W), H and W multiples of s.
        scale: s.
    """
    check_images(x)
    u = torch.rand(3, len(x), generator=generator, device=x.device)
    longer = 0.5 + (2.5 * scale - 0.5) * u[0]
    shorter = 0.5 + (longer - 0.5) * u[1]
    parameters = rotated_parameters(longer.sqrt(), shorter.sqrt(), torch.pi * u[2])
    return blind_sr(x, scale, gaussian_kernel(*parameters, 15), 0.0, generator=generator)


def rough_sr(
    x: Float[Tensor, "b c h w"],
    scale: int = 4,
    std: float = 12 / 255,
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """Wide blur, direct downsampling, `grain`: a camera for which no training pairs exist.

    Args:
        x: Images (B, C, H, W), H and W multiples of s.
        scale: s.
        std: Level of the grain, as in `grain`.
    """
    small = round_sr(x, scale, 4.0, 0.0).y.clamp(0, 1)
    return Degraded(grain(small, std, generator=generator).y, x, scale=scale)
