"""VDIR: a code of the degradation, for noise, photographs, super-resolution and JPEG."""

from functools import partial
from typing import Any

from vbl.degradations import Degrade, awgn, jpeg, jpeg_luma, photographed, round_sr, turned_sr
from vbl.models import vdir
from vbl.recipes.denoising import noisy_25, photographed_at_night
from vbl.recipes.recipe import BERKELEY, Preset, Recipe

# What a CPU trains: the paper's restorer where images are small, and VIRNet's where they are not.
# In 400 steps that one learned a decibel more, in less time; any network can be told the code.
RIR = {
    "quick": {"width": 32, "groups": 2, "blocks": 2},
    "ship": {"width": 56, "groups": 3, "blocks": 2},
}
UNET = {"quick": {"widths": (16, 32, 48)}, "ship": {"widths": (32, 64, 96)}}
CLIP = dict.fromkeys(("restorer", "encoder", "decoder", "estimator"), 0.3)
DETAIL = 60.0  # without it an encoder never learns what JPEG and blur leave for it to see


noisy = partial(awgn, std=(5 / 255, 70 / 255))  # the paper's levels, one for each image
QUALITIES = (10.0, 80.0)  # the paper's, of JPEG


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
        partial(turned_sr, scale=scale),
        partial(round_sr, scale=scale, std=0.0),
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
    partial(jpeg_luma, quality=QUALITIES),
    partial(jpeg_luma, quality=20.0),
    steps=6000,
    channels=1,
    known="quality",
    detail=DETAIL,
)

VDIR_JPEG_RGB = _recipe(
    "vdir-jpeg-rgb",
    "VDIR for colour pictures in JPEG of every quality",
    partial(jpeg, quality=QUALITIES),
    partial(jpeg, quality=20.0),
    steps=2000,
    known="quality",
    detail=DETAIL,
)

VDIR = (VDIR_DENOISE, VDIR_REAL, VDIR_SR_X2, VDIR_SR_X4, VDIR_JPEG, VDIR_JPEG_RGB)
