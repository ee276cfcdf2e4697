"""Pages and photographs as VBDeblurNet is trained on them, and its twin."""

import dataclasses

import torch
from tiny_deblurring import parameters, seeded

from vbl.degradations import printed, shaken
from vbl.models.vbdeblur import TERMS
from vbl.recipes import RECIPES
from vbl.synthetic import text_page


def test_pages_are_printed_in_colours_and_repeat_with_their_seed():
    x = text_page((40, 48), n=8, generator=seeded())
    one, again = (printed(x, generator=seeded(5)) for _ in range(2))
    assert torch.equal(one.y, again.y) and one.x.shape == (8, 3, 40, 48)
    assert one.x.min() >= 0 and one.x.max() <= 1
    assert (one.x.std((2, 3)).min(1).values > 0.01).all()
    assert (one.x.mean((2, 3)).std(1) > 1e-3).all()  # the channels differ
    assert one.noise_var.max() <= (7 / 255) ** 2


def test_one_picture_in_four_is_out_of_focus_and_the_others_are_shaken():
    x = torch.zeros(2000, 1, 1, 1)
    kernel = shaken(x, 9, generator=seeded()).kernel
    torch.testing.assert_close(kernel.sum((1, 2, 3)), torch.ones(2000))
    even = (kernel - kernel.mT).abs().amax((1, 2, 3)) < 1e-6
    assert 0.2 < even.double().mean() < 0.3


def test_the_twin_differs_by_its_likelihood_alone():
    recipe, twin = RECIPES["vbdeblur-text"], RECIPES["vbdeblur-text-mse"]
    assert recipe.presets.keys() == twin.presets.keys()
    for name, preset in recipe.presets.items():
        config = dataclasses.replace(twin.presets[name].config, trained=TERMS)
        assert dataclasses.replace(twin.presets[name], config=config) == preset
    assert (recipe.degrade, recipe.data) == (twin.degrade, twin.data)


def test_kernel_net_is_small_where_a_class_trains_it():
    for name in ("vbdeblur-text", "vbdeblur-natural"):
        recipe = RECIPES[name]
        model = recipe.model(recipe.presets["classroom"].config)
        assert parameters(model.kernel) < 500_000
