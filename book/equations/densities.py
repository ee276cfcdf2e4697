"""The densities all five systems are built from, and the toy model whose evidence is known."""

import numpy as np
import torch
from scipy import stats

from equations.equation import (
    ALGEBRA,
    FINITE_DIFFERENCES,
    FIVE_STANDARD_ERRORS,
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
from vbl.probability import (
    expected_log_normal,
    inverse_gamma_entropy,
    inverse_gamma_expected_log,
    inverse_gamma_expected_reciprocal,
    inverse_gamma_log_prob,
    inverse_gamma_mean,
    inverse_gamma_mode,
    kl_dirichlet,
    kl_inverse_gamma,
    kl_normal,
    rsample_dirichlet,
    rsample_inverse_gamma,
)

# Shapes: VDN's and VIRNet's (p = 7, 9, 11), VIRNet's kernel prior, and two wide ones.
INVERSE_GAMMAS = [
    (shape, scale) for shape in (1.5, 3.0, 23.5, 39.5, 49.0, 59.5) for scale in (1e-10, 0.3, 1e2)
]
NORMALS = [(0.5, 1e-6, 0.5003, 1e-6), (0.2, 3e-6, 0.2, 1e-6), (0.7, 0.04, -0.3, 1.0)]


def _moment(function, f):
    """Compare a function of (shape, scale) with E f(x), on the grid."""
    return worst(
        relative(function(real(a), real(b)), Quadrature.inverse_gamma(a, b).mean(f))
        for a, b in INVERSE_GAMMAS
    )


def density_integrates_to_one() -> float:
    """∫ IG(x | a, b) dx with our own density: the weights divide SciPy's out."""

    def total(a, b):
        rule = Quadrature.inverse_gamma(a, b)
        ratio = inverse_gamma_log_prob(rule.x, a, b) - log_inverse_gamma(rule.x, a, b)
        return rule.mean(lambda _: ratio.exp())

    return worst(relative(total(a, b), 1.0) for a, b in INVERSE_GAMMAS)


def mode_is_stationary() -> float:
    """The slope of log IG with respect to log x at the mode, in units of the shape."""

    def slope(a, b, h=1e-6):
        mode = inverse_gamma_mode(real(a), real(b)).item()
        up, down = (log_inverse_gamma(mode * np.exp(s), a, b) for s in (h, -h))
        # d log IG / d log x = -(a + 1) + b/x
        return abs(up - down).item() / (2 * h) / (a + 1)

    return worst(slope(a, b) for a, b in INVERSE_GAMMAS)


def mean() -> float:
    return _moment(inverse_gamma_mean, lambda x: x)


def expected_reciprocal() -> float:
    return _moment(inverse_gamma_expected_reciprocal, lambda x: 1 / x)


def expected_log() -> float:
    return _moment(inverse_gamma_expected_log, torch.log)


def entropy() -> float:
    def by_quadrature(a, b):
        return Quadrature.inverse_gamma(a, b).mean(lambda x: -log_inverse_gamma(x, a, b))

    return worst(
        relative(inverse_gamma_entropy(real(a), real(b)), by_quadrature(a, b))
        for a, b in INVERSE_GAMMAS
    )


def reciprocal_is_gamma() -> float:
    x = torch.logspace(-3, 3, 25, dtype=torch.float64)
    changed = torch.as_tensor(stats.gamma.logpdf(1 / x, 3.5, scale=1 / 0.7)) - 2 * x.log()
    return relative(inverse_gamma_log_prob(x, 3.5, 0.7), changed)


def inverse_gamma_draws() -> float:
    """E log x and its derivatives, from draws of a learned shape and scale."""

    def chunks():
        generator = seeded()
        for _ in range(10):
            a, b = (torch.full((100_000,), v).double().requires_grad_() for v in (3.5, 0.7))
            log_x = rsample_inverse_gamma(a, b, generator=generator).log()
            da, db = torch.autograd.grad(log_x.sum(), (a, b))
            yield torch.stack([log_x, da, db * log_x.detach()], 1)

    a, b = 3.5, 0.7
    log_x = Quadrature.inverse_gamma(a, b).mean(torch.log)
    slope = (
        Quadrature.inverse_gamma(a + 1e-4, b).mean(torch.log)
        - Quadrature.inverse_gamma(a - 1e-4, b).mean(torch.log)
    ) / 2e-4
    return standard_errors(chunks(), real(log_x, slope, log_x / b))


def kl_inverse_gammas_by_quadrature(a_q, b_q, a_p, b_p) -> float:
    """∫ q log q/p for two inverse Gammas, from SciPy's densities."""
    return Quadrature.inverse_gamma(a_q, b_q).mean(
        lambda x: log_inverse_gamma(x, a_q, b_q) - log_inverse_gamma(x, a_p, b_p)
    )


def kl_inverse_gammas() -> float:
    pairs = [(3.0, 0.2, 23.5, 1.1), (25.0, 0.5, 23.5, 0.3), (60.0, 2e-3, 39.5, 1e-3)]
    return worst(
        relative(kl_inverse_gamma(*map(real, p)), kl_inverse_gammas_by_quadrature(*p))
        for p in pairs
    )


def kl_equal_shapes_in_float32() -> float:
    """Scales that differ by 1e-4 ... 10 per cent, against float64's log1p."""
    u = torch.tensor([1e-4, -1e-3, 1e-2, -0.1])
    r = (1 + u).double()
    exact = 23.5 * ((r - 1) - torch.log1p(r - 1))
    return relative(kl_inverse_gamma(23.5, torch.ones(4), 23.5, 1 + u), exact)


def kl_normals_by_quadrature(mean_q, var_q, mean_p, var_p) -> float:
    """∫ q log q/p for two normals, from SciPy's densities."""
    return Quadrature.normal(mean_q, var_q).mean(
        lambda x: log_normal(x, mean_q, var_q) - log_normal(x, mean_p, var_p)
    )


def kl_normals() -> float:
    return worst(relative(kl_normal(*map(real, p)), kl_normals_by_quadrature(*p)) for p in NORMALS)


def kl_betas() -> float:
    """Dirichlet distributions of two entries: one-dimensional, so quadrature can judge them."""

    def by_quadrature(q, p):
        q, p = stats.beta(*q), stats.beta(*p)
        low, high = q.ppf(1e-17), q.ppf(1 - 1e-16)
        rule = Quadrature.over(q.logpdf, low, high)
        return rule.mean(lambda h: torch.as_tensor(q.logpdf(h) - p.logpdf(h)))

    pairs = [((12e3, 8e3), (12.1e3, 7.9e3)), ((20.0, 35.0), (25.0, 30.0)), ((3.0, 7.0), (5.0, 5.0))]
    return worst(relative(kl_dirichlet(real(*q), real(*p)), by_quadrature(q, p)) for q, p in pairs)


def dirichlet_draws() -> float:
    """Mean, and second moments, of normalised Gammas."""
    zeta = real(0.3, 1.0, 4.0, 14.7)
    c = zeta.sum()
    mean = zeta / c
    second = (zeta * zeta[:, None] + torch.diag(zeta)) / (c * (c + 1))

    def chunks():
        generator = seeded()
        for _ in range(4):
            h = rsample_dirichlet(zeta.expand(250_000, 4), generator=generator)
            yield torch.cat([h, (h[:, :, None] * h[:, None, :]).flatten(1)], 1)

    return standard_errors(chunks(), torch.cat([mean, second.flatten()]))


def expected_likelihood_by_quadrature(y, mean, var, a, b) -> float:
    """E log N(y; z, σ²) over z ~ N(mean, var) and σ² ~ IG(a, b), as a double sum."""
    z, s = Quadrature.normal(mean, var), Quadrature.inverse_gamma(a, b)
    inner = log_normal(y, z.x[:, None], s.x[None, :])
    return (z.w[:, None] * s.w[None, :] * inner).sum().item()


def expected_likelihood() -> float:
    pixels = [
        (0.5, 0.48, 1e-6, 23.5, 0.2),
        (0.1, 0.4, 1e-2, 59.5, 6e-3),
        (0.9, 0.9, 1e-6, 3.0, 1.0),
    ]
    return worst(
        relative(expected_log_normal(*map(real, p)), expected_likelihood_by_quadrature(*p))
        for p in pixels
    )


def _book(name, statement, functions, check, how, tolerance=1e-9, label=None) -> Equation:
    return Equation("book", "–", name, statement, functions, check, how, tolerance, label)


EQUATIONS = (
    _book(
        "inverse Gamma density",
        r"\InvGamma(x \mid a, b) = \tfrac{b^a}{\Gamma(a)}\, x^{-a-1} e^{-b/x},"
        r"\quad \textstyle\int \InvGamma = 1",
        (inverse_gamma_log_prob,),
        density_integrates_to_one,
        QUADRATURE,
        label="eq-inverse-gamma",
    ),
    _book(
        "its mode",
        r"\argmax_x \InvGamma(x \mid a, b) = \tfrac{b}{a+1}",
        (inverse_gamma_mode,),
        mode_is_stationary,
        FINITE_DIFFERENCES,
        1e-6,
    ),
    _book(
        "its mean",
        r"\E[x] = \tfrac{b}{a-1}, \quad a > 1",
        (inverse_gamma_mean,),
        mean,
        QUADRATURE,
    ),
    _book(
        "its expected reciprocal",
        r"\E[1/x] = \tfrac{a}{b}",
        (inverse_gamma_expected_reciprocal,),
        expected_reciprocal,
        QUADRATURE,
    ),
    _book(
        "its expected logarithm",
        r"\E[\log x] = \log b - \psi(a)",
        (inverse_gamma_expected_log,),
        expected_log,
        QUADRATURE,
    ),
    _book(
        "its entropy",
        r"-\E[\log \InvGamma] = a + \log b + \log\Gamma(a) - (1 + a)\, \psi(a)",
        (inverse_gamma_entropy,),
        entropy,
        QUADRATURE,
    ),
    _book(
        "its name",
        r"x \sim \InvGamma(a, b) \iff 1/x \sim \GammaDist(a, b)",
        (inverse_gamma_log_prob,),
        reciprocal_is_gamma,
        ALGEBRA,
    ),
    _book(
        "draws from it, with gradients",
        r"x = b / g, \quad g \sim \GammaDist(a, 1)",
        (rsample_inverse_gamma,),
        inverse_gamma_draws,
        MONTE_CARLO,
        FIVE_STANDARD_ERRORS,
    ),
    _book(
        "two inverse Gammas",
        r"\begin{aligned}[t] \mathrm{KL} ={}& (a_q - a_p)\,\psi(a_q) - \log\Gamma(a_q)"
        r" + \log\Gamma(a_p) \\ &+ a_p \log\tfrac{b_q}{b_p} + a_q \tfrac{b_p - b_q}{b_q}"
        r" \end{aligned}",
        (kl_inverse_gamma,),
        kl_inverse_gammas,
        QUADRATURE,
        label="eq-kl-inverse-gamma",
    ),
    _book(
        "two of equal shape, in float32",
        r"\mathrm{KL} = a \left[ \tfrac{b_p}{b_q} + \log\tfrac{b_q}{b_p} - 1 \right]",
        (kl_inverse_gamma,),
        kl_equal_shapes_in_float32,
        ALGEBRA,
        1e-5,
    ),
    _book(
        "two normals",
        r"\mathrm{KL} = \tfrac{(\mu - x)^2}{2 \latentvar}"
        r" + \tfrac12 \left[ \tfrac{m^2}{\latentvar} - \log\tfrac{m^2}{\latentvar} - 1 \right]",
        (kl_normal,),
        kl_normals,
        QUADRATURE,
        label="eq-kl-normal",
    ),
    _book(
        "two Dirichlets of two entries",
        r"\KL{\Dir(\zeta_1, \zeta_2)}{\Dir(a_1, a_2)}",
        (kl_dirichlet,),
        kl_betas,
        QUADRATURE,
        1e-7,
        label="eq-kl-dirichlet",
    ),
    _book(
        "draws from a Dirichlet",
        r"g_i \sim \GammaDist(\zeta_i, 1) \;\Rightarrow\;"
        r" g / \textstyle\sum_j g_j \sim \Dir(\dirpar)",
        (rsample_dirichlet,),
        dirichlet_draws,
        MONTE_CARLO,
        FIVE_STANDARD_ERRORS,
    ),
    _book(
        "the expected log-likelihood",
        r"\begin{aligned}[t] \E \log \Normal(y; z, \sigma^2) ={}& -\tfrac12 \log 2\pi"
        r" - \tfrac12 (\log b - \psi(a)) \\ &- \tfrac{a}{2b} \left[ (y - \mu)^2 + m^2 \right]"
        r" \end{aligned}",
        (expected_log_normal,),
        expected_likelihood,
        QUADRATURE,
        label="eq-expected-log-normal",
    ),
)
