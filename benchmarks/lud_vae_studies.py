"""Two studies of LUD-VAE: what it has learned of a degradation, and what its pairs are worth."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from variation import Variation, some_of_cbsd68

from vbl.degradations import Degrade, Degraded, awgn, grain, jpeg, rough_sr
from vbl.degradations.operators import bicubic_downsample
from vbl.evaluation import evaluate, psnr
from vbl.figures import autocorrelation, histogram_kl, middles, mmd, noise_level_function
from vbl.images import ImageSet, Pixels, Sample, open_dataset, pack, random_crops
from vbl.models import load, lud_vae, vdir
from vbl.recipes import Preset, Recipe
from vbl.recipes.lud_vae import (
    CORRELATED_DENOISER,
    LUD_VAE_CORRELATED,
    LUD_VAE_SMALL,
    SCALE,
    SMALL,
    held_out,
    held_out_photographs,
    noisy_photographs,
    packed,
    small_pairs,
    translated,
    unpaired,
)
from vbl.recipes.vdir import CLIP, RIR
from vbl.training import fit
from vbl.utils import seeded

STEPS, DENOISER_STEPS, BRIEF = 450, 400, 300
WHITE, FAINT_WHITE = (10 / 255, 30 / 255), (1 / 255, 8 / 255)


# What has it learned?


def learned(recipe: Recipe = LUD_VAE_CORRELATED, **choices: Any) -> Variation:
    """A small LUD-VAE with some of its choices changed."""
    preset = recipe.presets["quick"]
    config = replace(preset.config, **{"annealed": STEPS * 3 // 10, **choices})
    return Variation(recipe, replace(preset, config=config, steps=STEPS))


def longer(**choices: Any) -> Variation:
    """A network of the size of the one that ships, with the paper's posterior."""
    config = lud_vae.Config(width=32, latent=8, annealed=300, **SMALL)
    preset = replace(
        LUD_VAE_CORRELATED.presets["quick"], config=replace(config, **choices), steps=2000
    )
    return Variation(replace(LUD_VAE_CORRELATED, model=lud_vae.LUDVAE), preset)


def aware(neighbours: int) -> Variation:
    """A quarter of the training of the network that ships, with a posterior of some reach."""
    preset = LUD_VAE_CORRELATED.presets["ship"]
    config = replace(preset.config, neighbours=neighbours, annealed=300)
    return Variation(LUD_VAE_CORRELATED, replace(preset, config=config, steps=1500))


def hidden(std_x: float, std_y: float) -> Variation:
    """Another noise of h, in units of 255."""
    return learned(std_x=std_x / 255, std_y=std_y / 255)


def compressed(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """JPEG of one quality."""
    return jpeg(x, 15.0)


JPEG = replace(
    LUD_VAE_CORRELATED,
    name="lud-vae-jpeg",
    degrade=partial(unpaired, degrade=compressed),
    validate=compressed,
)

LEARNED: dict[str, Variation] = {
    "s 0.01": learned(),
    "long": longer(),
    "long, prior told the content": longer(prior="content"),
    "long, standard prior": longer(prior="standard"),
    "neighbours 0": aware(0),
    "neighbours 3": aware(3),
    "no h": hidden(0, 0),
    "h 10, 5": hidden(10, 5),
    "h 20, 10": hidden(20, 10),
    "h 40, 20": hidden(40, 20),
    "h 60, 30": hidden(60, 30),
    "h 30, 30": hidden(30, 30),
    "h 30, 0": hidden(30, 0),
    "1 level": learned(factors=(1,)),
    "2 levels": learned(factors=(2, 1)),
    "4 levels": learned(factors=(8, 4, 2, 1)),
    "5 levels": learned(factors=(8, 4, 2, 2, 1)),
    "s 1": learned(std=1.0),
    "s 0.1": learned(std=0.1),
    "s 0.03": learned(std=0.03),
    "s 0.003": learned(std=0.003),
    "s 0.1, not annealed": learned(std=0.1, annealed=0),
    "s 0.03, not annealed": learned(std=0.03, annealed=0),
    "s 0.01, not annealed": learned(annealed=0),
    "JPEG": learned(JPEG),
    "small": learned(LUD_VAE_SMALL),
}


@torch.inference_mode()
def learned_scores(model: nn.Module) -> dict[str, float]:
    """The noise that the latents make beside the true one; the levels; the invariance; its use."""
    recipe = {r.name: r for r in (LUD_VAE_CORRELATED, JPEG, LUD_VAE_SMALL)}[model.about["recipe"]]
    clean = middles(some_of_cbsd68(), 256)
    pair = recipe.validate(clean, generator=seeded("cpu", "truth"))
    truth = pair.y - pair.x
    made = model.translate(pair.x, pair="L2CN", generator=seeded("cpu", "made"))
    c2n = model.translate(pair.x, generator=seeded("cpu", "made")).y - pair.x
    noise = made.y - made.x
    found = {"decoded": psnr(made.x, pair.x).mean().item()}
    found["restored"] = psnr(model.restore(pair.y).image, pair.x).mean().item()
    inferred = inferred_noise(model, pair)
    residuals = {"true": truth, "made": noise, "inferred": inferred, "C2N": c2n}
    for name, residual in residuals.items():
        found[f"{name} std"] = 255 * residual.std().item()
        row = autocorrelation(residual, 3)[3, 4:]
        found |= {f"{name} lag {n}": row[n - 1].item() for n in (1, 2, 3)}
        value, std = noise_level_function(residual, pair.x, bins=8)
        levels = zip(value.tolist(), (255 * std).tolist(), strict=True)
        found |= {f"{name} std at {v:.2f}": s for v, s in levels}
    found["histogram KL"] = histogram_kl(noise, truth)
    found["C2N histogram KL"] = histogram_kl(c2n, truth)
    q = model.posterior(pair.y, generator=seeded("cpu", "posterior"))
    for name, kl in model.elbo_y(pair.y, q).kl.items():
        found[name] = kl.mean().item() / pair.y[0, 0].numel()
    for row in model.history[:: len(model.history) // 10]:
        for name, value in row["terms"].items():
            if name.startswith("KL"):
                found[f"{name.removeprefix('KL ')} at step {row['step']}"] = value / 32**2
    return found | {"MMD²": invariance(model, pair)} | useful(model, recipe)


def inferred_noise(model: lud_vae.LUDVAE, pair: Degraded) -> Tensor:
    """What latents make that were inferred from y, beside the content of x."""
    generator = seeded("cpu", "inferred")
    z = model.content(model.hide(pair.x, model.config.std_x, generator=generator))
    return model.posterior(pair.y, z=z, generator=generator).mean - model.decode(z)


def invariance(model: lud_vae.LUDVAE, pair: Degraded, draws: int = 10) -> float:
    """MMD² between draws of q(z | x) and of q(z | y), finest level, mean over the pictures."""
    config, generator = model.config, seeded("cpu", "hidden")

    def content(image: Tensor, std: float) -> Tensor:
        seen = model.hide(image.expand(draws, -1, -1, -1), std, generator=generator)
        return model.content(seen)[-1].flatten(1)

    sides = (pair.x[..., :64, :64], config.std_x), (pair.y[..., :64, :64], config.std_y)
    found = []
    for i in range(len(pair.x)):
        a, b = (content(image[i : i + 1], std) for image, std in sides)
        found.append(mmd(a, b))
    return sum(found) / len(found)


@torch.inference_mode(False)
def useful(model: lud_vae.LUDVAE, recipe: Recipe) -> dict[str, float]:
    """PSNR of denoisers trained on its pairs of the grain."""
    config = model.config
    plain = lud_vae.Config()
    if recipe is not LUD_VAE_CORRELATED or config.std != plain.std or config.width > 24:
        return {}
    found, clean = {}, middles(some_of_cbsd68(), 256)
    pair = recipe.validate(clean, generator=seeded("cpu", "truth"))
    for kind in ("C2N", "added"):
        degrade = partial(model.translate, pair=kind)
        task = replace(CORRELATED_DENOISER, degrade=degrade, validate=recipe.validate)
        with tempfile.TemporaryDirectory() as folder:
            preset = replace(task.presets["quick"], steps=BRIEF)
            run = fit(task, preset=preset, data="bsd397", folder=Path(folder) / "run", device="cpu")
            restorer = load(str(run.folder / "weights.safetensors"))
        with torch.inference_mode():
            found[f"{kind}, denoiser"] = psnr(restorer.restore(pair.y).image, pair.x).mean().item()
    return found


# What are its pairs worth?


def downstream(name: str, degrade: Degrade, validate: Degrade) -> Variation:
    """A small denoiser, trained on some kind of pairs."""
    recipe = replace(CORRELATED_DENOISER, name=name, degrade=degrade, validate=validate)
    return Variation(recipe, replace(recipe.presets["quick"], steps=DENOISER_STEPS))


def restored(
    x: Tensor, *, by: str, noisy: Degrade, generator: torch.Generator | None = None
) -> Degraded:
    """N2C: noisy images and what a LUD-VAE makes of them."""
    y = noisy(x, generator=generator).y
    with torch.no_grad():
        return Degraded(y, load(by).restore(y).image)


def centred(x: Tensor, *, by: str, generator: torch.Generator | None = None) -> Degraded:
    """C2N without the mean of its noise, as "added" has none; the decoder's blur stays."""
    y = translated(x, by=by, generator=generator).y
    return Degraded(y - (y - x).mean((2, 3), keepdim=True), x)


def photograph_crops(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """Crops of noisy photographs, as many as there are images."""
    pixels = packed(noisy_photographs, x.device)
    crops = random_crops(pixels, x.shape[-1], len(x), generator=generator)
    return Degraded(crops, crops)


@cache
def _pairs() -> Pixels:
    """Noisy and clean photographs, six channels together."""
    pairs = open_dataset("polyu100")

    def both(name: str) -> Sample:
        return Sample(name, torch.cat([pairs[name].degraded, pairs[name].image], 1))

    names = [name for name in pairs.names if name not in held_out(pairs.names)]
    return pack(ImageSet("pairs", {name: partial(both, name) for name in names}))


def photograph_pairs(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """What unpaired learning does without."""
    crops = random_crops(_pairs(), x.shape[-1], len(x), generator=generator)
    return Degraded(*crops.chunk(2, 1))


def white(x: Tensor, *, level: tuple[float, float], generator: torch.Generator | None = None):
    """What one assumes who knows nothing."""
    return awgn(x, level, generator=generator)


def translated_small(
    x: Tensor, *, by: str, pair: str = "C2N", generator: torch.Generator | None = None
) -> Degraded:
    """Images, and small images: bicubic downsampling, then the degradation of a LUD-VAE."""
    small = bicubic_downsample(x, SCALE).clamp(0, 1)
    made = translated(small, by=by, pair=pair, generator=generator)
    return Degraded(made.y, x, scale=SCALE)


def enlarger(degrade: Degrade) -> Variation:
    """A small network for super-resolution by four, which infers nothing."""
    config = vdir.Config(
        scale=4, conditioning="nothing", trained=("clean image",), known="nothing", width=8,
        restorer="RIRNet", options=RIR["quick"],
    )  # fmt: skip
    recipe = replace(
        LUD_VAE_SMALL, name="small-sr", model=vdir.VDIR, degrade=degrade, validate=rough_sr
    )
    return Variation(recipe, Preset(config=config, steps=DENOISER_STEPS, size=96, clip=CLIP))


def _cubic(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    return Degraded(small_pairs(x, generator=generator).x, x, scale=4)


def _kinds(subject: str, by: str, level, noisy: Degrade, pairs: Degrade) -> Mapping[str, Variation]:
    made = {kind: partial(translated, by=by, pair=kind) for kind in lud_vae.PAIRS}
    kinds = {"white noise": partial(white, level=level), **made}
    kinds |= {"C2N, no tint": partial(centred, by=by)}
    kinds |= {"N2C": partial(restored, by=by, noisy=noisy), "true pairs": pairs}
    return {
        f"{subject}, {kind}": downstream(subject, degrade, grain) for kind, degrade in kinds.items()
    }


PAIRS: dict[str, Variation] = {
    **_kinds("grain", "lud-vae-correlated", WHITE, grain, grain),
    **_kinds("photographs", "lud-vae-real", FAINT_WHITE, photograph_crops, photograph_pairs),
    "small, cubic": enlarger(_cubic),
    "small, C2N": enlarger(partial(translated_small, by="lud-vae-small")),
    "small, added": enlarger(partial(translated_small, by="lud-vae-small", pair="added")),
    "small, true pairs": enlarger(rough_sr),
}


@torch.inference_mode()
def pairs_scores(model: nn.Module) -> dict[str, float]:
    """PSNR on true pairs, in dB."""
    subject = model.about["recipe"]
    if subject == "small-sr":
        x = middles(some_of_cbsd68(), 320)
        pair = rough_sr(x, generator=seeded("cpu", "truth"))
        return {"psnr": psnr(model.restore(pair.y).image, pair.x).mean().item()}
    options = {"device": "cpu", "progress": False}
    if subject == "grain":
        return {"psnr": evaluate(model, some_of_cbsd68(), protocol="grain", **options).psnr}
    found = {"psnr": evaluate(model, held_out_photographs(), **options).psnr}
    return found | {"cc15": evaluate(model, "cc15", **options).psnr}
