"""Controlled comparisons: a small network trained in many variations, each with several seeds.

    python benchmarks/studies.py STUDY [--seeds 3] [--only NAME ...]

What differs between two rows of the result is what their names say and nothing else: they see
the same crops with the same noise in the same order. Each row is kept in
data/results/study-NAME.json as soon as it is complete; a row that is there is not computed again.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from data_studies import DATA, data_scores
from deblurring_studies import DEBLURRING, deblurring_scores
from lud_vae_studies import LEARNED, PAIRS, learned_scores, pairs_scores
from torch import Tensor, nn
from variation import Variation, some_of_cbsd68, trained

from vbl.degradations import Degraded, awgn, blurred, correlated, gaussian_kernel, jpeg
from vbl.evaluation import evaluate, load_result, psnr, save_result
from vbl.figures import linear_r2, middles, pooled
from vbl.images import ImageSet, luma, open_dataset
from vbl.models import supervised, vdir, virnet
from vbl.recipes import Preset, Recipe
from vbl.recipes.denoising import RESUNET, VIRNET_CLIP, VIRNET_DENOISE
from vbl.recipes.super_resolution import VIRNET_SR_X4
from vbl.recipes.vdir import CLIP, DETAIL, VDIR_DENOISE, VDIR_JPEG, VDIR_REAL
from vbl.utils import seeded

STEPS = 1000
WIDTHS, SIGMA_WIDTH = (16, 32, 48), 16
LATENT_STEPS = 600


def bound(**choices: Any) -> Preset:
    """VIRNet's small network with some of its choices changed."""
    config = virnet.Config(sigma_width=SIGMA_WIDTH, widths=WIDTHS, blocks=1, **choices)
    return Preset(config=config, steps=STEPS, clip=VIRNET_CLIP)


def squared_error(eps0_sq: float, clip: Mapping[str, float]) -> Preset:
    """The restorer of that network alone, under the mean squared error over 2 eps0²."""
    options = {"widths": WIDTHS, "blocks": 1}
    config = supervised.Config("ResUNet", options, eps0_sq=eps0_sq)
    return Preset(config=config, steps=STEPS, clip=clip)


def ablation(**choices: Any) -> Variation:
    """One choice changed."""
    return Variation(VIRNET_DENOISE, bound(**choices))


BOUND = Variation(VIRNET_DENOISE, bound())
TWIN = Variation(RESUNET, squared_error(1e-6, RESUNET.presets["ship"].clip))

DENOISING: dict[str, Variation] = {
    "bound": BOUND,
    "squared error": TWIN,
    "squared error, unit scale, no clip": Variation(RESUNET, squared_error(0.5, {})),
    "bound, no clip": Variation(VIRNET_DENOISE, replace(bound(), clip={})),
    "bound, 16 pictures": replace(BOUND, pictures=16),
    "squared error, 16 pictures": replace(TWIN, pictures=16),
    "gradient flows": ablation(gradient="flow"),
    "told nothing": ablation(conditioning="nothing"),
    "told a sample": ablation(conditioning="sample", likelihood="monte carlo"),
    "one draw": ablation(likelihood="monte carlo"),
    "eps0² 1e-4": ablation(eps0_sq=1e-4),
    "eps0² 1e-5": ablation(eps0_sq=1e-5),
    "eps0² 1e-7": ablation(eps0_sq=1e-7),
    "p 3": ablation(p=3, window_std=0.6),
    "p 11": ablation(p=11, window_std=2.2),
    "true ξ": ablation(xi="true"),
    "SNet of 3 layers": ablation(sigma_depth=3),
    "SNet of 8 layers": ablation(sigma_depth=8),
    "SNet of 10 layers": ablation(sigma_depth=10),
    "true ξ, SNet of 8 layers": ablation(xi="true", sigma_depth=8),
}


def blind(steps: int = 2000, widths: tuple[int, ...] = (4,), **choices: Any):
    """VIRNet's super-resolution by 4 with some of its choices changed.

    The smallest restorer will do where only the kernel is asked for: it does not teach KNet.
    """
    preset = VIRNET_SR_X4.presets["classroom"]
    config = replace(preset.config, widths=widths, blocks=1, **choices)
    return Variation(VIRNET_SR_X4, replace(preset, config=config, steps=steps))


KERNEL: dict[str, Variation] = {
    "as shipped": blind(),
    "the picture as it is": blind(whiten=False),
    "a look every 4 pixels": blind(kernel_step=4),
    "r0² 1e-4": blind(r0_sq=1e-4),
    "likelihood teaches all": blind(likelihood_trains="all"),
}

FACTORISATION: dict[str, Variation] = {
    f"told {what}": blind(1500, (32, 64), conditioning=what)
    for what in ("nothing", "noise", "kernel", "both")
}
FACTORISATION["told nothing, twice as long"] = blind(3000, (32, 64), conditioning="nothing")


def mixed(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """A third of the pictures noisy, a third compressed, a third blurred."""
    parts = [degrade(part, generator) for degrade, part in zip(MIXED, x.chunk(3), strict=True)]
    return Degraded(torch.cat([part.y for part in parts]), x)


def slightly_blurred(x: Tensor, generator: torch.Generator | None) -> Degraded:
    """A round Gaussian of variance 0.5 to 5 pixels² and noise of 2."""
    var = 0.5 + 4.5 * torch.rand(len(x), generator=generator)
    return blurred(x, gaussian_kernel(var, var, 0 * var, 15), 2 / 255, generator=generator)


MIXED: tuple[Callable[[Tensor, Any], Degraded], ...] = (
    lambda x, generator: awgn(x, (5 / 255, 70 / 255), generator=generator),
    lambda x, generator: jpeg(x, (10.0, 80.0), generator=generator),
    slightly_blurred,
)
MIXED_RECIPE = replace(VDIR_DENOISE, name="vdir-mixed", degrade=mixed)


def coded(recipe: Recipe = VDIR_DENOISE, steps: int = LATENT_STEPS, **choices: Any) -> Variation:
    """VDIR's small network with some of its choices changed; nothing is known by default."""
    config = {"known": "nothing", "width": 16, "adversary_width": 16, "restorer": "ResUNet"}
    config |= {"options": {"widths": WIDTHS, "blocks": 1}, **choices}
    preset = Preset(config=vdir.Config(**config), steps=steps, clip=CLIP)
    return Variation(recipe, preset)


NAIVE = {"conditioning": "nothing", "trained": ("clean image",)}
# FFDNet has to learn the picture, not a residual, and takes longer
FFDNET = {"restorer": "FFDNet", "options": {"width": 48, "depth": 8}}
FFDNET |= {"steps": 4 * LATENT_STEPS}

LATENT: dict[str, Variation] = {
    "told nothing": coded(**NAIVE),
    "restoration alone": coded(trained=("clean image",)),
    "no reconstruction": coded(trained=("clean image", "code")),
    "bound": coded(),
    "bound, adversary": coded(adversarial=1e-3),
    "bound, estimation": coded(known="noise"),
    "bound, adversary, estimation": coded(known="noise", adversarial=1e-3),
    "bound, learned b_y": coded(spread="learned"),
    "bound, β 1e-3": coded(beta=1e-3),
    "bound, β 1e-4": coded(beta=1e-4),
    "two stages": coded(known="noise", conditioning="estimate"),
    "FFDNet, two stages": coded(known="noise", conditioning="estimate", **FFDNET),
    "FFDNet, bound, estimation": coded(known="noise", **FFDNET),
    "mixed, told nothing": coded(MIXED_RECIPE, **NAIVE),
    "mixed, bound": coded(MIXED_RECIPE),
    "camera, told nothing": coded(VDIR_REAL, **NAIVE),
    "camera, bound": coded(VDIR_REAL),
    "told nothing, four times as long": coded(steps=4 * LATENT_STEPS, **NAIVE),
    "bound, learned b_y, four times as long": coded(steps=4 * LATENT_STEPS, spread="learned"),
    "bound, estimation, four times as long": coded(steps=4 * LATENT_STEPS, known="noise"),
}


def super_resolution_scores(model: nn.Module) -> dict[str, float]:
    """PSNR in dB and mean squared error of the kernels, for the seven kernels and noise 2.55."""
    options = {"scale": 4, "kernel": "all", "sigma": 2.55, "device": "cpu", "progress": False}
    report = evaluate(model, some_of_cbsd68(), **options)
    found = {"psnr": report.psnr, **report.inferred}
    for row in report.per_kernel:
        found |= {f"kernel {row['kernel']}, {key}": row[key] for key in ("psnr", "kernel_mse")}
    return found


@torch.inference_mode()
def latent_scores(model: nn.Module) -> dict[str, float]:
    """What the code says of the noise level, and what a restoration makes of another code."""
    x = middles(some_of_cbsd68(), 256)
    found = {f"{level}": _psnr(model, *_white(x, level)) for level in (30, 10, 50)}
    y, _ = _white(x, 30)
    codes = {"its mirror image": y.flip(-1), "noise 10": _white(x, 10)[0]}
    codes |= {"noise 50": _white(x, 50)[0], "another picture": y.roll(1, 0)}
    codes["another picture, noise 10"] = codes["noise 10"].roll(1, 0)
    for name, shown in codes.items():
        found[f"30, code of {name}"] = _psnr(model, y, x, model.posterior(shown).mean)
    found["r2"] = _level_r2(model)
    found["compressed 20"] = _psnr(model, jpeg(x, 20.0).y, x)
    soft = slightly_blurred(x, seeded("cpu", "blurred")).y
    found["blurred"] = _psnr(model, soft, x)
    pairs = open_dataset("cc15")
    restored = [psnr(model.restore(pair.degraded).image, pair.image) for pair in pairs]
    return found | {"cc15": torch.cat(restored).mean().item()}


def _white(x: Tensor, level: float) -> tuple[Tensor, Tensor]:
    """Pictures with noise, the same up to its level, and without."""
    return awgn(x, level / 255, generator=seeded("cpu", "white")).y, x


def _psnr(model: nn.Module, y: Tensor, x: Tensor, code: Tensor | None = None) -> float:
    return psnr(model.restore(y, code=code).image, x).mean().item()


def _level_r2(model: nn.Module) -> float:
    """R² of the noise level from the pooled code, on patches of 64 x 64 pixels."""
    x = middles(open_dataset("cbsd68"), 320).unfold(2, 64, 128).unfold(3, 64, 128)
    x = x.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)  # nine patches of each picture, apart
    generator = seeded("cpu", "levels")
    std = (5 + 65 * torch.rand(len(x), generator=generator)) / 255
    return linear_r2(pooled(model.posterior(awgn(x, std, generator=generator).y).mean), std)


def denoising_scores(model: nn.Module) -> dict[str, float]:
    """PSNR in dB and correlation of the noise maps, for white and varying noise."""
    pictures, found = some_of_cbsd68(), {}
    conditions = {"25": {"sigma": 25}} | {f"case {case}": {"case": case} for case in (1, 2, 3)}
    for name, options in conditions.items():
        report = evaluate(model, pictures, **options, device="cpu", progress=False)
        found[name] = report.psnr
        found |= {f"{name}, {key}": value for key, value in report.inferred.items()}
    return found | {"correlated 25": correlated_psnr(model, pictures)}


@torch.inference_mode()
def correlated_psnr(model: nn.Module, pictures: ImageSet) -> float:
    """PSNR in dB for noise with neighbours alike, which no training saw."""
    values = []
    for number, sample in enumerate(pictures):
        pair = correlated(sample.image, 25 / 255, generator=seeded("cpu", "correlated", number))
        values.append(psnr(model.restore(pair.y).image, pair.x))
    return torch.cat(values).mean().item()


QUALITY: dict[str, Variation] = {
    name: coded(VDIR_JPEG, 2 * LATENT_STEPS, channels=1, known="quality", detail=detail)
    for name, detail in (("as in the paper", 0.0), ("sees fine detail", DETAIL))
}


def quality_scores(model: nn.Module) -> dict[str, float]:
    """Mean error of the inferred quality of JPEG, and PSNR in dB at two qualities."""
    x = luma(middles(open_dataset("live1"), 320))
    errors, found = [], {}
    for quality in (10, 20, 30, 40, 60, 80):
        pair = jpeg(x, float(quality))
        with torch.inference_mode():
            restored = model.restore(pair.y)
        errors.append((restored.quality - quality).abs().mean().item())
        found[f"psnr at {quality}"] = psnr(restored.image, pair.x).mean().item()
    return {"quality error": sum(errors) / len(errors), **found}


STUDIES: dict[str, tuple[Mapping[str, Variation], Callable[[nn.Module], dict[str, float]]]] = {
    "denoising": (DENOISING, denoising_scores),
    "kernel": (KERNEL, super_resolution_scores),
    "factorisation": (FACTORISATION, super_resolution_scores),
    "latent": (LATENT, latent_scores),
    "quality": (QUALITY, quality_scores),
    "lud-vae": (LEARNED, learned_scores),
    "lud-vae-pairs": (PAIRS, pairs_scores),
    "deblurring": (DEBLURRING, deblurring_scores),
    "data": (DATA, data_scores),
}


def left(study: Mapping[str, Variation], rows: list[dict[str, Any]], seeds: int) -> Iterator:
    """Names and seeds that have no row yet: first one seed of each, then the next."""
    done = {(row["variation"], row["seed"]) for row in rows}
    for seed in range(seeds):
        for name in study:
            if (name, seed) not in done:
                yield name, seed


def rows_of(result: str) -> list[dict[str, Any]]:
    """What has been computed."""
    try:
        return load_result(result)["rows"]
    except FileNotFoundError:
        return []


def main() -> None:
    """Compute what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=[n for s, _ in STUDIES.values() for n in s]
    )
    options = parser.parse_args()
    study, scores = STUDIES[options.study]
    study = {name: study[name] for name in options.only or study}
    result = f"study-{options.study}"
    for name, seed in left(study, rows_of(result), options.seeds):
        found = scores(trained(study[name], seed))
        found = {key: float(f"{value:.6g}") for key, value in found.items()}
        steps = study[name].preset.steps
        rows = rows_of(result)  # another process may have added some
        rows.append({"variation": name, "seed": seed, "steps": steps, "scores": found})
        save_result(result, {"rows": rows}, command=f"python benchmarks/studies.py {options.study}")
        score, value = next(iter(found.items()))
        print(f"{name}, seed {seed}: {score} {value:.2f} dB", flush=True)


if __name__ == "__main__":
    main()
