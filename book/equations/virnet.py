"""VIRNet: the noise prior and the bound of denoising (Eq. 2-5, 12-22, 25)."""

import numpy as np
import torch
from scipy import optimize

from equations.densities import (
    expected_likelihood_by_quadrature,
    kl_inverse_gammas_by_quadrature,
    kl_normals_by_quadrature,
)
from equations.equation import (
    FINITE_DIFFERENCES,
    FIVE_STANDARD_ERRORS,
    MINIMISATION,
    MONTE_CARLO,
    QUADRATURE,
    Equation,
    Quadrature,
    log_inverse_gamma,
    log_normal,
    real,
    relative,
    seeded,
    standard_errors,
    worst,
)
from vbl.degradations import local_variance, noniid
from vbl.probability import (
    expected_log_normal,
    inverse_gamma_mode,
    kl_inverse_gamma,
    kl_normal,
    rsample_inverse_gamma,
)

ALPHA0S = (24.5, 40.5, 60.5)  # p²/2 for windows of 7, 9 and 11 pixels
KAPPA0, EPS0_SQ = 50.0, 1e-6
XI_BETA = [(0.01, 0.013), (1e-4, 8e-5), (0.3, 0.31)]


def _slope_at_mode(shape, scale, mode, h=1e-6) -> float:
    """The slope of log IG in log x at a mode, in units of the shape, by central differences."""
    up, down = (log_inverse_gamma(mode * (1 + s), shape, scale) for s in (h, -h))
    return abs(up - down).item() / (2 * h) / (shape + 1)


def modes() -> float:
    """IG(α₀ - 1, α₀ β) has its mode at β, as IG(κ₀ - 1, κ₀ η) has at η."""

    def error(strength, mode):
        ours = inverse_gamma_mode(real(strength - 1), real(strength * mode))
        return max(relative(ours, mode), _slope_at_mode(strength - 1, strength * mode, ours.item()))

    return worst(error(s, m) for s in (*ALPHA0S, KAPPA0) for m in (1e-6, 0.013, 4.0))


def local_variance_is_unbiased() -> float:
    """The mean of ξ in the middle of pictures of noise is the variance."""

    def chunks():
        generator = seeded()
        for _ in range(5):
            noise = 0.1 * torch.randn(10_000, 1, 7, 7, generator=generator).double()
            xi = local_variance(noise, torch.zeros_like(noise), 7, 1.4, shared=True)
            yield xi[:, 0, 3, 3, None]

    return standard_errors(chunks(), real(0.1**2))


def floor_of_the_divergence() -> float:
    """The mean KL of the true variance to the priors of many windows, against its second order."""
    noise = torch.randn(1, 3, 700, 700, generator=seeded()).double()
    xi = local_variance(noise, torch.zeros_like(noise), 7, 1.4, shared=True)
    mean = kl_inverse_gamma(real(23.5), real(24.5), real(23.5), 24.5 * xi).mean()
    row = torch.exp(-((torch.arange(7).double() - 3) ** 2) / (2 * 1.4**2))
    weights = torch.outer(row, row) / row.sum() ** 2
    return relative(mean, 23.5 * (weights**2).sum() / 3)


def noise_of_a_map() -> float:
    """The variance of y - x at every pixel of 100,000 pictures, against the map's square."""
    std = torch.linspace(10, 75, 9).view(1, 1, 3, 3) / 255

    def chunks():
        generator = seeded()
        for _ in range(4):
            x = torch.full((25_000, 1, 3, 3), 0.5)
            y = noniid(x, std, generator=generator).y
            yield ((y.double() - 0.5) ** 2 / std.double() ** 2)

    return standard_errors(chunks(), 1.0)


def bound_and_gap() -> float:
    """log p(y) = L + KL(q || posterior) on one pixel, z and σ² summed out; Eq. (16)-(18)."""
    y, x, xi, mu, beta, alpha0, eps0_sq = 0.55, 0.5, 0.01, 0.51, 0.013, 24.5, 1e-3
    z, s = Quadrature.normal(mu, eps0_sq), Quadrature.inverse_gamma(alpha0 - 1, alpha0 * beta)
    weight = z.w[:, None] * s.w[None, :]
    log_q = (
        log_normal(z.x, mu, eps0_sq)[:, None]
        + log_inverse_gamma(s.x, alpha0 - 1, alpha0 * beta)[None, :]
    )
    log_joint = (
        log_normal(y, z.x[:, None], s.x[None, :])
        + log_normal(z.x, x, eps0_sq)[:, None]
        + log_inverse_gamma(s.x, alpha0 - 1, alpha0 * xi)[None, :]
    )
    evidence = (weight * (log_joint - log_q).exp()).sum().log()
    gap = (weight * (log_q - log_joint + evidence)).sum()
    bound = (
        expected_log_normal(*map(real, (y, mu, eps0_sq, alpha0 - 1, alpha0 * beta)))
        - kl_normal(*map(real, (mu, eps0_sq, x, eps0_sq)))
        - kl_inverse_gamma(*map(real, (alpha0 - 1, alpha0 * beta, alpha0 - 1, alpha0 * xi)))
    )
    return relative(bound + gap, evidence)


def likelihood_by_draws() -> float:
    """Eq. (20)'s Monte Carlo, with log σ², against the closed form that replaces it."""
    y, mu, eps0_sq, alpha0, beta = 0.55, 0.5, 1e-6, 24.5, 0.003
    exact = expected_log_normal(*map(real, (y, mu, eps0_sq, alpha0 - 1, alpha0 * beta)))

    def chunks():
        generator = seeded()
        for _ in range(4):
            shape = torch.full((250_000,), alpha0 - 1, dtype=torch.float64)
            s = rsample_inverse_gamma(shape, alpha0 * beta, generator=generator)
            z = mu + eps0_sq**0.5 * torch.randn(250_000, generator=generator).double()
            yield log_normal(y, z, s)[:, None]

    return standard_errors(chunks(), exact)


def likelihood_exact() -> float:
    return worst(
        relative(
            expected_log_normal(*map(real, (0.55, 0.5, EPS0_SQ, a - 1, a * beta))),
            expected_likelihood_by_quadrature(0.55, 0.5, EPS0_SQ, a - 1, a * beta),
        )
        for a in ALPHA0S
        for beta in (1e-3, 0.05)
    )


def kl_of_the_image() -> float:
    """Equal variances: the divergence is (μ - x)²/(2 ε₀²)."""
    pairs = [(0.503, 0.5, 1e-6), (0.2, 0.21, 1e-5)]
    return worst(
        max(
            relative(kl_normal(*map(real, (mu, e, x, e))), (mu - x) ** 2 / (2 * e)),
            relative((mu - x) ** 2 / (2 * e), kl_normals_by_quadrature(mu, e, x, e)),
        )
        for mu, x, e in pairs
    )


def kl_of_the_noise() -> float:
    """Eq. (22) with the factor α₀ - 1."""

    def error(alpha0, xi, beta):
        arguments = (alpha0 - 1, alpha0 * beta, alpha0 - 1, alpha0 * xi)
        exact = kl_inverse_gammas_by_quadrature(*arguments)
        return relative(kl_inverse_gamma(*map(real, arguments)), exact)

    return worst(error(a, xi, beta) for a in ALPHA0S for xi, beta in XI_BETA)


def _best_beta(alpha0, xi, residuals_sq) -> float:
    """Minimise -E log p + KL over log β, with the library's own terms."""

    def loss(log_beta):
        scale = real(alpha0 * np.exp(log_beta))
        likelihood = sum(
            expected_log_normal(real(r_sq**0.5), 0.0, 0.0, alpha0 - 1, scale)
            for r_sq in residuals_sq
        )
        return (kl_inverse_gamma(alpha0 - 1, scale, alpha0 - 1, alpha0 * xi) - likelihood).item()

    start = np.log(xi)
    found = optimize.minimize_scalar(loss, bracket=(start - 0.1, start + 0.1), tol=1e-10)
    return float(np.exp(found.x))


def optimum_of_a_channel() -> float:
    def formula(a, xi, r_sq):
        return ((a - 1) * xi + (a - 1) / (2 * a) * r_sq) / (a - 0.5)

    cases = [(a, 0.01, r_sq) for a in ALPHA0S for r_sq in (1e-6, 0.04, 0.5)]
    return worst(relative(formula(*c), _best_beta(c[0], c[1], [c[2]])) for c in cases)


def optimum_of_one_map() -> float:
    def formula(a, xi, r_sq):
        return ((a - 1) * xi + (a - 1) / (2 * a) * sum(r_sq)) / (a + 0.5)

    cases = [(a, 0.01, [0.04, 0.2, 1e-3]) for a in ALPHA0S]
    return worst(relative(formula(*c), _best_beta(*c)) for c in cases)


def _virnet(number, name, statement, functions, check, how, tolerance=1e-9, **links) -> Equation:
    return Equation("VIRNet", number, name, statement, functions, check, how, tolerance, **links)


EQUATIONS = (
    _virnet(
        "4, 9, 13",
        "modes of priors and posteriors",
        r"\InvGamma(\noiseshape - 1, \noiseshape \beta_i) \text{ has its mode at } \beta_i",
        (inverse_gamma_mode,),
        modes,
        FINITE_DIFFERENCES,
        1e-6,
    ),
    _virnet(
        "5",
        "local noise variance",
        r"\localvar = G\left((\observed - \clean)^2;\, \window\right), \quad"
        r" \E[\xi_i] = \sigma^2 \text{ for even noise}",
        (local_variance,),
        local_variance_is_unbiased,
        MONTE_CARLO,
        FIVE_STANDARD_ERRORS,
        label="eq-xi",
    ),
    _virnet(
        "16–18",
        "bound and gap",
        r"\log \evidence = \ELBO + \KL{q(z, \sigma^2)}{p(z, \sigma^2 \mid y)}",
        (expected_log_normal, kl_normal, kl_inverse_gamma),
        bound_and_gap,
        QUADRATURE,
    ),
    _virnet(
        "20",
        "likelihood by draws",
        r"\E_q \log p \approx -\tfrac12 \left\{\log 2\pi + \log \tilde\sigma_i^2"
        r" + (y_i - \tilde z_i)^2 / \tilde\sigma_i^2 \right\}",
        (rsample_inverse_gamma, expected_log_normal),
        likelihood_by_draws,
        MONTE_CARLO,
        FIVE_STANDARD_ERRORS,
        erratum="erratum-virnet-small",
    ),
    _virnet(
        "20",
        "the same without draws",
        r"\begin{aligned}[t] -\tfrac12 \bigl\{ &\log 2\pi + \log(\noiseshape \beta_i)"
        r" - \psi(\noiseshape - 1) \\ &+ \tfrac{\noiseshape - 1}{\noiseshape \beta_i}"
        r" [(y_i - \mu_i)^2 + \latentvar] \bigr\} \end{aligned}",
        (expected_log_normal,),
        likelihood_exact,
        QUADRATURE,
        label="eq-expected-log-normal",
    ),
    _virnet(
        "21",
        "divergence of the image",
        r"\KL{\Normal(\mu_i, \latentvar)}{\Normal(x_i, \latentvar)}"
        r" = \tfrac{(\mu_i - x_i)^2}{2 \latentvar}",
        (kl_normal,),
        kl_of_the_image,
        QUADRATURE,
        label="eq-kl-normal",
        erratum="erratum-virnet-21",
    ),
    _virnet(
        "22",
        "divergence of the noise",
        r"(\noiseshape - 1) \left[ \tfrac{\xi_i}{\beta_i} + \log\tfrac{\beta_i}{\xi_i} - 1"
        r" \right]",
        (kl_inverse_gamma,),
        kl_of_the_noise,
        QUADRATURE,
        label="eq-kl-inverse-gamma",
        erratum="erratum-virnet-22",
    ),
    _virnet(
        "25",
        "noise of a map",
        r"\noise = \noise_1 \odot M, \quad \noise_1 \sim \Normal(0, \mathbf{I})",
        (noniid,),
        noise_of_a_map,
        MONTE_CARLO,
        FIVE_STANDARD_ERRORS,
    ),
    _virnet(
        "–",
        "optimum of one channel",
        r"\beta_i^* = \tfrac{(\noiseshape - 1)\, \xi_i + \frac{\noiseshape - 1}{2 \noiseshape}"
        r" R_i}{\noiseshape - \frac12}, \quad R_i = (y_i - \mu_i)^2 + \latentvar",
        (expected_log_normal, kl_inverse_gamma),
        optimum_of_a_channel,
        MINIMISATION,
        1e-6,
        label="eq-beta-star",
    ),
    _virnet(
        "–",
        "optimum of one map over RGB",
        r"\beta_i^* = \tfrac{(\noiseshape - 1)\, \xi_i + \frac{\noiseshape - 1}{2 \noiseshape}"
        r" \sum_c R_{ci}}{\noiseshape + \frac12}",
        (expected_log_normal, kl_inverse_gamma),
        optimum_of_one_map,
        MINIMISATION,
        1e-6,
        label="eq-beta-star",
    ),
    _virnet(
        "–",
        "floor of the noise's divergence",
        r"(\noiseshape - 1) \E\left[ \tfrac{\xi_i}{\sigma_i^2} - 1"
        r" - \log \tfrac{\xi_i}{\sigma_i^2} \right] \approx"
        r" \tfrac12 (\noiseshape - 1) \Var\left[\tfrac{\xi_i}{\sigma_i^2}\right]",
        (kl_inverse_gamma, local_variance),
        floor_of_the_divergence,
        MONTE_CARLO,
        0.03,
        label="eq-kl-floor",
    ),
)
