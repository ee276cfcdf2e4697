"""The equations of chapter 1, each against a computation that does not use them."""

import math

import numpy as np
import pytest
import torch
from scipy import optimize, stats

from vbl.degradations import blind_sr, blurred, motion_kernel, poisson_gaussian
from vbl.degradations.operators import blur, downsample
from vbl.evaluation import psnr
from vbl.restoration import wiener
from vbl.restoration.classical import transfer_function

LAPLACIAN = torch.tensor([[[[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]]]], dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def image(side=32):
    return torch.rand(1, 1, side, side, generator=seeded(), dtype=torch.float64)


def test_eq_degradation_blur_and_sampling_are_linear():
    """H(a z + b z') = a H z + b H z', so that a matrix H exists."""
    k, z, w = motion_kernel(9, generator=seeded()).double(), image(), image().flip(-1)

    def degrade(v):
        return downsample(blur(v, k), 2)

    torch.testing.assert_close(degrade(2 * z - 3 * w), 2 * degrade(z) - 3 * degrade(w))


@pytest.mark.parametrize("degrade, s", [(blurred, 1), (blind_sr, 2)])
def test_eq_degradation_is_the_observation_up_to_its_noise(degrade, s):
    z = image(64)
    d = degrade(z, std=0.05, generator=seeded())
    noise = d.y - downsample(blur(z, d.kernel, "symmetric"), s)
    assert abs(noise.std() / 0.05 - 1) < 5 / math.sqrt(2 * noise.numel())


def test_eq_psnr_of_white_noise_is_minus_20_log10_of_its_std():
    z = torch.full((4, 3, 128, 128), 0.5)
    noisy = z + 25 / 255 * torch.randn(z.shape, generator=seeded())
    expected = -20 * math.log10(25 / 255)
    error = 5 * 10 / math.log(10) * math.sqrt(2 / z.numel())
    assert psnr(noisy, z, "float").mean().item() == pytest.approx(expected, abs=error)
    assert expected == pytest.approx(20.17, abs=0.005)


def test_eq_gaussian_likelihood_integrates_to_one_and_is_scipys():
    z, sigma = 0.3, 25 / 255
    y = np.linspace(-2, 3, 20_001)
    minus_log = (y - z) ** 2 / (2 * sigma**2) + 0.5 * math.log(2 * math.pi * sigma**2)
    assert np.trapezoid(np.exp(-minus_log), y) == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(-minus_log, stats.norm(z, sigma).logpdf(y), atol=1e-12)


def test_eq_laplace_likelihood_integrates_to_one_and_is_scipys():
    z, b = 0.3, 0.07
    y = np.linspace(-3, 3.6, 66_001)  # a grid point at the kink
    minus_log = abs(y - z) / b + math.log(2 * b)
    assert np.trapezoid(np.exp(-minus_log), y) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(-minus_log, stats.laplace(z, b).logpdf(y), atol=1e-12)


def test_the_mean_and_the_median_maximise_their_likelihoods():
    y = np.random.default_rng(0).normal(size=9)
    gauss = optimize.minimize_scalar(lambda z: -stats.norm(z).logpdf(y).sum(), bounds=(-5, 5))
    laplace = optimize.minimize_scalar(
        lambda z: -stats.laplace(z).logpdf(y).sum(), bounds=(-5, 5), method="bounded"
    )
    assert gauss.x == pytest.approx(y.mean(), abs=1e-5)
    assert laplace.x == pytest.approx(np.median(y), abs=1e-4)


def test_eq_bayes_and_eq_map_for_one_pixel_by_quadrature():
    """Exercise: the MAP estimate is w y + (1 - w) m, the posterior variance 1/(1/σ² + 1/τ²)."""
    y, sigma, m, tau = 0.7, 0.2, 0.4, 0.1
    z = np.linspace(-3, 4, 200_001)
    joint = stats.norm(z, sigma).pdf(y) * stats.norm(m, tau).pdf(z)
    evidence = np.trapezoid(joint, z)
    assert evidence == pytest.approx(stats.norm(m, math.hypot(sigma, tau)).pdf(y), rel=1e-9)
    posterior = joint / evidence
    weight = tau**2 / (tau**2 + sigma**2)
    estimate = weight * y + (1 - weight) * m
    assert z[posterior.argmax()] == pytest.approx(estimate, abs=1e-4)
    mean = np.trapezoid(z * posterior, z)
    variance = np.trapezoid((z - mean) ** 2 * posterior, z)
    assert mean == pytest.approx(estimate, rel=1e-9)
    assert variance == pytest.approx(1 / (1 / sigma**2 + 1 / tau**2), rel=1e-9)


def test_eq_wiener_is_where_the_gradient_of_eq_map_vanishes():
    k, z, sigma, tau = motion_kernel(9, generator=seeded()).double(), image(), 0.02, 0.1
    y = blur(z, k, "circular") + sigma * torch.randn(z.shape, generator=seeded()).double()

    def objective(v):
        fit = (y - blur(v, k, "circular")).square().sum() / (2 * sigma**2)
        return fit + blur(v, LAPLACIAN, "circular").square().sum() / (2 * tau**2)

    K, D = (transfer_function(f, (32, 32)) for f in (k, LAPLACIAN))
    ratio = sigma**2 / tau**2
    spectrum = K.conj() * torch.fft.rfft2(y) / (K.abs() ** 2 + ratio * D.abs() ** 2)
    estimate = torch.fft.irfft2(spectrum, s=(32, 32)).requires_grad_()
    (gradient,) = torch.autograd.grad(objective(estimate), estimate)
    (elsewhere,) = torch.autograd.grad(objective(y.requires_grad_()), y)
    assert gradient.abs().max() < 1e-9 * elsewhere.abs().max()


def test_the_library_function_wiener_is_eq_wiener_on_a_periodic_image():
    k, ratio = motion_kernel(5, generator=seeded()).double(), 0.01
    t = torch.arange(64, dtype=torch.float64)
    wave = (2 * math.pi * t / 16).cos()
    y = (0.5 + 0.2 * wave[:, None] * wave).view(1, 1, 64, 64)  # even: reflection continues it
    K, D = (transfer_function(f, (64, 64)) for f in (k, LAPLACIAN))
    spectrum = K.conj() * torch.fft.rfft2(y) / (K.abs() ** 2 + ratio * D.abs() ** 2)
    expected = torch.fft.irfft2(spectrum, s=(64, 64))
    inside = (..., slice(16, 48), slice(16, 48))
    torch.testing.assert_close(wiener(y, k, ratio)[inside], expected[inside], atol=5e-3, rtol=0)


def test_eq_poisson_gaussian_variance_is_a_line_in_the_signal():
    photons, read = 80.0, 3 / 255
    values = torch.linspace(0.05, 1, 8).view(8, 1, 1, 1).expand(8, 1, 200, 200)
    y = poisson_gaussian(values, photons, read, generator=seeded()).y
    variance = y.var((1, 2, 3))
    expected = values[:, 0, 0, 0] / photons + read**2
    # The kurtosis of a Poisson count of mean m is 3 + 1/m; m is at least 4 here.
    torch.testing.assert_close(
        variance / expected, torch.ones(8), atol=5 * (2.25 / 4e4) ** 0.5, rtol=0
    )


def test_anscombes_transform_has_unit_variance():
    """Exercise: 2 sqrt(y + 3/8) of Poisson counts."""
    for mean in (5.0, 20.0, 100.0):
        counts = torch.poisson(torch.full((400, 400), mean), generator=seeded())
        assert (2 * (counts + 3 / 8).sqrt()).var().item() == pytest.approx(1, abs=0.03)


def test_blur_lowers_the_total_variation():
    """Exercise: the trap of blind deconvolution."""
    z, k = image(), motion_kernel(9, generator=seeded()).double()

    def total_variation(v):
        return v.diff(dim=-1).abs().sum() + v.diff(dim=-2).abs().sum()

    assert total_variation(blur(z, k, "circular")) < total_variation(z)
