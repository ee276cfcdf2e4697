"""Noise maps: the formulas of Cases 1-3 and the range of the training maps."""

import math

import numpy as np
import pytest
import torch

from vbl.degradations import case_noise_map, local_variance, training_noise_map
from vbl.degradations.noise_maps import HIGHEST, LOWEST
from vbl.degradations.operators import blur


def test_noise_in_one_half_of_a_picture_does_not_leak_into_the_other():
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    y = x.clone()
    y[..., :32] += 0.2
    xi = local_variance(y, x, 7, 1.4, shared=True, floor=0.0)
    assert (xi[..., 35:] == 0).all() and (xi[..., :35] > 0).all()


def test_the_local_variance_is_the_convolution_with_a_gaussian_window():
    y, x = torch.rand(2, 1, 3, 11, 13, generator=torch.Generator().manual_seed(0)).double()
    t = torch.arange(7).double() - 3
    row = torch.exp(-(t**2) / (2 * 1.4**2))
    window = (torch.outer(row, row) / row.sum() ** 2)[None, None]
    expected = blur((y - x).square(), window)
    torch.testing.assert_close(local_variance(y, x, 7, 1.4, shared=False), expected)


def stretched(m):
    return LOWEST + (m - m.min()) / (m.max() - m.min()) * (HIGHEST - LOWEST)


def test_case_1_is_matlabs_peaks():
    expected = np.empty((256, 256))
    t = np.linspace(-3, 3, 256)
    for i, y in enumerate(t):
        for j, x in enumerate(t):
            expected[i, j] = (
                3 * (1 - x) ** 2 * math.exp(-x * x - (y + 1) ** 2)
                - 10 * (x / 5 - x**3 - y**5) * math.exp(-x * x - y * y)
                - math.exp(-((x + 1) ** 2) - y * y) / 3
            )
    found = case_noise_map(1, 256, 256)[0, 0].numpy()
    np.testing.assert_allclose(found, stretched(expected), atol=1e-6)


def test_case_2_is_a_sine_along_x_plus_a_cosine_along_y():
    x, y = np.linspace(1, 10, 256), np.linspace(1, 20, 256)
    expected = np.sin(x)[None, :] + np.cos(y)[:, None]
    found = case_noise_map(2, 256, 256)[0, 0].numpy()
    np.testing.assert_allclose(found, stretched(expected), atol=1e-6)


def test_case_3_is_a_mixture_of_64_gaussians_with_one_centre_in_each_cell():
    seed = 5
    found = case_noise_map(3, 256, 256, generator=torch.Generator().manual_seed(seed))[0, 0]
    u = torch.rand(3, 64, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    rows, cols = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    expected = torch.zeros(256, 256, dtype=torch.float64)
    for cell in range(64):
        cy, cx = 32 * (cell // 8 + u[0, cell]), 32 * (cell % 8 + u[1, cell])
        std = 16 + 16 * u[2, cell]
        bump = torch.exp(-((rows - cy) ** 2 + (cols - cx) ** 2) / (2 * std**2))
        expected += bump / (2 * math.pi * std**2) / 64
    np.testing.assert_allclose(found.numpy(), stretched(expected.numpy()), atol=1e-6)


@pytest.mark.parametrize("case", [1, 2, 3])
@pytest.mark.parametrize("h, w", [(100, 150), (321, 481)])  # torch's own misses a row of 321
def test_test_maps_are_resized_by_nearest_neighbours(case, h, w):
    large = case_noise_map(case, 256, 256, generator=torch.Generator().manual_seed(0))[0, 0]
    small = case_noise_map(case, h, w, generator=torch.Generator().manual_seed(0))[0, 0]
    rows = [math.floor((i + 0.5) * 256 / h) for i in range(h)]
    cols = [math.floor((j + 0.5) * 256 / w) for j in range(w)]
    assert torch.equal(small, large[rows][:, cols])


@pytest.mark.parametrize("case", [1, 2, 3])
def test_test_maps_span_10_to_75(case):
    m = 255 * case_noise_map(case, 256, 256, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(torch.stack([m.min(), m.max()]), torch.tensor([10.0, 75.0]))


def test_training_maps_stay_in_range_and_vary():
    maps = 255 * training_noise_map(500, 64, 48, generator=torch.Generator().manual_seed(0))
    assert maps.shape == (500, 1, 64, 48)
    assert maps.min() >= 0
    assert maps.max() <= 80.001
    assert (maps.amax((1, 2, 3)) - maps.amin((1, 2, 3)) >= 4.99).all()
    # E max(U, U') = 2/3 and E min = 1/3 of 75; five standard errors of 500 draws are 4.
    assert abs(maps.amax((1, 2, 3)).mean() - 55) < 4
    assert abs(maps.amin((1, 2, 3)).mean() - 25) < 4


def test_a_map_of_one_pixel_is_finite():
    assert training_noise_map(1, 1, 1).isfinite().all()


def test_an_unknown_case_is_named():
    with pytest.raises(ValueError, match="case: expected 1, 2 or 3, got 4"):
        case_noise_map(4, 8, 8)
