"""Classical methods, some of them thin wrappers of scikit-image.

All take and return images (B, C, H, W). None is blind: the denoisers need the noise level, the
deblurring methods the kernel.
"""

import math
import warnings
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from skimage import restoration
from torch import Tensor
from torch.nn import functional as F

from vbl.degradations.operators import SAMPLINGS, blur, check_kernel, pad


def _denoise(y: Tensor, std: float, restore: Callable[[np.ndarray], np.ndarray]) -> Tensor:
    """Apply a NumPy denoiser of one channels-last image to every image of a batch."""
    if not std > 0:
        raise ValueError(f"std: expected a positive noise level, got {std}")
    images = y.detach().cpu().permute(0, 2, 3, 1).numpy()
    # scikit-image drops a channel axis of length one.
    out = np.stack([restore(image).reshape(image.shape) for image in images])
    return torch.from_numpy(out).permute(0, 3, 1, 2).to(y).contiguous()


def total_variation(y: Float[Tensor, "b c h w"], std: float) -> Float[Tensor, "b c h w"]:
    """Rudin, Osher and Fatemi's denoiser :cite:p:`rudin1992nonlinear` by Chambolle's algorithm.

    The weight of the total variation is 0.8 std, near the best for photographs.
    """

    def restore(v: np.ndarray) -> np.ndarray:
        return restoration.denoise_tv_chambolle(v, weight=0.8 * std, channel_axis=-1)

    return _denoise(y, std, restore)


def non_local_means(y: Float[Tensor, "b c h w"], std: float) -> Float[Tensor, "b c h w"]:
    """Average pixels with similar 5 x 5 neighbourhoods :cite:p:`buades2005nonlocal`.

    The noise level `std` also corrects the distances between patches.
    """

    def restore(v: np.ndarray) -> np.ndarray:
        return restoration.denoise_nl_means(
            v, patch_size=5, patch_distance=7, h=0.6 * std, sigma=std, channel_axis=-1
        )

    return _denoise(y, std, restore)


def wavelet_shrinkage(y: Float[Tensor, "b c h w"], std: float) -> Float[Tensor, "b c h w"]:
    """Shrink wavelet coefficients (BayesShrink) of Y, Cb and Cr, averaged over 4 x 4 shifts.

    See :cite:t:`donoho1994ideal` for thresholding and Coifman and Donoho for the shifts, which
    remove its blocky artefacts.
    """

    def shrink(v: np.ndarray) -> np.ndarray:
        return restoration.denoise_wavelet(
            v, sigma=std, wavelet="db2", convert2ycbcr=v.shape[-1] == 3, channel_axis=-1
        )

    def restore(v: np.ndarray) -> np.ndarray:
        total = np.zeros_like(v)
        for dy, dx in np.ndindex(4, 4):
            back = shrink(np.roll(v, (dy, dx), (0, 1)))
            total += np.roll(back, (-dy, -dx), (0, 1))
        return total / 16

    return _denoise(y, std, restore)


def wiener(
    y: Float[Tensor, "b c h w"], kernel: Float[Tensor, "n 1 k k"], noise_to_signal: float
) -> Float[Tensor, "b c h w"]:
    """Deblur by the linear filter of least mean squared error, :eq:`eq-wiener`.

    In the prior the Laplacian of the image is white noise, since photographs have less power at
    high frequencies. Computed by FFT on the padded image.

    Args:
        y: Blurred images.
        kernel: Known kernels (B or 1, 1, k, k).
        noise_to_signal: r >= 0, the variance of the noise over that of the clean image's Laplacian;
            larger is smoother, 0 is maximum likelihood.

    Raises:
        ValueError: If the number or the side of the kernels does not fit.
    """
    check_kernel(kernel, len(y))
    margin = 2 * kernel.shape[-1]
    wide = pad(y, margin)
    size = wide.shape[-2:]
    laplacian = y.new_tensor([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]])[None, None]
    k, d = transfer_function(kernel.to(y), size), transfer_function(laplacian, size)
    spectrum = k.conj() * torch.fft.rfft2(wide) / (k.abs() ** 2 + noise_to_signal * d.abs() ** 2)
    restored = torch.fft.irfft2(spectrum, s=size)
    return restored[..., margin:-margin, margin:-margin]


def transfer_function(kernel: Float[Tensor, "n 1 k k"], size: tuple[int, int]) -> torch.Tensor:
    """The kernel's discrete Fourier transform at `size`, with its centre at pixel (0, 0)."""
    k = kernel.shape[-1]
    placed = kernel.new_zeros(len(kernel), 1, *size)
    placed[..., :k, :k] = kernel
    return torch.fft.rfft2(placed.roll((-(k // 2), -(k // 2)), (-2, -1)))


def richardson_lucy(
    y: Float[Tensor, "b c h w"], kernel: Float[Tensor, "n 1 k k"], steps: int = 30
) -> Float[Tensor, "b c h w"]:
    """Deblur by x ← x · Kᵀ(y / Kx), maximum likelihood under Poisson noise.

    See :cite:t:`richardson1972bayesian` and :cite:t:`lucy1974iterative`. With many iterations it
    overfits the noise: stop early.

    Args:
        y: Blurred images; negative values are set to 0, as photon counts cannot be negative.
        kernel: Known kernels (B or 1, 1, k, k).
        steps: Number of iterations.
    """
    y = y.clamp_min(0)
    x, tiny = y.clamp_min(1e-3), 1e-6
    blurred, adjoint = torch.func.vjp(lambda v: blur(v, kernel, "symmetric"), x)
    (mass,) = adjoint(torch.ones_like(y))
    for _ in range(steps):
        (correction,) = adjoint(y / blurred.clamp_min(tiny))
        x = x * correction / mass
        blurred = blur(x, kernel, "symmetric")
    return x


def least_squares(
    y: Float[Tensor, "b c h w"],
    kernel: Float[Tensor, "n 1 k k"],
    noise_var: float | Tensor,
    *,
    scale: int = 1,
    sampling: str = "direct",
    gradient_std: float = 0.1,
    tolerance: float = 1e-5,
    iterations: int = 500,
) -> Float[Tensor, "b c sh sw"]:
    """The MAP estimate under white noise and a Gaussian prior of the image's gradients.

    argmin over z of ‖y - (z * k)↓s‖²/(2 σ²) + ‖∇z‖²/(2 τ²), :eq:`eq-least-squares`, by
    conjugate gradients (Hestenes and Stiefel, 1952).

    Args:
        y: Degraded images (B, C, h, w).
        kernel: Blur kernels (B or 1, 1, k, k).
        noise_var: σ², one number or (B, 1, 1, 1), positive.
        scale: s.
        sampling: As in `vbl.degradations.blind_sr`.
        gradient_std: τ, standard deviation of differences between neighbouring pixels.
        tolerance: Norm of the gradient at which to stop, relative to its norm at z = 0.
        iterations: Largest number of iterations.

    Returns:
        Images (B, C, s h, s w), not clipped.

    Raises:
        ValueError: If σ² or τ is not positive.

    Warns:
        RuntimeWarning: When the tolerance is not met within the iterations.
    """
    noise_var = torch.as_tensor(noise_var, dtype=y.dtype, device=y.device)
    if not ((noise_var > 0).all() and gradient_std > 0):
        raise ValueError("expected a positive noise_var and gradient_std")
    size = (*y.shape[:2], *(scale * side for side in y.shape[-2:]))

    def degrade(z: Tensor) -> Tensor:
        return SAMPLINGS[sampling](blur(z, kernel, "symmetric"), scale)

    # both are linear, so their transposes are their vector-Jacobian products at any point
    _, degrade_adjoint = torch.func.vjp(degrade, y.new_zeros(size))
    _, differences_adjoint = torch.func.vjp(_differences, y.new_zeros(size))

    def normal(z: Tensor) -> Tensor:
        (data,) = degrade_adjoint(degrade(z) / noise_var)
        (prior,) = differences_adjoint(_differences(z))
        return data + prior / gradient_std**2

    (right,) = degrade_adjoint(y / noise_var)
    return _conjugate_gradients(normal, right, tolerance, iterations)


def kernel_of_pair(
    x: Float[Tensor, "b c h w"], y: Float[Tensor, "b c h w"], size: int
) -> Float[Tensor, "b 1 k k"]:
    """The least-squares kernel of a blurred image, given the sharp image.

    argmin over k >= 0 of ‖∇y - k * ∇x‖², divided by its sum: the centre of VBDeblurNet's prior for
    photographs without a known kernel. On the mean of the channels, except within half a kernel
    of the edges; by 300 accelerated projected gradients (Beck and Teboulle, 2009).

    Args:
        x: Sharp images (B, C, H, W).
        y: Blurred images of the same shape.
        size: Side k of the kernels, odd; at most half the shorter side of the images.

    Returns:
        Kernels (B, 1, k, k) that sum to 1; a Dirac if x is constant.

    Raises:
        ValueError: If `size` is even or too large.
    """
    if size % 2 == 0 or not 1 <= size <= min(x.shape[-2:]) // 2:
        raise ValueError(
            f"size: expected an odd number, at most half of {min(x.shape[-2:])}, got {size}"
        )
    b, r = len(x), size // 2
    sharp, blurred = (_differences(v.detach().mean(1, keepdim=True)) for v in (x, y))
    sharp = [v.transpose(0, 1) for v in sharp]  # images as channels, each with its own kernel
    wanted = [v[..., r : v.shape[-2] - r, r : v.shape[-1] - r].transpose(0, 1) for v in blurred]

    def blurred_by(k: Tensor) -> list[Tensor]:
        return [F.conv2d(v, k.flip(2, 3), groups=b) for v in sharp]

    def adjoint(rest: list[Tensor]) -> Tensor:
        parts = (
            F.conv2d(v, rest_.transpose(0, 1), groups=b)
            for v, rest_ in zip(sharp, rest, strict=True)
        )
        return sum(parts).transpose(0, 1).flip(2, 3)

    kernel = x.new_full((b, 1, size, size), 1 / size**2)
    direction = kernel + 0.1 * torch.eye(size, dtype=x.dtype, device=x.device) / size
    for _ in range(20):  # the largest eigenvalue of the normal equations
        direction = adjoint(blurred_by(direction / _norm(direction)))
    largest = 1.1 * _norm(direction)
    flat = largest < 1e-8
    leap, momentum = kernel, 1.0
    for _ in range(300):
        rest = [u - v for u, v in zip(blurred_by(leap), wanted, strict=True)]
        before, kernel = kernel, (leap - adjoint(rest) / largest.clamp_min(1e-8)).clamp_min(0)
        previous, momentum = momentum, (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        leap = kernel + (previous - 1) / momentum * (kernel - before)
    dirac = torch.zeros_like(kernel)
    dirac[..., r, r] = 1
    kernel = torch.where(flat, dirac, kernel)
    return kernel / kernel.sum((2, 3), keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)


def _norm(kernel: Tensor) -> Tensor:
    return kernel.square().sum((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-30)


def _differences(z: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of neighbours between rows and between columns."""
    return z[..., 1:, :] - z[..., :-1, :], z[..., :, 1:] - z[..., :, :-1]


def _conjugate_gradients(
    normal: Callable[[Tensor], Tensor], right: Tensor, tolerance: float, iterations: int
) -> Tensor:
    """Solve normal(z) = right for a positive definite operator, independently for each image."""

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum((1, 2, 3), keepdim=True)

    tiny = torch.finfo(right.dtype).tiny
    z, residual = torch.zeros_like(right), right
    direction, norm = residual, dot(residual, residual)
    goal = tolerance**2 * norm
    for _ in range(iterations):
        if (norm <= goal).all():
            return z
        image = normal(direction)
        step = norm / dot(direction, image).clamp_min(tiny)
        z, residual = z + step * direction, residual - step * image
        before, norm = norm, dot(residual, residual)
        direction = residual + norm / before.clamp_min(tiny) * direction
    reached = (norm / goal.clamp_min(tiny)).max().sqrt().item() * tolerance
    warnings.warn(
        f"least squares: the gradient fell to {reached:.1e} of its first norm in {iterations} "
        f"iterations, expected {tolerance:.1e}",
        RuntimeWarning,
        stacklevel=3,
    )
    return z
