"""What a known blur leaves of an image, undone: the classical restoration, told the kernel.

::

    least_squares(y, kernel, noise_var, scale=4)

A judge of kernels, not a rival of networks: the better an inferred kernel, the closer the image
restored with it comes to the one restored with the true kernel.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

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
