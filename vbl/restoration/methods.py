"""Methods that can be evaluated: a model, a checkpoint, a classical method, or two combined.

::

    find_method("resunet", device)                  a checkpoint
    find_method("nlm", device)                      a classical method, given the true noise level
    find_method("ffdnet+virnet-denoise", device)    FFDNet, given the noise level VIRNet infers
    find_method("least-squares+virnet-sr-x4", device)   given the inferred noise level and kernel
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vbl.degradations import Degraded, gaussian_kernel, random_gaussian_parameters
from vbl.degradations.kernels import VIRNET_TEST_SIDE
from vbl.degradations.operators import bicubic_upsample
from vbl.models import Restoration, load
from vbl.models.checkpoints import known
from vbl.networks import use_bf16
from vbl.restoration import classical as baselines
from vbl.restoration.classical import least_squares
from vbl.restoration.restore import is_told
from vbl.utils import UnknownName, bf16_pays

Restore = Callable[[Degraded, str | None], Restoration]  # of the pair and its sampling


@dataclass(frozen=True)
class Method:
    """A restoration method.

    Attributes:
        name: For reports.
        restore: Maps a `Degraded` and the sampling of its protocol to a restoration. Of the true
            values it may use those in `told` only.
        scale: Its super-resolution factor; None if it works for any.
        about: How it was trained, if it was.
        told: The true values that it needs: "noise_var", "kernel".
    """

    name: str
    restore: Restore
    scale: int | None
    about: dict[str, Any]
    told: tuple[str, ...] = ()


def _told_level(degraded: Degraded) -> Tensor:
    """True standard deviations (1, 1, 1 or h, 1 or w), for methods that need them."""
    if degraded.noise_var is None:
        raise ValueError("must be told the noise level, which is not known of this picture")
    return degraded.noise_var.sqrt()


def _denoiser(function: Callable[[Tensor, float], Tensor]) -> Restore:
    """A classical denoiser, given the root mean square of the noise level."""

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


def _mean_kernel(degraded: Degraded, sampling: str | None) -> Restoration:
    """Bicubic, with the mean of VIRNet's training kernels as every kernel: the uninformed case."""
    generator = torch.Generator().manual_seed(0)
    parameters = random_gaussian_parameters(10_000, degraded.scale, generator=generator)
    mean = gaussian_kernel(*parameters, VIRNET_TEST_SIDE).mean(0, keepdim=True)
    image = _bicubic_aligned(degraded, sampling).image
    return Restoration(image, kernel=mean.to(degraded.y))


def _least_squares(degraded: Degraded, sampling: str | None) -> Restoration:
    var, kernel = _told_level(degraded).square(), degraded.kernel
    if kernel is None:
        raise ValueError("must be told the blur kernel, which is not known of this picture")
    options = {"scale": degraded.scale, "sampling": sampling or "direct"}
    return Restoration(least_squares(degraded.y, kernel, var, **options))


DENOISERS: dict[str, Callable[[Tensor, float], Tensor]] = {  # given the noise level
    "nlm": baselines.non_local_means,
    "tv": baselines.total_variation,
    "wavelets": baselines.wavelet_shrinkage,
}

CLASSICAL: dict[str, Restore] = {
    "input": _input,  # the degraded picture itself
    **{name: _denoiser(function) for name, function in DENOISERS.items()},
    "bicubic": _bicubic,  # centred, as in image software, for any sampling
    "bicubic-aligned": _bicubic_aligned,  # onto the grid that was downsampled
    "mean-kernel": _mean_kernel,
    "least-squares": _least_squares,
}
CALLED = {"noise_var": "the noise level", "kernel": "the blur kernel"}
TOLD = dict.fromkeys(DENOISERS, ("noise_var",)) | {"least-squares": ("noise_var", "kernel")}


def restorer_of(model: nn.Module) -> Restore:
    """The `Restore` of a model, with the true noise level as an input if the model needs it."""
    told = is_told(model)

    def restore(degraded: Degraded, sampling: str | None) -> Restoration:
        extra = {"noise_std": _told_level(degraded)} if told else {}
        return model.restore(degraded.y, **extra)

    return restore


def find_method(model: Any, device: torch.device) -> Method:
    """A method by name.

    Args:
        model: A model, the name or file of a checkpoint, a key of `CLASSICAL`, or A+B: A, with the
            values that B infers in place of the true values it needs.
        device: Where to put a model.

    Raises:
        UnknownName: With the closest names.
        ValueError: When the A of A+B needs no true values.
        BadCheckpoint: When a file of weights is damaged.
        DataUnavailable: When an author's weights are not on this machine.
    """
    if isinstance(model, Method):
        return model
    if model in CLASSICAL:
        return Method(model, CLASSICAL[model], None, {}, TOLD.get(model, ()))
    if isinstance(model, str) and "+" in model and not Path(model).is_file():
        return _told_by(*(find_method(part, device) for part in model.split("+", 1)))
    return _loaded(model, device)


def _loaded(model: Any, device: torch.device) -> Method:
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
    if found is not model:  # `evaluate` places a model of the caller's and puts it back
        use_bf16(found.eval().to(device), bf16_pays(device), exact=True)
    restore = restorer_of(found)
    return Method(name, restore, scale, about, ("noise_var",) if is_told(found) else ())


def _told_by(told: Method, teller: Method) -> Method:
    """One method, given what another infers; all other values are the true ones."""
    if not told.told:
        wanted = "one that must be told the noise level or the blur"
        raise ValueError(f"model: expected before + {wanted}, got {told.name!r}")

    def restore(degraded: Degraded, sampling: str | None) -> Restoration:
        answer = teller.restore(degraded, sampling)
        inferred = {"kernel": answer.kernel}
        if answer.noise_std is not None:  # methods take one map for all colours
            inferred["noise_var"] = answer.noise_std.square().mean(1, keepdim=True)
        news = {what: inferred[what] for what in told.told if inferred.get(what) is not None}
        if not news:
            wanted = f"one that infers {' or '.join(CALLED[what] for what in told.told)}"
            raise ValueError(f"expected after + {wanted}, got {teller.name!r}")
        restored = told.restore(replace(degraded, **news), sampling)
        return replace(restored, noise_std=answer.noise_std, kernel=answer.kernel)

    parameters = sum(method.about.get("parameters", 0) for method in (told, teller))
    about = {**teller.about, "parameters": parameters}
    return Method(f"{told.name}+{teller.name}", restore, teller.scale, about)
