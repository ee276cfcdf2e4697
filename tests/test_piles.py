"""Piles of pictures: what is seen of their noise, and the strength of a noise that was learned."""

import pytest
import torch

from vbl.degradations import awgn, correlated, poisson_gaussian
from vbl.figures.without_truth import cut_alike, split_half
from vbl.images import ImageSet, Sample, dead_leaves
from vbl.images.piles import (
    doubts,
    facts_of,
    fine_strength,
    flat_spectrum,
    prepared,
    quiet_noise,
)
from vbl.models import supervised
from vbl.recipes import matching


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pile(images, name="pile"):
    load = {f"{i:03d}": lambda i=i: Sample(f"{i:03d}", images[i]) for i in range(len(images))}
    return ImageSet(name, load)


@pytest.fixture(scope="module")
def scenes():
    """Three pictures of leaves, (1, 3, 160, 160)."""
    return [dead_leaves((160, 160), generator=seeded(i)) for i in range(3)]


def in_8_bits(image):
    return (image.clamp(0, 1) * 255).round() / 255


def test_the_noise_of_quiet_blocks_is_that_of_a_flat_picture():
    flat = torch.full((1, 3, 256, 256), 0.5)
    for make, lag in ((awgn, 0.0), (correlated, 2 / 3)):
        std, found = quiet_noise([make(flat, 0.05, generator=seeded()).y])
        assert 0.035 < std < 0.05  # the quietest of many are quieter than the mean
        assert found == pytest.approx(lag, abs=0.1)


def test_the_finest_detail_of_white_noise_is_its_standard_deviation_at_each_brightness():
    ramp = torch.linspace(0.2, 0.8, 256).expand(1, 1, 256, 256)
    noise = torch.randn(8, 1, 256, 256, generator=seeded())
    noisy = (ramp + (0.02 + 0.08 * ramp) * noise).split(1)
    for i, std in enumerate(fine_strength(noisy, 32)[0].tolist()):
        if 8 <= i < 24:
            assert std == pytest.approx(0.02 + 0.08 * (i + 0.5) / 32, rel=0.12)


def test_a_dim_stack_of_16_bits_is_spread_over_its_levels_and_a_picture_of_8_bits_is_not(scenes):
    grey = [image[:, :1] for image in scenes]
    dim = [poisson_gaussian(x, 60.0, generator=seeded(i)).y for i, x in enumerate(grey)]
    deep = pile([(0.01 + 0.04 * y.clamp(0, 1)) for y in dim])
    facts = facts_of(deep)
    assert facts.deep and facts.channels == 1
    low, high = facts.levels
    assert 0.002 < low < 0.015 and 0.045 < high < 0.06
    image = prepared(deep, facts.channels, facts.levels)["000"].image
    assert image.shape[1] == 1 and image.min() >= 0 and image.max() <= 1 and image.std() > 0.1
    shallow = facts_of(pile([in_8_bits(x) for x in scenes]))
    assert not shallow.deep and shallow.channels == 3 and shallow.levels == (0, 1)


def test_grey_and_colour_pictures_take_the_form_that_is_asked_for(scenes):
    both = pile([scenes[0], scenes[1][:, :1]])
    assert [s.image.shape[1] for s in prepared(both, 3)] == [3, 3]
    assert [s.image.shape[1] for s in prepared(both, 1)] == [1, 1]


def test_a_clean_pile_that_is_noisy_itself_is_doubtful(scenes):
    noisy = [in_8_bits(awgn(x, 0.06, generator=seeded(i)).y) for i, x in enumerate(scenes)]
    facts = {"noisy": facts_of(pile(noisy)), "clean": facts_of(pile(noisy[::-1]))}
    assert any("half of it or less" in doubt for doubt in doubts(facts))
    facts["clean"] = facts_of(pile([in_8_bits(x) for x in scenes]))
    assert not any("half of it or less" in doubt for doubt in doubts(facts))


def upscaled(image):
    return torch.nn.functional.interpolate(image, scale_factor=1.6, mode="bilinear")


def hues(generator):
    """A noise of three channels that are alike, each with its own strength."""
    mix = torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 0.4]])
    return torch.einsum("ij,bjhw->bihw", mix, torch.randn((1, 3, 256, 256), generator=generator))


def test_the_spectrum_of_a_flat_picture_is_the_covariance_of_its_noise():
    noise = 0.03 * hues(seeded())
    found = flat_spectrum([0.5 + noise])[3:6, 2:7].mean((0, 1))
    assert torch.allclose(found, noise[0].flatten(1).cov(), atol=0.1 * 0.03**2)


def test_few_textures_and_clipped_blocks_do_not_move_a_spectrum():
    noise = 0.03 * hues(seeded())
    image = 0.5 + noise
    expected = flat_spectrum([image])[3:6, 2:7].mean((0, 1))
    image[..., :64, :] = 0.5 + 0.5 * torch.rand((1, 1, 64, 256), generator=seeded(1)).round()
    image[..., :64] = (1.01 + noise[..., :64]).clamp(max=1)
    found = flat_spectrum([image])[3:6, 2:7].mean((0, 1))
    assert torch.allclose(found, expected, atol=0.15 * 0.03**2)


def some_covariances(count, generator):
    factor = torch.randn((count, 3, 3), generator=generator, dtype=torch.float64)
    return factor @ factor.mT + 0.1 * torch.eye(3)


def test_the_transport_gives_a_noise_the_covariance_that_is_wanted_and_changes_it_least():
    made, wanted = (some_covariances(20, seeded(i)) for i in range(2))
    a = matching.transport(made, wanted)
    assert torch.allclose(a @ made @ a.mT, wanted, atol=1e-9)
    assert torch.allclose(a, a.mT) and (torch.linalg.eigvalsh(a) > 0).all()

    def change(turn):
        """E |B n - n|² for n ~ N(0, M), with another B for which B M Bᵀ = T."""
        b = torch.linalg.cholesky(wanted) @ turn @ torch.linalg.inv(torch.linalg.cholesky(made))
        d = b - torch.eye(3)
        return (d @ made @ d.mT).diagonal(dim1=-2, dim2=-1).sum(-1)

    d = a - torch.eye(3)
    least = (d @ made @ d.mT).diagonal(dim1=-2, dim2=-1).sum(-1)
    for i in range(20):
        turn = torch.linalg.qr(some_covariances(20, seeded(i)))[0]
        assert (change(turn) >= least).all()


def test_the_match_makes_up_for_the_strength_the_hues_and_the_spectrum_that_a_noise_lacks(
    scenes, monkeypatch
):
    def made(source, x, *, generator=None):
        return 0.05 * hues(generator)

    monkeypatch.setattr(matching, "unmatched_noise", made)
    large = [upscaled(x) for x in scenes]  # so that blocks are flat
    truth = [correlated(x, 0.08, generator=seeded(i)) for i, x in enumerate(large)]
    noisy = pile([pair.y.clamp(0, 1) for pair in truth])
    match = matching.matching(1.0, pile(large), noisy)
    kernel, gain = torch.tensor(match.kernel), torch.tensor(match.gain)
    assert kernel.shape == (3, 3, 15, 15) and gain.shape == (3, 8)
    flat = torch.full((1, 3, 256, 256), 0.5)
    noise = matching.filtered(hues(seeded(9)) * 0.05, kernel)
    noise = matching.amplified(flat, noise, gain) - flat
    assert noise.std().item() == pytest.approx(0.08, rel=0.15)
    table = torch.corrcoef(noise[0].flatten(1))
    assert (table - torch.eye(3)).abs().max() < 0.15  # 0.4 and more without the filter
    next_pixel = (noise[..., 1:] * noise[..., :-1]).mean() / noise.square().mean()
    assert next_pixel.item() == pytest.approx(2 / 3, abs=0.1)


def test_white_noise_becomes_as_strong_and_as_correlated_as_the_noisy_pile_s(scenes):
    large = [upscaled(x) for x in scenes]
    truth = [correlated(x, 0.08, generator=seeded(i)) for i, x in enumerate(large)]
    noisy = pile([pair.y.clamp(0, 1) for pair in truth])
    match = matching.matching(0.03, pile(large), noisy)
    flat = torch.full((4, 3, 256, 256), 0.5)
    noise = matching.noise_maker(0.03, match)(flat, generator=seeded(9)).y - flat
    assert noise.std().item() == pytest.approx(0.08, rel=0.15)
    next_pixel = (noise[..., 1:] * noise[..., :-1]).mean() / noise.square().mean()
    assert next_pixel.item() == pytest.approx(2 / 3, abs=0.1)


def test_noise_is_amplified_by_the_gain_of_its_brightness():
    x = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]).view(1, 1, 1, 5)
    y = matching.amplified(x, torch.full_like(x, 0.01), torch.tensor([[1.0, 3.0]]))
    assert torch.allclose(y - x, torch.tensor([0.01, 0.01, 0.02, 0.03, 0.0]).view_as(x), atol=1e-6)


class Smoother(torch.nn.Module):
    """A denoiser that averages 3 x 3 pixels."""

    def restore(self, y):
        from vbl.models import Restoration

        return Restoration(torch.nn.functional.avg_pool2d(y, 3, 1, 1, count_include_pad=False))


def test_split_halves_give_the_mean_squared_error_without_the_truth(scenes):
    x = scenes[0].expand(8, -1, -1, -1)
    burst = awgn(x, 0.1, generator=seeded()).y
    half = split_half(Smoother(), burst)
    restored = Smoother().restore(burst).image
    for found, images in ((half.noisy, burst), (half.restored, restored)):
        assert found == pytest.approx(-10 * (images - x).square().mean().log10().item(), abs=0.05)
    assert half.drift == pytest.approx(1, abs=0.05)


def test_a_burst_that_moved_has_a_drift(scenes):
    still = scenes[0].expand(4, -1, -1, -1)
    burst = awgn(torch.cat([still, still.roll(3, -1)]), 0.05, generator=seeded()).y
    assert split_half(Smoother(), burst).drift > 1.5
    with pytest.raises(ValueError, match="burst: expected 4 exposures or more, found 3"):
        split_half(Smoother(), burst[:3])


def test_pictures_of_a_pile_are_cut_to_squares_of_one_size(scenes):
    images = [scenes[0], scenes[1][..., :101, :]]
    assert cut_alike(pile(images)).shape == (2, 3, 100, 100)


def test_a_denoiser_restores_on_the_levels_of_its_pile(scenes):
    options = {"widths": (4, 8), "blocks": 1, "in_channels": 1, "out_channels": 1}
    torch.manual_seed(0)
    plain = supervised.Supervised(supervised.Config("ResUNet", options)).eval()
    levels = supervised.Config("ResUNet", options, levels=(0.01, 0.05))
    dim = supervised.Supervised(levels).eval()
    dim.load_state_dict(plain.state_dict())
    x = scenes[0][:, :1]
    found, expected = dim.restore(0.01 + 0.04 * x).image, plain.restore(x).image
    assert torch.allclose((found - 0.01) / 0.04, expected, atol=1e-4)
    with pytest.raises(ValueError, match="levels: expected two rising values"):
        supervised.Config("ResUNet", options, levels=(1.0, 0.0))
