"""Every degradation: its moments, its truth, its determinism; and the camera's parts."""

import math

import pytest
import torch

from vbl.degradations import (
    DEGRADATIONS,
    awgn,
    blind_sr,
    blurred,
    camera,
    correlated,
    jpeg,
    noniid,
    poisson_gaussian,
    unchecked,
    virnet_test_kernels,
)
from vbl.degradations.camera import bayer_masks, demosaic, develop, expose, sense, stages
from vbl.degradations.operators import bicubic_downsample, blur, downsample
from vbl.figures import autocorrelation
from vbl.images import linear_to_srgb, srgb_to_linear

ADDITIVE = ["awgn", "noniid", "poisson_gaussian", "correlated"]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth(b=2, side=96):
    """Smooth colour images well inside [0, 1]."""
    t = torch.linspace(0, 3, side)
    base = 0.5 + 0.2 * torch.sin(t)[:, None] * torch.cos(t)
    return torch.stack([base, base.T, 1 - base]).expand(b, 3, side, side).contiguous()


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_the_same_seed_gives_the_same_picture_and_another_seed_another(name):
    x = smooth()
    one, two, other = (DEGRADATIONS[name](x, generator=seeded(s)) for s in (1, 1, 2))
    assert torch.equal(one.y, two.y)
    assert not torch.equal(one.y, other.y)


def test_values_that_are_known_to_fit_need_not_be_checked_but_numbers_are():
    bright = 2 * torch.ones(1, 3, 8, 8)
    with unchecked():
        assert awgn(bright, 0.0).y.max() == 2
        with pytest.raises(ValueError, match="expected levels >= 0, got -1"):
            awgn(bright, -1.0)
        with unchecked(False), pytest.raises(ValueError, match="expected images"):
            awgn(bright)
    with pytest.raises(ValueError, match="expected images"):
        awgn(bright)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_the_truth_has_the_shapes_it_promises(name):
    x = smooth()
    d = DEGRADATIONS[name](x, generator=seeded())
    assert d.y.dtype == x.dtype
    assert d.y.isfinite().all()
    assert d.x.shape == (2, 1 if name == "jpeg_luma" else 3, 96, 96)
    assert d.y.shape == (2, d.x.shape[1], 96 // d.scale, 96 // d.scale)
    if d.noise_var is not None:
        assert torch.broadcast_shapes(d.noise_var.shape, d.y.shape) == d.y.shape
    if d.kernel is not None:
        torch.testing.assert_close(d.kernel.sum((1, 2, 3)), torch.ones(2))
    assert all(len(value) == 2 for value in d.truth.values())


@pytest.mark.parametrize("name", DEGRADATIONS)
@pytest.mark.parametrize(
    "images, message",
    [
        (torch.rand(1, 4, 12, 12), r"\(B, 1 or 3, H, W\) in \[0, 1\], got \(1, 4, 12, 12\)"),
        (torch.rand(1, 3, 12, 12) * 255, r"expected images in \[0, 1\], got values from"),
        (torch.full((1, 3, 12, 12), math.nan), r"expected images in \[0, 1\], got values from nan"),
        (torch.zeros(0, 3, 12, 12), r"got \(0, 3, 12, 12\)"),
    ],
    ids=["four channels", "0 to 255", "NaN", "empty"],
)
def test_wrong_images_are_refused_in_one_line(name, images, message):
    with pytest.raises(ValueError, match=message) as error:
        DEGRADATIONS[name](images)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ADDITIVE)
def test_noise_has_mean_zero_and_the_stated_variance(name):
    """Within the range that the sums of n squares leave at five standard errors."""
    d = DEGRADATIONS[name](smooth(4, 128), generator=seeded())
    unit = ((d.y - d.x) / d.noise_var.sqrt()).double()
    n = unit.numel()
    # Neighbours in `correlated` are alike: along an axis the squared correlations sum to
    # 1 + 2 (2/3)² + 2 (1/6)² = 1.944.
    inflation = 1.945**2 if name == "correlated" else 1.0
    skewed = 1.2 if name == "poisson_gaussian" else 1.0  # kurtosis a little above 3
    mean_error = 5 * math.sqrt((4 if name == "correlated" else 1) ** 2 / n)
    assert abs(unit.mean()) < mean_error
    assert abs((unit**2).mean() - 1) < 5 * math.sqrt(2 * inflation * skewed / n)


def test_case_noise_has_the_standard_deviation_of_its_map():
    x = torch.full((64, 3, 32, 32), 0.5)
    d = noniid(x, case=1, generator=seeded())
    chi2 = ((d.y - d.x) ** 2 / d.noise_var).sum((0, 1))  # 192 draws per pixel
    assert abs(chi2.mean() / 192 - 1) < 5 * math.sqrt(2 / (192 * 1024))
    assert (chi2 / 192).min() > 0.5
    assert (chi2 / 192).max() < 1.7


def test_awgn_takes_one_level_or_one_per_image_or_a_range():
    x = smooth(3)
    assert awgn(x, 0.1, generator=seeded()).noise_var.flatten().tolist() == pytest.approx(
        [0.01] * 3
    )
    levels = torch.tensor([0.0, 0.1, 0.2])
    per_image = awgn(x, levels, generator=seeded())
    torch.testing.assert_close(per_image.noise_var.flatten(), levels**2)
    assert torch.equal(per_image.y[0], x[0])
    drawn = awgn(x, (0.1, 0.2), generator=seeded()).noise_var.sqrt()
    assert drawn.min() >= 0.1
    assert drawn.max() <= 0.2
    with pytest.raises(ValueError, match=r"expected levels >= 0, got -1\.0"):
        awgn(x, -1.0)


@pytest.mark.parametrize(
    "level, message",
    [
        (math.nan, "expected levels >= 0, got nan"),
        ((-0.5, -0.1), r"0 <= low <= high, got \(-0.5, -0.1\)"),
        ((0.2, 0.1), r"0 <= low <= high, got \(0.2, 0.1\)"),
        (torch.rand(2), r"one level, or one for each of 3 images, got shape \(2,\)"),
    ],
    ids=["NaN", "negative range", "reversed range", "two for three"],
)
def test_impossible_levels_are_refused_in_one_line(level, message):
    with pytest.raises(ValueError, match=message) as error:
        awgn(smooth(3), level)
    assert "\n" not in str(error.value)


def test_a_picture_of_one_row_survives_every_degradation_that_keeps_its_size():
    row = torch.rand(1, 3, 1, 40, generator=seeded())
    for name in (name for name in DEGRADATIONS if not name.endswith("_sr")):
        assert DEGRADATIONS[name](row, generator=seeded()).y.shape[-2:] == row.shape[-2:]
    noise = correlated(row.new_full((1, 3, 1, 50_000), 0.5), 0.1, generator=seeded())
    assert abs((noise.y - noise.x).std() / 0.1 - 1) < 0.02


def test_half_precision_is_refused():
    with pytest.raises(ValueError, match="expected float32 or float64 images"):
        awgn(smooth().half())


def test_poisson_counts_are_whole_photons_whose_variance_is_their_mean():
    x = torch.full((1, 1, 200, 200), 0.3)
    counts = poisson_gaussian(x, photons=50, read_std=0, generator=seeded()).y * 50
    torch.testing.assert_close(counts, counts.round(), atol=1e-4, rtol=0)
    assert abs(counts.var() / counts.mean() - 1) < 5 * math.sqrt(2.1 / 40_000)


def test_correlated_noise_has_the_binomial_correlation():
    x = torch.full((4, 1, 256, 256), 0.5)
    noise = correlated(x, 0.1, generator=seeded()).y - x
    row = autocorrelation(noise, 3)[3, 3:]
    expected = torch.tensor([1.0, 2 / 3, 1 / 6, 0.0])
    torch.testing.assert_close(row, expected, atol=0.012, rtol=0)


def test_blur_and_blind_sr_follow_their_formula_without_noise():
    x, k = smooth(), virnet_test_kernels(2)[4:5]
    sharp = blur(x, k, "symmetric")
    torch.testing.assert_close(blurred(x, k, 0.0).y, sharp)
    torch.testing.assert_close(blind_sr(x, 2, k, 0.0).y, downsample(sharp, 2))
    bicubic = blind_sr(x, 2, k, 0.0, sampling="bicubic")
    torch.testing.assert_close(bicubic.y, bicubic_downsample(sharp, 2))


def test_blind_sr_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="scale 5 does not divide the image size 96 x 96"):
        blind_sr(smooth(), 5)
    with pytest.raises(ValueError, match="sampling: expected 'direct' or 'bicubic', got 'area'"):
        blind_sr(smooth(), 2, sampling="area")


def test_noniid_refuses_two_maps_and_negative_ones():
    x = smooth()
    with pytest.raises(ValueError, match="give std_map or case, not both"):
        noniid(x, torch.ones(1, 1, 96, 96), case=1)
    with pytest.raises(ValueError, match="std_map: expected values >= 0"):
        noniid(x, -torch.ones(1, 1, 96, 96))


def test_jpeg_loses_more_at_lower_quality_and_refuses_impossible_ones():
    x = smooth()
    errors = [(jpeg(x, q).y - x).square().mean() for q in (10, 50, 95)]
    assert errors[0] > errors[1] > errors[2]
    assert (jpeg(x, (20, 40), generator=seeded()).truth["quality"] % 1 == 0).all()
    with pytest.raises(ValueError, match=r"quality: expected 1 \.\.\. 95, got 0 to 0"):
        jpeg(x, 0)


def test_jpeg_keeps_grey_images_grey():
    assert jpeg(smooth()[:, :1], 30).y.shape == (2, 1, 96, 96)


# The camera


def test_the_srgb_curve_and_its_inverse_cancel():
    x = torch.linspace(0, 1, 256, dtype=torch.float64).view(1, 1, 16, 16)
    torch.testing.assert_close(linear_to_srgb(srgb_to_linear(x)), x, atol=1e-6, rtol=0)
    assert srgb_to_linear(torch.full((1, 1, 1, 1), 0.5)).item() == pytest.approx(0.21404, abs=1e-5)


def test_every_sensor_pixel_sees_one_colour_and_half_of_them_green():
    masks = bayer_masks(6, 8, torch.zeros(()))
    assert (masks.sum(1) == 1).all()
    assert masks.sum((0, 2, 3)).tolist() == [12, 24, 12]


def test_demosaicing_keeps_what_was_measured_and_reproduces_linear_colour():
    t = torch.linspace(0.2, 0.8, 24, dtype=torch.float64)
    x = torch.stack([t.expand(24, 24), t.expand(24, 24).T, 1 - t.expand(24, 24)])[None]
    masks = bayer_masks(24, 24, x)
    full = demosaic((x * masks).sum(1, keepdim=True))
    torch.testing.assert_close(full * masks, x * masks)
    torch.testing.assert_close(full[..., 3:-3, 3:-3], x[..., 3:-3, 3:-3])


def test_without_noise_the_camera_gives_a_smooth_picture_back():
    x = smooth()
    assert (develop(expose(x)) - x)[..., 3:-3, 3:-3].abs().max() < 2 / 255


def test_the_stages_of_the_camera_lead_from_the_mosaic_to_the_file():
    raw = torch.rand(1, 1, 16, 16, generator=seeded())
    demosaiced, mixed, file = stages(raw).values()
    assert torch.equal(demosaiced, demosaic(raw)) and torch.equal(file, develop(raw))
    assert (linear_to_srgb(mixed) - file).abs().max() <= 0.501 / 255  # rounding


def test_camera_noise_in_the_raw_domain_has_its_stated_variance():
    x = torch.full((1, 3, 128, 128), 0.5)
    raw = expose(x)
    noisy, var = sense(raw, torch.tensor([500.0]), torch.tensor([3.0]), generator=seeded())
    unit = (noisy - raw) / var.sqrt()
    assert abs((unit**2).mean() - 1) < 5 * math.sqrt(2.1 / unit.numel()) + 1e-3  # 12-bit steps


def test_camera_noise_depends_on_the_signal_and_on_its_neighbours():
    x = smooth(1, 256)
    d = camera(x, 300.0, 3.0, generator=seeded())
    noise = d.y - d.x
    assert autocorrelation(noise, 1)[1, 2] > 0.2
    dark = camera(torch.full((1, 3, 128, 128), 0.2), 300.0, 3.0, generator=seeded())
    light = camera(torch.full((1, 3, 128, 128), 0.9), 300.0, 3.0, generator=seeded())
    assert (dark.y - dark.x).std() > 1.5 * (light.y - light.x).std()


def test_the_camera_needs_colour_and_light():
    with pytest.raises(ValueError, match=r"expected RGB images \(B, 3, H, W\)"):
        camera(torch.rand(1, 1, 8, 8))
    with pytest.raises(ValueError, match="electrons: expected positive numbers, got 0"):
        camera(torch.rand(1, 3, 8, 8), electrons=0)
