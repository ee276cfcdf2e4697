"""VIRNet's blind super-resolution."""

from dataclasses import replace
from functools import partial

from vbl.degradations import blind_sr, round_sr
from vbl.models import VIRNetSRLearnedWidth, virnet_sr
from vbl.recipes.recipe import Recipe, presets

# the authors' for a factor of 2; with norms up to 1e3 and rate 1.7e-3 the small restorer diverged
VIRNET_SR_CLIP = {"restorer": 1e2, "sigma": 1e2, "kernel": 1e2}

# For validation, with an isotropic blur of 0.6 s pixels.
WATCHED = {"std": 2.55 / 255, "size": 21, "sampling": "bicubic"}


def _virnet_sr(scale: int) -> Recipe:
    # with the paper's r0², ρ dominates the widths in KL_Λ; see the chapter
    small = {"scale": scale, "r0_sq": 1e-2, "whiten": True, "upsampling": "shuffle"}
    small |= {"sigma_width": 16, "kernel_width": 32, "kernel_blocks": 4, "kernel_step": 2}
    large = small | {"sigma_width": 64, "kernel_width": 64, "kernel_blocks": 8}
    looser = {} if scale == 2 else {"restorer": 5e2, "kernel": 5e2}
    return Recipe(
        name=f"virnet-sr-x{scale}",
        about=f"VIRNet's blind super-resolution by {scale}: noise and blur inferred",
        model=virnet_sr.VIRNetSR,
        degrade=partial(blind_sr, scale=scale, sampling="bicubic"),
        validate=partial(round_sr, scale=scale, var=(0.6 * scale) ** 2, **WATCHED),
        scores=tuple(
            (name, {"scale": scale, "kernel": "all", "sigma": 2.55})
            for name in ("set5", "set14", "cbsd68")
        ),
        presets=presets(
            {
                "quick": virnet_sr.Config(**small, widths=(16, 32), blocks=1),
                "classroom": virnet_sr.Config(**small, widths=(32, 64, 96), blocks=1),
                "ship": virnet_sr.Config(**small, widths=(64, 96, 128), blocks=(2, 1, 1)),
                "gpu": virnet_sr.Config(**large, widths=(128, 192, 256), blocks=2),
                "paper": virnet_sr.Config(scale=scale, p=9, r0_sq=5e-3),
            },
            {"quick": 300, "classroom": 2000, "ship": 12_000, "gpu": 28_000, "paper": 1_200_000},
            size=48 * scale,
            batch=8,  # few but large crops, from which the blur can be estimated better
            lr=1e-3,
            clip=VIRNET_SR_CLIP,
            gpu={"batch": 64, "lr": 5e-4},
            paper={
                "batch": 16,
                "lr": 1e-4 if scale == 2 else 2e-4,
                "warmup": 0.0,
                "clip": VIRNET_SR_CLIP | looser,
            },
        ),
    )


VIRNET_SR_X2, VIRNET_SR_X3, VIRNET_SR_X4 = map(_virnet_sr, (2, 3, 4))

_SMALL = {name: VIRNET_SR_X4.presets[name] for name in ("quick", "classroom")}
_SMALL["ship"] = replace(_SMALL["classroom"], steps=4000)

VIRNET_SR_X4_LEARNED_WIDTH = replace(
    VIRNET_SR_X4,
    name="virnet-sr-x4-learned-width",
    about="VIRNet's super-resolution by 4, smaller; KNet also says how sure it is of the blur",
    model=VIRNetSRLearnedWidth,
    presets=_SMALL,
)

SUPER_RESOLUTION = (VIRNET_SR_X4, VIRNET_SR_X2, VIRNET_SR_X4_LEARNED_WIDTH, VIRNET_SR_X3)
