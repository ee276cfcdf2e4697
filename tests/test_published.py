"""The presets "paper" beside what was published: nothing that differs goes unsaid."""

from dataclasses import replace

import pytest
from vbl_published import ABOUT, COUNTED, differences, published

from vbl.recipes import RECIPES

OWN = {"resunet", "dncnn", "vbdeblur-text-mse"}  # baselines of the book, in none of the papers


def test_every_recipe_of_a_paper_is_compared():
    with_paper = {name for name, recipe in RECIPES.items() if "paper" in recipe.presets}
    assert set(published()) == with_paper - OWN


@pytest.mark.parametrize("name", published())
def test_what_was_published_can_be_compared(name):
    told, preset = published()[name], RECIPES[name].presets["paper"]
    assert told["source"] and set(told) <= set(ABOUT)
    for setting in told["config"]:
        assert hasattr(preset.config, setting), setting
    assert all(len(row) == 3 for row in told["further"])
    rows = list(differences(RECIPES[name], told))
    assert all(row.here and row.published and "|" not in "".join(row) for row in rows)
    assert len({row.what for row in rows}) == len(rows)


@pytest.mark.parametrize("setting", COUNTED)
def test_a_changed_preset_shows(setting):
    recipe, told = RECIPES["virnet-denoise"], published()["virnet-denoise"]
    whole = [row.what for row in differences(recipe, told)]
    preset = recipe.presets["paper"]
    changed = {"warmup": 0.5}.get(setting, 3 * getattr(preset, setting))
    other = replace(recipe, presets={"paper": replace(preset, **{setting: changed})})
    rows = list(differences(other, told))
    assert len(rows) == len(whole) + 1


def test_a_changed_network_shows():
    recipe, told = RECIPES["virnet-denoise"], published()["virnet-denoise"]
    preset = recipe.presets["paper"]
    narrow = replace(preset, config=replace(preset.config, widths=(96, 160)))
    rows = list(differences(replace(recipe, presets={"paper": narrow}), told))
    assert ("`widths`", "96, 160", "96, 192, 288") in rows


def test_lengths_batches_and_networks_of_the_papers_are_theirs():
    for name, told in published().items():
        whole = {row.what for row in differences(RECIPES[name], told)}
        same = {"steps", "batch", "side of a crop", "largest rate", "`widths`", "`estimator`"}
        same -= {row[0] for row in told["further"]}  # where there is no number to compare
        assert not whole & same, name
