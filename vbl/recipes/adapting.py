"""LUD-VAE and a denoiser for the noise of a pile, with settings that follow from that noise."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vbl.degradations import Degrade, Degraded
from vbl.images import ImageSet, Pixels, pack, random_crops
from vbl.images.piles import Facts, fine_strength, some_of
from vbl.models import LUDVAE, LUDVAENeighbours, load, lud_vae_neighbours, supervised
from vbl.recipes.denoising import UNET
from vbl.recipes.lud_vae import LUD_VAE_REAL, REAL_DENOISER, SMALL, halves, translator
from vbl.recipes.recipe import Recipe
from vbl.utils import seeded

NEIGHBOURS_ALIKE = 0.1  # correlation above which the noise is taken for correlated
FAINTEST = 5 / 255  # the settings for this noise are those for any that is fainter
SCHEDULE = {"batch": 16, "lr": 2e-3}
SIZES = {"width": 24, "latent": 4, "prior": "scale", "factors": SMALL["factors"]}
MOST_ALIKE = 0.6  # correlation, of noise alone, that is believed
ROUNDS, STEP, GAINS = 4, (0.5, 2.0), (0.2, 6.0)  # of the search for a gain


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
        about="A denoiser for your pictures, from pairs that LUD-VAE has made",
        degrade=degrade,
        validate=partial(REAL_DENOISER.validate, std=noise_std(facts)),
        scores=(),
        presets={"ship": replace(preset, config=config)},
    )


Gain = Sequence[Sequence[float]]  # by channel, and by brightness in equal intervals of [0, 1]


def noise_maker(weights: Path, gain: Gain) -> Degrade:
    """The degradation that a LUD-VAE has learned, its noise times a gain."""
    return partial(with_learned_noise, by=str(weights.resolve()), gain=gain)


def with_learned_noise(
    x: Tensor, *, by: str, gain: Gain, generator: torch.Generator | None = None
) -> Degraded:
    """Pairs: clean images, and the same with a LUD-VAE's noise, clipped as values in files are."""
    noise = learned_noise(translator(by, x.device), x, generator=generator)
    return Degraded(_amplified(x, noise, torch.tensor(gain, device=x.device)), x)


@torch.no_grad()
def learned_noise(model: LUDVAE, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """Noise that a LUD-VAE has learned, of mean zero at every pixel: (d(z, a) - d(z, b))/√2.

    a and b are two draws of z_n. The difference d(z, a) - d(z, 0) would also have what the decoder
    draws otherwise in noisy pictures than in clean ones, such as a tint.

    Args:
        model: A LUD-VAE.
        x: Clean images.
    """
    z = model.content(model.hide(x, model.config.std_x, generator=generator))
    a, b = (model.decode(z, model.from_prior(generator=generator)) for _ in range(2))
    return (a - b) / math.sqrt(2)


def _amplified(x: Tensor, noise: Tensor, gain: Tensor) -> Tensor:
    """x plus noise times a gain, interpolated between the middles of its intervals."""
    count = gain.shape[1]
    place = (x * count - 0.5).clamp(0, count - 1)
    low = place.long()
    first = count * torch.arange(len(gain), device=x.device).view(1, -1, 1, 1)
    values = gain.to(x).flatten()
    below, above = (values[first + i] for i in (low, (low + 1).clamp(max=count - 1)))
    return (x + (below + (place - low) * (above - below)) * noise).clamp(0, 1)


@torch.no_grad()
def matching_gain(weights: Path, clean: ImageSet, noisy: ImageSet) -> list[list[float]]:
    """The gain at which noise that is made is as strong as the noisy pile's, at each brightness.

    After a short training LUD-VAE makes too weak a noise. But how strong it should be can be seen
    without pairs: in the `fine_strength` of the noisy pile, less what the clean pile has of it.

    Args:
        weights: Of the LUD-VAE.
        clean: The clean pictures, `prepared`.
        noisy: The noisy pictures, `prepared`.
    """
    pictures = [_middle(image) for image in some_of(clean)]
    own = fine_strength(pictures).nan_to_num().square()
    target = fine_strength(some_of(noisy)).square() - own
    model = load(str(weights))
    noises = [
        learned_noise(model, x, generator=seeded("cpu", "match", i)) for i, x in enumerate(pictures)
    ]
    gain = torch.ones_like(target)
    for _ in range(ROUNDS):
        made = [_amplified(x, noise, gain) for x, noise in zip(pictures, noises, strict=True)]
        ratio = target / (fine_strength(made).square() - own)
        step = ratio.where(ratio > 0, torch.nan).sqrt().clamp(*STEP)
        usual = step.nanmedian(1, keepdim=True).values.nan_to_num(1.0)
        gain = _smooth(gain * step.where(~step.isnan(), usual)).clamp(*GAINS)
    return gain.tolist()


def _smooth(gain: Tensor) -> Tensor:
    """Each gain as the geometric mean of its own twice, and of its neighbours' in brightness."""
    log = F.pad(gain.log()[None], (1, 1), mode="replicate")[0]
    return ((log[:, :-2] + 2 * log[:, 1:-1] + log[:, 2:]) / 4).exp()


def _middle(image: Tensor, side: int = 256) -> Tensor:
    """At most `side` pixels in the middle of an image, each way."""
    top, left = (max(0, (n - side) // 2) for n in image.shape[-2:])
    return image[..., top : top + side, left : left + side]


def beside_pile(x: Tensor, *, pile: ImageSet, generator: torch.Generator | None = None) -> Degraded:
    """Unpaired images: half of the clean crops, and as many crops of a pile of noisy pictures.

    Raises:
        ValueError: If the number of crops is odd.
    """
    clean, others = halves(x)
    pixels = _packed(pile, x.device)
    return Degraded(random_crops(pixels, x.shape[-1], len(others), generator=generator), clean)


@cache
def _packed(pile: ImageSet, device: torch.device) -> Pixels:
    return pack(pile).to(device)
