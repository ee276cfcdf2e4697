"""The stages of a model that a web page runs: what is inferred, then what is restored from it.

A stage is a function of images and of what other stages return, without random numbers. Between
the stages a reader may change what was inferred, and so tell the model another noise or blur.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vbl.models.lud_vae import LUDVAE
from vbl.models.noise_and_blur import Inferred
from vbl.models.supervised import Supervised
from vbl.models.vbdeblur import VBDeblurNet
from vbl.models.vdir import VDIR
from vbl.models.vdn import VDN
from vbl.models.virnet import VIRNet
from vbl.models.virnet_sr import VIRNetSR
from vbl.networks import append_constants
from vbl.networks.autoencoder import REDUCTION

SIDE = 256  # of the images that a stage is traced with, a multiple of every stride


@dataclass(frozen=True)
class Stage:
    """A function of a model.

    Attributes:
        run: From tensors to one tensor.
        inputs: Name -> shape of one image's, with `SIDE` for the side of the image.
        networks: Those that it applies one after the other; their receptive radii add up.
    """

    run: Callable[..., Tensor]
    inputs: dict[str, tuple[int, ...]]
    networks: tuple[nn.Module, ...]


def stages(model: nn.Module) -> dict[str, Stage]:
    """The stages of a model by name.

    Raises:
        ValueError: If it is none of `STAGES`, or its network needs the noise level.
    """
    for kind, make in STAGES.items():
        if isinstance(model, kind):
            return make(model)
    known = ", ".join(kind.__name__ for kind in STAGES)
    raise ValueError(f"no page runs a {type(model).__name__}; expected one of {known}")


def _image(channels: int = 3) -> tuple[int, int, int]:
    return channels, SIDE, SIDE


def _supervised(model: Supervised) -> dict[str, Stage]:
    if model.restorer.needs_noise_level:
        raise ValueError(f"no page runs {model.config.network}, which must be told the noise level")
    image = {"y": _image(model.restorer.in_channels)}
    return {"restore": Stage(model.mean, image, (model.restorer,))}


def _vdn(model: VDN) -> dict[str, Stage]:
    return {
        "infer": Stage(lambda y: model.restore(y).noise_std, {"y": _image()}, (model.sigma,)),
        "restore": Stage(lambda y: model.restore(y).image, {"y": _image()}, (model.denoiser,)),
    }


def _virnet(model: VIRNet) -> dict[str, Stage]:
    infer = Stage(lambda y: model.restore(y).noise_std, {"y": _image()}, (model.sigma,))
    if model.config.conditioning == "nothing":
        restore = Stage(lambda y: y + model.restorer(y), {"y": _image()}, (model.restorer,))
    else:
        restore = Stage(
            lambda y, std: y + model.restorer(torch.cat([y, std], 1)),
            {"y": _image(), "std": _image(model.config.map_channels)},
            (model.restorer,),
        )
    return {"infer": infer, "restore": restore}


def _virnet_sr(model: VIRNetSR) -> dict[str, Stage]:
    """λ1², λ2², ρ and σ are inferred; the image is bicubic interpolation plus this residual."""

    def infer(y: Tensor) -> Tensor:
        found = model.infer(y)
        return torch.cat([found.eta, found.rho, found.mode.sqrt().flatten(1)], 1)

    def residual(y: Tensor, numbers: Tensor) -> Tensor:
        eta, rho, std = numbers[:, :2], numbers[:, 2:3], numbers[:, 3:, None, None]
        given = Inferred(std**2, eta, rho, kappa=eta, spread=rho)
        shown = append_constants(y, model.conditioning(given))
        return F.pixel_shuffle(model.restorer(shown), model.config.scale)

    if model.config.upsampling != "shuffle":
        raise ValueError("no page runs a VIRNetSR that enlarges before its restorer")
    inputs = {"y": _image(), "numbers": (4,)}
    return {
        "infer": Stage(infer, {"y": _image()}, (model.sigma, model.kernel)),
        "residual": Stage(residual, inputs, (model.restorer,)),
    }


def _vdir(model: VDIR) -> dict[str, Stage]:
    c = model.config
    if c.scale > 1 or c.conditioning != "code":
        raise ValueError(
            "no page runs a VDIR that enlarges, or whose restorer is not told the code"
        )
    code = (c.code, SIDE // REDUCTION, SIDE // REDUCTION)
    return {
        "infer": Stage(
            lambda y: model.posterior(y).mean, {"y": _image(c.channels)}, (model.encoder,)
        ),
        "estimate": Stage(model.estimate, {"code": code}, (model.estimator,)),
        "restore": Stage(
            model.restored, {"y": _image(c.channels), "code": code}, (model.restorer,)
        ),
    }


def _lud_vae(model: LUDVAE) -> dict[str, Stage]:
    """d(z, z_n) at z = e(h(x)), with the white noise that z_n is made of and its temperature."""
    c = model.config

    def decode(hidden: Tensor, temperature: Tensor, *noise: Tensor) -> Tensor:
        def latent(level: int, state: Tensor) -> Tensor:
            p = model.prior(level, state)
            return temperature * (p.mean + p.var.sqrt() * noise[level])

        return model.decode(model.content(hidden), latent)

    noise = {f"noise{i}": (c.latent, SIDE // f, SIDE // f) for i, f in enumerate(c.factors)}
    inputs = {"hidden": _image(c.channels), "temperature": (1, 1, 1), **noise}
    return {"decode": Stage(decode, inputs, (model.content, model.decoder))}


def _vbdeblur(model: VBDeblurNet) -> dict[str, Stage]:
    side = model.config.kernel_size
    image = _image(model.config.channels)

    def restore(y: Tensor, kernel: Tensor) -> Tensor:
        return model.posterior(y, model.infer(y), kernel.double()).mean

    found = {"infer": Stage(lambda y: model.infer(y).mean, {"y": image}, (model.kernel,))}
    if model.config.conditioning == "nothing":
        found["restore"] = Stage(lambda y: model.restore(y).image, {"y": image}, (model.restorer,))
    else:
        inputs = {"y": image, "kernel": (1, side, side)}
        found["restore"] = Stage(restore, inputs, (model.restorer,))
    return found


STAGES: dict[type[nn.Module], Callable[..., dict[str, Stage]]] = {
    Supervised: _supervised,
    VDN: _vdn,
    VIRNet: _virnet,
    VIRNetSR: _virnet_sr,
    VDIR: _vdir,
    LUDVAE: _lud_vae,
    VBDeblurNet: _vbdeblur,
}
