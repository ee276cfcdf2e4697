"""Convolution, sampling and their adjoints."""

import pytest
import torch
from scipy.ndimage import convolve

from vbl.degradations.operators import (
    BOUNDARIES,
    bicubic_downsample,
    bicubic_upsample,
    blur,
    downsample,
    pad,
)

SCIPY_MODE = {"reflect": "mirror", "symmetric": "reflect", "circular": "wrap"}


def random(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("side", [1, 3, 9])
def test_blur_is_scipys_convolution(boundary, side):
    x, k = random(2, 3, 11, 14), random(2, 1, side, side, seed=1)
    ours = blur(x, k, boundary)
    for b in range(2):
        for c in range(3):
            theirs = convolve(x[b, c].numpy(), k[b, 0].numpy(), mode=SCIPY_MODE[boundary])
            torch.testing.assert_close(ours[b, c], torch.from_numpy(theirs))


def test_a_delta_kernel_changes_nothing():
    delta = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    delta[..., 2, 2] = 1
    x = random(1, 3, 8, 9)
    torch.testing.assert_close(blur(x, delta), x)


def test_blur_convolves_and_does_not_correlate():
    x, k = torch.zeros(1, 1, 7, 7), torch.zeros(1, 1, 3, 3)
    x[..., 3, 3], k[..., 0, 2] = 1, 1  # one up, one right
    assert (blur(x, k)[0, 0] > 0.5).nonzero().tolist() == [[2, 4]]


def test_sampling_keeps_the_upper_left_pixel_of_each_block():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert downsample(x, 2).flatten().tolist() == [0, 2, 8, 10]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_aligned_bicubic_upsampling_puts_a_ramp_back_in_place(scale):
    x = torch.linspace(0, 1, 48, dtype=torch.float64).expand(1, 1, 48, 48)
    inside = slice(4 * scale, -4 * scale)
    direct = bicubic_upsample(downsample(x, scale), scale, "direct")
    centred = bicubic_upsample(bicubic_downsample(x, scale), scale, "centred")
    torch.testing.assert_close(direct[..., inside], x[..., inside])
    torch.testing.assert_close(centred[..., inside], x[..., inside])


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_padding_by_more_than_the_image_works(boundary):
    x = random(1, 1, 2, 3)
    assert pad(x, 7, boundary).shape == (1, 1, 16, 17)


def test_unfitting_arguments_are_named():
    x = random(2, 1, 6, 6)
    with pytest.raises(ValueError, match=r"kernel: expected \(1 or 2, 1, k, k\) with k odd, got"):
        blur(x, random(1, 1, 4, 4))
    with pytest.raises(ValueError, match="boundary: expected one of reflect, symmetric, circular"):
        blur(x, random(1, 1, 3, 3), "zero")
    with pytest.raises(ValueError, match="scale 4 does not divide the image size 6 x 6"):
        bicubic_downsample(x, 4)
    with pytest.raises(ValueError, match="grid: expected 'direct' or 'centred'"):
        bicubic_upsample(x, 2, "other")
