"""Every density against Monte Carlo, quadrature, torch and scipy; every gradient against the truth.

Monte Carlo is accepted within five standard errors and goodness of fit at a false-alarm rate of
1e-6: with the seeds fixed below a test that passes once passes always.
"""

import math

import numpy as np
import pytest
import torch
from probability import ALPHA0, DIRICHLETS, F64, KAPPA0, C, assert_monte_carlo, f64, seeded
from scipy import integrate, special, stats
from torch import distributions as td

from vbl.probability import distributions as vd

# (a_q, b_q, a_p, b_p): VIRNet's posterior and prior, its kernel's, VDN's, a VDN far off, a floor.
INVERSE_GAMMAS = [(a - 1, a * 0.013, a - 1, a * 0.01) for a in ALPHA0] + [
    (KAPPA0 - 1, KAPPA0 * 2.2, KAPPA0 - 1, KAPPA0 * 1.7),
    (20.0, 0.21, 23.5, 24.5 * 0.01),
    (3.0, 1e-3, 59.5, 60.5 * 0.01),
    (60.0, 0.5, 2.5, 0.04),
    (23.5, 24.5e-10, 23.5, 24.5e-6),
]
# (μ, m², x, ε₀²): the tie of z to x at 1e-6, the super-resolution one, and VDIR's prior.
NORMALS = [
    (0.501, 1.3e-6, 0.5, 1e-6),
    (0.52, 1e-6, 0.5, 1e-6),
    (0.3, 1e-4, 0.31, 1e-5),
    (0.7, 0.4, 0.0, 1.0),
]
BETAS = [
    ([12000.0, 8000.0], [11900.0, 8100.0]),
    ([19999.0, 1.0], [19995.0, 5.0]),
    ([0.7, 2.0], [1, 1]),
]
# (y, μ, m², a, b) of the expected log-likelihood.
LIKELIHOODS = [(0.6, 0.5, 1e-6, a - 1, a * 0.01) for a in ALPHA0] + [
    (0.52, 0.5, 2e-3, 20.0, 0.21),
    (0.5, 0.5, 0.01, 3.0, 1e-3),
]


def ig_expectation(f, a, b):
    """∫ IG(x|a, b) f(x) dx over u = log x, out to probabilities of 1e-20 in either tail."""
    law = stats.invgamma(a, scale=b)
    low, high = np.log(law.ppf(1e-20)), np.log(law.isf(1e-20))
    integrand = lambda u: math.exp(law.logpdf(math.exp(u)) + u) * f(math.exp(u))  # noqa: E731
    return integrate.quad(integrand, low, high, epsabs=0, epsrel=1e-10, limit=200)[0]


def normal_expectation(f, mean, var):
    integrand = lambda t: math.exp(-(t**2) / 2) * f(mean + math.sqrt(var) * t)  # noqa: E731
    total = integrate.quad(integrand, -12, 12, epsabs=0, epsrel=1e-10, limit=200)[0]
    return total / math.sqrt(2 * math.pi)


# Inverse Gamma


@pytest.mark.parametrize("parameters", INVERSE_GAMMAS)
def test_kl_inverse_gamma_is_the_integral_the_sample_mean_and_the_number_of_torch(parameters):
    a_q, b_q, a_p, b_p = parameters
    exact = vd.kl_inverse_gamma(*f64(*parameters)).item()
    q, p = td.InverseGamma(*f64(a_q, b_q)), td.InverseGamma(*f64(a_p, b_p))
    assert exact == pytest.approx(td.kl_divergence(q, p).item(), rel=1e-9)

    q_law, p_law = stats.invgamma(a_q, scale=b_q), stats.invgamma(a_p, scale=b_p)
    quadrature = ig_expectation(lambda x: q_law.logpdf(x) - p_law.logpdf(x), a_q, b_q)
    assert exact == pytest.approx(quadrature, rel=1e-8)

    generator = seeded()

    def log_ratios(n):
        x = vd.rsample_inverse_gamma(f64(a_q).expand(n), b_q, generator=generator)
        return q.log_prob(x) - p.log_prob(x)

    assert_monte_carlo(exact, log_ratios)


MOMENTS = {
    "mean": (vd.inverse_gamma_mean, lambda x, a, b: x),
    "reciprocal": (vd.inverse_gamma_expected_reciprocal, lambda x, a, b: 1 / x),
    "log": (vd.inverse_gamma_expected_log, lambda x, a, b: np.log(x)),
    "entropy": (vd.inverse_gamma_entropy, lambda x, a, b: -stats.invgamma.logpdf(x, a, scale=b)),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(("a", "b"), [p[:2] for p in INVERSE_GAMMAS])
def test_moments_of_the_inverse_gamma_are_integrals_and_sample_means(moment, a, b):
    closed_form, f = MOMENTS[moment]
    exact = closed_form(*f64(a, b)).item()
    assert exact == pytest.approx(ig_expectation(lambda x: f(x, a, b), a, b), rel=1e-8)
    generator = seeded(1)

    def values(n):
        x = vd.rsample_inverse_gamma(f64(a).expand(n), b, generator=generator)
        return torch.as_tensor(f(x.numpy(), a, b))

    assert_monte_carlo(exact, values)


@pytest.mark.parametrize(("a", "b"), [p[:2] for p in INVERSE_GAMMAS])
def test_inverse_gamma_density_agrees_with_torch_and_scipy_and_peaks_at_its_mode(a, b):
    x = vd.inverse_gamma_mode(*f64(a, b)) * torch.linspace(0.2, 5, 50, dtype=F64)
    ours = vd.inverse_gamma_log_prob(x, a, b)
    torch.testing.assert_close(ours, td.InverseGamma(*f64(a, b)).log_prob(x))
    np.testing.assert_allclose(ours, stats.invgamma.logpdf(x, a, scale=b), rtol=1e-9, atol=1e-9)
    mode = vd.inverse_gamma_mode(*f64(a, b)).requires_grad_()
    (slope,) = torch.autograd.grad(vd.inverse_gamma_log_prob(mode, a, b), mode)
    assert abs(slope * mode) < 1e-10


def test_the_mean_is_infinite_up_to_shape_one_and_never_has_a_nan_gradient():
    a, b = f64(0.5, 1, 1.5).requires_grad_(), f64(2.0).requires_grad_()
    mean = vd.inverse_gamma_mean(a, b)
    assert mean.tolist() == [math.inf, math.inf, 4.0]
    by_shape, by_scale = torch.autograd.grad(mean.sum(), (a, b))
    assert by_shape.tolist() == [0, 0, -8] and by_scale.tolist() == [2]


def test_equal_shapes_are_exact_in_float32_where_the_generic_formula_cancels():
    shape, torchs_errors = torch.tensor(23.5), []
    for xi in (1.0, 0.3, 0.01, 7e-5, 1e-10):
        b_p = torch.tensor(xi)
        b_q = 1.0001 * b_p
        ours = vd.kl_inverse_gamma(shape, b_q, shape, b_p)
        u = (b_p.double() - b_q.double()).item() / b_q.item()
        exact = 23.5 * sum((-u) ** n / n for n in range(2, 9))  # of r - 1 - log r, r = 1 + u
        assert ours.dtype == torch.float32
        assert ours.item() == pytest.approx(exact, rel=1e-6)
        assert exact == pytest.approx(1.175e-7, rel=2e-3)
        torchs = td.kl_divergence(td.InverseGamma(shape, b_q), td.InverseGamma(shape, b_p))
        torchs_errors.append(abs(torchs.item() - exact) / exact)
    assert max(torchs_errors) > 1  # off by more than the whole number


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 4e-6), (F64, 5e-9)])
def test_the_kl_of_equal_shapes_is_accurate_at_every_ratio(dtype, rtol):
    """To rounding in float32; in float64 a ratio of 1 + 1e-7 leaves half of the digits."""
    q = torch.tensor(0.37, dtype=dtype)
    r = torch.cat(
        [f64(1e-12, 1e-6, 0.5, 2, 1e6, 1e12), 1 + 10 ** torch.linspace(-7, 0, 99, dtype=F64)]
    )
    p = (r * q.double()).to(dtype)
    u = (p.double().numpy() - q.item()).astype(np.longdouble) / np.longdouble(q.item())
    s = u / (2 + u)  # u - log(1 + u) = su - 2(s³/3 + s⁵/5 + ...)
    series = s * u - 2 * sum(s**n / n for n in range(3, 40, 2))
    reference = np.where(abs(u) < 0.3, series, u - np.log(np.longdouble(p.numpy()) / q.item()))
    ours = vd.kl_inverse_gamma(1.0, q, 1.0, p).double().numpy()
    np.testing.assert_allclose(ours, reference.astype(float), rtol=rtol)


@pytest.mark.parametrize("a_q", [23.5001, 23.6, 25.0, 400.0])
@pytest.mark.parametrize("ratio", [0.999, 1.0, 1.001, 1.3])
def test_close_shapes_are_accurate_in_float32(a_q, ratio):
    a_q, a_p, b_p = torch.tensor(a_q), torch.tensor(23.5), torch.tensor(0.245)
    b_q = ratio * b_p
    exact = vd.kl_inverse_gamma(a_q.double(), b_q.double(), a_p.double(), b_p.double()).item()
    assert vd.kl_inverse_gamma(a_q, b_q, a_p, b_p).item() == pytest.approx(exact, rel=1e-5)


# Normal


@pytest.mark.parametrize("parameters", NORMALS)
def test_kl_normal_is_the_integral_the_sample_mean_and_the_number_of_torch(parameters):
    mu, m_sq, x, eps0_sq = parameters
    exact = vd.kl_normal(*f64(*parameters)).item()
    q, p = td.Normal(f64(mu), f64(m_sq).sqrt()), td.Normal(f64(x), f64(eps0_sq).sqrt())
    assert exact == pytest.approx(td.kl_divergence(q, p).item(), rel=1e-9)

    q_law, p_law = stats.norm(mu, m_sq**0.5), stats.norm(x, eps0_sq**0.5)
    quadrature = normal_expectation(lambda z: q_law.logpdf(z) - p_law.logpdf(z), mu, m_sq)
    assert exact == pytest.approx(quadrature, rel=1e-8)

    generator = seeded(2)

    def log_ratios(n):
        z = mu + m_sq**0.5 * torch.randn(n, dtype=F64, generator=generator)
        return q.log_prob(z) - p.log_prob(z)

    assert_monte_carlo(exact, log_ratios)


def test_kl_normal_is_exact_in_float32_near_equal_variances():
    eps0_sq = torch.tensor(1e-6)
    m_sq = 1.001 * eps0_sq
    exact = vd.kl_normal(0.5, m_sq.double(), 0.5, eps0_sq.double()).item()
    assert exact == pytest.approx(2.5e-7, rel=1e-2)
    assert vd.kl_normal(0.5, m_sq, 0.5, eps0_sq).item() == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("parameters", LIKELIHOODS)
def test_expected_log_normal_is_the_integral_and_the_sample_mean(parameters):
    y, mu, m_sq, a, b = parameters
    exact = vd.expected_log_normal(*f64(*parameters)).item()

    def given_variance(s):
        return normal_expectation(
            lambda z: -0.5 * (math.log(2 * math.pi * s) + (y - z) ** 2 / s), mu, m_sq
        )

    assert exact == pytest.approx(ig_expectation(given_variance, a, b), rel=1e-7)
    generator = seeded(3)

    def log_likelihoods(n):
        s = vd.rsample_inverse_gamma(f64(a).expand(n), b, generator=generator)
        z = mu + m_sq**0.5 * torch.randn(n, dtype=F64, generator=generator)
        return td.Normal(z, s.sqrt()).log_prob(f64(y))

    assert_monte_carlo(exact, log_likelihoods)


def test_the_bound_of_vdn_on_one_pixel_is_its_integral_over_z_and_the_variance():
    y, x, xi, p_sq, eps0_sq = 0.62, 0.5, 0.01, 49, 1e-6
    mu, m_sq, alpha, beta = 0.5007, 1.4e-6, 19.0, 0.23
    a_p, b_p = p_sq / 2 - 1, p_sq * xi / 2
    bound = (
        vd.expected_log_normal(y, mu, m_sq, f64(alpha), beta)
        - vd.kl_normal(mu, m_sq, x, f64(eps0_sq))
        - vd.kl_inverse_gamma(alpha, beta, a_p, f64(b_p))
    ).item()

    q_s = stats.invgamma(alpha, scale=beta)
    z = mu + math.sqrt(m_sq) * np.linspace(-12, 12, 601)[:, None]
    u = np.linspace(np.log(q_s.ppf(1e-20)), np.log(q_s.isf(1e-20)), 1201)[None, :]
    s = np.exp(u)  # σ² = e^u, dσ² = e^u du
    log_q = stats.norm.logpdf(z, mu, math.sqrt(m_sq)) + q_s.logpdf(s)
    log_p = (
        stats.norm.logpdf(y, z, np.sqrt(s))
        + stats.norm.logpdf(z, x, math.sqrt(eps0_sq))
        + stats.invgamma.logpdf(s, a_p, scale=b_p)
    )
    integrand = np.exp(log_q + u) * (log_p - log_q)
    integral = integrate.trapezoid(integrate.trapezoid(integrand, u[0], axis=1), z[:, 0])
    assert bound == pytest.approx(integral, abs=1e-6, rel=0)


# Dirichlet


@pytest.mark.parametrize(("zeta", "a"), DIRICHLETS)
def test_kl_dirichlet_is_the_sample_mean_and_the_number_of_torch(zeta, a):
    exact = vd.kl_dirichlet(f64(*zeta), f64(*a)).item()
    q, p = td.Dirichlet(f64(*zeta)), td.Dirichlet(f64(*a))
    assert exact == pytest.approx(td.kl_divergence(q, p).item(), rel=1e-9)
    generator = seeded(4)

    def log_ratios(n):
        h = vd.rsample_dirichlet(f64(*zeta).expand(n, -1), generator=generator)
        h = h.clamp_min(torch.finfo(F64).tiny)  # one draw in a million of shape 0.02 underflows
        return q.log_prob(h) - p.log_prob(h)

    assert_monte_carlo(exact, log_ratios)


@pytest.mark.parametrize(("zeta", "a"), BETAS)
def test_kl_dirichlet_of_two_entries_is_the_integral_over_a_beta(zeta, a):
    low = special.logit(stats.beta(*zeta).ppf(1e-18))
    high = -special.logit(stats.beta(*zeta[::-1]).ppf(1e-18))

    def integrand(t):  # over the log-odds t, where neither end of [0, 1] is lost to rounding
        log_h, log_rest = -np.logaddexp(0, -t), -np.logaddexp(0, t)
        log_q, log_p = (c[0] * log_h + c[1] * log_rest - special.betaln(*c) for c in (zeta, a))
        return math.exp(log_q) * (log_q - log_p)

    quadrature = integrate.quad(integrand, low, high, epsabs=0, epsrel=1e-10, limit=300)[0]
    assert vd.kl_dirichlet(f64(*zeta), f64(*a)).item() == pytest.approx(quadrature, rel=1e-7)


def test_kl_dirichlet_keeps_float32_exact_at_the_size_of_a_kernel():
    r = torch.arange(33.0, dtype=F64) - 16
    kernel = torch.exp(-(r[:, None] ** 2 + r**2) / 18).flatten() + 1e-6
    a = (C * kernel / kernel.sum()).float()
    zeta = (a * torch.empty(a.shape).uniform_(0.9, 1.1, generator=seeded())).float()
    exact = td.kl_divergence(td.Dirichlet(zeta.double()), td.Dirichlet(a.double()))
    ours = vd.kl_dirichlet(zeta, a)
    assert ours.dtype == torch.float32
    assert ours.item() == pytest.approx(exact.item(), rel=1e-6)


def test_a_prior_entry_of_zero_makes_the_dirichlet_kl_infinite():
    assert vd.kl_dirichlet(f64(1, 2, 3), f64(1, 2, 0)).item() == math.inf
