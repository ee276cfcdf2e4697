"""Samplers: goodness of fit, moments, and pathwise gradients against the truth."""

import math

import numpy as np
import pytest
import torch
from probability import (
    CONCENTRATIONS,
    DIRICHLETS,
    F64,
    SHAPES,
    C,
    assert_finite,
    assert_monte_carlo,
    f64,
    seeded,
)
from scipy import special, stats
from torch import distributions as td

from vbl.degradations import gaussian_kernel
from vbl.probability import distributions as vd

FALSE_ALARM = 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize(
    ("a", "b"), [(23.5, 24.5e-10), (23.5, 0.245), (49.0, 1e2), (0.5, 1e-10), (2.5, 1.0)]
)
def test_inverse_gamma_draws_follow_their_distribution(a, b, dtype):
    shape = torch.tensor(a, dtype=dtype).expand(100_000)
    draws = vd.rsample_inverse_gamma(shape, b, generator=seeded(5))
    assert stats.kstest(draws.double(), stats.invgamma(a, scale=b).cdf).pvalue > FALSE_ALARM


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize(("zeta", "_"), DIRICHLETS)
def test_dirichlet_draws_sum_to_one_and_each_entry_follows_its_beta(zeta, _, dtype):
    zeta = torch.tensor(zeta, dtype=dtype)
    h = vd.rsample_dirichlet(zeta.expand(100_000, -1), generator=seeded(6))
    assert (h.sum(-1) - 1).abs().max() < 4 * torch.finfo(dtype).eps
    total = zeta.sum().item()
    for i, c in enumerate(zeta.tolist()):
        if c > 0.1:  # a smaller one underflows in float32, where its distribution has a step
            law = stats.beta(c, total - c)
            assert stats.kstest(h[:, i].double(), law.cdf).pvalue > FALSE_ALARM


@pytest.mark.parametrize(("zeta", "_"), DIRICHLETS)
def test_dirichlet_draws_have_the_moments_of_the_dirichlet(zeta, _):
    zeta, generator = f64(*zeta), seeded(7)
    h = vd.rsample_dirichlet(zeta.expand(1_000_000, -1), generator=generator)
    centred = h - zeta / zeta.sum()
    covariance = (centred[:, :, None] * centred[:, None, :]).flatten(1)
    m = zeta / zeta.sum()
    exact = (torch.diag(m) - m[:, None] * m) / (zeta.sum() + 1)
    for values, truth in ((centred, torch.zeros_like(m)), (covariance, exact.flatten())):
        standard_error = values.std(0) / math.sqrt(len(values))
        assert ((values.mean(0) - truth).abs() < 5 * standard_error).all()


def test_the_same_seed_draws_the_same_and_leaves_the_global_generator_alone():
    shape, scale, zeta = f64(23.5).expand(9), f64(0.2), f64(2.0, 3.0, 4.0)
    for draw in (
        lambda g: vd.rsample_inverse_gamma(shape, scale, generator=g),
        lambda g: vd.rsample_dirichlet(zeta, generator=g),
    ):
        state = torch.get_rng_state()
        first, again, other = draw(seeded(8)), draw(seeded(8)), draw(seeded(9))
        assert torch.equal(first, again) and not torch.equal(first, other)
        assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_the_gradient_of_a_draw_by_its_scale_is_the_draw_over_the_scale(dtype):
    scale = torch.logspace(-10, 2, 1000, dtype=dtype, requires_grad=True)
    draws = vd.rsample_inverse_gamma(23.5, scale, generator=seeded(10))
    (gradient,) = torch.autograd.grad(draws.sum(), scale)
    torch.testing.assert_close(
        gradient, draws.detach() / scale.detach(), atol=0, rtol=4 * torch.finfo(dtype).eps
    )


@pytest.mark.parametrize("a", [0.5, 2.5, 23.5, 49.0, 59.5])
def test_the_gradient_of_a_draw_by_its_shape_is_that_of_the_inverse_cdf(a):
    shape = f64(a).expand(200).clone().requires_grad_()
    draws = vd.rsample_inverse_gamma(shape, 0.2, generator=seeded(11))
    (gradient,) = torch.autograd.grad(draws.sum(), shape)
    g, step = 0.2 / draws.detach().numpy(), 1e-4 * a  # g ~ Gamma(a, 1), held at its quantile
    quantile = special.gammainc(a, g)
    gammas = [special.gammaincinv(a + k * step, quantile) for k in (-1, 1)]
    expected = (0.2 / gammas[1] - 0.2 / gammas[0]) / (2 * step)
    np.testing.assert_allclose(gradient, expected, rtol=2e-3)  # torch approximates some ranges


@pytest.mark.parametrize("a", [0.5, 2.5, 23.5, 49.0, 59.5])
def test_the_mean_gradient_of_the_log_of_a_draw_is_minus_trigamma(a):
    generator = seeded(12)

    def gradients(n):
        shape = f64(a).expand(n).clone().requires_grad_()
        log_draws = vd.rsample_inverse_gamma(shape, 0.2, generator=generator).log()
        return torch.autograd.grad(log_draws.sum(), shape)[0]

    assert_monte_carlo(-special.polygamma(1, a), gradients)


def gradient_error(kernel, draw, n, chunk=20_000):
    """Relative error of the Monte Carlo gradient of E[a·h] by ζ, h ~ Dir(ζ), ζ = C kernel.

    E[h] = ζ/C, so the closed form is d/dζ_j = (a_j - a·ζ/C)/C.
    """
    zeta = (C * kernel).requires_grad_()
    a = torch.randn(kernel.shape, dtype=kernel.dtype, generator=seeded(13))
    total = torch.zeros_like(kernel)
    for _ in range(n // chunk):
        h = draw(zeta.expand(chunk, -1))
        total += torch.autograd.grad((h @ a).sum(), zeta)[0]
    exact = (a - a @ kernel) / C
    return ((total / n - exact).norm() / exact.norm()).item()


def anisotropic_kernel():
    kernel = gaussian_kernel(f64(4.0), f64(1.0), f64(0.5), 9).flatten() + 1e-6
    return kernel / kernel.sum()


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_gradients_of_normalised_gammas_are_right_where_those_of_torchs_dirichlet_are_not(dtype):
    kernel, generator = anisotropic_kernel().to(dtype), seeded(14)
    ours = gradient_error(kernel, lambda z: vd.rsample_dirichlet(z, generator=generator), 80_000)
    assert ours < 0.01
    with torch.random.fork_rng():  # torch's own takes no generator
        torch.manual_seed(14)
        torchs = gradient_error(kernel, lambda z: td.Dirichlet(z).rsample(), 80_000)
    assert torchs > 0.05


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_mean_gradients_of_dirichlet_draws_are_right_where_most_entries_vanish(dtype):
    zeta = torch.full((20_000, 100), 0.01, dtype=dtype, requires_grad=True)  # a total of one
    a = torch.linspace(-1, 1, 100, dtype=dtype)
    h = vd.rsample_dirichlet(zeta, generator=seeded(18))
    gradients = torch.autograd.grad((h @ a).sum(), zeta)[0].double()
    standard_error = gradients.std(0) / math.sqrt(len(gradients))
    assert ((gradients.mean(0) - a).abs() < 5 * standard_error).all()  # (a_j - a·ζ)/1, a·ζ = 0


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("name", CONCENTRATIONS)
def test_dirichlet_draws_are_finite_at_the_ends_of_the_range(name, dtype):
    zeta = torch.tensor(CONCENTRATIONS[name], dtype=dtype).expand(2000, -1).clone()
    zeta.requires_grad_()
    h = vd.rsample_dirichlet(zeta, generator=seeded(15))
    assert_finite(h * torch.linspace(-1, 1, h.shape[-1], dtype=dtype), [zeta])
    assert (h.sum(-1) - 1).abs().max() < 50 * torch.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("scale", [1e-10, 1e2])
@pytest.mark.parametrize("shape", SHAPES)
def test_inverse_gamma_draws_are_finite_at_the_ends_of_the_range(shape, scale, dtype):
    inputs = [torch.full((100_000,), v, dtype=dtype, requires_grad=True) for v in (shape, scale)]
    draws = vd.rsample_inverse_gamma(*inputs, generator=seeded(16))
    assert (draws > 0).all()
    assert_finite(draws, inputs)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_an_underflowing_gamma_leaves_draw_and_gradients_finite(dtype):
    inputs = [torch.full((1000,), v, dtype=dtype, requires_grad=True) for v in (1e-3, 1e2)]
    draws = vd.rsample_inverse_gamma(*inputs, generator=seeded(17))
    assert (draws > 1e18).any()  # shape 1e-3 is out of range: nearly every draw lands on the floor
    assert_finite(draws, inputs)
