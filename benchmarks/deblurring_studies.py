"""A study of VBDeblurNet on pages of print: what each term, choice and constant is worth."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.distributions import Dirichlet
from variation import Variation

from vbl.evaluation import psnr, ssim
from vbl.evaluation.protocols import degraded
from vbl.images import open_dataset
from vbl.models import VBDeblurNet, VBDeblurNetLearnedConcentration, vbdeblur
from vbl.recipes.deblurring import VBDEBLUR_TEXT

STEPS, PAGES = 300, 250
SMALL = VBDEBLUR_TEXT.presets["quick"]
MSE = ("clean image", "kernel")
SEEN = 0.005  # from where on an entry of a kernel counts for the coverage


def page(
    clip: Mapping[str, float] = SMALL.clip,
    lr: float = SMALL.lr,
    model: type[VBDeblurNet] = VBDeblurNet,
    **choices: Any,
) -> Variation:
    """A small VBDeblurNet with some of its choices changed."""
    config = replace(SMALL.config, **choices)
    preset = replace(SMALL, config=config, steps=STEPS, clip=clip, lr=lr)
    recipe = replace(VBDEBLUR_TEXT, model=model)
    return Variation(recipe, preset, pictures=PAGES, data="text")


def torchs_draw(zeta: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """A draw with the gradient of `torch.distributions.Dirichlet.rsample`."""
    seed = int(torch.randint(2**31, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Dirichlet(zeta, validate_args=False).rsample()


def taught_by_the_likelihood(c: float, gradient: str) -> Variation:
    """Kernel-Net as the authors train it: KL_h counts per value, and the likelihood teaches too."""
    row = page(concentration=c, likelihood_trains="all", kernel_counts="per value")
    if gradient == "ours":
        return row
    return replace(
        row, around=partial(mock.patch.object, vbdeblur, "rsample_dirichlet", torchs_draw)
    )


# The squared error as a book on networks would write it: not divided by 2 eps0², nothing clipped
PLAIN = {"eps0_sq": 0.5, "clip": {}, "trained": MSE}
NO_CLIP = {"kernel": SMALL.clip["kernel"]}
# The paper's restorer, made small; at the others' rate it diverges
DEBLUR_NET = {"width": 24, "blocks": 1, "scales": 3, "middle": 1, "shrink": 2}
DEBLUR_NET = {"restorer": "DeblurNet", "options": DEBLUR_NET, "lr": 1e-3}

DEBLURRING: dict[str, Variation] = {
    "bound, told the kernel": page(),
    "MSE, told the kernel": page(trained=MSE),
    "bound, told nothing": page(conditioning="nothing"),
    "MSE, told nothing": page(conditioning="nothing", trained=MSE),
    "MSE, told nothing, unit scale, no clip": page(conditioning="nothing", **PLAIN),
    "MSE, told nothing, no clip": page(clip=NO_CLIP, conditioning="nothing", trained=MSE),
    "bound, told nothing, no clip": page(clip=NO_CLIP, conditioning="nothing"),
    "Kernel-Net of normalised features": page(
        estimator="KernelResNet", estimator_options={"widths": (16, 32, 48), "hidden": 256}
    ),
    "likelihood teaches all": page(likelihood_trains="all"),
    "gradient flows": page(gradient="flow"),
    "learned concentration": page(model=VBDeblurNetLearnedConcentration),
    "Deblur-Net, bound": page(**DEBLUR_NET),
    "Deblur-Net, MSE": page(trained=MSE, **DEBLUR_NET),
    **{
        f"c {c:.0e}, {gradient} gradient": taught_by_the_likelihood(c, gradient)
        for c in (5e3, 2e4, 5e4, 2e5)
        for gradient in ("ours", "torch's")
    },
    **{f"sigma² {v:.0e}": page(conditioning="nothing", sigma_sq=v) for v in (1e-4, 1e-6, 1e-7)},
    **{f"eps0² {v:.0e}": page(conditioning="nothing", eps0_sq=v) for v in (1e-4, 1e-5, 1e-7)},
}


@torch.inference_mode()
def deblurring_scores(model: nn.Module) -> dict[str, float]:
    """On the test pages: the image, the kernel, and whether q(h | y) knows how far off it is."""
    rows = []
    for _, pair in degraded(open_dataset("text_page"), "printed", {}):
        inferred, restored = model.infer(pair.y), model.restore(pair.y)
        truth = model.prior(pair) / model.config.concentration
        rows.append(
            {
                "psnr": psnr(restored.image, pair.x).item(),
                "ssim": ssim(restored.image, pair.x).item(),
                "blurred": psnr(pair.y, pair.x).item(),
                "kernel mse": (inferred.mean - truth).square().mean().item(),
                "kernel cosine": cosine(inferred.mean, truth),
                "largest entry": inferred.mean.max().item(),
                "coverage 90": covered(inferred, truth, 0.9),
                "log q(k | y)": inferred.log_prob(truth).item(),
                "concentration": inferred.total.item(),
            }
        )
    return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}


def cosine(a: Tensor, b: Tensor) -> float:
    """Between two kernels."""
    return torch.cosine_similarity(a.flatten(), b.flatten(), 0).item()


def covered(inferred: vbdeblur.Inferred, truth: Tensor, level: float) -> float:
    """Share of the true entries within their intervals of q, of those that are not nearly 0."""
    low, high = inferred.interval(level)
    inside = (low <= truth) & (truth <= high)
    return inside[truth > SEEN].double().mean().item()
