"""The experiments as data: model, degradation, training data, presets.

Every recipe has up to five presets. ``quick`` trains for about a minute on two CPU cores,
``classroom`` for at most ten, ``ship`` for CPU hours (the shipped checkpoints), ``gpu`` for ten to
twenty minutes of a GPU. ``paper`` has the network and the length of the paper's public code and
takes a GPU many hours; `data/papers/training.toml` has what differs.

``RECIPES`` are in the order in which their checkpoints are trained (`vbl.recipes.queue`).
"""

from typing import Any

from vbl.recipes.deblurring import DEBLURRING
from vbl.recipes.denoising import DENOISING
from vbl.recipes.lud_vae import LUD_VAE
from vbl.recipes.recipe import Preset, Recipe
from vbl.recipes.super_resolution import SUPER_RESOLUTION
from vbl.recipes.vdir import VDIR
from vbl.utils import look_up

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (*DENOISING, *SUPER_RESOLUTION, *VDIR, *LUD_VAE, *DEBLURRING)
}


def find_recipe(name: Any) -> Recipe:
    """A recipe by name.

    Raises:
        UnknownName: With the closest names.
    """
    return look_up("recipe", name, RECIPES)
