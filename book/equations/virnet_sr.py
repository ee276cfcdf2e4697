"""VIRNet: blur, sampling, and what is believed of a blur kernel (Eq. 6-14, 23, 26-27)."""

import numpy as np
import torch
from scipy import ndimage, stats
from torch.distributions import MultivariateNormal

from equations.densities import kl_inverse_gammas_by_quadrature, kl_normals_by_quadrature
from equations.equation import (
    ALGEBRA,
    FIVE_STANDARD_ERRORS,
    MONTE_CARLO,
    QUADRATURE,
    Equation,
    real,
    relative,
    seeded,
    standard_errors,
    worst,
)
from vbl.degradations import blind_sr, gaussian_kernel, rotated_parameters
from vbl.probability import (
    inverse_gamma_log_prob,
    kl_inverse_gamma,
    kl_normal,
    rsample_inverse_gamma,
)
from vbl.restoration import least_squares

KAPPA0, R0_SQ = 50.0, 1e-4


def _some_kernel() -> torch.Tensor:
    """A kernel without any symmetry."""
    k = torch.rand(1, 1, 5, 5, generator=seeded(1), dtype=torch.float64)
    return k / k.sum()


def degradation() -> float:
    """(x * k)↓s without noise, against SciPy's convolution and a slice."""
    x, k = torch.rand(1, 1, 24, 30, generator=seeded(), dtype=torch.float64), _some_kernel()
    blurred = ndimage.convolve(x[0, 0].numpy(), k[0, 0].numpy(), mode="reflect")
    return worst(relative(blind_sr(x, s, k, 0.0).y[0, 0], blurred[::s, ::s]) for s in (2, 3))


def degradation_noise() -> float:
    """y - (x * k)↓s has mean zero and the stated variance."""
    x, k, std = torch.full((1, 1, 300, 300), 0.5, dtype=torch.float64), _some_kernel(), 0.04

    def chunks():
        generator = seeded()
        for _ in range(10):
            n = blind_sr(x, 2, k, std, generator=generator).y.flatten() - 0.5
            yield torch.stack([n, n**2], 1)

    return standard_errors(chunks(), real(0, std**2))


def _by_multivariate_normal(covariance: torch.Tensor, side: int) -> torch.Tensor:
    """A density on the grid, divided by its sum; the first coordinate runs along columns."""
    r = torch.arange(side, dtype=torch.float64) - side // 2
    points = torch.stack([r.expand(side, side), r[:, None].expand(side, side)], -1)
    k = MultivariateNormal(real(0, 0), covariance).log_prob(points).exp()
    return k / k.sum()


def kernel_of_its_parameters() -> float:
    l1, l2, rho = 6.0, 2.5, 0.7
    covariance = real((l1, rho * (l1 * l2) ** 0.5), (rho * (l1 * l2) ** 0.5, l2))
    ours = gaussian_kernel(real(l1), real(l2), real(rho), 15)[0, 0]
    return relative(ours, _by_multivariate_normal(covariance, 15))


def turned_kernel() -> float:
    """Λ from l₁, l₂, θ, against the product of three matrices."""

    def error(l1, l2, theta):
        c, s = np.cos(theta), np.sin(theta)
        u = np.array([[c, -s], [s, c]])
        sigma = u @ np.diag([l1**2, l2**2]) @ u.T
        rho = sigma[0, 1] / np.sqrt(sigma[0, 0] * sigma[1, 1])
        ours = torch.cat(rotated_parameters(real(l1), real(l2), real(theta)))
        return relative(ours, real(sigma[0, 0], sigma[1, 1], rho))

    return worst(error(*p) for p in [(3.0, 1.0, 0.4), (0.3, 1.8, 2.0), (2.0, 0.5, 3.0)])


def kl_of_the_kernel() -> float:
    """Eq. (23) with the factor κ₀ - 1 and squared λ̂."""

    def error(m, rho, eta, lambda_sq):
        ours = kl_normal(*map(real, (m, R0_SQ, rho, R0_SQ)))
        exact = kl_normals_by_quadrature(m, R0_SQ, rho, R0_SQ)
        for e, l_sq in zip(eta, lambda_sq, strict=True):
            arguments = (KAPPA0 - 1, KAPPA0 * e, KAPPA0 - 1, KAPPA0 * l_sq)
            ours = ours + kl_inverse_gamma(*map(real, arguments))
            exact = exact + kl_inverse_gammas_by_quadrature(*arguments)
        return relative(ours, exact)

    return max(error(0.31, 0.3, (2.2, 0.9), (2.0, 1.0)), error(-0.5, -0.47, (9.0, 0.2), (8.0, 0.3)))


def drawn_widths() -> float:
    """λ² and 1/λ² of κ₀η/γ have the means of the inverse Gamma."""
    eta = torch.full((100_000,), 2.3, dtype=torch.float64)
    expected = real(KAPPA0 * 2.3 / (KAPPA0 - 2), (KAPPA0 - 1) / (KAPPA0 * 2.3))

    def chunks():
        generator = seeded()
        for _ in range(10):
            drawn = rsample_inverse_gamma(KAPPA0 - 1, KAPPA0 * eta, generator=generator)
            yield torch.stack([drawn, 1 / drawn], 1)

    return standard_errors(chunks(), expected)


def _matrix(lines: int, columns: int, kernel: np.ndarray) -> np.ndarray:
    """What blurring and keeping every other pixel does to the unit images, as columns."""
    images = np.eye(lines * columns).reshape(-1, lines, columns)
    small = [ndimage.convolve(image, kernel, mode="reflect")[::2, ::2] for image in images]
    return np.stack([image.ravel() for image in small], 1)


def most_probable_image() -> float:
    """Conjugate gradients, against the normal equations written out and solved."""
    kernel, var, tau = _some_kernel(), 0.01, 0.2
    y = torch.rand(1, 1, 4, 5, generator=seeded(2), dtype=torch.float64)
    h, grid = _matrix(8, 10, kernel[0, 0].numpy()), np.arange(80).reshape(8, 10)
    pairs = [(grid[1:], grid[:-1]), (grid[:, 1:], grid[:, :-1])]
    unit = np.eye(80)
    d = np.concatenate([unit[a.ravel()] - unit[b.ravel()] for a, b in pairs])
    exact = np.linalg.solve(h.T @ h / var + d.T @ d / tau**2, h.T @ y.numpy().ravel() / var)
    ours = least_squares(y, kernel, var, scale=2, gradient_std=tau, tolerance=1e-12)
    return relative(ours.flatten(), exact)


def density_of_the_truth() -> float:
    """log q of a width, against SciPy's density."""

    def error(kappa, eta, lambda_sq):
        exact = stats.invgamma.logpdf(lambda_sq, kappa - 1, scale=kappa * eta)
        return relative(inverse_gamma_log_prob(*real(lambda_sq, kappa - 1, kappa * eta)), exact)

    return worst(error(*p) for p in [(3.5, 2.0, 1.0), (50.0, 2.2, 2.0), (900.0, 0.2, 0.25)])


def _virnet(number, name, statement, functions, check, how, tolerance=1e-9, **links) -> Equation:
    return Equation("VIRNet", number, name, statement, functions, check, how, tolerance, **links)


EQUATIONS = (
    _virnet(
        "6, 26",
        "blur and direct sampling",
        r"\observed = (\latent \conv \kernel)\downsample{s} + \noise, \quad \noise = 0",
        (blind_sr,),
        degradation,
        ALGEBRA,
    ),
    _virnet(
        "2, 7",
        "noise after them",
        r"y_i \sim \Normal\left([(\latent \conv \kernel)\downsample{s}]_i,\, \sigma^2\right)",
        (blind_sr,),
        degradation_noise,
        MONTE_CARLO,
        FIVE_STANDARD_ERRORS,
        erratum="erratum-virnet-small",
    ),
    _virnet(
        "8, 10",
        "kernel of its parameters",
        r"k_{ij} \propto \exp\left(-\tfrac12 S^{\mathsf T} \Sigma^{-1} S\right), \quad"
        r" \textstyle\sum_{ij} k_{ij} = 1",
        (gaussian_kernel,),
        kernel_of_its_parameters,
        ALGEBRA,
        label="eq-gaussian-kernel",
        erratum="erratum-virnet-small",
    ),
    _virnet(
        "27",
        "parameters of a turned kernel",
        r"\Sigma = U \operatorname{diag}(l_1^2, l_2^2)\, U^{\mathsf T}",
        (rotated_parameters,),
        turned_kernel,
        ALGEBRA,
    ),
    _virnet(
        "23",
        "divergence of the kernel",
        r"\tfrac{(m - \hat\rho)^2}{2 \corrvar} + \textstyle\sum_l (\kernelshape - 1)"
        r" \left[ \tfrac{\hat\lambda_l^2}{\eta_l} + \log\tfrac{\eta_l}{\hat\lambda_l^2} - 1"
        r" \right]",
        (kl_normal, kl_inverse_gamma),
        kl_of_the_kernel,
        QUADRATURE,
        label="eq-kl-kernel",
        erratum="erratum-virnet-23",
    ),
    _virnet(
        "14, 19",
        "drawn widths of the kernel",
        r"\tilde\lambda_l^2 = \kernelshape\, \eta_l / \gamma_l, \quad"
        r" \gamma_l \sim \GammaDist(\kernelshape - 1, 1)",
        (rsample_inverse_gamma,),
        drawn_widths,
        MONTE_CARLO,
        FIVE_STANDARD_ERRORS,
        label="eq-sr-likelihood",
    ),
    _virnet(
        "–",
        "most probable image",
        r"\argmin_{\latent} \tfrac{1}{2 \sigma^2}"
        r" \norm{\observed - (\latent \conv \kernel)\downsample{s}}^2"
        r" + \tfrac{1}{2 \roughness^2} \norm{\nabla \latent}^2",
        (least_squares,),
        most_probable_image,
        ALGEBRA,
        1e-7,
        label="eq-least-squares",
    ),
    _virnet(
        "–",
        "density of a true width",
        r"\log q(\hat\lambda_l^2 \mid \observed), \quad"
        r" q = \InvGamma(\kappa_l - 1, \kappa_l \eta_l)",
        (inverse_gamma_log_prob,),
        density_of_the_truth,
        ALGEBRA,
        label="eq-learned-width",
    ),
)
