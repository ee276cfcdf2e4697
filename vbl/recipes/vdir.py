"""VDIR for white noise, photographs, super-resolution and JPEG."""

from functools import partial
from typing import Any

from vbl.degradations import awgn, jpeg, jpeg_luma, photographed, round_sr, turned_sr
from vbl.models import vdir
from vbl.recipes.denoising import PHOTOGRAPHS, noisy_25, photographed_at_night
from vbl.recipes.recipe import Preset, Recipe, presets

# Sizes for a CPU: the paper's restorer for small images, else VIRNet's, which was 1 dB better after
# 400 steps, in less time; any network can be conditioned on the code.
RIR = {
    "quick": {"width": 32, "groups": 2, "blocks": 2},
    "ship": {"width": 56, "groups": 3, "blocks": 2},
    "gpu": {"width": 64, "groups": 5, "blocks": 5},
}
UNET = {
    "quick": {"widths": (16, 32, 48)},
    "ship": {"widths": (32, 64, 96)},
    "gpu": {"widths": (64, 128, 192), "blocks": 2},
}
CLIP = dict.fromkeys(("restorer", "encoder", "decoder", "estimator"), 0.3)
DETAIL = 60.0  # without it the encoder does not learn the traces of JPEG and blur

noisy = partial(awgn, std=(5 / 255, 70 / 255))  # the paper's levels, one for each image
QUALITIES = (10.0, 80.0)  # the paper's, of JPEG


def _presets(
    steps: int,
    *,
    size: int = 64,
    paper_size: int = 96,
    paper_batch: int = 16,
    restorer: str = "ResUNet",
    **config: Any,
) -> dict[str, Preset]:
    """The presets of one task."""
    options = {"ResUNet": UNET, "RIRNet": RIR}[restorer]
    small = partial(vdir.Config, **config, restorer=restorer)
    ship = small(width=24, options=options["ship"])
    return presets(
        {
            "quick": small(width=16, options=options["quick"]),
            "classroom": ship,
            "ship": ship,
            "gpu": small(options=options["gpu"]),
            "paper": vdir.Config(**config, adversarial=1e-3),
        },
        {"quick": 300, "classroom": 1200, "ship": steps, "gpu": 16_000, "paper": 500_000},
        size=size,
        clip=CLIP,
        gpu={"size": 2 * size, "batch": 64, "lr": 1e-3},
        paper={"size": paper_size, "batch": paper_batch, "lr": 2e-4},
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
    presets=_presets(4000, paper_batch=32),
)

VDIR_REAL = Recipe(
    name="vdir-real",
    about="VDIR for the noise of cameras, learned from a simulated one that tells nothing of it",
    model=vdir.VDIR,
    degrade=photographed,
    validate=photographed_at_night,
    scores=PHOTOGRAPHS,
    presets=_presets(2000, paper_size=256, paper_batch=4, known="nothing"),
)

VDIR_SR_X2, VDIR_SR_X4 = (
    Recipe(
        name=f"vdir-sr-x{scale}",
        about=f"VDIR's blind super-resolution by {scale}: direct sampling, no noise",
        model=vdir.VDIR,
        degrade=partial(turned_sr, scale=scale),
        validate=partial(round_sr, scale=scale, std=0.0),
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
    degrade=partial(jpeg_luma, quality=QUALITIES),
    validate=partial(jpeg_luma, quality=20.0),
    scores=_decompressing("vdir-table-6", "classic5", "live1"),
    presets=_presets(6000, channels=1, known="quality", detail=DETAIL),
)

VDIR_JPEG_RGB = Recipe(
    name="vdir-jpeg-rgb",
    about="VDIR for colour pictures in JPEG of every quality",
    model=vdir.VDIR,
    degrade=partial(jpeg, quality=QUALITIES),
    validate=partial(jpeg, quality=20.0),
    scores=_decompressing("vdir-table-7", "live1"),
    presets=_presets(2000, known="quality", detail=DETAIL),
)

VDIR = (VDIR_DENOISE, VDIR_SR_X2, VDIR_JPEG, VDIR_REAL, VDIR_JPEG_RGB, VDIR_SR_X4)
