"""VDIR: a code of the degradation, for noise, photographs, super-resolution and JPEG."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from vbl.degradations import (
    Degraded,
    awgn,
    blind_sr,
    gaussian_kernel,
    jpeg,
    rotated_parameters,
)
from vbl.images import luma
from vbl.models import vdir
from vbl.recipes.denoising import PHOTOGRAPHS, noisy_25, photographed, photographed_at_night
from vbl.recipes.recipe import Preset, Recipe, presets

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


def _presets(
    steps: int, *, size: int = 64, paper_size: int = 96, restorer: str = "ResUNet", **config: Any
) -> dict[str, Preset]:
    """One task of the paper, at every size."""
    options = {"ResUNet": UNET, "RIRNet": RIR}[restorer]
    small = partial(vdir.Config, **config, restorer=restorer)
    ship = small(width=24, options=options["ship"])
    return presets(
        {
            "quick": small(width=16, options=options["quick"]),
            "classroom": ship,
            "ship": ship,
            "paper": vdir.Config(**config, adversarial=1e-3),
        },
        {"quick": 300, "classroom": 1200, "ship": steps, "paper": 500_000},
        size=size,
        clip=CLIP,
        paper={"size": paper_size, "lr": 2e-4},
    )


def _decompressing(protocol: str, *names: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    qualities = ({"quality": quality, "protocol": protocol} for quality in (10, 40, 80))
    return tuple((name, options) for options in qualities for name in names)


VDIR_DENOISE = Recipe(
    name="vdir-denoise",
    about="VDIR for white noise of every level",
    model=vdir.VDIR,
    degrade=noisy,
    validate=noisy_25,
    scores=tuple(("cbsd68", {"sigma": sigma}) for sigma in (10, 30, 50, 70)),
    presets=_presets(4000),
)

VDIR_REAL = Recipe(
    name="vdir-real",
    about="VDIR for the noise of cameras, learned from a simulated one that tells nothing of it",
    model=vdir.VDIR,
    degrade=photographed,
    validate=photographed_at_night,
    scores=PHOTOGRAPHS,
    presets=_presets(2000, paper_size=256, known="nothing"),
)

VDIR_SR_X2, VDIR_SR_X4 = (
    Recipe(
        name=f"vdir-sr-x{scale}",
        about=f"VDIR's blind super-resolution by {scale}: direct sampling, no noise",
        model=vdir.VDIR,
        degrade=partial(reduced, scale=scale),
        validate=partial(reduced_evenly, scale=scale),
        scores=tuple(
            (name, {"scale": scale, "kernel": 0, "protocol": "vdir-table-4"})
            for name in ("set5", "bsd100")
        ),
        presets=_presets(
            3000,
            size=32 * scale,
            paper_size=48 * scale,
            restorer="RIRNet",
            scale=scale,
            known="kernel",
            detail=DETAIL,
        ),
    )
    for scale in (2, 4)
)

VDIR_JPEG = Recipe(
    name="vdir-jpeg",
    about="VDIR for the luma of JPEG pictures of every quality",
    model=vdir.VDIR,
    degrade=compressed_luma,
    validate=compressed_luma_to_20,
    scores=_decompressing("vdir-table-6", "classic5", "live1"),
    presets=_presets(6000, channels=1, known="quality", detail=DETAIL),
)

VDIR_JPEG_RGB = Recipe(
    name="vdir-jpeg-rgb",
    about="VDIR for colour pictures in JPEG of every quality",
    model=vdir.VDIR,
    degrade=compressed,
    validate=compressed_to_20,
    scores=_decompressing("vdir-table-7", "live1"),
    presets=_presets(2000, known="quality", detail=DETAIL),
)

VDIR = (VDIR_DENOISE, VDIR_SR_X2, VDIR_JPEG, VDIR_REAL, VDIR_JPEG_RGB, VDIR_SR_X4)
