"""Blur kernels: Gaussians and their parameters Λ, motion, defocus, the papers' test kernels.

λ₁ is along x (columns), λ₂ along y (rows). Kernels are (B, 1, k, k), k odd, sum 1.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from vbl.degradations.degraded import holds

VIRNET_TEST_SIDE = 21


def _offsets(side: int, like: Tensor) -> Tensor:
    if side < 1 or side % 2 == 0:
        raise ValueError(f"kernel side: expected an odd number, got {side}")
    return torch.arange(side, dtype=like.dtype, device=like.device) - side // 2


def gaussian_kernel(
    lambda1_sq: Float[Tensor, " b"],
    lambda2_sq: Float[Tensor, " b"],
    rho: Float[Tensor, " b"],
    size: int,
) -> Float[Tensor, "b 1 size size"]:
    """k = g(Λ), the anisotropic Gaussian kernel of VIRNet's Eq. (7) and Eq. (8).

    Computed as a softmax of the exponent: it sums to one, is differentiable and needs no matrix
    inverse.

    Args:
        lambda1_sq: Variances along x (columns), (B,), in pixels², positive.
        lambda2_sq: Variances along y (rows), (B,), in pixels², positive.
        rho: Correlations, (B,), in (-1, 1).
        size: Side k of the kernel, odd.

    Returns:
        Kernels (B, 1, k, k).

    Raises:
        ValueError: If `size` is even or below 1, a variance is not positive, or a correlation
            is not in (-1, 1).
    """
    if not holds((lambda1_sq > 0) & (lambda2_sq > 0) & (rho.abs() < 1)):
        raise ValueError("expected variances > 0 and correlations in (-1, 1)")
    r = _offsets(size, rho)
    u = r[None, None, :] / lambda1_sq.sqrt()[:, None, None]
    v = r[None, :, None] / lambda2_sq.sqrt()[:, None, None]
    rho = rho[:, None, None]
    exponent = -(u**2 - 2 * rho * u * v + v**2) / (2 * (1 - rho**2))
    return exponent.flatten(1).softmax(dim=1).view(-1, 1, size, size)


def rotated_parameters(
    l1: Float[Tensor, " b"], l2: Float[Tensor, " b"], theta: Float[Tensor, " b"]
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"], Float[Tensor, " b"]]:
    """Λ of a Gaussian with axes l₁, l₂ rotated by θ: Σ = U diag(l₁², l₂²) Uᵀ, VIRNet's Eq. (27).

    Args:
        l1: Standard deviation along the first axis, (B,), in pixels, positive.
        l2: Standard deviation along the second axis, as `l1`.
        theta: Angle of the first axis from x towards y (that is, from right to down), (B,), rad.

    Returns:
        λ₁², λ₂² in pixels² and ρ, each (B,).
    """
    c, s = theta.cos(), theta.sin()
    xx = (l1 * c) ** 2 + (l2 * s) ** 2
    yy = (l1 * s) ** 2 + (l2 * c) ** 2
    return xx, yy, (l1**2 - l2**2) * c * s / (xx * yy).sqrt()


def random_gaussian_parameters(
    b: int, scale: int, *, generator: torch.Generator | None = None
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"], Float[Tensor, " b"]]:
    """Training kernels of VIRNet: l₁, l₂ ~ U(0.2, s), θ ~ U[0, π) (Eq. 27).

    From 0.2 pixels on, as a width of 0 would give a Dirac, which has no density.

    Args:
        b: Number of kernels.
        scale: The scale factor s of the super-resolution task.
        generator: Source of randomness (and its device).

    Returns:
        λ₁², λ₂² in pixels² and ρ, each (B,).
    """
    device = generator.device if generator else None
    u = torch.rand(3, b, generator=generator, device=device)
    l1, l2 = 0.2 + (scale - 0.2) * u[:2]
    return rotated_parameters(l1, l2, math.pi * u[2])


def virnet_test_kernels(scale: int) -> Float[Tensor, "7 1 21 21"]:
    """The seven test kernels of VIRNet's super-resolution tables at scale s, (7, 1, 21, 21).

    Three are isotropic, with standard deviations 0.4 s, 0.6 s and 0.8 s, and four anisotropic:
    (0.4 s, 0.2 s) at 0°, (0.6 s, 0.3 s) at 135°, (0.8 s, 0.4 s) at 45° and at 90°. Computed in
    float64, returned in float32.
    """
    axes = [(0.4, 0.4, 0), (0.6, 0.6, 0), (0.8, 0.8, 0)]
    axes += [(0.4, 0.2, 0), (0.6, 0.3, 135), (0.8, 0.4, 45), (0.8, 0.4, 90)]
    l1, l2, degrees = torch.tensor(axes, dtype=torch.float64).T
    parameters = rotated_parameters(scale * l1, scale * l2, degrees.deg2rad())
    return gaussian_kernel(*parameters, VIRNET_TEST_SIDE).float()


def motion_kernel(
    size: int, *, n: int = 1, generator: torch.Generator | None = None
) -> Float[Tensor, "n 1 size size"]:
    """Motion kernels of camera shake: a smooth random walk, rasterised with bilinear weights.

    The velocity follows an Ornstein-Uhlenbeck process in each coordinate. The centre of mass
    lies in the middle of the kernel, so that blurring and deblurring do not shift the image. The
    largest distance of a path from it, along rows or columns, is U(0.4, 1) (size - 1)/2 pixels.

    Args:
        size: Side k, odd, at least 3.
        n: Number of kernels.

    Returns:
        Kernels (n, 1, k, k) that sum to 1.

    Raises:
        ValueError: If `size` is even or below 3.
    """
    if size < 3 or size % 2 == 0:
        raise ValueError(f"size: expected an odd number of at least 3, got {size}")
    device = generator.device if generator else None
    path = _smooth_walk(n, 256, generator, device)
    path = path - path.mean(1, keepdim=True)
    share = 0.4 + 0.6 * torch.rand(n, 1, 1, generator=generator, device=device)
    goal = share * (size // 2)
    return _draw(path * goal / path.abs().amax((1, 2), keepdim=True), size)


def _smooth_walk(n: int, steps: int, generator, device) -> Tensor:
    """Paths (n, steps, 2): integrated Ornstein-Uhlenbeck velocities, all by one product."""
    push = torch.randn(steps, n, 2, generator=generator, device=device)
    t = torch.arange(steps, device=device)
    # The velocity is 0.95 times the one before, plus 0.3 times a push, and at first the push alone.
    # The path is the sum of the velocities up to t, without the first.
    moved = (1 - 0.95 ** (t[:, None] - t + 1).clamp_min(0)) / (1 - 0.95)  # at t, by a push at s
    moved = moved * torch.where(t == 0, 1.0, 0.3) - torch.where(t == 0, 1.0, 0.0)
    return torch.einsum("ts,snd->ntd", moved, push)


def _draw(path: Tensor, size: int) -> Tensor:
    """Rasterise paths (n, t, 2): each point is spread over its four nearest pixels."""
    r = _offsets(size, path)
    wx = (1 - (path[:, :, 0, None] - r).abs()).clamp_min(0)
    wy = (1 - (path[:, :, 1, None] - r).abs()).clamp_min(0)
    kernel = torch.einsum("nti,ntj->nij", wy, wx)
    return (kernel / kernel.sum((1, 2), keepdim=True)).unsqueeze(1)


def defocus_kernel(radius: Float[Tensor, " b"], size: int) -> Float[Tensor, "b 1 size size"]:
    """The blur kernel of a lens out of focus: a uniform disc.

    A pixel on the disc's edge is weighted by the part of it inside, measured along its radius.

    Args:
        radius: Radii of the discs in pixels, (B,), at least 0 and at most (size - 1)/2.
        size: Side k of the kernel, odd.

    Returns:
        Kernels (B, 1, k, k) that sum to 1; a Dirac for a radius of 0.

    Raises:
        ValueError: If `size` is even or below 1, or a disc does not fit in it.
    """
    r = _offsets(size, radius)
    if not holds((radius >= 0) & (radius <= size // 2)):
        raise ValueError(f"radius: expected values in [0, {size // 2}], got {radius.tolist()}")
    distance = torch.hypot(r[:, None], r)
    kernel = (radius[:, None, None] + 0.5 - distance).clamp(0, 1)
    return (kernel / kernel.sum((1, 2), keepdim=True)).unsqueeze(1)


def with_floor(kernel: Float[Tensor, "b 1 k k"], floor: float) -> Float[Tensor, "b 1 k k"]:
    """k̃ = (k + δ)/(1 + δ d'), positive at all d' entries; VBDeblurNet's Eq. (6).

    The mean of a Dirichlet distribution has no zeros, but most entries of a motion kernel are zero.

    Args:
        kernel: Kernels (B, 1, k, k) that sum to 1, as do those returned.
        floor: δ > 0. It moves a share δ d' of the kernel's mass: choose 0.1 to 1 per cent.
    """
    return (kernel + floor) / (1 + floor * kernel[0].numel())


def vdir_test_kernels(scale: int) -> Float[Tensor, "2 1 15 15"]:
    """The two kernels of VDIR's tables, at any `scale`: one isotropic, one rotated by -0.5 rad.

    The paper's "widths" 2.0 and (4.0, 1.0) are variances in pixels²: as variances they reproduce
    its bicubic row, as standard deviations they do not.
    """
    l1_sq, l2_sq, theta = torch.tensor([(2.0, 2.0, 0.0), (4.0, 1.0, -0.5)], dtype=torch.float64).T
    return gaussian_kernel(*rotated_parameters(l1_sq.sqrt(), l2_sq.sqrt(), theta), 15).float()
