"""The checkpoints that ship or shall ship: what is trained, and on what it is measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# On what a denoiser is measured when it ships: set and options of `evaluate`.
DENOISING = tuple(("cbsd68", {"sigma": sigma}) for sigma in (15, 25, 50))
PHOTOGRAPHS = (("cc15", {}), ("polyu100", {}))


GRAIN = (("cbsd68", {"protocol": "grain"}),)
PAGES = (("text_page", {"protocol": "printed"}),)
SHAKEN = (("cbsd68", {"protocol": "shaken"}),)
WHITE = tuple(("cbsd68", {"sigma": sigma}) for sigma in (10, 30, 50, 70))


def _decompressing(protocol: str, *names: str) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """On what a network for JPEG is measured."""
    qualities = ({"quality": quality, "protocol": protocol} for quality in (10, 40, 80))
    return tuple((name, options) for options in qualities for name in names)


def _enlarging_sharply(scale: int) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """On what VDIR's super-resolution is measured: its isotropic kernel, direct sampling."""
    options = {"scale": scale, "kernel": 0, "protocol": "vdir-table-4"}
    return tuple((name, options) for name in ("set5", "bsd100"))


def _enlarging(scale: int) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """On what a network of super-resolution is measured: all seven kernels."""
    options = {"scale": scale, "kernel": "all", "sigma": 2.55}
    return tuple((name, options) for name in ("set5", "set14", "cbsd68"))


@dataclass(frozen=True, kw_only=True)
class Job:
    """A checkpoint to be trained.

    Attributes:
        recipe: What is trained.
        preset: At what size.
        why: What it is for, in a few words.
        scores: Sets and options of `vbl.evaluation.evaluate` it is measured on.
        half: Ship float16 weights.
        needs_gpu: Whether it would take months without one.
    """

    recipe: str
    preset: str
    why: str
    scores: tuple[tuple[str, Mapping[str, Any]], ...] = DENOISING
    half: bool = False
    needs_gpu: bool = False


# Checkpoints by name, in the order in which they are to be trained.
QUEUE: dict[str, Job] = {
    "resunet": Job(
        recipe="resunet",
        preset="ship",
        why="the baseline every chapter compares with: VIRNet's restorer under the squared error",
    ),
    "dncnn": Job(recipe="dncnn", preset="ship", why="the baseline the papers compare with"),
    "vdn-denoise": Job(recipe="vdn-denoise", preset="ship", why="VDN, VIRNet's predecessor"),
    "virnet-denoise": Job(
        recipe="virnet-denoise", preset="ship", why="VIRNet for noise that varies over the picture"
    ),
    "virnet-denoise-true-map": Job(
        recipe="virnet-denoise-true-map",
        preset="ship",
        why="VIRNet whose deeper SNet is taught by the true noise map instead of the window",
    ),
    "virnet-denoise-free": Job(
        recipe="virnet-denoise-free",
        preset="ship",
        why="VIRNet trained on what the book brings along: repeat it without a download",
    ),
    "virnet-denoise-real": Job(
        recipe="virnet-denoise-real",
        preset="ship",
        why="VIRNet for photographs, trained on a simulated camera",
        scores=PHOTOGRAPHS,
    ),
    "virnet-sr-x4": Job(
        recipe="virnet-sr-x4",
        preset="ship",
        why="VIRNet's blind super-resolution by 4",
        scores=_enlarging(4),
    ),
    "virnet-sr-x2": Job(
        recipe="virnet-sr-x2",
        preset="ship",
        why="VIRNet's blind super-resolution by 2",
        scores=_enlarging(2),
    ),
    "virnet-sr-x4-learned-width": Job(
        recipe="virnet-sr-x4-learned-width",
        preset="ship",
        why="the same, smaller, where KNet also says how sure it is of the blur",
        scores=_enlarging(4),
    ),
    "vdir-denoise": Job(
        recipe="vdir-denoise", preset="ship", why="VDIR for white noise", scores=WHITE
    ),
    "vdir-sr-x2": Job(
        recipe="vdir-sr-x2",
        preset="ship",
        why="VDIR's blind super-resolution by 2",
        scores=_enlarging_sharply(2),
    ),
    "vdir-jpeg": Job(
        recipe="vdir-jpeg",
        preset="ship",
        why="VDIR for the luma of JPEG pictures",
        scores=_decompressing("vdir-table-6", "classic5", "live1"),
    ),
    "vdir-real": Job(
        recipe="vdir-real",
        preset="ship",
        why="VDIR for photographs, trained on a simulated camera",
        scores=PHOTOGRAPHS,
    ),
    "vdir-jpeg-rgb": Job(
        recipe="vdir-jpeg-rgb",
        preset="ship",
        why="VDIR for colour pictures in JPEG",
        scores=_decompressing("vdir-table-7", "live1"),
    ),
    "vdir-sr-x4": Job(
        recipe="vdir-sr-x4",
        preset="ship",
        why="VDIR's blind super-resolution by 4",
        scores=_enlarging_sharply(4),
    ),
    "lud-vae-correlated": Job(
        recipe="lud-vae-correlated",
        preset="ship",
        why="LUD-VAE for a grain that it never sees beside the clean picture",
        scores=GRAIN,
    ),
    "lud-vae-real": Job(
        recipe="lud-vae-real",
        preset="ship",
        why="LUD-VAE for the noise of photographs, learned beside other pictures",
        scores=(("cc15", {}),),
    ),
    "lud-vae-small": Job(
        recipe="lud-vae-small",
        preset="ship",
        why="LUD-VAE for what a camera does to small pictures, from no pair",
        scores=(),
    ),
    "lud-vae-correlated-denoiser": Job(
        recipe="lud-vae-correlated-denoiser",
        preset="ship",
        why="a denoiser for the grain that has seen no pair but lud-vae-correlated's",
        scores=GRAIN,
    ),
    "lud-vae-real-denoiser": Job(
        recipe="lud-vae-real-denoiser",
        preset="ship",
        why="a denoiser for photographs that has seen no pair but lud-vae-real's",
        scores=(("cc15", {}),),
    ),
    "vbdeblur-text": Job(
        recipe="vbdeblur-text",
        preset="ship",
        why="VBDeblurNet for pages of print that were shaken or are out of focus",
        scores=PAGES,
    ),
    "vbdeblur-text-mse": Job(
        recipe="vbdeblur-text-mse",
        preset="ship",
        why="its twin without the likelihood",
        scores=PAGES,
    ),
    "vbdeblur-natural": Job(
        recipe="vbdeblur-natural",
        preset="ship",
        why="VBDeblurNet for photographs that were shaken or are out of focus",
        scores=SHAKEN,
    ),
    "virnet-denoise-paper": Job(
        recipe="virnet-denoise",
        preset="paper",
        why="VIRNet's denoiser at the paper's size",
        half=True,
        needs_gpu=True,
    ),
    "virnet-sr-x4-paper": Job(
        recipe="virnet-sr-x4",
        preset="paper",
        why="VIRNet's blind super-resolution by 4 at the paper's size",
        scores=_enlarging(4),
        half=True,
        needs_gpu=True,
    ),
    "virnet-denoise-real-paper": Job(
        recipe="virnet-denoise-real",
        preset="paper",
        why="VIRNet for photographs at the paper's size",
        scores=PHOTOGRAPHS,
        half=True,
        needs_gpu=True,
    ),
    "vdir-denoise-paper": Job(
        recipe="vdir-denoise",
        preset="paper",
        why="VDIR for white noise at the paper's size, with its adversary",
        scores=WHITE,
        half=True,
        needs_gpu=True,
    ),
    "vdir-jpeg-paper": Job(
        recipe="vdir-jpeg",
        preset="paper",
        why="VDIR for the luma of JPEG pictures at the paper's size",
        scores=_decompressing("vdir-table-6", "classic5", "live1"),
        half=True,
        needs_gpu=True,
    ),
    "vdir-sr-x2-paper": Job(
        recipe="vdir-sr-x2",
        preset="paper",
        why="VDIR's blind super-resolution by 2 at the paper's size",
        scores=_enlarging_sharply(2),
        half=True,
        needs_gpu=True,
    ),
    "vdir-real-paper": Job(
        recipe="vdir-real",
        preset="paper",
        why="VDIR for photographs at the paper's size",
        scores=PHOTOGRAPHS,
        half=True,
        needs_gpu=True,
    ),
    "lud-vae-correlated-paper": Job(
        recipe="lud-vae-correlated",
        preset="paper",
        why="LUD-VAE for the grain at the paper's size",
        scores=GRAIN,
        half=True,
        needs_gpu=True,
    ),
    "lud-vae-real-paper": Job(
        recipe="lud-vae-real",
        preset="paper",
        why="LUD-VAE for the noise of photographs at the paper's size",
        scores=(("cc15", {}),),
        half=True,
        needs_gpu=True,
    ),
    "vbdeblur-text-paper": Job(
        recipe="vbdeblur-text",
        preset="paper",
        why="VBDeblurNet for pages of print at the paper's size",
        scores=PAGES,
        half=True,
        needs_gpu=True,
    ),
    "vbdeblur-natural-paper": Job(
        recipe="vbdeblur-natural",
        preset="paper",
        why="VBDeblurNet for photographs at the paper's size",
        scores=SHAKEN,
        half=True,
        needs_gpu=True,
    ),
    "vdn-denoise-paper": Job(
        recipe="vdn-denoise",
        preset="paper",
        why="VDN at its authors' size",
        half=True,
        needs_gpu=True,
    ),
    "resunet-paper": Job(
        recipe="resunet",
        preset="paper",
        why="VIRNet's restorer at the paper's size, under the squared error",
        half=True,
        needs_gpu=True,
    ),
    "dncnn-paper": Job(
        recipe="dncnn",
        preset="paper",
        why="DnCNN at its authors' length",
        half=True,
        needs_gpu=True,
    ),
}
