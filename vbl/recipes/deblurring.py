"""Deblurring: VBDeblurNet for pages of print and for photographs, and its twin without a bound."""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vbl.degradations import Degraded, printed, shaken
from vbl.degradations.blur import SHAKE
from vbl.images import (
    CATALOG,
    ImageSet,
    Pixels,
    Sample,
    open_dataset,
    open_folder,
    pack,
    random_crops,
)
from vbl.models import vbdeblur
from vbl.recipes.recipe import Preset, Recipe, presets
from vbl.restoration import kernel_of_pair

# Norms of the gradient of the loss, which counts the bound per value of an image. The restorer's is
# the gradient of the squared error at a scale of 1/(2 eps0²), Kernel-Net's that of KL_h.
CLIP = {"restorer": 1e3, "kernel": 1.0}

UNSURE = 1e3  # C where the kernels were only estimated
# The floor takes 0.4 % of a kernel.
SMALL_KERNELS = {"kernel_size": SHAKE, "floor": 5e-5, "estimator": "KernelPlainNet"}
# The residual U-Net learns the faster: after two minutes on a CPU its pages are a decibel better
# than those of the paper's Deblur-Net, which the preset "paper" has.
RESTORER = {
    "quick": {"widths": (16, 32, 48), "blocks": 1},
    "classroom": {"widths": (24, 48, 64), "blocks": 1},
    "ship": {"widths": (32, 64, 96), "blocks": 1},
}
KERNEL = {
    "quick": {"width": 24, "blocks": 4},
    "classroom": {"width": 32, "blocks": 6},
    "ship": {"width": 32, "blocks": 6},
}


def _presets(ship: int = 4500, **choices: Any) -> dict[str, Preset]:
    """One task, at every size; at the paper's, the kernels are still small."""
    chosen = partial(vbdeblur.Config, **SMALL_KERNELS, **choices)
    small = partial(chosen, restorer="ResUNet", code_width=16)
    configs = {
        name: small(options=RESTORER[name], estimator_options=KERNEL[name]) for name in KERNEL
    }
    return presets(
        configs | {"paper": chosen()},
        {"quick": 300, "classroom": 1500, "ship": ship, "paper": 300_000},
        clip=CLIP,
        paper={"batch": 4, "size": 256, "lr": 1e-4},
    )


VBDEBLUR_TEXT = Recipe(
    name="vbdeblur-text",
    about="VBDeblurNet for pages of print, shaken or out of focus",
    model=vbdeblur.VBDeblurNet,
    degrade=printed,
    validate=partial(printed, std=2.55 / 255),
    data=("text",),
    scores=(("text_page", {"protocol": "printed"}),),
    presets=_presets(),
)

VBDEBLUR_TEXT_MSE = replace(
    VBDEBLUR_TEXT,
    name="vbdeblur-text-mse",
    about="vbdeblur-text without the likelihood: squared error at the same scale, Kernel-Net's KL",
    presets=_presets(trained=("clean image", "kernel")),
)

VBDEBLUR_NATURAL = Recipe(
    name="vbdeblur-natural",
    about="VBDeblurNet for photographs, shaken or out of focus",
    model=vbdeblur.VBDeblurNet,
    degrade=shaken,
    validate=partial(shaken, std=2.55 / 255),
    scores=(("cbsd68", {"protocol": "shaken"}),),
    presets=_presets(ship=3000),
)


def learn_to_deblur(pairs: str | Path, size: int = 31) -> Recipe:
    """VBDeblurNet for pairs of photographs whose blur nobody knows: those of GoPro or RealBlur.

    The kernel of each crop is the one that explains it best (`vbl.restoration.kernel_of_pair`),
    and the prior is unsure of it: C is small. To be trained with
    ``fit(learn_to_deblur("gopro/train"), preset="paper", data="gopro/sharp")``, where the second
    folder, of sharp photographs, serves for watching it alone.

    Args:
        pairs: A set of pairs of the catalogue, or a folder of ``NAME_noisy`` and ``NAME_clean``.
        size: Side of the kernels.
    """
    choices = {"kernel_size": size, "concentration": UNSURE}

    def adapted(preset: Preset) -> Preset:
        return replace(preset, config=replace(preset.config, **choices))

    return replace(
        VBDEBLUR_NATURAL,
        name="vbdeblur-pairs",
        degrade=partial(crops_of_pairs, pairs=str(pairs), size=size),
        validate=partial(shaken, size=size, std=2.55 / 255),
        presets={name: adapted(preset) for name, preset in VBDEBLUR_NATURAL.presets.items()},
    )


def crops_of_pairs(
    x: Float[Tensor, "b c h w"],
    *,
    pairs: str,
    size: int,
    generator: torch.Generator | None = None,
) -> Degraded:
    """As many crops of blurred photographs and their sharp partners, each with its kernel.

    Args:
        x: Crops of other photographs; only their number and size count.
        pairs: As in `learn_to_deblur`.
        size: Of the kernels.
        generator: Source of randomness.
    """
    crops = random_crops(_pixels_of(pairs), x.shape[-1], len(x), generator=generator)
    sharp, blurred = crops.chunk(2, 1)
    return Degraded(blurred, sharp, kernel=kernel_of_pair(sharp, blurred, size))


@cache
def _pixels_of(pairs: str) -> Pixels:
    found = open_dataset(pairs) if pairs in CATALOG else open_folder(pairs)

    def both(name: str) -> Sample:
        pair = found[name]
        return Sample(name, torch.cat([pair.image, pair.degraded], 1))

    return pack(ImageSet("pairs", {name: partial(both, name) for name in found.names}))


DEBLURRING = (VBDEBLUR_TEXT, VBDEBLUR_TEXT_MSE, VBDEBLUR_NATURAL)
