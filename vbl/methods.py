"""What can be measured: a network, a checkpoint by name, a classical method by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vbl import baselines
from vbl.checkpoints import known, load
from vbl.datasets import UnknownName
from vbl.degradations import Degraded
from vbl.operators import bicubic_upsample
from vbl.restoration import Restoration

Restore = Callable[[Degraded, str | None], Restoration]  # the pair, and how it was sampled


@dataclass(frozen=True)
class Method:
    """Something that restores.

    Attributes:
        name: For reports.
        restore: From a degraded picture, and the sampling of its protocol, to a restoration. It is
            given the clean picture too, and may read the noise level but nothing else.
        scale: The factor it was made for; None where any will do.
        about: How it was trained, where it was.
    """

    name: str
    restore: Restore
    scale: int | None
    about: dict[str, Any]


def _told_level(degraded: Degraded) -> Tensor:
    """Standard deviations (1, 1, 1 or h, 1 or w), for those who must be told."""
    if degraded.noise_var is None:
        raise ValueError("must be told the noise level, which is not known of this picture")
    return degraded.noise_var.sqrt()


def _denoiser(function: Callable[[Tensor, float], Tensor]) -> Restore:
    """A classical denoiser; where the level varies, it is told its root mean square."""

    def restore(degraded: Degraded, sampling: str | None) -> Restoration:
        std = _told_level(degraded).square().mean().sqrt().item()
        return Restoration(function(degraded.y, std))

    return restore


def _input(degraded: Degraded, sampling: str | None) -> Restoration:
    return Restoration(degraded.y)


def _bicubic(degraded: Degraded, sampling: str | None) -> Restoration:
    return Restoration(bicubic_upsample(degraded.y, degraded.scale, "centred"))


def _bicubic_aligned(degraded: Degraded, sampling: str | None) -> Restoration:
    grid = "direct" if sampling == "direct" else "centred"
    return Restoration(bicubic_upsample(degraded.y, degraded.scale, grid))


CLASSICAL: dict[str, Restore] = {
    "input": _input,  # the degraded picture itself
    "nlm": _denoiser(baselines.non_local_means),
    "tv": _denoiser(baselines.total_variation),
    "wavelets": _denoiser(baselines.wavelet_shrinkage),
    "bicubic": _bicubic,  # as every program does it, whatever the sampling was
    "bicubic-aligned": _bicubic_aligned,  # onto the grid the samples came from
}


def restorer_of(model: nn.Module) -> Restore:
    """How a model restores a pair: from its degraded half, told the noise level if it must be."""
    told = getattr(getattr(model, "restorer", None), "needs_noise_level", False)

    def restore(degraded: Degraded, sampling: str | None) -> Restoration:
        extra = {"noise_std": _told_level(degraded)} if told else {}
        return model.restore(degraded.y, **extra)

    return restore


def find_method(model: Any, device: torch.device) -> Method:
    """A method by what the user calls it.

    Args:
        model: A model, the name or file of a checkpoint, or a key of `CLASSICAL`.
        device: Where to put a model.

    Raises:
        UnknownName: With the closest names.
        BadCheckpoint: When a file of weights is damaged.
        DataUnavailable: When an author's weights are not on this machine.
    """
    if isinstance(model, Method):
        return model
    if model in CLASSICAL:
        return Method(model, CLASSICAL[model], None, {})
    name = type(model).__name__ if isinstance(model, nn.Module) else str(model)
    try:
        found = model if isinstance(model, nn.Module) else load(model)
    except UnknownName:
        raise UnknownName("model", model, (*known(), *CLASSICAL)) from None
    scale = getattr(getattr(found, "config", None), "scale", None)
    about = {
        "parameters": sum(p.numel() for p in found.parameters()),
        **getattr(found, "about", {}),
    }
    return Method(name, restorer_of(found.eval().to(device)), scale, about)
