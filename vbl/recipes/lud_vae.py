"""LUD-VAE: the noise of images that have no clean partner."""

from dataclasses import replace

import torch
from torch import Tensor

from vbl.degradations import Degraded, correlated
from vbl.models import lud_vae
from vbl.pipeline import Degrade
from vbl.recipes.recipe import BERKELEY, Preset, Recipe


def unpaired(x: Tensor, degrade: Degrade, *, generator: torch.Generator | None = None) -> Degraded:
    """Half of the crops as they are and the other half degraded: x and y show different scenes.

    What is known of the degradation is that of y. The crops of a batch were drawn from the same
    pictures, so that what is clean now may come back degraded later; but no term of the bound has
    two images in it, and no step can tell.

    Args:
        x: An even number of clean crops.
        degrade: Of the second half.
        generator: Source of randomness.

    Raises:
        ValueError: If their number is odd.
    """
    if len(x) % 2:
        raise ValueError(f"batch: expected an even number of crops, half to degrade, got {len(x)}")
    clean, others = x.chunk(2)
    return replace(degrade(others, generator=generator), x=clean)


def grainy(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """Noise with neighbours alike, the more of it the brighter: of std 10/255 to 30/255.

    It has the correlation of `vbl.degradations.correlated`, and the std 20/255 (½ + x).
    """
    noise = correlated(torch.zeros_like(x), 1.0, generator=generator).y
    std = 20 / 255 * (0.5 + x)
    return Degraded(x + std * noise, x, noise_var=std**2)


def grainy_unpaired(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """The same of half of the crops, the others clean."""
    return unpaired(x, grainy, generator=generator)


# Levels at a quarter, half and full resolution are what a CPU can train. h adds less than in the
# paper, whose noise is stronger.
SMALL = {"std_x": 30 / 255, "std_y": 15 / 255, "factors": (4, 2, 1)}
CLASSROOM = lud_vae.Config(**SMALL, width=24, latent=4, annealed=900)
# norms of the first fifty steps are larger, later ones mostly smaller
CLIP = {"content": 1e3, "noise": 1e2, "decoder": 1e3}
SEEN = {"batch": 32, "size": 32, "lr": 1e-3, "clip": CLIP}

LUD_VAE_CORRELATED = Recipe(
    name="lud-vae-correlated",
    about="LUD-VAE for a grain it never sees beside the clean picture",
    model=lud_vae.LUDVAE,
    degrade=grainy_unpaired,
    validate=grainy,
    data=BERKELEY,
    presets={
        "quick": Preset(config=replace(CLASSROOM, annealed=135), steps=450, **SEEN),
        "classroom": Preset(config=CLASSROOM, steps=3000, **SEEN),
        "ship": Preset(
            config=lud_vae.Config(**SMALL, width=32, latent=8, annealed=3000),
            steps=10_000, **SEEN | {"size": 48},
        ),
        "paper": Preset(
            config=lud_vae.Config(annealed=10_000), steps=200_000, lr=1e-4, warmup=0.0,
            clip=CLIP, compile=True,
        ),
    },
)  # fmt: skip

LUD_VAE = (LUD_VAE_CORRELATED,)
