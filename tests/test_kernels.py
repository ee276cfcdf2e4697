"""Blur kernels: normalised, with the right axes, and invertible to their parameters."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from moments import kernel_parameters

from vbl.degradations import (
    defocus_kernel,
    gaussian_kernel,
    motion_kernel,
    random_gaussian_parameters,
    rotated_parameters,
    virnet_test_kernels,
    with_floor,
)
from vbl.degradations.kernels import _smooth_walk


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


@settings(max_examples=50, deadline=None)
@given(st.floats(1, 9), st.floats(1, 9), st.floats(-0.7, 0.7))
def test_moments_of_a_gaussian_kernel_are_its_parameters(lambda1_sq, lambda2_sq, rho):
    kernel = gaussian_kernel(f64(lambda1_sq), f64(lambda2_sq), f64(rho), 41)
    for found, given_ in zip(kernel_parameters(kernel), (lambda1_sq, lambda2_sq, rho), strict=True):
        torch.testing.assert_close(found.item(), given_, rtol=1e-4, atol=1e-4)


def test_lambda1_runs_along_the_columns():
    kernel = gaussian_kernel(f64(9.0), f64(1.0), f64(0.0), 15)[0, 0]
    assert kernel[7, 10] > 10 * kernel[10, 7]


def test_a_positive_correlation_points_down_and_right():
    kernel = gaussian_kernel(f64(4.0), f64(4.0), f64(0.8), 15)[0, 0]
    assert kernel[10, 10] > 10 * kernel[4, 10]


def test_gaussian_kernel_has_the_density_of_its_covariance():
    lambda1_sq, lambda2_sq, rho = f64(2.0), f64(5.0), f64(-0.4)
    off = rho * (lambda1_sq * lambda2_sq).sqrt()
    covariance = torch.stack([torch.cat([lambda1_sq, off]), torch.cat([off, lambda2_sq])])
    r = torch.arange(11, dtype=torch.float64) - 5
    points = torch.stack(torch.meshgrid(r, r, indexing="xy"), -1)  # (x, y) at [row, column]
    normal = torch.distributions.MultivariateNormal(torch.zeros(2).double(), covariance)
    density = normal.log_prob(points).exp()
    kernel = gaussian_kernel(lambda1_sq, lambda2_sq, rho, 11)[0, 0]
    torch.testing.assert_close(kernel, density / density.sum())


def test_gradients_of_the_gaussian_kernel_match_finite_differences():
    parameters = [f64(2.0, 0.3).requires_grad_(), f64(1.5, 4.0).requires_grad_()]
    rho = f64(0.3, -0.8).requires_grad_()
    assert torch.autograd.gradcheck(lambda *p: gaussian_kernel(*p, 7), (*parameters, rho))


def test_a_very_narrow_kernel_is_a_delta_with_finite_gradient():
    small = torch.tensor([1e-4]).requires_grad_()
    kernel = gaussian_kernel(small, small, torch.zeros(1), 9)
    kernel[..., 4, 5].sum().backward()
    assert kernel[0, 0, 4, 4] == 1
    assert small.grad.isfinite().all()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_virnet_test_kernels_sum_to_one_with_the_printed_axes(scale):
    kernels = virnet_test_kernels(scale)
    assert kernels.shape == (7, 1, 21, 21)
    torch.testing.assert_close(kernels.sum((1, 2, 3)), torch.ones(7))
    # With l1 = 0.8 s at scale 4 a little of the tail is cut off by the 21 x 21 support.
    l1 = scale * torch.tensor([0.4, 0.6, 0.8, 0.4, 0.6, 0.8, 0.8])
    l2 = scale * torch.tensor([0.4, 0.6, 0.8, 0.2, 0.3, 0.4, 0.4])
    xx, yy, rho = kernel_parameters(kernels)
    trace, tolerance = l1**2 + l2**2, 0.03
    torch.testing.assert_close((xx + yy)[l2 > 0.4], trace[l2 > 0.4], rtol=tolerance, atol=0)
    xy = rho * (xx * yy).sqrt()
    assert xx[3] > 2 * yy[3]  # along x
    assert xy[4] < 0 < xy[5]  # at 135 and at 45 degrees, from x towards y
    assert yy[6] > 2 * xx[6]  # along y
    torch.testing.assert_close(xy[[0, 1, 2, 3, 6]], torch.zeros(5), atol=1e-6, rtol=0)


def test_turning_by_a_right_angle_swaps_the_axes():
    xx, yy, rho = rotated_parameters(f64(3.0), f64(1.0), f64(torch.pi / 2))
    torch.testing.assert_close(torch.cat([xx, yy, rho]), f64(1.0, 9.0, 0.0))


def test_training_kernels_have_axes_in_the_documented_range():
    g = torch.Generator().manual_seed(0)
    xx, yy, rho = random_gaussian_parameters(5000, 4, generator=g)
    xy = rho * (xx * yy).sqrt()
    spread = torch.sqrt((xx - yy) ** 2 / 4 + xy**2)
    largest, smallest = (xx + yy) / 2 + spread, (xx + yy) / 2 - spread
    assert largest.sqrt().max() <= 4.0001
    assert smallest.sqrt().min() >= 0.199
    assert abs(xy.mean()) < 0.15  # no preferred direction


@pytest.mark.parametrize("size", [3, 13, 31])
def test_motion_kernels_are_normalised_and_centred(size):
    kernels = motion_kernel(size, n=8, generator=torch.Generator().manual_seed(0))
    assert kernels.shape == (8, 1, size, size)
    assert kernels.min() >= 0
    torch.testing.assert_close(kernels.sum((1, 2, 3)), torch.ones(8))
    r = torch.arange(size) - size // 2
    centre = torch.stack([kernels.sum((1, 2)) @ r.float(), kernels.sum((1, 3)) @ r.float()])
    torch.testing.assert_close(centre, torch.zeros(2, 8), atol=1e-4, rtol=0)


def test_motion_kernels_reach_from_two_fifths_of_their_half_to_all_of_it():
    kernels = motion_kernel(21, n=200, generator=torch.Generator().manual_seed(1))
    _, _, rows, columns = kernels.nonzero(as_tuple=True)
    assert max((rows - 10).abs().max(), (columns - 10).abs().max()) == 10
    reaches = [max((k[0].nonzero() - 10).abs().max().item(), 0) for k in kernels]
    assert 4 <= min(reaches) <= 5


def test_the_same_seed_draws_the_same_kernel():
    one, two = (motion_kernel(9, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two)


def test_a_path_is_the_sum_of_a_velocity_that_forgets():
    push = torch.randn(256, 2, 2, generator=torch.Generator().manual_seed(4))
    velocity, path = push[0], [torch.zeros(2, 2)]
    for p in push[1:]:
        velocity = 0.95 * velocity + 0.3 * p
        path.append(path[-1] + velocity)
    found = _smooth_walk(2, 256, torch.Generator().manual_seed(4), None)
    torch.testing.assert_close(found, torch.stack(path, 1), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("radius", [3.0, 5.3, 8.9])
def test_a_disc_has_the_moments_of_a_disc(radius):
    xx, yy, rho = kernel_parameters(defocus_kernel(f64(radius), 21))
    exact = f64(radius, radius) ** 2 / 4  # its edge, a pixel wide, adds a little
    torch.testing.assert_close(torch.cat([xx, yy]), exact, atol=0.15, rtol=0)
    torch.testing.assert_close(rho, f64(0.0), atol=1e-9, rtol=0)


def test_a_disc_is_even_inside_and_nothing_outside_the_same_from_all_sides():
    kernel = defocus_kernel(f64(4.0, 2.5), 13)
    torch.testing.assert_close(kernel.sum((1, 2, 3)), f64(1.0, 1.0))
    for turned in (kernel.mT, kernel.flip(-1), kernel.flip(-2)):
        assert torch.equal(turned, kernel)
    r = torch.arange(13) - 6
    distance = torch.hypot(r[:, None].double(), r.double())
    for disc, radius in zip(kernel[:, 0], (4.0, 2.5), strict=True):
        assert (disc[distance <= radius - 0.5] == disc[6, 6]).all()
        assert (disc[distance >= radius + 0.5] == 0).all()


def test_a_disc_without_extent_is_a_dirac():
    assert torch.equal(defocus_kernel(f64(0.0), 5).flatten().nonzero(), torch.tensor([[12]]))


def test_a_floor_makes_a_kernel_positive_and_keeps_its_sum():
    kernel = motion_kernel(9, n=4, generator=torch.Generator().manual_seed(0)).double()
    assert kernel.min() == 0
    floored = with_floor(kernel, 1e-5)
    assert floored.min() > 0.99e-5
    torch.testing.assert_close(floored.sum((1, 2, 3)), f64(1.0, 1.0, 1.0, 1.0))
    taken = (kernel - floored).clamp_min(0).sum((1, 2, 3))
    assert (taken < 81e-5).all()


def test_impossible_sizes_are_named():
    with pytest.raises(ValueError, match="kernel side: expected an odd number, got 4"):
        gaussian_kernel(f64(1.0), f64(1.0), f64(0.0), 4)
    with pytest.raises(ValueError, match=r"expected variances > 0 and correlations in \(-1, 1\)"):
        gaussian_kernel(f64(1.0), f64(1.0), f64(1.0), 5)
    with pytest.raises(ValueError, match="size: expected an odd number of at least 3, got 6"):
        motion_kernel(6)
    with pytest.raises(ValueError, match=r"radius: expected values in \[0, 4\], got \[4.5\]"):
        defocus_kernel(f64(4.5), 9)
