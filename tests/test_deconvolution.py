"""Restoration with a known kernel: it solves its equations, and a wrong kernel costs quality."""

import pytest
import torch

from vbl.degradations import blind_sr, blurred, gaussian_kernel, motion_kernel
from vbl.degradations.operators import SAMPLINGS, blur
from vbl.evaluation import psnr
from vbl.images import dead_leaves
from vbl.restoration import kernel_of_pair, least_squares


def some_kernel(lambda1_sq=2.0, lambda2_sq=0.8, rho=0.5):
    given = (torch.tensor([v], dtype=torch.float64) for v in (lambda1_sq, lambda2_sq, rho))
    return gaussian_kernel(*given, 7)


@pytest.mark.parametrize("sampling", ["direct", "bicubic"])
def test_it_solves_the_normal_equations(sampling):
    kernel, var, tau = some_kernel(), 0.01, 0.2
    generator = torch.Generator().manual_seed(0)
    y = torch.rand(1, 1, 4, 5, generator=generator, dtype=torch.float64)
    basis = torch.eye(80, dtype=torch.float64).view(80, 1, 8, 10)
    h = SAMPLINGS[sampling](blur(basis, kernel, "symmetric"), 2).flatten(1).T
    rows = (basis[..., 1:, :] - basis[..., :-1, :]).flatten(1).T
    columns = (basis[..., :, 1:] - basis[..., :, :-1]).flatten(1).T
    matrix = h.T @ h / var + (rows.T @ rows + columns.T @ columns) / tau**2
    expected = torch.linalg.solve(matrix, h.T @ y.flatten() / var).view(1, 1, 8, 10)
    found = least_squares(
        y, kernel, var, scale=2, sampling=sampling, gradient_std=tau, tolerance=1e-12
    )
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


def objective(z, y, kernel, var):
    """What least squares minimises, with its default prior, in float64."""
    z, rest = z.double(), y.double() - blur(z.double(), kernel.double(), "symmetric")
    differences = (z[..., 1:, :] - z[..., :-1, :], z[..., :, 1:] - z[..., :, :-1])
    prior = sum(d.square().sum() for d in differences) / (2 * 0.1**2)
    return rest.square().sum() / (2 * var) + prior


def test_almost_no_noise_is_no_reason_to_stop_before_the_minimum():
    generator = torch.Generator().manual_seed(0)
    kernel = motion_kernel(9, generator=generator)
    y = blurred(dead_leaves((32, 32), generator=generator), kernel, 1e-3, generator=generator).y
    exact = least_squares(y.double(), kernel.double(), 1e-6, tolerance=1e-9, iterations=3000)
    least, found = (objective(z, y, kernel, 1e-6) for z in (exact, least_squares(y, kernel, 1e-6)))
    assert least <= found < 1.01 * least


def test_too_few_iterations_are_reported():
    y = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with pytest.warns(RuntimeWarning, match="in 3 iterations, expected 1.0e-05"):
        least_squares(y, some_kernel().float(), 1e-6, iterations=3)


def test_every_image_of_a_batch_is_restored_with_its_own_kernel_and_noise():
    kernels = torch.cat([some_kernel(), some_kernel(0.5, 3.0, -0.2)])
    y = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    var = torch.tensor([1e-3, 1e-2], dtype=torch.float64).view(2, 1, 1, 1)
    both = least_squares(y, kernels, var, scale=2, tolerance=1e-12)
    for i in range(2):
        parts = (v[i : i + 1] for v in (y, kernels, var))
        alone = least_squares(*parts, scale=2, tolerance=1e-12)
        torch.testing.assert_close(both[i : i + 1], alone)


def test_the_true_kernel_restores_better_than_a_wrong_one():
    x = dead_leaves((64, 64), generator=torch.Generator().manual_seed(0)).double()
    pair = blind_sr(x, 2, some_kernel(4.0, 1.0, 0.6), 0.01, generator=torch.Generator())
    right, wrong = (
        psnr(least_squares(pair.y, kernel, 1e-4, scale=2).clamp(0, 1), x).item()
        for kernel in (pair.kernel, some_kernel(1.0, 4.0, -0.6))
    )
    assert right > wrong + 1


def test_without_noise_it_is_refused():
    with pytest.raises(ValueError, match="positive noise_var"):
        least_squares(torch.rand(1, 1, 4, 4), some_kernel(), 0.0)


def test_a_pair_tells_its_kernel_the_right_way_up():
    x = dead_leaves((64, 72), n=2, generator=torch.Generator().manual_seed(0)).double()
    kernel = motion_kernel(7, n=2, generator=torch.Generator().manual_seed(2)).double()
    pair = blurred(x, kernel, 1 / 255, generator=torch.Generator().manual_seed(1))
    found = kernel_of_pair(pair.x, pair.y, 7)
    assert (found >= 0).all()
    torch.testing.assert_close(found.sum((1, 2, 3)), torch.ones(2).double())
    assert torch.cosine_similarity(found.flatten(1), kernel.flatten(1)).min() > 0.98
    assert torch.cosine_similarity(found.flatten(1), kernel.flip(2, 3).flatten(1)).max() < 0.95


def test_a_flat_pair_has_the_kernel_of_a_point():
    x = torch.full((1, 3, 12, 12), 0.5)
    found = kernel_of_pair(x, x, 5)
    assert found[0, 0, 2, 2] == 1 and found.sum() == 1


def test_a_kernel_that_a_pair_cannot_tell_is_refused():
    x = torch.rand(1, 1, 12, 12)
    for size in (4, 7):
        with pytest.raises(ValueError, match=f"odd number, at most half of 12, got {size}"):
            kernel_of_pair(x, x, size)
