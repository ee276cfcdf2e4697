"""What a known blur leaves of an image, undone: the classical restoration, told the kernel.

::

    least_squares(y, kernel, noise_var, scale=4)

A judge of kernels, not a rival of networks: the better an inferred kernel, the closer the image
restored with it comes to the one restored with the true kernel.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from vbl.operators import SAMPLINGS, blur


def least_squares(
    y: Float[Tensor, "b c h w"],
    kernel: Float[Tensor, "n 1 k k"],
    noise_var: float | Tensor,
    *,
    scale: int = 1,
    sampling: str = "direct",
    gradient_std: float = 0.1,
    iterations: int = 60,
) -> Float[Tensor, "b c sh sw"]:
    """The most probable image under white noise and a Gaussian prior of its gradients.

    argmin over z of ‖y - (z * k)↓s‖²/(2 σ²) + ‖∇z‖²/(2 τ²), :eq:`eq-least-squares`, by
    conjugate gradients (Hestenes and Stiefel, 1952).

    Args:
        y: Degraded images (B, C, h, w).
        kernel: Blur kernels (B or 1, 1, k, k).
        noise_var: σ², one number or (B, 1, 1, 1), positive.
        scale: s.
        sampling: As in `vbl.degradations.blind_sr`.
        gradient_std: τ, how much neighbours differ in a photograph, as a standard deviation.
        iterations: Steps of the conjugate gradients.

    Returns:
        Images (B, C, s h, s w), not clipped.

    Raises:
        ValueError: If σ² or τ is not positive.
    """
    noise_var = torch.as_tensor(noise_var, dtype=y.dtype, device=y.device)
    if not ((noise_var > 0).all() and gradient_std > 0):
        raise ValueError("expected a positive noise_var and gradient_std")
    size = (*y.shape[:2], *(scale * side for side in y.shape[-2:]))

    def degrade(z: Tensor) -> Tensor:
        return SAMPLINGS[sampling](blur(z, kernel, "symmetric"), scale)

    # both are linear, so their transposes are their gradients, wherever those are taken
    _, degrade_adjoint = torch.func.vjp(degrade, y.new_zeros(size))
    _, differences_adjoint = torch.func.vjp(_differences, y.new_zeros(size))

    def normal(z: Tensor) -> Tensor:
        (data,) = degrade_adjoint(degrade(z) / noise_var)
        (prior,) = differences_adjoint(_differences(z))
        return data + prior / gradient_std**2

    (right,) = degrade_adjoint(y / noise_var)
    return _conjugate_gradients(normal, right, iterations)


def kernel_of_pair(
    x: Float[Tensor, "b c h w"], y: Float[Tensor, "b c h w"], size: int, *, iterations: int = 300
) -> Float[Tensor, "b 1 k k"]:
    """The kernel that best explains a blurred image by its sharp one.

    argmin over k >= 0 of ‖∇y - k * ∇x‖², then divided by its sum: what VBDeblurNet's prior is
    centred on where photographs have no known kernel. On the luminance, without the places within
    half a kernel of an edge; by accelerated projected gradients (Beck and Teboulle, 2009).

    Args:
        x: Sharp images (B, C, H, W).
        y: Blurred ones of the same shape.
        size: Side k of the kernels, odd; at most half the shorter side of the images.
        iterations: Steps.

    Returns:
        Kernels (B, 1, k, k) that sum to 1; a Dirac's where x is flat.

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
    for _ in range(iterations):
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
    """Of neighbours, along rows and along columns."""
    return z[..., 1:, :] - z[..., :-1, :], z[..., :, 1:] - z[..., :, :-1]


def _conjugate_gradients(normal: Callable[[Tensor], Tensor], right: Tensor, steps: int) -> Tensor:
    """Solve normal(z) = right for a positive definite operator, each image by itself."""

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum((1, 2, 3), keepdim=True)

    z, residual = torch.zeros_like(right), right
    direction, norm = residual, dot(residual, residual)
    for _ in range(steps):
        image = normal(direction)
        step = norm / dot(direction, image).clamp_min(torch.finfo(right.dtype).tiny)
        z, residual = z + step * direction, residual - step * image
        before, norm = norm, dot(residual, residual)
        direction = residual + norm / before.clamp_min(torch.finfo(right.dtype).tiny) * direction
    return z
