"""Each classical restorer improves what it is made for and keeps the shape."""

import pytest
import torch

from vbl.degradations import awgn, blurred, motion_kernel, virnet_test_kernels
from vbl.degradations.operators import blur
from vbl.evaluation import psnr
from vbl.images import dead_leaves
from vbl.restoration import (
    non_local_means,
    richardson_lucy,
    total_variation,
    wavelet_shrinkage,
    wiener,
)
from vbl.restoration.classical import transfer_function


def seeded():
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def x():
    return dead_leaves((96, 112), n=2, generator=seeded())


@pytest.mark.parametrize("denoise", [total_variation, non_local_means, wavelet_shrinkage])
@pytest.mark.parametrize("channels", [1, 3])
def test_denoisers_gain_two_decibels(denoise, channels, x):
    clean = x[:, :channels]
    noisy = awgn(clean, 25 / 255, generator=seeded()).y
    restored = denoise(noisy, 25 / 255)
    assert restored.shape == clean.shape
    assert restored.dtype == clean.dtype
    assert (psnr(restored, clean) > psnr(noisy, clean) + 2).all()


@pytest.mark.parametrize(
    "deblur", [lambda y, k: wiener(y, k, 0.01), lambda y, k: richardson_lucy(y, k, 20)]
)
def test_deblurrers_gain_two_decibels_from_the_known_kernel(deblur, x):
    kernel = motion_kernel(13, n=2, generator=seeded())
    y = blurred(x, kernel, 1 / 255, generator=seeded()).y
    assert (psnr(deblur(y, kernel), x) > psnr(y, x) + 2).all()


def test_wiener_inverts_a_mild_blur_when_there_is_no_noise(x):
    x, kernel = x.double(), virnet_test_kernels(1)[:1].double()
    restored = wiener(blur(x, kernel), kernel, 1e-10)
    inside = (..., slice(30, -30), slice(30, -30))
    torch.testing.assert_close(restored[inside], x[inside], atol=1e-3, rtol=0)


def test_the_transfer_function_multiplies_as_circular_blur_convolves(x):
    kernel = motion_kernel(9, generator=seeded())
    product = torch.fft.rfft2(x) * transfer_function(kernel, x.shape[-2:])
    by_fourier = torch.fft.irfft2(product, s=x.shape[-2:])
    torch.testing.assert_close(by_fourier, blur(x, kernel, "circular"), atol=1e-5, rtol=0)


def test_richardson_lucy_raises_the_poisson_likelihood_and_stays_positive(x):
    kernel = motion_kernel(9, generator=seeded())
    y = blurred(x, kernel, 1 / 255, generator=seeded()).y.clamp_min(0)

    def log_likelihood(steps):
        mean = blur(richardson_lucy(y, kernel, steps), kernel, "symmetric").clamp_min(1e-9)
        return (y * mean.log() - mean).sum()

    values = [log_likelihood(steps) for steps in (0, 1, 3, 10)]
    assert values == sorted(values)
    assert richardson_lucy(y, kernel, 10).min() >= 0
