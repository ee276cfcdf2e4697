"""What the residuals of a pair say, on noise whose answer is known."""

import math

import pytest
import torch
from probability import seeded

from vbl.figures import autocorrelation, histogram_kl, noise_level_function


def randn(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_the_noise_level_function_finds_a_line():
    clean = torch.linspace(0, 1, 400).expand(1, 1, 400, 400)
    noise = (0.1 + 0.2 * clean) * randn(1, 1, 400, 400)
    value, std = noise_level_function(noise, clean, bins=10)
    torch.testing.assert_close(std, 0.1 + 0.2 * value, rtol=0.05, atol=0)


def test_sparse_intervals_are_left_out():
    value, _ = noise_level_function(randn(1, 1, 20, 20), torch.full((1, 1, 20, 20), 0.55), bins=10)
    assert value.tolist() == pytest.approx([0.55])


def test_white_noise_is_uncorrelated_and_its_correlation_symmetric():
    found = autocorrelation(randn(1, 3, 128, 128), 3)
    assert found[3, 3] == 1
    found[3, 3] = 0
    assert found.abs().max() < 5 / (3 * 125**2) ** 0.5
    assert torch.equal(found, found.flip(0, 1))


def test_noise_that_repeats_along_rows_is_correlated_along_columns_of_the_map():
    rows = randn(1, 1, 100, 1).expand(1, 1, 100, 100)
    noise = rows + 0.01 * randn(1, 1, 100, 100)
    found = autocorrelation(noise, 2)
    assert found[2, 4] > 0.99  # a horizontal shift
    assert abs(found[4, 2]) < 0.5  # a vertical one


def test_histograms_of_two_gaussians_diverge_as_the_gaussians_do():
    def noise(std, seed):
        return std * torch.randn(1, 1, 700, 700, generator=seeded(seed))

    truth = noise(0.1, 0)
    assert histogram_kl(noise(0.1, 1), truth) < 1e-3
    exact = math.log(0.08 / 0.1) + 0.1**2 / (2 * 0.08**2) - 0.5
    assert histogram_kl(noise(0.08, 2), truth) == pytest.approx(exact, rel=0.05)
