"""LUD-VAE for degradations learned from unpaired images, and denoisers trained on its pairs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vbl.degradations import Degrade, Degraded, awgn, grain, rough_sr
from vbl.degradations.operators import bicubic_downsample
from vbl.images import ImageSet, Pixels, Sample, open_dataset, open_folder, pack, random_crops
from vbl.models import LUDVAE, LUDVAENeighbours, load, lud_vae, lud_vae_neighbours, supervised
from vbl.recipes.denoising import RESTORER_CLIP, UNET
from vbl.recipes.recipe import Preset, Recipe, presets

SCALE = 4


def unpaired(x: Tensor, degrade: Degrade, *, generator: torch.Generator | None = None) -> Degraded:
    """Unpaired images: half of the crops are x, the other half is degraded to y.

    The true parameters are those of y. All crops are drawn from the same pictures, so a crop that
    is clean now may be degraded in a later step; but no term of the bound depends on two images, so
    this gives no information on pairs.

    Args:
        x: An even number of clean crops.
        degrade: Degradation of the second half.

    Raises:
        ValueError: If the number of crops is odd.
    """
    clean, others = halves(x)
    return replace(degrade(others, generator=generator), x=clean)


def halves(x: Tensor) -> tuple[Tensor, ...]:
    if len(x) % 2:
        raise ValueError(f"batch: expected an even number of crops, half to degrade, got {len(x)}")
    return x.chunk(2)


# Photographs


def noisy_photographs(without: str = "") -> ImageSet:
    """The noisy pictures of PolyU, without their clean partners, of three scenes out of four.

    Args:
        without: A camera that is left out, for instance "NikonD800".
    """
    pairs = open_dataset("polyu100")
    names = [name for name in pairs.names if name not in held_out(pairs.names)]
    names = [name for name in names if not (without and name.startswith(without))]
    return ImageSet("polyu100", {name: partial(_without_partner, pairs, name) for name in names})


def held_out_photographs() -> ImageSet:
    """Pairs of the scenes that are not in `noisy_photographs`."""
    pairs = open_dataset("polyu100")
    return pairs.only(sorted(held_out(pairs.names)))


def held_out(names: Sequence[str]) -> set[str]:
    """The pictures of PolyU for testing: all of every fourth scene."""
    scenes = sorted({_scene(name) for name in names})[::4]
    return {name for name in names if _scene(name) in scenes}


def _scene(name: str) -> str:
    return name.rpartition("_")[0]


def _without_partner(pairs: ImageSet, name: str) -> Sample:
    return Sample(name, pairs[name].degraded)


Pile = ImageSet | Callable[[], ImageSet]  # a function opens it when it is needed


@cache
def packed(pile: Pile, device: torch.device) -> Pixels:
    """A pile of pictures, packed on a device."""
    return pack(pile() if callable(pile) else pile).to(device)


def beside_pile(x: Tensor, *, pile: Pile, generator: torch.Generator | None = None) -> Degraded:
    """Unpaired images: half of the clean crops, and as many crops of a pile of noisy pictures.

    Raises:
        ValueError: If the number of crops is odd.
    """
    clean, others = halves(x)
    pixels = packed(pile, x.device)
    return Degraded(random_crops(pixels, x.shape[-1], len(others), generator=generator), clean)


slightly_noisy = partial(awgn, std=5 / 255)  # for validation: about the photographs' noise level


# Small images: Eq. (24)


def small_unpaired(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """Unpaired images: half of the crops by `bicubic_downsample`, half by `rough_sr`."""
    clean, others = halves(x)
    y = rough_sr(others, generator=generator).y
    return Degraded(y, bicubic_downsample(clean, SCALE).clamp(0, 1))


def small_pairs(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """Pairs: the same image downsampled in both ways."""
    y = rough_sr(x, generator=generator).y
    return Degraded(y, bicubic_downsample(x, SCALE).clamp(0, 1))


# Denoisers trained on generated pairs


@cache
def translator(name: str, device: torch.device) -> lud_vae.LUDVAE:
    """A LUD-VAE by name or file, on a device; read once."""
    return load(name, device=device)


def translated(
    x: Tensor, *, by: str, pair: str = "C2N", generator: torch.Generator | None = None
) -> Degraded:
    """Pairs generated from clean images by the LUD-VAE `by`, a shipped one or a file."""
    return translator(by, x.device).translate(x, pair=pair, generator=generator)


# Levels at a quarter, half and full resolution can be trained on a CPU. h adds less noise than in
# the paper, where the noise to hide is stronger.
SMALL = {"prior": "scale", "std_x": 30 / 255, "std_y": 15 / 255, "factors": (4, 2, 1)}
FAINT = {"std_x": 10 / 255, "std_y": 7 / 255, "std": 1 / 255}
# For correlated noise: the noise of h and the posterior are correlated, too. Then half as many
# latents are enough, and a larger s, since the latents need not encode the noise as exactly.
ALIKE = {
    "std": 5 / 255,
    "std_x": 25 / 255,
    "hiding": "correlated",
    "neighbours": 3,
    "latent": 4,
    "annealed": 1200,
}
# gradient norms are larger in the first fifty steps, later mostly smaller
CLIP = {"content": 1e3, "noise": 1e2, "decoder": 1e3}


def _presets(
    steps: int,
    *,
    size: int = 32,
    small: Mapping[str, Any] = SMALL,
    ships: Mapping[str, Any] | None = None,
    schedule: Mapping[str, Any] | None = None,
    paper: Mapping[str, Any] | None = None,
    config: type[lud_vae.Config] = lud_vae.Config,
) -> dict[str, Preset]:
    """The presets of one task, with settings of all but "paper", of "ship", and of "paper"."""
    tiny = partial(config, width=24, latent=4, **small)
    ship = {"width": 32, "latent": 8, "annealed": 300, **small, **(ships or {})}
    return presets(
        {
            "quick": tiny(annealed=135),
            "classroom": tiny(annealed=300),
            "ship": config(**ship),
            "gpu": config(**ship | {"width": 128, "latent": 16, "annealed": 1000}),
            "paper": config(annealed=10_000, **(paper or {})),
        },
        {"quick": 450, "classroom": 3000, "ship": steps, "gpu": 12_000, "paper": 200_000},
        batch=32,
        size=size,
        lr=1e-3,
        clip=CLIP,
        ship=schedule,
        gpu={"batch": 128, "size": 2 * size, "lr": 5e-4},
        paper={"batch": 16, "size": 2 * size, "lr": 1e-4, "warmup": 0.0},
    )


KNOWS = lud_vae_neighbours.Config
GRAIN = (("cbsd68", {"protocol": "grain"}),)

LUD_VAE_CORRELATED = Recipe(
    name="lud-vae-correlated",
    about="LUD-VAE for a grain it never sees beside the clean picture",
    model=LUDVAENeighbours,
    degrade=partial(unpaired, degrade=grain),
    validate=grain,
    scores=GRAIN,
    presets=_presets(6000, ships=ALIKE, schedule={"batch": 16, "lr": 2e-3}, config=KNOWS),
)

LUD_VAE_REAL = Recipe(
    name="lud-vae-real",
    about="LUD-VAE for the noise of photographs, beside other, clean pictures",
    model=LUDVAE,
    degrade=partial(beside_pile, pile=noisy_photographs),
    validate=slightly_noisy,
    scores=(("cc15", {}),),  # not PolyU, whose noisy photographs are training data
    presets=_presets(1200, small=SMALL | FAINT),
)


def learn_noise_of(folder: str | Path) -> Recipe:
    """`LUD_VAE_REAL` for a folder of your own noisy photographs, without clean partners.

    The paper's experiment, with the noisy images of SIDD, is
    ``fit(learn_noise_of("sidd/noisy"), preset="paper", data="sidd/clean")``.
    """
    degrade = partial(beside_pile, pile=partial(open_folder, folder))
    return replace(LUD_VAE_REAL, name="lud-vae-photographs", degrade=degrade)


LUD_VAE_SMALL = Recipe(
    name="lud-vae-small",
    about="LUD-VAE for what a camera does to small images beside reducing them",
    model=LUDVAENeighbours,
    degrade=small_unpaired,
    validate=small_pairs,
    presets=_presets(
        3000,
        size=32 * SCALE,
        ships=ALIKE | {"std_x": 20 / 255, "annealed": 600},  # this grain is weaker
        schedule={"batch": 16, "lr": 2e-3},
        paper={"std_x": 15 / 255, "std_y": 10 / 255},
        config=KNOWS,
    ),
)

CORRELATED_DENOISER = Recipe(
    name="lud-vae-correlated-denoiser",
    about="A denoiser for the grain, from pairs that lud-vae-correlated has made",
    model=supervised.Supervised,
    degrade=partial(translated, by="lud-vae-correlated", pair="added"),
    validate=grain,
    scores=GRAIN,
    presets=presets(
        dict.fromkeys(("quick", "ship"), supervised.Config("ResUNet", UNET["quick"])),
        {"quick": 400, "ship": 1200},
        size=32,
        clip=RESTORER_CLIP,
    ),
)

REAL_DENOISER = replace(
    CORRELATED_DENOISER,
    name="lud-vae-real-denoiser",
    about="A denoiser for photographs, from pairs that lud-vae-real has made",
    degrade=partial(translated, by="lud-vae-real", pair="added"),
    validate=slightly_noisy,
    scores=LUD_VAE_REAL.scores,
)

LUD_VAE = (LUD_VAE_CORRELATED, LUD_VAE_REAL, LUD_VAE_SMALL, CORRELATED_DENOISER, REAL_DENOISER)
