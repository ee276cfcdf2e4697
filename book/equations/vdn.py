"""VDN: one pixel's bound, assembled from the library, against a double integral."""

import torch

from equations.densities import (
    expected_likelihood_by_quadrature,
    kl_inverse_gammas_by_quadrature,
    kl_normals_by_quadrature,
)
from equations.equation import (
    AUTOGRAD,
    FINITE_DIFFERENCES,
    LIMIT,
    QUADRATURE,
    Equation,
    Quadrature,
    log_inverse_gamma,
    log_normal,
    real,
    relative,
    worst,
)
from vbl.probability import (
    Elbo,
    expected_log_normal,
    inverse_gamma_mode,
    kl_inverse_gamma,
    kl_normal,
)

EPS0_SQ, P = 1e-6, 7
PRIOR_SHAPE = P**2 / 2 - 1
# (y, x, xi) of a pixel and (mu, m_sq, alpha, beta) of its posterior
PIXELS = [
    (0.52, 0.50, 1e-3, 0.5004, 1.3e-6, 25.0, 0.02),
    (0.10, 0.30, 5e-2, 0.2990, 0.8e-6, 20.0, 1.10),
]


def _prior_scale(xi: float) -> float:
    return P**2 * xi / 2


def prior_mode() -> float:
    """The slope of the prior's log density at ξ, by central differences in log σ²."""

    def error(xi, h=1e-6):
        mode = inverse_gamma_mode(real(PRIOR_SHAPE), real(_prior_scale(xi))).item()
        up, down = (
            log_inverse_gamma(mode * (1 + s), PRIOR_SHAPE, _prior_scale(xi)) for s in (h, -h)
        )
        return max(relative(mode, xi), abs(up - down).item() / (2 * h) / (PRIOR_SHAPE + 1))

    return worst(error(xi) for xi in (1e-10, 1e-3, 0.1))


def likelihood() -> float:
    return worst(
        relative(
            expected_log_normal(*map(real, (y, mu, m_sq, a, b))),
            expected_likelihood_by_quadrature(y, mu, m_sq, a, b),
        )
        for y, _, _, mu, m_sq, a, b in PIXELS
    )


def kl_of_the_image() -> float:
    return worst(
        relative(
            kl_normal(*map(real, (mu, m_sq, x, EPS0_SQ))),
            kl_normals_by_quadrature(mu, m_sq, x, EPS0_SQ),
        )
        for _, x, _, mu, m_sq, _, _ in PIXELS
    )


def kl_of_the_noise() -> float:
    def error(xi, a, b):
        arguments = (a, b, PRIOR_SHAPE, _prior_scale(xi))
        return relative(
            kl_inverse_gamma(*map(real, arguments)), kl_inverse_gammas_by_quadrature(*arguments)
        )

    return worst(error(xi, a, b) for _, _, xi, _, _, a, b in PIXELS)


def pixel_bound(y, x, xi, mu, m_sq, alpha, beta, eps0_sq=EPS0_SQ) -> Elbo:
    """VDN's bound on one pixel, in closed form; any argument may be a tensor (B,)."""
    likelihood = expected_log_normal(y, mu, m_sq, alpha, beta)
    kl_z = kl_normal(mu, m_sq, x, eps0_sq)
    kl_s = kl_inverse_gamma(alpha, beta, PRIOR_SHAPE, P**2 * xi / 2)
    return Elbo({"pixels": likelihood}, {"image": kl_z, "noise": kl_s})


def whole_bound() -> float:
    """L against E_q [log p(y, z, σ²) - log q(z, σ²)] as one double sum over z and σ²."""

    def by_quadrature(y, x, xi, mu, m_sq, a, b):
        z, s = Quadrature.normal(mu, m_sq), Quadrature.inverse_gamma(a, b)
        of_z = log_normal(z.x, x, EPS0_SQ) - log_normal(z.x, mu, m_sq)
        of_s = log_inverse_gamma(s.x, PRIOR_SHAPE, _prior_scale(xi)) - log_inverse_gamma(s.x, a, b)
        both = log_normal(y, z.x[:, None], s.x[None, :]) + of_z[:, None] + of_s[None, :]
        return (z.w[:, None] * s.w[None, :] * both).sum().item()

    return worst(
        relative(pixel_bound(*map(real, pixel)).total, by_quadrature(*pixel)) for pixel in PIXELS
    )


def limit_is_the_squared_error() -> float:
    """ε₀²(-L) at ε₀² = 1e-12 and m² = ε₀² against half the squared error."""
    eps0_sq = 1e-12
    y, x, xi, mu, m_sq = (real(v).expand(1) for v in (0.9, 0.5, 1e-2, 0.4, eps0_sq))
    bound = pixel_bound(y, x, xi, mu, m_sq, 23.5, real(0.3), eps0_sq)
    return relative(-eps0_sq * bound.total, (mu - x) ** 2 / 2)


def conjugate_optimum() -> float:
    """The slope of a pixel's bound at the posterior of conjugate statistics, in all parameters."""

    def optimum(y, x, xi):
        """The four parameters by alternating between the two updates."""
        mu, m_sq, shape = x, EPS0_SQ, P**2 / 2 - 0.5
        for _ in range(50):
            scale = _prior_scale(xi) + ((y - mu) ** 2 + m_sq) / 2
            m_sq = 1 / (1 / EPS0_SQ + shape / scale)
            mu = m_sq * (x / EPS0_SQ + shape / scale * y)
        return mu, m_sq, shape, scale

    def error(y, x, xi):
        mu, *positive = optimum(y, x, xi)
        logs = real(*positive).log().requires_grad_()
        mean = real(mu).requires_grad_()
        m_sq, shape, scale = logs.exp().unsqueeze(1)
        bound = pixel_bound(real(y), real(x), real(xi), mean, m_sq, shape, scale).total.sum()
        by_log, by_mean = torch.autograd.grad(bound, (logs, mean))
        return max(by_log.abs().max().item(), by_mean.abs().item() * EPS0_SQ**0.5)

    return worst(error(y, x, xi) for y, x, xi, *_ in PIXELS)


def _vdn(name, statement, functions, check, how, tolerance=1e-9, label=None) -> Equation:
    return Equation("VDN", "slide", name, statement, functions, check, how, tolerance, label)


EQUATIONS = (
    _vdn(
        "the noise prior's mode is ξ",
        r"\sigma_i^2 \sim \InvGamma\left(\tfrac{\window^2}{2} - 1,"
        r" \tfrac{\window^2}{2} \xi_i\right), \quad \text{mode } \xi_i",
        (inverse_gamma_mode,),
        prior_mode,
        FINITE_DIFFERENCES,
        1e-6,
    ),
    _vdn(
        "likelihood",
        r"\E_q \log p(y_i \mid z_i, \sigma_i^2), \quad"
        r" q = \Normal(\mu_i, m_i^2)\, \InvGamma(\alpha_i, b_i)",
        (expected_log_normal,),
        likelihood,
        QUADRATURE,
    ),
    _vdn(
        "divergence of the image",
        r"\KL{\Normal(\mu_i, m_i^2)}{\Normal(x_i, \latentvar)}",
        (kl_normal,),
        kl_of_the_image,
        QUADRATURE,
    ),
    _vdn(
        "divergence of the noise",
        r"\KL{\InvGamma(\alpha_i, b_i)}{\InvGamma\left(\tfrac{\window^2}{2} - 1,"
        r" \tfrac{\window^2}{2} \xi_i\right)}",
        (kl_inverse_gamma,),
        kl_of_the_noise,
        QUADRATURE,
    ),
    _vdn(
        "the whole bound on one pixel",
        r"\ELBO = \E_q \log p(y \mid z, \sigma^2) - \mathrm{KL}_z - \mathrm{KL}_\sigma"
        r" = \E_q \log \tfrac{p(y, z, \sigma^2)}{q(z, \sigma^2)}",
        (expected_log_normal, kl_normal, kl_inverse_gamma, Elbo),
        whole_bound,
        QUADRATURE,
        1e-6,
    ),
    _vdn(
        "the limit is a plain network",
        r"\lim_{\varepsilon_0 \to 0} \latentvar\, (-\ELBO) = \tfrac12 \norm{\postmean - \clean}^2",
        (kl_normal, Elbo),
        limit_is_the_squared_error,
        LIMIT,
        1e-6,
    ),
    _vdn(
        "the optimum of a free posterior",
        r"\tfrac{1}{m_i^2} = \tfrac{1}{\latentvar} + \tfrac{\alpha_i}{b_i}, \quad"
        r" \alpha_i = \tfrac{\window^2 - 1}{2}, \quad b_i = \tfrac{\window^2}{2} \xi_i"
        r" + \tfrac12 [(y_i - \mu_i)^2 + m_i^2]",
        (expected_log_normal, kl_normal, kl_inverse_gamma),
        conjugate_optimum,
        AUTOGRAD,
        1e-9,
        "eq-vdn-optimum",
    ),
)
