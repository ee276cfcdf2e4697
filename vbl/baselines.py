"""Classical restorers: what a user would try first, mostly thin wrappers of scikit-image.

All take and return images (B, C, H, W). The denoisers are told the noise level, the deblurrers
the kernel: none of them is blind.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from skimage import restoration
from torch import Tensor

from vbl.operators import bicubic_upsample, blur, blur_adjoint, check_kernel, pad


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

    Args:
        y: Noisy images.
        std: Noise level; the weight of the total variation is 0.8 of it, near the best for
            photographs.
    """

    def restore(v: np.ndarray) -> np.ndarray:
        return restoration.denoise_tv_chambolle(v, weight=0.8 * std, channel_axis=-1)

    return _denoise(y, std, restore)


def non_local_means(y: Float[Tensor, "b c h w"], std: float) -> Float[Tensor, "b c h w"]:
    """Average pixels whose 5 x 5 surroundings look alike :cite:p:`buades2005nonlocal`.

    Args:
        y: Noisy images.
        std: Noise level, also used to correct the distances between patches.
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

    Args:
        y: Noisy images.
        std: Noise level.
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
    """Deblur by the linear filter of least squared error, :eq:`eq-wiener`.

    The prior takes the Laplacian of the image to be white noise: photographs have less power at
    high frequencies. Solved by FFT on an image that was continued past its edges.

    Args:
        y: Blurred images.
        kernel: Known kernels (B or 1, 1, k, k).
        noise_to_signal: r, the ratio of noise variance to the variance of the Laplacian of the
            clean image, r >= 0; larger is smoother, and 0 is maximum likelihood.

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
    """The kernel's spectrum on an image of `size`, its centre moved to pixel (0, 0)."""
    k = kernel.shape[-1]
    placed = kernel.new_zeros(len(kernel), 1, *size)
    placed[..., :k, :k] = kernel
    return torch.fft.rfft2(placed.roll((-(k // 2), -(k // 2)), (-2, -1)))


def richardson_lucy(
    y: Float[Tensor, "b c h w"], kernel: Float[Tensor, "n 1 k k"], steps: int = 30
) -> Float[Tensor, "b c h w"]:
    """Deblur by x ← x · Kᵀ(y / Kx), maximum likelihood under Poisson noise.

    See :cite:t:`richardson1972bayesian` and :cite:t:`lucy1974iterative`. Noise is fitted after
    the image: stop early.

    Args:
        y: Blurred images; values below 0 are counted as 0, as photon counts cannot be negative.
        kernel: Known kernels (B or 1, 1, k, k).
        steps: Number of iterations.
    """
    y = y.clamp_min(0)
    x, tiny = y.clamp_min(1e-3), 1e-6
    mass = blur_adjoint(torch.ones_like(y), kernel, "symmetric")
    for _ in range(steps):
        ratio = y / blur(x, kernel, "symmetric").clamp_min(tiny)
        x = x * blur_adjoint(ratio, kernel, "symmetric") / mass
    return x


def bicubic(y: Float[Tensor, "b c h w"], scale: int) -> Float[Tensor, "b c sh sw"]:
    """Cubic interpolation aligned to direct sampling; see `operators.bicubic_upsample`.

    Args:
        y: Images (B, C, h, w).
        scale: s.
    """
    return bicubic_upsample(y, scale, grid="direct")
