"""Images without a download: deterministic, and with the statistics they are made for."""

import numpy as np
import pytest
import torch
from matplotlib import get_data_path
from matplotlib.ft2font import FT2Font

from vbl.images import dead_leaves, text_page
from vbl.images.text_pages import FACES, WORDS


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("make, channels", [(dead_leaves, 3), (text_page, 1)])
def test_the_same_seed_gives_the_same_images_in_range(make, channels):
    one, two = (make((40, 56), n=2, generator=seeded()) for _ in range(2))
    assert one.shape == (2, channels, 40, 56)
    assert torch.equal(one, two)
    assert not torch.equal(one[0], one[1])
    assert one.min() >= 0
    assert one.max() <= 1


@pytest.mark.parametrize("make", [dead_leaves, text_page])
def test_one_pixel_is_enough_and_none_is_refused(make):
    assert make((1, 1), generator=seeded()).shape[-2:] == (1, 1)
    with pytest.raises(ValueError, match=r"at least 1, got size=\(0, 5\), n=1"):
        make((0, 5))


@pytest.mark.slow
def test_dead_leaves_have_the_statistics_of_photographs():
    """BSD's training photographs: gradient std 0.06-0.07, kurtosis 17-25, correlation 0.7-0.9."""
    x = dead_leaves((256, 256), n=6, generator=seeded())
    gradient = x.mean(1).diff(dim=-1).flatten().double()
    kurtosis = ((gradient - gradient.mean()) ** 4).mean() / gradient.var() ** 2
    assert 0.05 < gradient.std() < 0.09
    assert 10 < kurtosis < 30
    colours = np.mean([np.corrcoef(image.reshape(3, -1))[0, 1] for image in x.numpy()])
    assert 0.6 < colours < 0.92
    assert ((x == 0) | (x == 1)).double().mean() < 0.05


@pytest.mark.slow
def test_the_power_spectrum_of_dead_leaves_falls_like_that_of_photographs():
    """Photographs: amplitude ~ 1/f^a with a near 1 (0.8 to 1.5)."""
    x = dead_leaves((256, 256), n=6, generator=seeded()).mean(1).double()
    window = torch.hann_window(256, dtype=torch.float64)
    spectrum = torch.fft.fft2((x - x.mean((1, 2), keepdim=True)) * window * window[:, None])
    f = torch.fft.fftfreq(256)
    radius = (f[:, None] ** 2 + f**2).sqrt()
    power = spectrum.abs().square().mean(0)
    rings = [(radius > r) & (radius < 1.3 * r) for r in np.geomspace(0.02, 0.25, 10)]
    amplitude = [power[ring].mean().sqrt().log().item() for ring in rings]
    slope = np.polyfit(np.log([radius[ring].mean().item() for ring in rings]), amplitude, 1)[0]
    assert -1.8 < slope < -0.8


def test_text_is_dark_on_light_paper():
    page = text_page((128, 128), n=4, generator=seeded())
    assert (page.flatten(1).median(1).values > 0.8).all()
    assert (page.amin((1, 2, 3)) < 0.4).all()


def test_a_page_shows_type_of_the_size_that_was_asked_for():
    """Large letters have thicker strokes: less of their ink lies at an edge."""
    edges = []
    for size in (12, 40):
        page = text_page((256, 256), n=6, type_size=(size, size), generator=seeded())
        ink = (page < 0.5).float()
        edges.append((ink.diff(dim=-1).abs().sum() / ink.sum()).item())
    assert edges[0] > 2 * edges[1]


def test_every_typeface_has_every_letter():
    for face in {*FACES, *FACES.values()}:
        known = FT2Font(f"{get_data_path()}/fonts/ttf/{face}.ttf").get_charmap()
        for language, words in WORDS.items():
            letters = {letter for word in words for letter in word + word.upper()}
            missing = [letter for letter in letters if ord(letter) not in known]
            assert not missing, f"{face} cannot print {language}"


def test_a_language_has_words_enough_and_none_twice():
    assert all(25 <= len(set(words)) == len(words) for words in WORDS.values())


@pytest.mark.parametrize("type_size", [(3, 10), (20, 12)])
def test_type_that_cannot_be_set_is_refused(type_size):
    with pytest.raises(ValueError, match="type_size: expected 4 <= smallest <= largest"):
        text_page(type_size=type_size)
