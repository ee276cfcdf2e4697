"""What the tests of kernels share: the parameters of a Gaussian, from the moments of its kernel."""

import torch


def kernel_parameters(kernel):
    """Second moments (λ₁², λ₂², ρ) of kernels (B, 1, k, k) about their centres of mass, each (B,).

    The inverse of `gaussian_kernel`, if the Gaussian is not truncated by the kernel's support. ρ is
    NaN where a variance is 0, as for a delta.
    """
    k = kernel[:, 0]
    r = torch.arange(k.shape[-1], dtype=k.dtype) - k.shape[-1] // 2
    columns, rows = k.sum(1), k.sum(2)
    x = r - (columns * r).sum(1, keepdim=True)
    y = r - (rows * r).sum(1, keepdim=True)
    lambda1_sq, lambda2_sq = (columns * x**2).sum(1), (rows * y**2).sum(1)
    covariance = torch.einsum("bij,bi,bj->b", k, y, x)
    return lambda1_sq, lambda2_sq, covariance / (lambda1_sq * lambda2_sq).sqrt()
