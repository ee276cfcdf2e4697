"""Deblurring: VBDeblurNet for pages of print and for photographs, and its twin without a bound."""

from functools import partial
from typing import Any

from vbl.degradations import SHAKE, printed, shaken
from vbl.models import vbdeblur
from vbl.pipeline import Degrade
from vbl.recipes.recipe import BERKELEY, Preset, Recipe

# Norms of the gradient of the loss, which counts the bound per value of an image. The restorer's is
# the gradient of the squared error at a scale of 1/(2 eps0²), Kernel-Net's that of KL_h.
CLIP = {"restorer": 1e3, "kernel": 1.0}

# The floor takes 0.4 % of a kernel.
SMALL_KERNELS = {"kernel_size": SHAKE, "floor": 5e-5, "estimator": "KernelPlainNet"}
RESTORER = {
    "quick": {"width": 24, "blocks": 1, "scales": 3, "middle": 1, "shrink": 2},
    "classroom": {"width": 32, "blocks": 1, "scales": 3, "middle": 2, "shrink": 2},
    "ship": {"width": 48, "blocks": 2, "scales": 3, "middle": 2, "shrink": 2},
}
KERNEL = {
    "quick": {"width": 24, "blocks": 4},
    "classroom": {"width": 32, "blocks": 6},
    "ship": {"width": 32, "blocks": 6},
}
STEPS = {"quick": 300, "classroom": 2500, "ship": 4500}
RATES = {"quick": 1e-3, "classroom": 1e-3, "ship": 5e-4}  # at 1e-3 the largest diverges


def _preset(size: str, **choices: Any) -> Preset:
    sizes = {"code_width": 16, "options": RESTORER[size], "estimator_options": KERNEL[size]}
    config = vbdeblur.Config(**SMALL_KERNELS, **sizes, **choices)
    return Preset(config=config, steps=STEPS[size], lr=RATES[size], clip=CLIP)


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
