"""Deblurring: VBDeblurNet for text pages and for photographs, and without the likelihood."""

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

# The loss is the bound per value of an image. The restorer's gradient is that of the squared error
# at the scale 1/(2 eps0²), Kernel-Net's that of KL_h.
CLIP = {"restorer": 1e3, "kernel": 1.0}

UNSURE = 1e3  # C for kernels that are estimated, not known
# The floor has 0.4 % of a kernel's mass.
SMALL_KERNELS = {"kernel_size": SHAKE, "floor": 5e-5, "estimator": "KernelPlainNet"}
MEDIUM_KERNELS = {"kernel_size": 21, "floor": 1e-5, "estimator": "KernelPlainNet"}
# The ResUNet trains faster: after two minutes on a CPU its PSNR on pages is 1 dB higher than that
# of the paper's Deblur-Net, which the preset "paper" has.
RESTORER = {
    "quick": {"widths": (16, 32, 48), "blocks": 1},
    "classroom": {"widths": (24, 48, 64), "blocks": 1},
    "ship": {"widths": (32, 64, 96), "blocks": 1},
    "gpu": {"widths": (64, 128, 192), "blocks": 2},
}
KERNEL = {
    "quick": {"width": 24, "blocks": 4},
    "classroom": {"width": 32, "blocks": 6},
    "ship": {"width": 32, "blocks": 6},
}


def _presets(ship: int = 4500, **choices: Any) -> dict[str, Preset]:
    """The presets of one task."""
    chosen = partial(vbdeblur.Config, restorer="ResUNet", **choices)
    small = partial(chosen, **SMALL_KERNELS, code_width=16)
    configs = {
        name: small(options=RESTORER[name], estimator_options=KERNEL[name])
        for name in ("quick", "classroom", "ship")
    }
    configs["gpu"] = chosen(**MEDIUM_KERNELS, options=RESTORER["gpu"])
    return presets(
        configs | {"paper": vbdeblur.Config(**choices)},
        {"quick": 300, "classroom": 1500, "ship": ship, "gpu": 15_000, "paper": 300_000},
        clip=CLIP,
        gpu={"batch": 64, "size": 128, "lr": 1e-3, "degradation": {"size": 21}},
        paper={"batch": 4, "size": 256, "lr": 1e-4, "degradation": {"size": 31}},
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
    """VBDeblurNet for pairs of photographs with unknown kernels, such as GoPro's or RealBlur's.

    The kernel of each crop is estimated from the pair (`vbl.restoration.kernel_of_pair`); as it is
    uncertain, the prior's C is small. Train with
    ``fit(learn_to_deblur("gopro/train"), preset="paper", data="gopro/sharp")``, where the second
    folder, of sharp photographs, is for validation only.

    Args:
        pairs: A set of pairs of the catalogue, or a folder of ``NAME_noisy`` and ``NAME_clean``.
        size: Side of the kernels.
    """
    choices = {"kernel_size": size, "concentration": UNSURE}

    def adapted(preset: Preset) -> Preset:
        return replace(preset, config=replace(preset.config, **choices), degradation=None)

    return replace(
        VBDEBLUR_NATURAL,
        name="vbdeblur-pairs",
        degrade=partial(crops_of_pairs, pairs=str(pairs), size=size),
        validate=partial(shaken, size=size, std=2.55 / 255),
        presets={name: adapted(preset) for name, preset in VBDEBLUR_NATURAL.presets.items()},
    )


def crops_of_pairs(
    x: Float[Tensor, "b c h w"], *, pairs: str, size: int, generator: torch.Generator | None = None
) -> Degraded:
    """Random crops of blurred and sharp photographs, as many as x, with their estimated kernels.

    Args:
        x: Crops of other photographs; only their number and size are used.
        pairs: As in `learn_to_deblur`.
        size: Side of the kernels.
    """
    crops = random_crops(_pixels_of(pairs, x.device), x.shape[-1], len(x), generator=generator)
    sharp, blurred = crops.chunk(2, 1)
    return Degraded(blurred, sharp, kernel=kernel_of_pair(sharp, blurred, size))


@cache
def _pixels_of(pairs: str, device: torch.device) -> Pixels:
    found = open_dataset(pairs) if pairs in CATALOG else open_folder(pairs)

    def both(name: str) -> Sample:
        pair = found[name]
        return Sample(name, torch.cat([pair.image, pair.degraded], 1))

    pictures = ImageSet("pairs", {name: partial(both, name) for name in found.names})
    return pack(pictures).to(device)


DEBLURRING = (VBDEBLUR_TEXT, VBDEBLUR_TEXT_MSE, VBDEBLUR_NATURAL)
