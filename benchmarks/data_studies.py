"""A study of what a small denoiser learns from: which photographs, which colours, which scales."""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from variation import Variation, some_of_cbsd68

from vbl.degradations import Degrade, Degraded, noniid
from vbl.degradations.everyday import recoloured
from vbl.evaluation import evaluate
from vbl.images import ImageSet, Sample, open_dataset
from vbl.models import virnet
from vbl.recipes import Preset
from vbl.recipes.denoising import VIRNET_CLIP, VIRNET_DENOISE

STEPS, SIDE = 2000, 64
SMALL = virnet.Config(sigma_width=16, widths=(16, 32, 48), blocks=1)
REDUCED = (0.5, 1.0)  # range of the factor
# Sets that no variation has seen: photographs, and pictures that are none
OTHERS = ("mcmaster18", "kodak24", "set14", "live1", "text_page", "dead_leaves")


def learned_from(data: str = "bsd397", side: int = SIDE, degrade: Degrade = noniid) -> Variation:
    """VIRNet's small network, trained on some pictures."""
    preset = Preset(config=SMALL, steps=STEPS, clip=VIRNET_CLIP, size=side)
    return Variation(replace(VIRNET_DENOISE, degrade=degrade), preset, data=data)


def recoloured_noniid(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """Other colours, then noise."""
    return noniid(recoloured(x, generator=generator), generator=generator)


def reduced_noniid(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """Crops of twice the side, each reduced by its own factor and cut to `SIDE`, then noise."""
    least, most = REDUCED
    factors = least + (most - least) * torch.rand(len(x), generator=generator)
    crops = [_reduced(crop[None], factor) for crop, factor in zip(x, factors.tolist(), strict=True)]
    return noniid(torch.cat(crops), generator=generator)


def _reduced(crop: Tensor, factor: float) -> Tensor:
    side = max(SIDE, round(factor * crop.shape[-1]))
    small = interpolate(crop, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
    start = (side - SIDE) // 2
    return small[..., start : start + SIDE, start : start + SIDE]


DATA: dict[str, Variation] = {
    "Berkeley": learned_from(),
    "wider": learned_from("wide1187"),
    "Berkeley, recoloured": learned_from(degrade=recoloured_noniid),
    "Berkeley, reduced": learned_from(side=2 * SIDE, degrade=reduced_noniid),
    "wider, recoloured": learned_from("wide1187", degrade=recoloured_noniid),
}


def data_scores(model: nn.Module) -> dict[str, float]:
    """PSNR in dB at three noise levels on CBSD68, and at 25 on sets unlike it."""
    found = {f"cbsd68 {sigma}": _psnr(model, some_of_cbsd68(), sigma) for sigma in (25, 15, 50)}
    return found | {name: _psnr(model, _in_colour(name), 25) for name in OTHERS}


def _in_colour(name: str) -> ImageSet:
    """A set in colour: grey pictures get three equal channels, and then a noise in each."""

    def load(key: str) -> Sample:
        sample = pictures[key]
        return replace(sample, image=sample.image.expand(-1, 3, -1, -1))

    pictures = open_dataset(name)
    return ImageSet(name, {key: partial(load, key) for key in pictures.names})


def _psnr(model: nn.Module, pictures: ImageSet, sigma: float) -> float:
    return evaluate(model, pictures, sigma=sigma, device="cpu", progress=False).psnr
