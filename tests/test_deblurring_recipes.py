"""Pages and photographs as VBDeblurNet is trained on them, and its twin."""

import dataclasses

import torch
from tiny_deblurring import parameters, seeded

from vbl.degradations import blurred, motion_kernel, printed, shaken
from vbl.images import dead_leaves, text_page, write
from vbl.models.vbdeblur import TERMS
from vbl.recipes import RECIPES
from vbl.recipes.deblurring import learn_to_deblur


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


def test_pairs_of_photographs_are_trained_on_with_the_kernel_that_explains_each(tmp_path):
    x = dead_leaves((40, 40), n=2, generator=seeded())
    y = blurred(x, motion_kernel(5, generator=seeded(2)), 0.0).y.clamp(0, 1)
    for number in range(2):
        write(tmp_path / f"{number}_noisy.png", y[number : number + 1])
        write(tmp_path / f"{number}_clean.png", x[number : number + 1])
    recipe = learn_to_deblur(tmp_path, size=5)
    config = recipe.presets["quick"].config
    assert (config.kernel_size, config.concentration) == (5, 1e3)
    batch = recipe.degrade(torch.zeros(3, 3, 32, 32), generator=seeded())
    again = recipe.degrade(torch.zeros(3, 3, 32, 32), generator=seeded())
    assert torch.equal(batch.y, again.y) and batch.x.shape == (3, 3, 32, 32)
    model = recipe.model(config)
    explained = model.degrade(batch.x, batch.kernel)[..., 3:-3, 3:-3]
    assert (explained - batch.y[..., 3:-3, 3:-3]).abs().mean() < 0.005
    assert model(batch, generator=seeded()).total.isfinite().all()
