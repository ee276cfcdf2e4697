"""The camera, the degradations and their residuals against constants computed by hand."""

import inspect
import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import linalg, ndimage, stats

from vbl.degradations import (
    DEGRADATIONS,
    awgn,
    blind_sr,
    blurred,
    camera,
    correlated,
    jpeg,
    motion_kernel,
    poisson_gaussian,
)
from vbl.degradations.camera import demosaic, develop, expose, sense
from vbl.figures import autocorrelation, noise_level_function


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random(*shape, dtype=torch.float64):
    return torch.rand(shape, generator=seeded(), dtype=dtype)


def pair(one, two):
    return torch.tensor([one, two], dtype=torch.float64)


def column(values):
    return values.view(-1, 1, 1, 1)


# Camera

# Malvar, He and Cutler 2004, Figure 2, in eighths.
SAME, GREEN, ROW, CROSS = (
    [[float(n) for n in row.split()] for row in rows]
    for rows in (
        ("0 0 0 0 0", "0 0 0 0 0", "0 0 8 0 0", "0 0 0 0 0", "0 0 0 0 0"),
        ("0 0 -1 0 0", "0 0 2 0 0", "-1 2 4 2 -1", "0 0 2 0 0", "0 0 -1 0 0"),
        ("0 0 .5 0 0", "0 -1 0 -1 0", "-1 4 5 4 -1", "0 -1 0 -1 0", "0 0 .5 0 0"),
        ("0 0 -1.5 0 0", "0 2 0 2 0", "-1.5 0 6 0 -1.5", "0 2 0 2 0", "0 0 -1.5 0 0"),
    )
)
COLUMN = np.transpose(ROW).tolist()


@pytest.mark.parametrize(
    ("site", "red", "green", "blue"),
    [
        ((0, 0), SAME, GREEN, CROSS),
        ((0, 1), ROW, SAME, COLUMN),
        ((1, 0), COLUMN, SAME, ROW),
        ((1, 1), CROSS, GREEN, SAME),
    ],
)
def test_each_bayer_site_is_filled_in_by_malvars_filters(site, red, green, blue):
    """One impulse at each of the 25 pixels around the site reads off the weights."""
    row, col = 4 + site[0], 4 + site[1]
    raw = torch.zeros(25, 1, 10, 10, dtype=torch.float64)
    raw[:, 0, row - 2 : row + 3, col - 2 : col + 3] = torch.eye(25).view(25, 5, 5)
    weights = 8 * demosaic(raw)[:, :, row, col].T.reshape(3, 5, 5)
    assert weights.tolist() == [red, green, blue]


def srgb(linear):
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize(
    ("linear", "red", "green", "blue"),
    [
        ((0.4, 0.4, 0.4), 0.2, 0.4, 0.25),  # grey: the gains 2, 1, 1.6 alone
        # Camera colours (0.3, 0.4, 0.2) times the matrix, so (0.15, 0.4, 0.125) at the sensor.
        ((0.26, 0.48, 0.08), 0.15, 0.4, 0.125),
        ((0.002, 0.002, 0.002), 0.001, 0.002, 0.00125),  # on the straight part of the curve
    ],
)
def test_the_camera_sees_a_constant_colour_as_computed_by_hand(linear, red, green, blue):
    picture = torch.tensor(srgb(np.array(linear))).view(1, 3, 1, 1).expand(1, 3, 6, 8)
    raw = expose(picture)
    assert raw[0, 0, :2, :2].flatten().tolist() == pytest.approx([red, green, green, blue])
    torch.testing.assert_close(raw, raw[..., :2, :2].tile(3, 4))
    torch.testing.assert_close(develop(raw), (255 * picture).round() / 255)


@pytest.mark.parametrize(
    ("red", "green", "blue", "picture"),
    [
        (1, 1, 1, (1, 1, 1)),  # clipped after the gains: a blown highlight is white
        (0.5, 0, 0, (1, 0, 0)),  # the matrix gives 1.6, -0.2, 0
        (0, 0.5, 0.5, (0, 189 / 255, 253 / 255)),  # linear -0.33, 0.51, 0.98
    ],
)
def test_developing_clips_to_what_a_picture_can_show(red, green, blue, picture):
    raw = pair(0, 0).new_tensor([[red, green], [green, blue]]).tile(4, 4)[None, None]
    found = develop(raw)[0, :, 3:5, 3:5]
    torch.testing.assert_close(found, found[:, :1, :1].expand_as(found))
    assert found[:, 0, 0].tolist() == pytest.approx(picture)


def test_the_sensor_digitises_to_twelve_bits_between_black_and_saturation():
    raw = torch.linspace(0, 1, 2, dtype=torch.float64).view(2, 1, 1, 1).expand(2, 1, 64, 64)
    dark, bright = 4095 * sense(raw, pair(300, 300), pair(5, 5), generator=seeded())[0]
    for values in (dark, bright):
        torch.testing.assert_close(values, values.round(), atol=1e-9, rtol=0)
    assert dark.min() == 0 < dark.max()
    assert bright.min() < 4095 == bright.max()


def test_sensor_noise_has_the_variance_of_each_images_own_settings():
    raw = torch.full((2, 1, 200, 200), 0.5, dtype=torch.float64)
    noisy, _ = sense(raw, pair(200, 5000), pair(6, 30), generator=seeded())
    expected = pair(0.5 / 200 + (6 / 200) ** 2, 0.5 / 5000 + (30 / 5000) ** 2)
    torch.testing.assert_close(noisy.var((1, 2, 3)), expected, rtol=0.05, atol=0)
    torch.testing.assert_close(noisy.mean((1, 2, 3)), pair(0.5, 0.5), rtol=0.01, atol=0)


def sensor_values(x):
    """The RGGB mosaic of pictures (B, 3, H, W), in NumPy."""
    x = x.numpy()
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    inverse = np.linalg.inv([[1.6, -0.5, -0.1], [-0.2, 1.5, -0.3], [0, -0.6, 1.6]])
    light = np.einsum("ij,bjhw->bihw", inverse, linear) / np.array([2, 1, 1.6])[:, None, None]
    raw = light[:, 1:2].copy()
    raw[:, 0, ::2, ::2], raw[:, 0, 1::2, 1::2] = light[:, 0, ::2, ::2], light[:, 2, 1::2, 1::2]
    return torch.from_numpy(raw)


def test_a_photograph_comes_with_its_settings_and_its_own_clean_picture():
    x, full, read = random(2, 3, 12, 14), pair(300, 1500), pair(2, 5)
    d = camera(x, full, read, generator=seeded())
    torch.testing.assert_close(d.truth["electrons"], full)
    torch.testing.assert_close(d.truth["read_std"], read)
    variance = sensor_values(x) / column(full) + column(read / full) ** 2
    torch.testing.assert_close(d.truth["raw_noise_var"], variance)
    torch.testing.assert_close(d.x, develop(sensor_values(x)))
    assert (d.x - x).abs().max() > 0.1  # what the mosaic cannot hold is gone
    noisy, _ = sense(expose(x), full, read, generator=seeded())
    assert torch.equal(d.y, develop(noisy))
    assert len(d.y.unique()) > 50
    for picture in (d.x, d.y):
        levels = 255 * picture
        torch.testing.assert_close(levels, levels.round(), atol=1e-9, rtol=0)


# The truth that comes with a degraded image


def test_photons_and_read_noise_are_each_images_own():
    x, photons, read = 0.2 + 0.6 * random(2, 1, 200, 200), pair(50, 4000), pair(0.02, 0.1)
    d = poisson_gaussian(x, photons, read, generator=seeded())
    torch.testing.assert_close(d.truth["photons"], photons)
    torch.testing.assert_close(d.truth["read_std"], read)
    torch.testing.assert_close(d.noise_var, x / column(photons) + column(read) ** 2)
    unit = (d.y - x) / d.noise_var.sqrt()
    torch.testing.assert_close(unit.var((1, 2, 3)), pair(1, 1), atol=0.04, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_pillows_at_the_nearest_whole_quality(channels):
    x = random(2, channels, 24, 32, dtype=torch.float32)
    d = jpeg(x, torch.tensor([29.7, 80.4]))
    assert d.truth["quality"].tolist() == [30, 80]
    for image, found, quality in zip(x, d.y, (30, 80), strict=True):
        pixels = np.rint(255 * image.permute(1, 2, 0).numpy()).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(
            file, "JPEG", quality=quality
        )
        back = np.asarray(Image.open(file)).reshape(pixels.shape)
        np.testing.assert_array_equal((255 * found).round().permute(1, 2, 0), back)


def std_of(d):
    return d.noise_var.flatten().sqrt()


DRAWN = {
    "awgn": (lambda x, g: std_of(awgn(x, (0.1, 0.3), generator=g)), 0.1, 0.3),
    "correlated": (lambda x, g: std_of(correlated(x, (0.1, 0.3), generator=g)), 0.1, 0.3),
    "blurred": (
        lambda x, g: std_of(blurred(x, torch.ones(1, 1, 1, 1), (0.1, 0.3), generator=g)),
        0.1,
        0.3,
    ),
    "blind_sr": (lambda x, g: std_of(blind_sr(x, generator=g)), 0, 15 / 255),
    "photons": (
        lambda x, g: poisson_gaussian(x, (10.0, 90.0), generator=g).truth["photons"],
        10,
        90,
    ),
    "read_std": (
        lambda x, g: poisson_gaussian(x, 50.0, (0.1, 0.3), generator=g).truth["read_std"],
        0.1,
        0.3,
    ),
    "quality": (lambda x, g: jpeg(x, generator=g).truth["quality"], 10, 95),
    "electrons": (lambda x, g: camera(x, generator=g).truth["electrons"], 200, 2000),
    "camera read_std": (lambda x, g: camera(x, generator=g).truth["read_std"], 1, 6),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_range_draws_a_uniform_level_for_each_image(name):
    """Without a range given, it is the default one: blind_sr, jpeg and the camera."""
    draw, low, high = DRAWN[name]
    values = draw(torch.full((600, 3, 4, 4), 0.5), seeded()).numpy()
    assert values.shape == (600,)
    rounded = name == "quality"
    assert len(np.unique(values)) == (86 if rounded else 600)
    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-3


def test_two_ranges_are_drawn_independently():
    truth = camera(torch.full((600, 3, 2, 2), 0.5), generator=seeded()).truth
    correlation = np.corrcoef(truth["electrons"], truth["read_std"])[0, 1]
    assert abs(correlation) < 0.15


@pytest.mark.parametrize(
    ("name", "parameter", "default"),
    [
        ("awgn", "std", 25 / 255),
        ("correlated", "std", 25 / 255),
        ("poisson_gaussian", "photons", 100),
        ("poisson_gaussian", "read_std", 2 / 255),
        ("blurred", "std", 2 / 255),
        ("blind_sr", "scale", 2),
    ],
)
def test_the_defaults_are_the_documented_ones(name, parameter, default):
    assert inspect.signature(DEGRADATIONS[name]).parameters[parameter].default == default


@pytest.mark.parametrize("scale", [2, 4])
def test_super_resolution_draws_each_image_a_gaussian_kernel_up_to_the_scale(scale):
    kernel = blind_sr(torch.full((300, 1, 8, 8), 0.5), scale, generator=seeded()).kernel
    assert kernel.shape == (300, 1, 21, 21)
    assert len(kernel.flatten(1).unique(dim=0)) == 300
    k = kernel[:, 0].double().numpy()
    y, x = np.mgrid[:21, :21] - 10
    entries = [(k * a * b).sum((1, 2)) for a, b in ((x, x), (x, y), (x, y), (y, y))]
    std = np.sqrt(np.linalg.eigvalsh(np.stack(entries, -1).reshape(-1, 2, 2)).clip(0))
    assert 0.9 * scale < std.max() < 1.001 * scale
    assert std.min() < 0.4


def test_blur_draws_each_image_a_motion_kernel_of_side_21():
    kernel = blurred(torch.full((30, 1, 8, 8), 0.5), generator=seeded()).kernel
    assert kernel.shape == (30, 1, 21, 21)
    assert len(kernel.flatten(1).unique(dim=0)) == 30
    # A path covers little of the square, a Gaussian all of it.
    assert ((kernel > 0).float().mean((1, 2, 3)) < 0.4).all()


def test_correlated_noise_is_the_same_at_the_border_as_inside():
    """The whole covariance of 7 x 8 pixels: 1, 2/3, 1/6 and 0 along each axis, nothing else."""
    n = 8000
    d = correlated(torch.full((n, 1, 7, 8), 0.5), 0.1, generator=seeded())
    found = np.cov(((d.y - d.x) / 0.1).flatten(1).numpy().T)
    along = [linalg.toeplitz([1, 2 / 3, 1 / 6] + [0] * (side - 3)) for side in (7, 8)]
    np.testing.assert_allclose(found, np.kron(*along), atol=5 * np.sqrt(2 / n))


def test_motion_paths_are_connected_thin_and_of_varied_reach():
    support = motion_kernel(31, n=64, generator=seeded())[:, 0].numpy() > 0
    touching = np.ones((3, 3))
    assert [ndimage.label(s, touching)[1] for s in support] == [1] * 64
    # A smooth path is two or three pixels wide, a rougher walk (0.17 and more) fills blobs.
    inside = [ndimage.binary_erosion(s, touching).sum() / s.sum() for s in support]
    assert np.mean(inside) < 0.16
    offset = np.abs(np.mgrid[:31, :31] - 15).max(0)
    reach = np.array([offset[s].max() for s in support])
    assert reach.min() in (6, 7)  # 0.4 of 15, and the pixel next to it
    assert reach.max() == 15


# Residuals


@pytest.mark.parametrize("shift", [(0, 1), (1, 0), (1, 1), (1, -1), (0, 2)])
def test_a_shifted_copy_added_to_noise_correlates_at_that_shift_alone(shift):
    white = torch.randn(1, 1, 400, 420, generator=seeded())
    found = autocorrelation(white + white.roll(shift, (-2, -1)), reach=2)
    expected = torch.zeros(5, 5)
    expected[2, 2] = 1
    expected[2 + shift[0], 2 + shift[1]] = expected[2 - shift[0], 2 - shift[1]] = 0.5
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


def test_the_noise_level_function_ignores_a_constant_error():
    clean = torch.rand(1, 1, 400, 400, generator=seeded())
    std = torch.where(clean < 0.5, 0.05, 0.1)
    noise = 0.3 + std * torch.randn(clean.shape, generator=seeded(1))
    value, level = noise_level_function(noise, clean, bins=4)
    np.testing.assert_allclose(value, [0.125, 0.375, 0.625, 0.875], atol=2e-3)
    np.testing.assert_allclose(level, [0.05, 0.05, 0.1, 0.1], rtol=0.03)
