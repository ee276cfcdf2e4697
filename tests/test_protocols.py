"""Degraded test pictures: the papers' own rows for untouched input tell whether they are right."""

import os

import numpy as np
import pytest
import torch
from moments import kernel_parameters

from vbl.degradations import vdir_test_kernels
from vbl.evaluation import CONVENTIONS, PROTOCOLS, evaluate
from vbl.evaluation.protocols import choose_protocol, degraded, variants
from vbl.images import Sample, open_dataset
from vbl.utils import UnknownName

needs_data = pytest.mark.skipif("VBL_DATA" not in os.environ, reason="needs the sets of VBL_DATA")


def samples(*sizes, channels=3):
    g = torch.Generator().manual_seed(0)
    images = (torch.rand(1, channels, *size, generator=g) for size in sizes)
    return [Sample(f"picture {i}", image) for i, image in enumerate(images)]


def noise(protocol, pictures, **options):
    return [(pair.y - pair.x) for _, pair in degraded(pictures, protocol, options)]


def test_every_protocol_names_a_convention_and_what_it_needs():
    for protocol in PROTOCOLS.values():
        assert protocol.convention in CONVENTIONS
        assert protocol.degrade is not None or not protocol.needs


def test_virnets_noise_is_one_stream_over_the_pictures():
    stream = np.random.default_rng(1000)
    found = noise("virnet-table-2", samples((5, 7), (4, 3)), sigma=50)
    for y, size in zip(found, [(5, 7), (4, 3)], strict=True):
        expected = stream.standard_normal((*size, 3)) * 50 / 255
        np.testing.assert_allclose(y[0].permute(1, 2, 0), expected, atol=1e-6)


def test_vdirs_noise_starts_anew_with_every_picture():
    expected = np.random.RandomState(0).standard_normal((4, 3, 3)) * 25 / 255
    for y in noise("vdir-table-1", samples((4, 3), (4, 3)), sigma=25):
        np.testing.assert_allclose(y[0].permute(1, 2, 0), expected, atol=1e-6)


def bumps_as_the_authors_draw_them(stream):
    """Their map of Case 3 without our code: 64 columns, 64 rows, 64 widths."""
    columns = stream.uniform(0, 32, (8, 8)) + 32 * np.arange(8)
    rows = stream.uniform(0, 32, (8, 8)) + 32 * np.arange(8)[:, None]
    widths = stream.uniform(16, 32, 64)
    y, x = np.mgrid[:256, :256][..., None]
    away = (x - columns.ravel()) ** 2 + (y - rows.ravel()) ** 2
    mixture = (np.exp(-away / (2 * widths**2)) / (2 * np.pi * widths**2)).mean(-1)
    unit = (mixture - mixture.min()) / (mixture.max() - mixture.min())
    return (10 + 65 * unit) / 255


def test_virnets_stream_makes_the_map_of_case_3_and_then_the_noise():
    stream = np.random.default_rng(1000)
    std = bumps_as_the_authors_draw_them(stream)
    clean = samples((256, 256), (256, 256))
    for _, pair in degraded(clean, "virnet-table-1", {"case": 3}):
        np.testing.assert_allclose(pair.noise_var.sqrt()[0, 0], std, rtol=1e-4)
        expected = stream.standard_normal((256, 256, 3)) * std[..., None]
        noise = (pair.y - pair.x)[0].permute(1, 2, 0)
        np.testing.assert_allclose(noise, expected, rtol=1e-4, atol=1e-6)


def test_the_same_noise_meets_the_maps_of_all_cases():
    units = []
    for case in (1, 2, 3):
        ((_, pair),) = degraded(samples((40, 64)), "virnet-table-1", {"case": case})
        assert pair.noise_var.shape == (1, 1, 40, 64)
        units.append((pair.y - pair.x) / pair.noise_var.sqrt())
    torch.testing.assert_close(units[0], units[1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(units[0], units[2], atol=1e-4, rtol=1e-4)


def test_noise_is_clipped_in_super_resolution_only():
    white = [Sample("white", torch.ones(1, 3, 32, 32))]
    for name, options in {
        "virnet-table-1": {"case": 1},
        "virnet-table-2": {"sigma": 50},
        "vdir-table-1": {"sigma": 50},
    }.items():
        assert noise(name, white, **options)[0].max() > 0
    options = {"scale": 2, "kernel": 0, "sigma": 50}
    ((_, pair),) = degraded(white, "virnet-table-5", options)
    assert pair.y.max() == 1
    assert pair.y.min() < 1


def test_super_resolution_crops_to_a_multiple_of_the_scale():
    for name in ("virnet-table-5", "virnet-table-5-direct", "vdir-table-4"):
        ((_, pair),) = degraded(samples((33, 46)), name, {"scale": 4, "kernel": 1})
        assert pair.x.shape[2:] == (32, 44)
        assert pair.y.shape[2:] == (8, 11)
        assert pair.scale == 4


def test_the_widths_of_vdirs_kernels_are_variances():
    l1_sq, l2_sq, rho = kernel_parameters(vdir_test_kernels(2))
    covariance = rho * (l1_sq * l2_sq).sqrt()
    assert l1_sq[0].item() == pytest.approx(2, rel=1e-3)
    eigenvalues = torch.linalg.eigvalsh(
        torch.tensor([[l1_sq[1], covariance[1]], [covariance[1], l2_sq[1]]])
    )
    assert eigenvalues.tolist() == pytest.approx([1, 4], rel=1e-2)


def test_every_page_is_shaken_in_its_own_way_and_again_in_the_same():
    samples = [Sample(str(n), torch.rand(1, 1, 24, 24)) for n in range(2)]
    runs = [[pair for _, pair in degraded(samples, "printed", {})] for _ in range(2)]
    for one, again in zip(*runs, strict=True):
        assert torch.equal(one.y, again.y) and one.kernel.shape == (1, 1, 9, 9)
        assert one.x.shape == (1, 3, 24, 24)
    assert not torch.equal(runs[0][0].kernel, runs[0][1].kernel)


def test_jpeg_of_the_luma_has_one_channel_and_of_colours_three():
    pictures = samples((16, 16))
    ((_, grey),) = degraded(pictures, "vdir-table-6", {"quality": 10})
    ((_, colour),) = degraded(pictures, "vdir-table-7", {"quality": 10})
    assert (grey.y.shape[1], colour.y.shape[1]) == (1, 3)
    levels = grey.x * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    assert 16 <= levels.min() <= levels.max() <= 235


def test_grey_pictures_are_repeated_for_models_of_colour():
    ((_, pair),) = degraded(samples((8, 8), channels=1), "virnet-table-2", {"sigma": 25})
    assert pair.x.shape == (1, 3, 8, 8)
    assert not torch.equal(pair.y[:, 0], pair.y[:, 1])


@pytest.mark.parametrize(
    ("options", "protocol"),
    [
        ({}, "pairs"),
        ({"sigma": 25}, "vdir-table-1"),
        ({"case": 2}, "virnet-table-1"),
        ({"scale": 4, "kernel": "all"}, "virnet-table-5"),
        ({"scale": 4, "kernel": "all", "sigma": 2.55}, "virnet-table-5"),
        ({"quality": 10}, "vdir-table-6"),
    ],
)
def test_options_suggest_a_protocol(options, protocol):
    assert choose_protocol(options) == protocol


@pytest.mark.parametrize(
    ("options", "name", "message"),
    [
        ({"sigma": 25, "case": 1}, None, "options: expected sigma, .*; got sigma and case"),
        ({"scale": 4}, None, "options: expected .* scale with kernel .*; got scale"),
        ({"sigma": 25}, "virnet-table-1", "virnet-table-1: expected case, got sigma"),
        ({}, "vdir-table-4", r"expected scale and kernel \(and sigma\), got no option"),
        ({"sigma": 25}, "pairs", "pairs: expected no option, got sigma"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_line(options, name, message):
    with pytest.raises(ValueError, match=message) as caught:
        choose_protocol(options, name)
    assert "\n" not in str(caught.value)


def test_an_unknown_protocol_is_answered_with_the_closest():
    with pytest.raises(UnknownName, match="did you mean virnet-table-1"):
        choose_protocol({"case": 1}, "virnet-table1")


def test_all_kernels_are_one_run_each():
    runs = variants("virnet-table-5", {"scale": 4, "kernel": "all", "sigma": 2.55})
    assert [run["kernel"] for run in runs] == list(range(7))
    assert variants("vdir-table-4", {"scale": 2, "kernel": "1"}) == [{"scale": 2, "kernel": 1}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 4, "kernel": 7}, r"kernel: expected 'all' or 0 \.\.\. 6, got 7"),
        ({"scale": 4, "kernel": "first"}, r"kernel: expected 'all' or 0 \.\.\. 6, got 'first'"),
        ({"scale": 5, "kernel": 0}, "scale: expected 2, 3 or 4, got 5"),
    ],
)
def test_kernels_and_scales_that_do_not_exist_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        variants("virnet-table-5", options)


@pytest.mark.parametrize("sigma", [-1, 256, float("nan")])
def test_levels_out_of_range_are_named(sigma):
    with pytest.raises(ValueError, match="sigma: expected a noise level from 0 to 255, got"):
        list(degraded(samples((8, 8)), "vdir-table-1", {"sigma": sigma}))


def test_pairs_and_clean_pictures_are_not_confused():
    x = torch.rand(1, 3, 8, 8)
    pair, clean = Sample("pair", x, x), Sample("clean", x)
    with pytest.raises(ValueError, match="pair is a pair, degraded already: give no option"):
        list(degraded([pair], "vdir-table-1", {"sigma": 25}))
    with pytest.raises(ValueError, match="clean is a clean picture: give sigma, case, scale with"):
        list(degraded([clean], "pairs", {}))


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "quality", "protocol", "decibel", "similarity"),
    [
        ("classic5", 10, "vdir-table-6", 27.82, 0.7800),
        ("classic5", 80, "vdir-table-6", 36.44, 0.9478),
        ("live1", 10, "vdir-table-6", 27.77, 0.7905),
        ("live1", 40, "vdir-table-7", 30.28, None),
    ],
)
def test_compressed_pictures_score_what_vdir_prints(
    dataset, quality, protocol, decibel, similarity
):
    report = evaluate("input", dataset, quality=quality, protocol=protocol, progress=False)
    assert report.psnr == pytest.approx(decibel, abs=0.006)
    assert similarity is None or report.ssim == pytest.approx(similarity, abs=1e-4)


@needs_data
@pytest.mark.slow
def test_bicubic_interpolation_scores_what_vdir_prints():
    for kernel, decibel, similarity in ((0, 28.73, 0.8449), (1, 28.15, 0.8265)):
        options = {"scale": 2, "kernel": kernel, "protocol": "vdir-table-4"}
        report = evaluate("bicubic", "set5", **options, progress=False)
        assert report.psnr == pytest.approx(decibel, abs=0.006)
        assert report.ssim == pytest.approx(similarity, abs=2e-4)


@needs_data
@pytest.mark.slow
def test_bicubic_interpolation_scores_what_virnet_prints():
    for sigma, decibel in ((0, 24.54), (7.65, 24.25)):
        options = {"scale": 4, "kernel": "all", "sigma": sigma}
        report = evaluate("bicubic", open_dataset("set14"), **options, progress=False)
        assert report.psnr == pytest.approx(decibel, abs=0.01)
