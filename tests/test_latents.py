"""What a code has learned: reading off numbers, the map of neighbours, pictures of one size."""

import pytest
import torch
from probability import seeded

from vbl.figures import linear_r2, middles, mmd, neighbours, pooled, squares
from vbl.images import Sample


def rows(n=200, columns=4):
    return torch.randn(n, columns, generator=torch.Generator().manual_seed(0))


def test_pooling_takes_the_mean_of_each_channel():
    code = torch.arange(24.0).view(2, 3, 2, 2)
    assert torch.equal(pooled(code), code.flatten(2).mean(2))


def test_what_depends_linearly_is_read_off_and_chance_is_not():
    features = rows()
    target = features @ torch.tensor([1.0, -2.0, 0.5, 0.0]) + 3
    assert linear_r2(features, target) == pytest.approx(1.0)
    noise = torch.randn(200, generator=torch.Generator().manual_seed(1))
    assert linear_r2(features, noise) < 0.1
    half = target + target.std() * noise
    assert 0.3 < linear_r2(features, half) < 0.7


def test_the_rows_that_are_judged_were_not_fitted():
    features, target = rows(8, 4), torch.randn(8, generator=torch.Generator().manual_seed(2))
    assert linear_r2(features, target) < 0.9  # four rows are fitted by five numbers exactly


def test_neighbours_lie_together_and_the_map_repeats():
    features = rows(120)
    features[60:] += 12
    places = neighbours(features, perplexity=15)
    assert torch.equal(places, neighbours(features, perplexity=15))
    nearest = torch.cdist(places, places).fill_diagonal_(float("inf")).argmin(1)
    assert ((nearest < 60) == (torch.arange(120) < 60)).all()


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="at least four rows, got 3"):
        linear_r2(rows(3), torch.zeros(3))
    with pytest.raises(ValueError, match="perplexity: expected less than 20 rows, got 30"):
        neighbours(rows(20))


def test_squares_lie_side_by_side_in_the_order_of_reading():
    images = torch.arange(2.0 * 5 * 7).view(2, 1, 5, 7)
    cut = squares(images, 2)
    assert cut.shape == (2 * 2 * 3, 1, 2, 2)
    assert torch.equal(cut[1], images[0, :, :2, 2:4])
    assert torch.equal(cut[6 + 3], images[1, :, 2:4, :2])


def test_the_middle_is_in_the_middle_and_small_pictures_are_named():
    image = torch.zeros(1, 3, 9, 7)
    image[..., 4, 3] = 1
    assert middles([Sample("a", image)], 3)[0, 0].nonzero().tolist() == [[1, 1]]
    with pytest.raises(ValueError, match="a: expected at least 8 pixels, got 9 x 7"):
        middles([Sample("a", image)], 8)


def test_mmd_is_what_it_is_for_two_gaussians_and_nothing_for_one():
    # Gaussians of variance v and a Gaussian kernel of width w: every mean of the kernel is known.
    def sample(mean, n=1500, seed=0):
        return mean + torch.randn(n, 1, generator=seeded(seed), dtype=torch.float64)

    a, b = sample(0.0), sample(1.5, seed=1)
    found = mmd(a, b)
    rows = torch.cat([a, b])
    w2 = torch.pdist(rows).median().square()
    factor = (w2 / (w2 + 2)).sqrt()
    expected = 2 * factor * (1 - torch.exp(-(1.5**2) / (2 * (w2 + 2))))
    assert found == pytest.approx(expected.item(), rel=0.05)
    assert abs(mmd(a, sample(0.0, seed=2))) < 3e-3
    small = [mmd(sample(0.0, 5, s), sample(0.0, 5, s + 99)) for s in range(40)]
    assert min(small) < 0 < max(small)
    with pytest.raises(ValueError, match="at least two rows each, got 1 and 5"):
        mmd(a[:1], b[:5])
