"""PSNR and SSIM against their definitions, and what the conventions change."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from skimage.metrics import structural_similarity

from vbl.evaluation import CONVENTIONS, psnr, registered, ssim
from vbl.images import dead_leaves, luma


def pair(b=2, c=3, side=40, std=0.1):
    g = torch.Generator().manual_seed(0)
    x = torch.rand(b, c, side, side, generator=g)
    return x, x + std * torch.randn(x.shape, generator=g)


def test_psnr_of_a_constant_error_is_minus_20_log10_of_it():
    x = torch.zeros(1, 3, 4, 4)
    assert psnr(x + 0.1, x, "float").item() == pytest.approx(20.0, abs=1e-5)


def test_identical_images_have_infinite_psnr_and_ssim_one():
    x, _ = pair()
    assert psnr(x, x).isinf().all()
    assert ssim(x, x).tolist() == pytest.approx([1.0, 1.0])


def test_ssim_is_scikit_images_with_the_papers_settings():
    x, y = pair()
    for convention, scale in (("float", 1), ("rgb-8bit", 255)):
        a, b = x.double(), y.double()
        if scale == 255:
            a, b = ((v.clamp(0, 1) * 255).round() for v in (a, b))
        expected = [
            structural_similarity(
                u.permute(1, 2, 0).numpy(),
                v.permute(1, 2, 0).numpy(),
                channel_axis=-1,
                data_range=scale,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
            for u, v in zip(a, b, strict=True)
        ]
        np.testing.assert_allclose(ssim(y, x, convention), expected, rtol=1e-9)


def test_ssim_over_squares_is_the_mean_of_its_definition_on_each():
    x, y = (v[:1, :1, :10, :9].clamp(0, 1) for v in pair())
    a, b = ((255 * v[0, 0].double()).round() / 255 for v in (x, y))
    values = []
    for top, left in np.ndindex(3, 2):
        u, v = (w[top : top + 8, left : left + 8].flatten() for w in (a, b))
        covariance = torch.cov(torch.stack([u, v]), correction=0)
        value = (2 * u.mean() * v.mean() + 1e-4) * (2 * covariance[0, 1] + 9e-4)
        value /= u.mean() ** 2 + v.mean() ** 2 + 1e-4
        values.append((value / (covariance[0, 0] + covariance[1, 1] + 9e-4)).item())
    assert ssim(y, x, "vdir-table-6").item() == pytest.approx(np.mean(values), rel=1e-9)


def test_a_picture_smaller_than_the_window_is_named():
    x = torch.zeros(1, 3, 10, 40)
    with pytest.raises(ValueError, match="SSIM: expected at least 11 x 11 pixels, got"):
        ssim(x, x)
    with pytest.raises(ValueError, match="SSIM: expected at least 8 x 8 pixels, got"):
        ssim(x[..., :7], x[..., :7], "vdir-table-6")


def test_a_border_of_the_scale_is_narrower_than_of_its_square():
    x, _ = pair(side=60)
    y = x.clone()
    y[..., :4, :] = 0
    assert psnr(y, x, "vdir-table-4", scale=4).isinf().all()
    assert psnr(y, x, "vdir-table-4", scale=2).isfinite().all()


def test_luma_spans_16_to_235():
    black, white = torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1)
    assert 255 * luma(black).item() == pytest.approx(16, abs=1e-4)
    assert 255 * luma(white).item() == pytest.approx(235, abs=1e-4)


def test_eight_bit_conventions_clip_and_round():
    x = torch.full((1, 1, 2, 2), 0.5)
    assert psnr(x + 0.3 / 255, x).item() == pytest.approx(psnr(x, x + 0.2 / 255).item())
    assert psnr(torch.full_like(x, 1.7), torch.ones_like(x)).isinf()


def test_the_y_convention_ignores_a_border_of_scale_squared_pixels():
    x, _ = pair(side=60)
    y = x.clone()
    y[..., :16, :] = 0
    assert psnr(y, x, "virnet-table-5", scale=4).isinf().all()
    assert psnr(y, x, "virnet-table-5", scale=2).isfinite().all()


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_convention_gives_one_finite_number_per_image(convention):
    x, y = pair()
    for metric in (psnr, ssim):
        values = metric(y, x, convention, scale=2)
        assert values.shape == (2,)
        assert values.isfinite().all()


def test_grey_images_need_no_luma():
    x, y = pair(c=1)
    assert psnr(y, x, "virnet-table-5", scale=2).isfinite().all()


def test_unfitting_arguments_are_named():
    x, y = pair()
    with pytest.raises(ValueError, match="convention: expected one of float, rgb-8bit"):
        psnr(y, x, "mine")
    with pytest.raises(ValueError, match="a border of 36 pixels leaves nothing of"):
        psnr(y, x, "virnet-table-5", scale=6)
    with pytest.raises(ValueError, match="cuts a border that depends on scale: give scale="):
        psnr(y, x, "virnet-table-5")
    with pytest.raises(ValueError, match=r"truth: expected an image in \[0, 1\], got"):
        psnr(y, 255 * x)


def test_images_that_require_gradients_can_be_measured():
    x, y = pair()
    assert torch.equal(ssim(y.requires_grad_(), x), ssim(y.detach(), x))


@pytest.mark.parametrize("convention", ["float", "rgb-8bit"])
def test_an_infinite_estimate_has_a_psnr_of_minus_infinity(convention):
    truth = torch.full((2, 3, 16, 16), 0.5)
    estimate = truth + 0.1
    estimate[1, 0, 3, 4] = -torch.inf
    found = psnr(estimate, truth, convention)
    assert found[0] > 19 and found[1] == -torch.inf


def test_registration_undoes_a_shift_by_parts_of_a_pixel_and_no_more():
    wide = dead_leaves((72, 72), generator=torch.Generator().manual_seed(0)).double()
    rows = torch.arange(4.0, 68, dtype=torch.float64)
    x, moved = (cut(wide, rows, columns) for columns in (rows, rows + 1.3))
    inner = (..., slice(8, -8), slice(8, -8))
    before = psnr(moved[inner], x[inner], "float")
    after = psnr(registered(moved, x)[inner], x[inner], "float")
    assert after > before + 8
    assert psnr(registered(x, x)[inner], x[inner], "float") > 60
    with pytest.raises(ValueError, match="expected sides above 20, got"):
        registered(x[..., :20], x[..., :20])


def cut(image, rows, columns):
    """A part of an image at fractional places, by cubic splines."""
    places = np.stack(np.meshgrid(rows.numpy(), columns.numpy(), indexing="ij"))
    parts = [map_coordinates(channel, places) for channel in image[0].numpy()]
    return torch.from_numpy(np.stack(parts))[None].clamp(0, 1)
