"""Figures: pixels arrive unchanged, colours are safe, widgets work without a kernel."""

import io
import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from vbl.degradations import virnet_test_kernels
from vbl.figures import Explore, LiveTerms, as_blocks, plots, show_grid


@pytest.fixture(autouse=True)
def book_style():
    with plt.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def noise(h=60, w=80, c=3):
    return torch.rand(1, c, h, w, generator=torch.Generator().manual_seed(0))


def rendered(figure) -> np.ndarray:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.mark.parametrize("width", [80, 301])
def test_show_draws_every_image_pixel_as_whole_figure_pixels(width):
    image = noise(60, width)
    expected = (image[0].permute(1, 2, 0) * 255).numpy()
    pixels = rendered(plots.show({"a": image, "b": image}))
    factor = max(1, round(1200 / (2 * width)))
    first = pixels[-60 * factor :, : width * factor]
    shown = first[factor // 2 :: factor, factor // 2 :: factor][:60, :width]
    np.testing.assert_allclose(shown, expected, atol=1)


def test_show_refuses_images_of_different_size_and_batches():
    with pytest.raises(ValueError, match="expected images of one size"):
        plots.show({"a": noise(10, 10), "b": noise(10, 12)})
    with pytest.raises(ValueError, match=r"one image \(1, C, H, W\), got \(2, 3, 60, 80\)"):
        plots.show({"a": noise().expand(2, -1, -1, -1)})


def test_panels_have_labels_with_units():
    kernels = dict(zip("abcdefg", virnet_test_kernels(2).split(1), strict=True))
    figure = plots.show_kernels(kernels, columns=4)
    assert figure.axes[4].get_xlabel() == "x (pixels)"
    maps = plots.show_maps({"one": noise(c=1) / 10, "two": noise(c=1) / 5})
    assert maps.axes[-1].get_ylabel() == "noise std (of 255)"
    profile = plots.noise_profile({"white": (noise() + 0.1 * (noise().flip(-1) - 0.5), noise())})
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in profile.axes)
    answers = {"width (pixels)": (torch.arange(5.0), torch.arange(5.0))}
    (ax,) = plots.against_truth(answers, limits={"width (pixels)": (0, 5)}).axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("true", "inferred")
    assert ax.get_xlim() == ax.get_ylim() == (0, 5)


def test_a_grid_has_its_labels_and_one_scale_for_maps_if_asked():
    rows = {"pictures": [noise()[0], noise()], "maps": [noise(c=1), noise(c=1) / 2]}
    axes = show_grid(rows, titles=["first", "second"]).axes
    assert [ax.get_title() for ax in axes[:2]] == ["first", "second"]
    assert [axes[0].get_ylabel(), axes[2].get_ylabel()] == ["pictures", "maps"]
    own = [ax.images[0].get_clim() for ax in axes[2:]]
    shared = [ax.images[0].get_clim() for ax in show_grid(rows, top=0.5).axes[2:]]
    assert own[0][1] == pytest.approx(2 * own[1][1], rel=1e-4) and shared == [(0, 0.5)] * 2


def test_a_grid_refuses_no_pictures_and_other_shapes():
    with pytest.raises(ValueError, match="at least one picture"):
        show_grid({})
    with pytest.raises(ValueError, match=r"1 or 3 channels, got \(2, 3, 60, 80\)"):
        show_grid({"a": [noise().expand(2, -1, -1, -1)]})


def test_blocks_keep_every_pixel():
    image = noise(4, 5)
    assert as_blocks(image, 3).shape == (1, 3, 12, 15)
    assert as_blocks(image, 3)[..., 1::3, 2::3].equal(image)


def line(level):
    figure, ax = plt.subplots(figsize=(2, 1), dpi=50)
    ax.plot([0, level])
    return figure


def explore():
    return Explore(line, alt=lambda level: f"a line up to {level}", axes={"level": [1, 2, 3]})


def test_a_static_widget_holds_every_frame_with_its_alternative_text(monkeypatch):
    monkeypatch.setenv("VBL_STATIC", "1")
    bundle = explore()._repr_mimebundle_()
    page = bundle["text/html"]
    data = json.loads(re.search(r"const data = (.*);", page)[1])
    assert data["alts"] == [f"a line up to {n}" for n in (1, 2, 3)]
    assert len(set(data["frames"])) == 3
    assert all(frame.startswith("data:image/webp;base64,") for frame in data["frames"])
    assert 'aria-valuetext="2"' in page
    assert not re.search(r"https?://", page)
    assert "application/vnd.jupyter.widget-view+json" not in bundle
    assert bundle == explore()._repr_mimebundle_()


def test_a_live_widget_redraws_when_a_slider_moves(monkeypatch):
    monkeypatch.delenv("VBL_STATIC", raising=False)
    box = explore()._live()
    slider, picture = box.children[:2]
    before = picture.value
    slider.value = 3
    assert picture.value != before
    assert picture.alt == "a line up to 3"


def test_a_film_shows_its_last_frame_and_waits_to_be_played(monkeypatch):
    film = Explore(
        line, alt=lambda level: f"a line up to {level}", axes={"level": [1, 2, 3]}, film=True
    )
    page = film.to_html()
    assert '<button type="button">Play</button>' in page
    assert 'alt="a line up to 3"' in page
    monkeypatch.delenv("VBL_STATIC", raising=False)
    play, slider, picture = film._live().children[:3]
    play.value = 1
    assert (slider.value, picture.alt) == (2, "a line up to 2")


def test_a_widget_without_values_is_refused():
    with pytest.raises(ValueError, match="expected at least one argument with values"):
        Explore(line, alt=str, axes={"level": []})


def history(steps):
    """Rows of a run, as `vbl.training.run` writes them; every tenth is validated."""
    return [
        {
            "step": step,
            "images": 16 * step,
            "seconds": 6.0 * step,
            "terms": {"noisy image": -1e6 / step, "KL clean image": 1e8 / step},
        }
        | ({"psnr": 20 + step / 10} if step % 10 == 0 else {})
        for step in range(1, steps + 1)
    ]


def test_every_named_term_has_its_panel_in_nats_per_pixel():
    figure = plots.training_terms(history(20), pixels=100)
    assert [ax.get_title() for ax in figure.axes] == [
        "noisy image",
        "KL clean image",
        "held-out pictures",
    ]
    assert figure.axes[1].lines[0].get_ydata()[-1] == pytest.approx(1e8 / 20 / 100)
    assert list(figure.axes[2].lines[0].get_xdata()) == [10, 20]
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)


def test_learning_curves_are_against_minutes_or_images():
    runs = {"a": history(20), "b": history(30)}
    minutes = plots.learning_curves(runs).axes[0]
    images = plots.learning_curves(runs, against="images").axes[0]
    assert list(minutes.lines[0].get_xdata()) == [1.0, 2.0]
    assert list(images.lines[1].get_xdata()) == [160, 320, 480]
    assert "minutes" in minutes.get_xlabel() and "crops" in images.get_xlabel()
    with pytest.raises(ValueError, match="'minutes' or 'images', got 'euros'"):
        plots.learning_curves(runs, against="euros")


def test_live_terms_are_drawn_once_and_then_replaced(monkeypatch):
    monkeypatch.delenv("VBL_STATIC", raising=False)
    shown, updated = [], []

    class Handle:
        def update(self, figure):
            updated.append(figure)

    def display(figure, display_id):
        shown.append(figure)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    live = LiveTerms()
    for steps in (10, 20, 30):
        live(history(steps))
    assert (len(shown), len(updated)) == (1, 2)
    monkeypatch.setenv("VBL_STATIC", "1")
    live(history(40))
    assert len(updated) == 2
