"""Deblurring: VBDeblurNet for pages of print and for photographs, and its twin without a bound."""

from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vbl.degradations import Degraded, Level, blurred
from vbl.kernels import defocus_kernel, motion_kernel
from vbl.models import vbdeblur
from vbl.pipeline import Degrade
from vbl.recipes.recipe import BERKELEY, Preset, Recipe

SIDE = 9  # of the kernels: what a CPU learns to remove within hours; the authors' had 31 and 41
NOISE = (0.0, 7 / 255)


def shaken(
    x: Float[Tensor, "b c h w"],
    size: int = SIDE,
    std: Level = NOISE,
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """As a shaking hand takes it, one picture in four a badly focused lens instead; with noise.

    Args:
        x: Images (B, C, H, W).
        size: Side of the kernels. Discs have radii from half a pixel to a third of it.
        std: Noise level, as in `vbl.degradations.blurred`.
        generator: Source of randomness.
    """
    motion = motion_kernel(size, n=len(x), generator=generator).to(x)
    u = torch.rand(2, len(x), generator=generator, device=x.device, dtype=x.dtype)
    disc = defocus_kernel(0.5 + (size / 3 - 0.5) * u[0], size)
    kernel = torch.where(u[1].view(-1, 1, 1, 1) < 0.25, disc, motion)
    return blurred(x, kernel, std, generator=generator)


def printed(
    x: Float[Tensor, "b 1 h w"],
    size: int = SIDE,
    std: Level = NOISE,
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """The same of grey pages, in ink and on paper of any colour.

    Args:
        x: Pages (B, 1, H, W), 0 for ink and 1 for paper.
        size: As in `shaken`.
        std: As there.
        generator: Source of randomness.
    """
    u = torch.rand(4, len(x), 3, 1, 1, generator=generator, device=x.device, dtype=x.dtype)
    lightness = u[:2, :, :1]  # the same in all channels
    paper = (0.6 + 0.4 * lightness[0] + 0.2 * (u[2] - 0.5)).clamp(0, 1)
    ink = (0.4 * lightness[1] + 0.4 * (u[3] - 0.5)).clamp(0, 1)
    return shaken(ink + (paper - ink) * x, size, std, generator=generator)


# Norms of the gradient of the loss, which counts the bound per value of an image. The restorer's is
# the gradient of the squared error at a scale of 1/(2 eps0²), Kernel-Net's that of KL_h.
CLIP = {"restorer": 1e3, "kernel": 1.0}

# The floor takes 0.4 % of a kernel. To see a small one, Kernel-Net must look at many places.
SMALL_KERNELS = {"kernel_size": SIDE, "floor": 5e-5, "kernel_step": 2, "whiten": True}
RESTORER = {
    "quick": {"width": 24, "blocks": 1, "scales": 3, "middle": 1, "shrink": 2},
    "classroom": {"width": 32, "blocks": 1, "scales": 3, "middle": 2, "shrink": 2},
    "ship": {"width": 32, "blocks": 1, "scales": 3, "middle": 2},
}
KERNEL = {
    "quick": {"kernel_widths": (16, 32, 48), "kernel_blocks": 1, "kernel_hidden": 128},
    "classroom": {"kernel_widths": (24, 48, 96), "kernel_blocks": 1, "kernel_hidden": 256},
    "ship": {"kernel_widths": (32, 64, 96), "kernel_blocks": 2, "kernel_hidden": 256},
}
STEPS = {"quick": 300, "classroom": 2500, "ship": 20_000}


def _preset(size: str, **choices: Any) -> Preset:
    sizes = KERNEL[size] | {"code_width": 16, "options": RESTORER[size]}
    config = vbdeblur.Config(**SMALL_KERNELS, **sizes, **choices)
    return Preset(config=config, steps=STEPS[size], lr=1e-3, clip=CLIP)


def _recipe(
    name: str, about: str, degrade: Degrade, data: tuple[str, ...], **choices: Any
) -> Recipe:
    """One task, at every size; for the sizes of the paper, the kernels are still small."""
    config = vbdeblur.Config(**SMALL_KERNELS, **choices)
    paper = Preset(
        config=config, steps=300_000, batch=4, size=256, lr=1e-4, clip=CLIP, compile=True
    )
    return Recipe(
        name=name,
        about=about,
        model=vbdeblur.VBDeblurNet,
        degrade=degrade,
        validate=partial(degrade, std=2.55 / 255),
        data=data,
        presets={size: _preset(size, **choices) for size in STEPS} | {"paper": paper},
    )


VBDEBLUR_TEXT = _recipe(
    "vbdeblur-text",
    "VBDeblurNet for pages of print, shaken or out of focus",
    printed,
    ("text",),
)

VBDEBLUR_TEXT_MSE = _recipe(
    "vbdeblur-text-mse",
    "Its twin without the likelihood: the squared error at the same scale, and Kernel-Net's KL",
    printed,
    ("text",),
    trained=("clean image", "kernel"),
)

VBDEBLUR_NATURAL = _recipe(
    "vbdeblur-natural",
    "VBDeblurNet for photographs, shaken or out of focus",
    shaken,
    BERKELEY,
)

DEBLURRING = (VBDEBLUR_TEXT, VBDEBLUR_TEXT_MSE, VBDEBLUR_NATURAL)
