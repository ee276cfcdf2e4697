"""LUD-VAE and a denoiser for the noise of a pile, with settings that follow from that noise."""

import math
from dataclasses import replace
from functools import partial

from vbl.degradations import Degrade
from vbl.images import ImageSet
from vbl.images.piles import Facts
from vbl.models import LUDVAENeighbours, lud_vae_neighbours, supervised
from vbl.recipes.denoising import UNET
from vbl.recipes.lud_vae import LUD_VAE_REAL, REAL_DENOISER, SMALL, beside_pile
from vbl.recipes.recipe import Recipe

NEIGHBOURS_ALIKE = 0.1  # correlation above which the noise is taken for correlated
FAINTEST = 5 / 255  # the settings for this noise are those for any that is fainter
SCHEDULE = {"batch": 16, "lr": 2e-3}
SIZES = {"width": 24, "latent": 4, "prior": "scale", "factors": SMALL["factors"]}
MOST_ALIKE = 0.6  # correlation, of noise alone, that is believed


def noise_recipe(pile: ImageSet, facts: Facts, name: str = "adapt-noise") -> Recipe:
    """LUD-VAE for a pile of noisy pictures, beside a pile of clean ones that it is trained on.

    How much h hides, the width s of the decoder, and whether noise and posterior are correlated
    follow from the pile's finest detail and quiet blocks.

    Args:
        pile: The noisy pictures, `prepared`.
        facts: What is known of them.
        name: Of the recipe.
    """
    preset = LUD_VAE_REAL.presets["ship"]
    config = noise_config(facts)
    degrade = partial(beside_pile, pile=pile)
    ship = replace(preset, config=config, **SCHEDULE)
    validate = partial(LUD_VAE_REAL.validate, std=noise_std(facts))
    return replace(
        LUD_VAE_REAL,
        name=name,
        about="LUD-VAE for the noise of your pictures",
        model=LUDVAENeighbours,
        degrade=degrade,
        validate=validate,
        scores=(),
        presets={"ship": ship},
    )


def noise_config(facts: Facts) -> lud_vae_neighbours.Config:
    """Constants of LUD-VAE for a noise: those of chapter 7 for the grain, in proportion to it."""
    std, alike = noise_std(facts), facts.lag > NEIGHBOURS_ALIKE
    std_y = max(7 / 255, 0.75 * std)
    return lud_vae_neighbours.Config(
        channels=facts.channels,
        std=max(1 / 255, std / 4),
        std_x=math.hypot(std, std_y),
        std_y=std_y,
        hiding="correlated" if alike else "white",
        neighbours=3 if alike else 0,
        annealed=200,
        **SIZES,
    )


def noise_std(facts: Facts) -> float:
    """About the standard deviation of the noise of a pile, from its finest detail.

    Diagonal differences of noise of variance v whose neighbours have the correlation r, and
    diagonal ones r², have the variance v (1 - r)².
    """
    return max(FAINTEST, facts.fine / (1 - min(max(facts.lag, 0), MOST_ALIKE)))


def denoiser_recipe(degrade: Degrade, facts: Facts, name: str = "adapt-denoiser") -> Recipe:
    """A denoiser, trained on pairs that are made of clean pictures.

    Args:
        degrade: What makes them, for instance `noise_maker`'s.
        facts: What is known of the noisy pile.
        name: Of the recipe.
    """
    preset = REAL_DENOISER.presets["ship"]
    options = {**UNET["quick"], "in_channels": facts.channels, "out_channels": facts.channels}
    config = supervised.Config("ResUNet", options)
    return replace(
        REAL_DENOISER,
        name=name,
        about="A denoiser for your pictures, from pairs with their noise",
        degrade=degrade,
        validate=partial(REAL_DENOISER.validate, std=noise_std(facts)),
        scores=(),
        presets={"ship": replace(preset, config=config)},
    )
