"""VDIR: a code of the degradation, for noise, photographs, super-resolution and JPEG."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from vbl.degradations import (
    Degrade,
    Degraded,
    awgn,
    blind_sr,
    gaussian_kernel,
    jpeg,
    rotated_parameters,
)
from vbl.images import luma
from vbl.models import vdir
from vbl.recipes.denoising import noisy_25, photographed, photographed_at_night
from vbl.recipes.recipe import BERKELEY, Preset, Recipe

# What a CPU trains: the paper's restorer where images are small, and VIRNet's where they are not.
# In 400 steps that one learned a decibel more, in less time; any network can be told the code.
RIR = {
    "quick": {"width": 32, "groups": 2, "blocks": 2},
    "ship": {"width": 56, "groups": 3, "blocks": 2},
}
UNET = {"quick": {"widths": (16, 32, 48)}, "ship": {"widths": (32, 64, 96)}}
CLIP = dict.fromkeys(("restorer", "encoder", "decoder", "estimator"), 0.3)
KERNEL_SIDE = 15
DETAIL = 60.0  # without it an encoder never learns what JPEG and blur leave for it to see


def noisy(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """White noise of the paper's levels, 5 to 70 of 255, one for each image."""
    return awgn(x, (5 / 255, 70 / 255), generator=generator)


def compressed(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """JPEG of the paper's qualities, 10 to 80."""
    return jpeg(x, (10.0, 80.0), generator=generator)


def compressed_to_20(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """The quality on which training is watched."""
    return jpeg(x, 20.0)


def compressed_luma(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """The same of the luma, 8 bits."""
    return compressed(_luma(x), generator=generator)


def compressed_luma_to_20(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """The quality on which training is watched."""
    return jpeg(_luma(x), 20.0)


def _luma(x: Tensor) -> Tensor:
    return (255 * luma(x)).round() / 255


def reduced(x: Tensor, scale: int, *, generator: torch.Generator | None = None) -> Degraded:
    """Blurred by a random Gaussian, one pixel of s x s kept, no noise.

    The variances along the axes of the kernels are uniform: of the longer one in (0.5, 2.5 s)
    pixels², of the shorter one between 0.5 and the longer.
    """
    u = torch.rand(3, len(x), generator=generator, device=x.device)
    longer = 0.5 + (2.5 * scale - 0.5) * u[0]
    shorter = 0.5 + (longer - 0.5) * u[1]
    parameters = rotated_parameters(longer.sqrt(), shorter.sqrt(), torch.pi * u[2])
    kernel = gaussian_kernel(*parameters, KERNEL_SIDE)
    return blind_sr(x, scale, kernel, 0.0, generator=generator)


def reduced_evenly(x: Tensor, scale: int, *, generator: torch.Generator | None = None) -> Degraded:
    """The blur on which training is watched, of variance 2 pixels²."""
    two = x.new_full((1,), 2.0)
    return blind_sr(x, scale, gaussian_kernel(two, two, 0 * two, KERNEL_SIDE), 0.0)


def _recipe(
    name: str,
    about: str,
    degrade: Degrade,
    validate: Degrade,
    *,
    steps: int,
    size: int = 64,
    paper_size: int = 96,
    restorer: str = "ResUNet",
    **config: Any,
) -> Recipe:
    """One task of the paper, at every size."""
    sizes = {"ResUNet": UNET, "RIRNet": RIR}[restorer]

    def preset(options: dict[str, Any], width: int, steps: int) -> Preset:
        chosen = vdir.Config(**config, width=width, restorer=restorer, options=options)
        return Preset(config=chosen, steps=steps, size=size, clip=CLIP)

    return Recipe(
        name=name,
        about=about,
        model=vdir.VDIR,
        degrade=degrade,
        validate=validate,
        data=BERKELEY,
        presets={
            "quick": preset(sizes["quick"], 16, 300),
            "classroom": preset(sizes["ship"], 24, 1200),
            "ship": preset(sizes["ship"], 24, steps),
            "paper": Preset(
                config=vdir.Config(**config, adversarial=1e-3),
                steps=500_000, size=paper_size, lr=2e-4, clip=CLIP, compile=True,
            ),
        },
    )  # fmt: skip


VDIR_DENOISE = _recipe(
    "vdir-denoise",
    "VDIR for white noise of every level",
    noisy,
    noisy_25,
    steps=4000,
)

VDIR_REAL = _recipe(
    "vdir-real",
    "VDIR for the noise of cameras, of which nothing is told",
    photographed,
    photographed_at_night,
    steps=2000,
    paper_size=256,
    known="nothing",
)

VDIR_SR_X2, VDIR_SR_X4 = (
    _recipe(
        f"vdir-sr-x{scale}",
        f"VDIR's blind super-resolution by {scale}: direct sampling, no noise",
        partial(reduced, scale=scale),
        partial(reduced_evenly, scale=scale),
        steps=steps,
        size=32 * scale,
        paper_size=48 * scale,
        restorer="RIRNet",
        scale=scale,
        known="kernel",
        detail=DETAIL,
    )
    for scale, steps in ((2, 3000), (4, 3000))
)

VDIR_JPEG = _recipe(
    "vdir-jpeg",
    "VDIR for the luma of JPEG pictures of every quality",
    compressed_luma,
    compressed_luma_to_20,
    steps=6000,
    channels=1,
    known="quality",
    detail=DETAIL,
)

VDIR_JPEG_RGB = _recipe(
    "vdir-jpeg-rgb",
    "VDIR for colour pictures in JPEG of every quality",
    compressed,
    compressed_to_20,
    steps=2000,
    known="quality",
    detail=DETAIL,
)

VDIR = (VDIR_DENOISE, VDIR_REAL, VDIR_SR_X2, VDIR_SR_X4, VDIR_JPEG, VDIR_JPEG_RGB)
