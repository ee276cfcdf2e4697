"""The printed form fails where the corrected one passes: numbers, not arguments."""

import math

import pytest
import torch
from torch.distributions import Dirichlet

from equations import lud_vae, vdir, virnet
from equations.densities import kl_inverse_gammas_by_quadrature
from equations.equation import Quadrature, real
from vbl.probability import kl_dirichlet, kl_inverse_gamma, kl_normal


def factor_times(factor, xi, beta):
    return factor * (xi / beta + math.log(beta / xi) - 1)


@pytest.mark.parametrize("alpha0", virnet.ALPHA0S)
@pytest.mark.parametrize(("xi", "beta"), virnet.XI_BETA)
def test_virnet_22_needs_the_factor_alpha0_minus_1(alpha0, xi, beta):
    arguments = (alpha0 - 1, alpha0 * beta, alpha0 - 1, alpha0 * xi)
    exact = kl_inverse_gammas_by_quadrature(*arguments)
    assert factor_times(alpha0 - 1, xi, beta) == pytest.approx(exact, rel=1e-9)
    assert kl_inverse_gamma(*map(real, arguments)).item() == pytest.approx(exact, rel=1e-9)
    assert factor_times(alpha0, xi, beta) == pytest.approx(exact * alpha0 / (alpha0 - 1), rel=1e-9)
    assert factor_times(alpha0, xi, beta) != pytest.approx(exact, rel=0.01)


def test_virnet_22_at_the_papers_constants():
    exact = kl_inverse_gammas_by_quadrature(23.5, 24.5 * 0.013, 23.5, 24.5 * 0.01)
    assert exact == pytest.approx(0.742483, abs=1e-6)
    assert factor_times(24.5, 0.01, 0.013) == pytest.approx(0.774078, abs=1e-6)


def test_virnet_23_needs_the_factor_kappa0_minus_1_and_the_squares():
    kappa0, eta, lambda_sq = 50.0, 4.4, 4.0
    exact = kl_inverse_gammas_by_quadrature(
        kappa0 - 1, kappa0 * eta, kappa0 - 1, kappa0 * lambda_sq
    )
    assert factor_times(kappa0 - 1, lambda_sq, eta) == pytest.approx(exact, rel=1e-9)
    assert factor_times(kappa0, lambda_sq, eta) != pytest.approx(exact, rel=0.01)
    assert factor_times(kappa0 - 1, lambda_sq**0.5, eta) != pytest.approx(exact, rel=0.01)


def test_virnet_21_needs_the_expectation_when_mu_depends_on_the_variance():
    q = Quadrature.inverse_gamma(23.5, 24.5 * 0.01)
    averaged = q.mean(lambda v: kl_normal(1 / (1 + v), 1e-4, 0.9, 1e-4))
    assert averaged != pytest.approx((1 / 1.01 - 0.9) ** 2 / 2e-4, rel=1e-4)


def test_virnet_20_without_the_square_prefers_twice_the_variance():
    v = torch.linspace(0.5, 4, 3501, dtype=torch.float64)  # in units of the squared residual
    assert v[(v.log() + 1 / v).argmin()].item() == pytest.approx(1)
    assert v[(v.sqrt().log() + 1 / v).argmin()].item() == pytest.approx(2)


@pytest.mark.parametrize("seed", range(5))
def test_lud_vae_32_needs_both_corrections(seed):
    mu, cov, zx, zy = lud_vae.paired_latents(seed)
    exact = lud_vae.log_joint(mu, cov, zx, zy).item()
    marginal = cov + torch.eye(3)

    def form(second, sign):
        return lud_vae.decomposition(mu, cov, zx, zy, second=second, sign=sign).item()

    assert form(cov, 1) == pytest.approx(exact, rel=1e-9)
    assert form(marginal, -1) != pytest.approx(exact, rel=1e-3)
    assert form(marginal, 1) != pytest.approx(exact, rel=1e-3)
    assert form(cov, -1) != pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize("ratio", [1.2, 1.5, 2.0])
def test_lud_vae_22_does_not_vanish_unless_the_ratio_goes_to_one(ratio):
    n = 10.0
    at_infinity = math.log(ratio) - 0.5 + 0.5 / ratio**2
    far = kl_normal(n, real(1e8 / ratio) ** 2, 0.0, real(1e8) ** 2).item()
    assert far == pytest.approx(at_infinity, rel=1e-9)
    assert far > 0.01
    assert kl_normal(n, real(1e8) ** 2, 0.0, real(1e8) ** 2).item() < 1e-12


def test_lud_vae_22_stays_at_the_stated_value_for_a_ratio_of_1_5():
    kl = kl_normal(0.0, real(1.0), 0.0, real(2.25)).item()
    assert kl == pytest.approx(0.12769, abs=5e-6)


def test_lud_vae_17_grows_without_end_as_the_posterior_narrows():
    kls = [
        Quadrature.over(lambda z, w=w: 0 * z - math.log(w), 0.0, w).mean(
            lambda z, w=w: 0 * z - math.log(w)
        )
        for w in (1e-1, 1e-3, 1e-9)
    ]
    assert kls == pytest.approx([math.log(10) * n for n in (1, 3, 9)])


def test_vdir_17_does_not_descend_the_jensen_shannon_divergence():
    p, logits = vdir.table(6, seed=4), real(0.3, -1.0, 0.2, 0.8, 0.0, -0.5)
    d = p / (p + logits.softmax(0))

    def js(p_hat):
        middle = (p + p_hat) / 2
        return (vdir.kl(p, middle) + vdir.kl(p_hat, middle)) / 2

    loss = vdir.generator_slope(lambda p_hat: -(p_hat * d.log()).sum(), logits)
    assert torch.allclose(
        loss, vdir.generator_slope(lambda p_hat: vdir.kl(p_hat, p) - 2 * js(p_hat), logits)
    )
    assert (loss - vdir.generator_slope(js, logits)).norm() > 0.1 * loss.norm()


def test_vbdeblur_6_has_no_density_for_a_kernel_with_zeros():
    k = real(0.0, 0.5, 0.5, 0.0)
    floored = (k + 1e-6) / (1 + 4e-6)
    with pytest.raises(ValueError, match="Dirichlet"):
        Dirichlet(2e4 * k)
    assert kl_dirichlet(2e4 * floored, 2e4 * k) == math.inf
    assert kl_dirichlet(2e4 * floored, 2e4 * floored) == 0
