"""Regions: every pixel is restored, equal answers blend to themselves, each has its own kernel."""

from types import SimpleNamespace

import pytest
import torch
from tiny_deblurring import tiny
from torch import nn

from vbl.models import Restoration
from vbl.restoration import restore, restore_regions


class Brighter(nn.Module):
    """Adds to each image the mean of it, so that regions differ."""

    def restore(self, y):
        """An image of the same size."""
        return Restoration(y + y.mean((1, 2, 3), keepdim=True))


class Larger(nn.Module):
    """Super-resolution by two."""

    config = SimpleNamespace(scale=2)

    def restore(self, y):
        """An image of twice the size."""
        return Restoration(nn.functional.interpolate(y, scale_factor=2))


@pytest.mark.parametrize("size", [(16, 16), (33, 20), (5, 40), (7, 9)])
def test_a_constant_image_is_restored_everywhere_alike(size):
    y = torch.full((2, 3, *size), 0.25)
    found = restore_regions(Brighter(), y, side=16)
    torch.testing.assert_close(found.image, torch.full_like(y, 0.5))
    ends = {(top + min(16, size[0]), left + min(16, size[1])) for top, left in found.places}
    assert (0, 0) in found.places and size in ends
    assert len(found.places) == len(found.parts)


def test_an_image_no_larger_than_a_region_is_restored_as_a_whole():
    model, y = tiny().eval(), torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    found, whole = restore_regions(model, y, side=32), restore(model, y)
    torch.testing.assert_close(found.image, whole.image)
    assert torch.equal(found.parts[0].kernel, whole.kernel)


def test_regions_are_inferred_by_themselves_and_blend_without_a_seam():
    y = torch.zeros(1, 1, 8, 48)
    y[..., 24:] = 0.5
    found = restore_regions(Brighter(), y, side=16)
    added = (found.image - y)[0, 0, 0]
    assert added[:8].abs().max() == 0
    torch.testing.assert_close(added[-8:], torch.full((8,), 0.5))
    assert (added.diff() >= -1e-6).all() and added.diff().max() < 0.07


def test_what_cannot_be_is_refused():
    y = torch.rand(1, 3, 8, 8)
    with pytest.raises(ValueError, match="side: expected at least 2 pixels, got 1"):
        restore_regions(Brighter(), y, side=1)
    with pytest.raises(ValueError, match="keeps the size"):
        restore_regions(Larger(), y, side=4)
