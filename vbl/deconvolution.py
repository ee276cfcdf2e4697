"""What a known blur leaves of an image, undone: the classical restoration, told the kernel.

::

    least_squares(y, kernel, noise_var, scale=4)

A judge of kernels, not a rival of networks: the better an inferred kernel, the closer the image
restored with it comes to the one restored with the true kernel.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls
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
    x: Float[Tensor, "b c h w"], y: Float[Tensor, "b c h w"], size: int
) -> Float[Tensor, "b 1 k k"]:
    """The kernel that best explains a blurred image by its sharp one.

    argmin over k >= 0 of ‖∇y - k * ∇x‖², then divided by its sum: what VBDeblurNet's prior is
    centred on where photographs have no known kernel. Non-negative least squares (Lawson and
    Hanson, 1974) on the luminance, without the places within half a kernel of an edge.

    Args:
        x: Sharp images (B, C, H, W).
        y: Blurred ones of the same shape.
        size: Side k of the kernels, odd; at most half the shorter side of the images.

    Returns:
        Kernels (B, 1, k, k) that sum to 1; a Dirac's where x is flat.

    Raises:
        ValueError: If `size` is even or too large.
    """
    if size % 2 == 0 or not 1 <= size <= min(x.shape[-2:]) // 2:
        raise ValueError(
            f"size: expected an odd number, at most half of {min(x.shape[-2:])}, got {size}"
        )
    found = [_kernel_of_one(*pair, size) for pair in zip(x.split(1), y.split(1), strict=True)]
    return torch.cat(found).to(x)


def _kernel_of_one(x: Tensor, y: Tensor, size: int) -> Tensor:
    sharp, blurred = (_differences(v.detach().double().mean(1, keepdim=True)) for v in (x, y))
    normal, right, r = 0.0, 0.0, size // 2
    for a, b in zip(sharp, blurred, strict=True):
        shifted = F.unfold(a, size)[0].flip(0)  # a convolution turns its kernel
        normal = normal + shifted @ shifted.T
        right = right + shifted @ b[0, 0, r : b.shape[-2] - r, r : b.shape[-1] - r].flatten()
    dirac = torch.zeros(size**2, dtype=torch.float64)
    dirac[size**2 // 2] = 1
    if normal.diagonal().max() < 1e-12:
        return dirac.view(1, 1, size, size)
    slack = 1e-6 * normal.diagonal().mean()  # between flat images any kernel will do
    normal, right = normal.cpu() + slack * torch.eye(size**2), right.cpu() + slack * dirac
    upper = cholesky(normal.numpy())
    kernel, _ = nnls(upper, solve_triangular(upper, right.numpy(), trans="T"))
    return torch.from_numpy(kernel / max(kernel.sum(), np.finfo(float).tiny)).view(1, 1, size, size)


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
