"""Metrics, maps, kernels, operators, restorers and figures against formulas written here.

Nothing below computes an expectation by the library's own code. What degrades an image is in
test_expected_degradations.py.
"""

import base64
import io
import json
import math
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from scipy import ndimage, stats

from vbl.degradations import random_gaussian_parameters, training_noise_map, virnet_test_kernels
from vbl.degradations.operators import bicubic_downsample, bicubic_upsample
from vbl.evaluation import CONVENTIONS, psnr, ssim
from vbl.figures import Explore, plots
from vbl.images import luma
from vbl.restoration import richardson_lucy, wiener


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random(*shape, seed=0):
    return torch.rand(shape, generator=seeded(seed), dtype=torch.float64)


def assert_distributed_as(values, cdf):
    """By a Kolmogorov-Smirnov test that one in a thousand seeds would fail."""
    assert stats.kstest(np.asarray(values), cdf).pvalue > 1e-3


def larger_of_two(low, high):
    return lambda v: stats.uniform(low, high - low).cdf(v) ** 2


def smaller_of_two(low, high):
    return lambda v: 1 - stats.uniform(low, high - low).sf(v) ** 2


# Metrics

TABLE = {
    "float": ("rgb", False, 0),
    "rgb-8bit": ("rgb", True, 0),
    "virnet-table-1": ("rgb", True, 0),
    "virnet-table-2": ("rgb", True, 0),
    "virnet-table-5": ("y", True, "scale_sq"),
    "vdir-table-1": ("rgb", True, 0),
    "vbdeblur-table-1": ("rgb", True, 0),
    "vdir-table-4": ("y", True, "scale"),
    "vdir-table-6": ("y", True, 0),
    "vdir-table-7": ("rgb", True, 0),
    "registered": ("rgb", True, 12),
}


def prepared(x, name, scale):
    """(B, C, H, W) as the table says, in NumPy."""
    (colour, eight_bit, border), x = TABLE[name], x.numpy()
    x = np.rint(255 * np.clip(x, 0, 1)) / 255 if eight_bit else x
    if colour == "y":
        y = 16 + 65.481 * x[:, 0] + 128.553 * x[:, 1] + 24.966 * x[:, 2]
        x = (np.rint(y) if eight_bit else y)[:, None] / 255
    cut = {"scale": scale, "scale_sq": scale**2}.get(border, border)
    return x[:, :, cut : x.shape[2] - cut, cut : x.shape[3] - cut]


def structural_similarity(a, b, square=False):
    """Wang et al. 2004 on one channel; the window has std 1.5, 11 x 11, or is a square of 8 x 8."""
    if square:
        mean = lambda v: sliding_window_view(v, (8, 8)).mean((-2, -1))  # noqa: E731
    else:
        mean = lambda v: ndimage.gaussian_filter(v, 1.5, radius=5)[5:-5, 5:-5]  # noqa: E731
    ma, mb, c1, c2 = mean(a), mean(b), 0.01**2, 0.03**2
    va, vb, vab = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    return np.mean(
        (2 * ma * mb + c1) * (2 * vab + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)),
    )


def test_the_conventions_are_those_of_the_papers_tables():
    found = {name: (c.colour, c.eight_bit, c.border) for name, c in CONVENTIONS.items()}
    assert found == TABLE


@pytest.mark.parametrize("name", TABLE)
def test_psnr_and_ssim_are_computed_as_their_convention_says(name):
    x = random(2, 3, 40, 44)
    noisy = x + 0.1 * random(2, 3, 40, 44, seed=1) - 0.02
    a, b = prepared(noisy, name, 2), prepared(x, name, 2)
    expected = -10 * np.log10(((a - b) ** 2).mean((1, 2, 3)))
    np.testing.assert_allclose(psnr(noisy, x, name, scale=2), expected, rtol=1e-9)
    pairs = [list(zip(u, v, strict=True)) for u, v in zip(a, b, strict=True)]
    square = name == "vdir-table-6"
    expected = [np.mean([structural_similarity(*p, square) for p in image]) for image in pairs]
    np.testing.assert_allclose(ssim(noisy, x, name, scale=2), expected, rtol=1e-7)


@pytest.mark.parametrize(
    ("rgb", "level"),
    [((1, 0, 0), 81.481), ((0, 1, 0), 144.553), ((0, 0, 1), 40.966), ((0, 0, 0), 16)],
)
def test_pure_colours_have_the_luma_of_bt_601(rgb, level):
    x = torch.tensor(rgb, dtype=torch.float64).view(1, 3, 1, 1)
    assert 255 * luma(x).item() == pytest.approx(level, abs=1e-9)


@pytest.mark.parametrize(("red", "decibels"), [(1, math.inf), (2, 48.1308)])
def test_luma_is_rounded_to_eight_bits_before_it_is_compared(red, decibels):
    """Black has luma 16; a red of 1 has 16.26, which rounds to 16, a red of 2 has 16.51."""
    x = torch.zeros(1, 3, 12, 12)
    y = x.clone()
    y[:, 0] = red / 255
    assert psnr(y, x, "virnet-table-5", scale=1).item() == pytest.approx(decibels, abs=1e-4)


# Noise maps


def test_training_maps_are_bumps_of_uniform_independent_place_and_width():
    """From m = a + b exp(-r²/2w²): its gradient points to the centre, and log |∇m|/r is linear
    in r² with slope -1/2w²."""
    h, w, n = 48, 64, 500
    maps = training_noise_map(n, h, w, generator=seeded())[:, 0].double().numpy()
    y, x = np.mgrid[1 : h - 1, 1 : w - 1] / np.array([h - 1, w - 1])[:, None, None]
    fitted = []
    for m in maps:
        gy, gx = (g[1:-1, 1:-1] for g in np.gradient(m, 1 / (h - 1), 1 / (w - 1)))
        # gy (x - cx) = gx (y - cy) at every pixel
        rows = np.stack([gx.ravel(), -gy.ravel()], 1)
        cy, cx = np.linalg.lstsq(rows, (gx * y - gy * x).ravel(), rcond=None)[0]
        r2 = (y - cy) ** 2 + (x - cx) ** 2
        far = r2 > 0.01
        steepness = -(gy * (y - cy) + gx * (x - cx))[far] / r2[far]
        slope = np.polyfit(r2[far], np.log(steepness), 1)[0]
        fitted.append((cy, cx, math.sqrt(-1 / (2 * slope))))
    cy, cx, width = np.array(fitted).T
    assert_distributed_as(cy, stats.uniform(0, 1).cdf)
    assert_distributed_as(cx, stats.uniform(0, 1).cdf)
    assert_distributed_as(width, stats.uniform(0.25, 0.5).cdf)
    assert np.abs(np.corrcoef([cy, cx, width]) - np.eye(3)).max() < 0.18
    low, high = 255 * maps.min((1, 2)), 255 * maps.max((1, 2))
    assert_distributed_as(low, smaller_of_two(0, 75))
    assert_distributed_as(high, larger_of_two(5, 80))


# Kernels


def principal_axes(xx, yy, xy):
    """Standard deviations along both axes, and the angle of the longer one in [0, 180)."""
    covariance = np.stack([xx, xy, xy, yy], -1).reshape(-1, 2, 2)
    variances, vectors = np.linalg.eigh(covariance)
    degrees = np.degrees(np.arctan2(vectors[:, 1, 1], vectors[:, 0, 1])) % 180
    return np.sqrt(variances[:, 1]), np.sqrt(variances[:, 0]), degrees


def moments(kernels):
    """Variances along columns and rows, and the covariance, of centred kernels (n, 1, k, k)."""
    k = kernels[:, 0].double().numpy()
    y, x = np.mgrid[: k.shape[1], : k.shape[2]] - k.shape[1] // 2
    return (k * x * x).sum((1, 2)), (k * y * y).sum((1, 2)), (k * x * y).sum((1, 2))


def test_random_gaussians_have_uniform_axes_in_every_direction():
    xx, yy, rho = (
        p.double().numpy() for p in random_gaussian_parameters(3000, 4, generator=seeded())
    )
    longer, shorter, degrees = principal_axes(xx, yy, rho * np.sqrt(xx * yy))
    assert_distributed_as(longer, larger_of_two(0.2, 4))
    assert_distributed_as(shorter, smaller_of_two(0.2, 4))
    assert_distributed_as(degrees, stats.uniform(0, 180).cdf)
    quadrant = np.unique(np.stack([rho > 0, xx > yy]), axis=1, return_counts=True)[1]
    assert stats.chisquare(quadrant).pvalue > 1e-3
    assert abs(stats.spearmanr(longer / shorter, degrees).statistic) < 0.08


@pytest.mark.parametrize("scale", [3, 4])
def test_the_test_kernels_lie_at_the_printed_angles_with_the_printed_axes(scale):
    longer, shorter, degrees = principal_axes(*moments(virnet_test_kernels(scale)))
    turned = (degrees[3:] - [0, 135, 45, 90] + 90) % 180 - 90
    assert np.abs(turned).max() < 1
    expected = scale * np.array([0.4, 0.6, 0.8, 0.4, 0.6, 0.8, 0.8])
    np.testing.assert_allclose(longer, expected, rtol=0.02)  # the support cuts a little off
    expected = scale * np.array([0.4, 0.6, 0.8, 0.2, 0.3, 0.4, 0.4])
    np.testing.assert_allclose(shorter[expected > 0.7], expected[expected > 0.7], rtol=0.02)


# Operators


def keys(t):
    """The cubic convolution kernel of Keys 1981 with a = -1/2."""
    t = np.abs(t)
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t < 1, near, np.where(t < 2, far, 0))


def shrinking_matrix(n, scale):
    """imresize's weights (n/s, n): the kernel stretched by s, the signal mirrored at its ends."""
    centre = (np.arange(n // scale) + 0.5) * scale - 0.5
    position = np.arange(-n, 2 * n)
    weight = keys((position - centre[:, None]) / scale)
    weight /= weight.sum(1, keepdims=True)
    before, inside, after = np.split(weight, 3, axis=1)
    return inside + before[:, ::-1] + after[:, ::-1]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_downsampling_averages_with_the_stretched_cubic_kernel(scale):
    x = random(1, 2, 24, 36)
    rows, cols = shrinking_matrix(24, scale), shrinking_matrix(36, scale)
    np.testing.assert_allclose(bicubic_downsample(x, scale), rows @ x.numpy() @ cols.T, atol=1e-6)


def test_bicubic_downsampling_removes_what_the_small_grid_cannot_hold():
    i = torch.arange(48, dtype=torch.float64)
    checkers = 0.5 + 0.5 * torch.cos(torch.pi * (i[:, None] + i)).view(1, 1, 48, 48)
    wave = 0.5 + 0.5 * torch.cos(0.8 * torch.pi * i).expand(1, 1, 48, 48)
    for x in (checkers, wave):
        small = bicubic_downsample(x, 4)[..., 2:-2, 2:-2]
        assert (small - 0.5).abs().max() < 0.02


@pytest.mark.parametrize(
    ("grid", "weights"),  # in 128ths, from row and column 5 on
    [("direct", [-8, 0, 72, 128, 72, 0, -8]), ("centred", [-3, -9, 29, 111, 111, 29, -9, -3])],
)
def test_one_sample_enlarged_twice_is_the_cubic_kernel(grid, weights):
    sample = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    sample[..., 4, 4] = 1
    line = np.zeros(18)
    line[5 : 5 + len(weights)] = np.array(weights) / 128
    np.testing.assert_allclose(
        bicubic_upsample(sample, 2, grid)[0, 0], np.outer(line, line), atol=1e-12
    )


# Restorers


def test_wiener_divides_by_the_spectrum_with_a_laplacian_prior():
    """On an image that repeats itself the filter is one formula; its reach is a few pixels."""
    n, r = 96, 0.05
    image = np.tile(random(16, 16).numpy(), (6, 6))
    kernel = random(5, 5, seed=1).numpy()
    kernel /= kernel.sum()
    f = 2 * np.pi * np.fft.fftfreq(n)
    wave = np.exp(-1j * np.outer(np.arange(-2, 3), f))  # (tap, frequency)
    transfer = np.einsum("ij,iu,jv->uv", kernel, wave, wave)
    laplacian = 4 - 2 * np.cos(f)[:, None] - 2 * np.cos(f)
    spectrum = transfer.conj() * np.fft.fft2(image) / (np.abs(transfer) ** 2 + r * laplacian**2)
    found = wiener(torch.tensor(image)[None, None], torch.tensor(kernel)[None, None], r)[0, 0]
    inside = slice(36, -36)
    expected = np.fft.ifft2(spectrum).real[inside, inside]
    np.testing.assert_allclose(found[inside, inside], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("taps", "expected"),
    [
        # Kx = (0.3, 0.4, 0.3), y/Kx = (2/3, 3/2, 2/3), Kᵀ of it = (7/8, 13/12, 7/8)
        ((0.25, 0.5, 0.25), (0.175, 0.65, 0.175)),
        # Kx = (0.2, 0.4, 0.4), y/Kx = (1, 3/2, 1/2), Kᵀ of it = (7/4, 1, 1/4), Kᵀ1 = (3/2, 1, 1/2)
        ((0, 0.5, 0.5), (7 / 30, 0.6, 0.1)),
    ],
)
def test_one_step_of_richardson_lucy_is_the_one_on_paper(taps, expected):
    y = torch.tensor([0.2, 0.6, 0.2], dtype=torch.float64).view(1, 1, 1, 3)
    kernel = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    kernel[0, 0, 1] = torch.tensor(taps)
    assert richardson_lucy(y, kernel, 1).flatten().tolist() == pytest.approx(expected)


# Figures


@pytest.fixture(autouse=True)
def new_figures():
    yield
    plt.close("all")


def test_the_enlarged_square_begins_at_the_given_row_and_column():
    image = random(1, 3, 30, 40)
    ax = plots.show({"a": image}, zoom=(4, 20, 7)).axes[0]
    (inset,), (frame,) = ax.child_axes, ax.patches
    square = image[0, :, 4:11, 20:27].permute(1, 2, 0)
    np.testing.assert_array_equal(inset.images[0].get_array(), square)
    assert (frame.get_xy(), frame.get_width(), frame.get_height()) == ((19.5, 3.5), 7, 7)


def test_maps_are_shown_in_units_of_255_on_one_scale():
    one, two = random(1, 1, 5, 6), 2 * random(1, 1, 5, 6, seed=1)
    figure = plots.show_maps({"one": one, "two": two})
    both = 255 * torch.cat([one, two])
    for ax, m in zip(figure.axes, both, strict=False):
        np.testing.assert_allclose(ax.images[0].get_array(), m[0])
        assert ax.images[0].get_clim() == pytest.approx((both.min().item(), both.max().item()))


def test_a_kernels_first_row_is_drawn_at_the_top_at_minus_two_pixels():
    kernel = torch.zeros(1, 1, 5, 5)
    kernel[0, 0, 0, 3] = 1
    figure = plots.show_kernels({"k": kernel})
    figure.canvas.draw()
    (x, y), centre = (figure.axes[0].transData.transform(p) for p in ((1, -2), (0, 0)))
    assert x > centre[0]
    assert y > centre[1]  # Matplotlib's canvas counts from the bottom
    pixels = np.asarray(figure.canvas.buffer_rgba())[::-1]
    brightest = np.round(255 * np.array(plt.get_cmap("magma")(1.0)))
    np.testing.assert_allclose(pixels[round(y), round(x)], brightest, atol=1)


def test_the_noise_profile_plots_levels_of_255_and_the_horizontal_correlation():
    white = torch.randn(1, 1, 300, 300, generator=seeded())
    clean = torch.rand(1, 1, 300, 300, generator=seeded(1))
    noisy = clean + 0.1 * (white + white.roll(1, -1)) / math.sqrt(2)
    level, correlation, _ = plots.noise_profile({"a": (noisy, clean)}).axes
    np.testing.assert_allclose(level.lines[0].get_ydata(), 25.5, rtol=0.05)
    np.testing.assert_allclose(correlation.lines[0].get_ydata(), [1, 0.5, 0, 0, 0], atol=0.03)


def shade(first_level, second):
    return plt.figure(
        figsize=(0.2, 0.2), dpi=50, facecolor=(first_level / 9, "abc".index(second) / 9, 0)
    )


def test_the_frames_of_two_sliders_are_numbered_row_by_row():
    axes = {"first_level": [2, 5], "second": ["a", "b", "c"]}
    page = Explore(shade, alt=lambda **v: str(list(v.values())), axes=axes).to_html()
    labels = re.findall(r"<label[^>]*>(.*?)</label><input[^>]*max=\"(\d)\" value=\"(\d)\"", page)
    assert labels == [("first level", "1", "1"), ("second", "2", "1")]
    data = json.loads(re.search(r"const data = (.*);", page)[1])
    assert data["values"] == [["2", "5"], ["a", "b", "c"]]
    for i, first in enumerate(axes["first_level"]):
        for j, second in enumerate(axes["second"]):
            frame = data["frames"][i * 3 + j]
            picture = Image.open(io.BytesIO(base64.b64decode(frame.split(",")[1])))
            red, green, _ = picture.convert("RGB").getpixel((5, 5))
            assert (red, green) == pytest.approx((255 * first / 9, 255 * j / 9), abs=1)
            assert data["alts"][i * 3 + j] == str([first, second])
    shown = re.search(r'<img src="([^"]*)"', page)[1]
    assert shown == data["frames"][1 * 3 + 1]  # the middle values
