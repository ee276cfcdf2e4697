"""The scale of a restoration's error: what it depends on, and that its fit finds the truth."""

import pytest
import torch
from probability import seeded

from vbl.evaluation import load_result
from vbl.images import dead_leaves
from vbl.models.virnet import Config, VIRNet
from vbl.restoration import (
    INTERVALS,
    ErrorScale,
    WithUncertainty,
    fit_error_scale,
    local_detail,
    restore,
)
from vbl.utils import UnknownName


def test_detail_is_nothing_on_a_plane_and_more_where_there_is_texture():
    x = torch.full((1, 3, 40, 60), 0.5)
    x[..., 30:] += 0.1 * torch.randn(1, 3, 40, 30, generator=seeded(0))
    found = local_detail(x)
    assert found.shape == (1, 1, 40, 60)
    assert found[..., :15].max() < 1e-4
    assert found[..., 45:].mean() == pytest.approx(0.1, rel=0.15)


def test_the_scale_is_the_formula():
    x = dead_leaves((32, 32), generator=seeded(0))
    scale = ErrorScale(0.3, 0.6, 0.4)(x, torch.full((1, 1, 1, 1), 0.1))
    detail = local_detail(x).clamp_min(0.25 / 255)
    torch.testing.assert_close(scale, 0.3 * 0.1**0.6 * detail**0.4)


def test_the_fit_finds_the_numbers_that_made_the_errors():
    x = dead_leaves((96, 96), n=3, generator=seeded(1))
    noise = 0.02 + 0.2 * torch.rand(3, 1, 96, 96, generator=seeded(2))
    truth = ErrorScale(0.25, 0.7, 0.3)
    u = torch.rand(x.shape, generator=seeded(3)) - 0.5
    error = -u.sign() * (1 - 2 * u.abs()).clamp_min(1e-6).log()  # of scale 1
    found = fit_error_scale(x, noise, x + truth(x, noise) * error)
    assert found.noise == pytest.approx(0.7, abs=0.03)
    assert found.detail == pytest.approx(0.3, abs=0.03)
    assert found.factor == pytest.approx(0.25, rel=0.1)


def test_the_intervals_are_those_that_were_measured():
    measured = load_result("calibration")["parts"]["intervals"]["models"]
    assert measured.keys() == INTERVALS.keys()
    for name, interval in INTERVALS.items():
        found = vars(interval.scale) | {"interval": interval.factor}
        assert found == pytest.approx(measured[name], rel=1e-3), name


def test_only_what_was_calibrated_says_how_far_off_it_is():
    with pytest.raises(UnknownName, match="unknown calibrated model 'mine'"):
        WithUncertainty(VIRNet(Config(sigma_width=4, widths=(4, 6), blocks=1)), "mine")


def test_turned_and_averaged_the_map_is_of_the_picture_it_is_about():
    torch.manual_seed(0)
    tiny = VIRNet(Config(sigma_width=4, sigma_depth=3, widths=(4, 6), blocks=1))
    model, y = WithUncertainty(tiny, "virnet-photo"), dead_leaves((30, 41), generator=seeded(4))
    found = restore(model, y, ensemble=True, device="cpu")
    assert found.uncertainty.shape == (1, 1, 30, 41)
    mirrored = restore(model, y.flip(-1), ensemble=True, device="cpu").uncertainty.flip(-1)
    inside = (..., slice(6, -6), slice(6, -8))  # the edges are padded on one side only
    torch.testing.assert_close(found.uncertainty[inside], mirrored[inside], rtol=0.2, atol=1e-3)
