"""Two piles of a camera whose truth is known: what `vbl adapt` is worth, beside true pairs.

    VBL_DATA=... python benchmarks/your_camera.py [--seeds 0 1 2] [--only SUBJECT ...]

The same small denoiser is trained, in the same steps, on white noise of the true strength, on white
noise of any strength, on true pairs, and on what `adapt` makes of two piles: of Gaussian noise that
is matched to the noisy pile, or of what LUD-VAE has learned, matched as well. With the noisy pile
alone it is trained as `blind_spots` says, for about as long as LUD-VAE and it take. Subjects are a
film's grain, a simulated camera and a simulated microscope, grey and of 16 bits. Measured is the
PSNR on crops of other pictures. Each row is kept in data/results/your-camera.json as soon as it is
complete. Rows "gain alone" are those of learned noise before it was filtered.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from blind_spots import BlindSpots
from torch import Tensor, nn
from torch.nn import functional as F
from variation import some_of_cbsd68

from vbl.degradations import Degrade, Degraded, awgn, camera, grain, poisson_gaussian
from vbl.evaluation import load_result, psnr, save_result
from vbl.figures import middles, noise_level_function
from vbl.figures.without_truth import noise_numbers
from vbl.images import ImageSet, Sample, grey, open_dataset
from vbl.images.piles import Facts, facts_of, prepared
from vbl.models import load
from vbl.recipes.adapting import denoiser_recipe
from vbl.training import adapt, fit
from vbl.training.adapt import in_steps
from vbl.utils import seeded

NAME = "your-camera"
PICTURES, SIDE = 80, 192  # of each pile; of the crops that are measured
STEPS = {"lud-vae": 600, "denoiser": 400, "blind spots": 2400}
LONGER = STEPS | {"lud-vae": 3000}
MATCHED, LEARNED, LONG = "matched noise", "learned noise", "learned for longer"
VARIATIONS = (
    "true pairs", "white noise", MATCHED, LEARNED, "blind spots",
    "white noise of any strength", LONG,
)  # fmt: skip
SHIPPED = "virnet-photo"  # a larger network, trained for longer; for colour
ANY = (5 / 255, 40 / 255)
DIM = (0.004, 0.052)  # values of 16 bits between which the microscope's pictures lie


@dataclass(frozen=True)
class Subject:
    """What is photographed, and how.

    Attributes:
        scene: From a photograph to a scene.
        degrade: From a scene to a noisy and a clean picture.
        levels: Values in a file of what is 0 and 1.
    """

    scene: Callable[[Tensor], Tensor]
    degrade: Degrade
    levels: tuple[float, float] = (0.0, 1.0)


def grain_on_file(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """Grain of a film, strongest where it is bright, as a file of 8 bits has it."""
    pair = grain(x, generator=generator)
    return replace(pair, y=pair.y.clamp(0, 1))


def microscope(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """A dim camera of linear response: 60 photons at the brightest, read noise of one."""
    pair = poisson_gaussian(x, photons=60.0, read_std=1 / 60, generator=generator)
    return replace(pair, y=pair.y.clamp(0, 1))


def dark_field(photograph: Tensor) -> Tensor:
    """A grey scene, mostly dark, in linear light."""
    return grey(photograph).square()


SUBJECTS = {
    "film": Subject(lambda x: x, grain_on_file),
    "camera": Subject(lambda x: x, partial(camera, electrons=300.0, read_std=4.0)),
    "microscope": Subject(dark_field, microscope, DIM),
}


@cache
def pile(name: str, noisy: bool) -> ImageSet:
    """Noisy pictures, or clean ones of other scenes, as a file would have them."""
    pictures = open_dataset("bsd397")
    names = pictures.names[0 if noisy else 1 :: 4][:PICTURES]
    subject = SUBJECTS[name]

    def one(key: str) -> Sample:
        scene = subject.scene(pictures[key].image)
        pair = subject.degrade(scene, generator=seeded("cpu", name, key))
        low, high = subject.levels
        image = low + (high - low) * (pair.y if noisy else pair.x)
        bits = 8 if subject.levels == (0.0, 1.0) else 16
        return Sample(key, (image * (2**bits - 1)).round() / (2**bits - 1))

    return ImageSet("noisy" if noisy else "clean", {key: partial(one, key) for key in names})


def truth(name: str) -> Degraded:
    """True pairs of other pictures, in units of the scene."""
    subject = SUBJECTS[name]
    x = subject.scene(middles(some_of_cbsd68(), SIDE))
    return subject.degrade(x, generator=seeded("cpu", "truth", name))


def scenes(name: str) -> ImageSet:
    """The clean pile in units of the scene."""
    return prepared(pile(name, noisy=False), *_form(name))


@cache
def _facts(name: str) -> Facts:
    return facts_of(pile(name, noisy=True))


def _form(name: str) -> tuple[int, tuple[float, float]]:
    return _facts(name).channels, SUBJECTS[name].levels


def trained(name: str, variation: str, seed: int, folder: Path) -> tuple[nn.Module, dict]:
    """A denoiser that takes pictures in units of the scene, and what was learned on the way."""
    if variation == SHIPPED:
        return load(SHIPPED), {}
    if variation == "blind spots":
        return blind(name, seed, folder), {}
    if variation in (MATCHED, LEARNED, LONG):
        piles = (pile(name, noisy=noisy) for noisy in (True, False))
        options = {"learn": variation != MATCHED, "steps": LONGER if variation == LONG else STEPS}
        made = adapt(*piles, folder, **options, device="cpu", seed=seed, resume=True)
        return _in_units_of_the_scene(load(str(made.weights)), name), learned(name, made.make)
    pair = truth(name)
    degrade = {
        "white noise": partial(awgn, std=(pair.y - pair.x).std().item()),
        "white noise of any strength": partial(awgn, std=ANY),
        "true pairs": SUBJECTS[name].degrade,
    }[variation]
    recipe = denoiser_recipe(degrade, _facts(name))
    preset = in_steps(recipe, STEPS["denoiser"])
    options = {"data": scenes(name), "device": "cpu", "seed": seed, "resume": True}
    return load(str(_weights(fit(recipe, preset=preset, folder=folder, **options)))), {}


def blind(name: str, seed: int, folder: Path) -> nn.Module:
    """A denoiser that has seen the noisy pile alone."""
    recipe = replace(denoiser_recipe(itself, _facts(name)), model=BlindSpots)
    preset = in_steps(recipe, STEPS["blind spots"])
    noisy = prepared(pile(name, noisy=True), *_form(name))
    options = {"data": noisy, "device": "cpu", "seed": seed, "resume": True}
    return fit(recipe, preset=preset, folder=folder, **options).model


def itself(x: Tensor, *, generator: torch.Generator | None = None) -> Degraded:
    """Noisy pictures as they are."""
    return Degraded(x, x)


def _weights(run: Any) -> Path:
    return run.folder / "weights.safetensors"


def _in_units_of_the_scene(model: nn.Module, name: str) -> nn.Module:
    """The same denoiser for pictures whose 0 and 1 are the scene's."""
    low, high = SUBJECTS[name].levels
    levels = tuple((level - low) / (high - low) for level in model.config.levels)
    model.config = replace(model.config, levels=levels)
    return model


@torch.inference_mode()
def learned(name: str, make: Degrade) -> dict[str, float]:
    """Numbers of the noise that was learned, beside the true ones."""
    pair, facts = truth(name), _facts(name)
    low, high = SUBJECTS[name].levels
    bottom, top = ((level - low) / (high - low) for level in facts.levels)
    x = ((pair.x - bottom) / (top - bottom)).clamp(0, 1)
    made = make(x, generator=seeded("cpu", "made"))
    noise = (made.y - made.x) * (top - bottom)
    found = {"quiet std": 255 * facts.std, "quiet lag": facts.lag}
    for who, residual in (("true", pair.y - pair.x), ("made", noise)):
        numbers = noise_numbers(residual, torch.zeros_like(residual))
        if residual.shape[1] == 3:
            table = torch.corrcoef(residual.transpose(0, 1).flatten(1))
            numbers["correlation of two colours"] = (table.sum().item() - 3) / 6
        found |= {f"{who} {key}": value for key, value in numbers.items()}
        found[f"{who} unevenness"] = unevenness(residual, pair.x)
        value, std = noise_level_function(residual, pair.x, bins=8)
        found |= {
            f"{who} std at {v:.2f}": 255 * s
            for v, s in zip(value.tolist(), std.tolist(), strict=True)
        }
    return found


def unevenness(noise: Tensor, x: Tensor) -> float:
    """How much the strength of noise differs from block to block, its brightness apart.

    The standard deviation of the logarithm of the variance of blocks of 16 x 16 values, which were
    divided by the standard deviation at their brightness before.
    """
    level = (8 * x).long().clamp(0, 7) + 8 * torch.arange(x.shape[1]).view(1, -1, 1, 1)
    power = torch.zeros(8 * x.shape[1]).index_add_(0, level.flatten(), noise.square().flatten())
    count = level.flatten().bincount(minlength=len(power)).clamp_min(1)
    even = noise.square() / (power / count)[level].clamp_min(1e-12)
    return F.avg_pool2d(even, 16).clamp_min(1e-6).log().std().item()


@torch.inference_mode()
def score(model: nn.Module, name: str) -> float:
    """PSNR in dB on true pairs."""
    pair = truth(name)
    return psnr(model.restore(pair.y).image.clamp(0, 1), pair.x).mean().item()


def left(subjects: list[str], rows: list[dict[str, Any]], seeds: list[int]) -> Iterator:
    """What has no row yet; the quick variations first."""
    done = {(row["variation"], row["seed"]) for row in rows}
    for name in subjects:
        wanted = [(variation, seed) for variation in VARIATIONS for seed in seeds]
        wanted += [(SHIPPED, 0)] * (_facts(name).channels == 3)
        for variation, seed in wanted:
            if (f"{name}, {variation}", seed) not in done:
                yield name, variation, seed


def rows_so_far() -> list[dict[str, Any]]:
    """What has been computed."""
    try:
        return load_result(NAME)["rows"]
    except FileNotFoundError:
        return []


def main() -> None:
    """Compute what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    every = (*VARIATIONS, SHIPPED)
    parser.add_argument("--variations", nargs="+", choices=every, default=every)
    parser.add_argument("--runs", type=Path, default=Path("runs/your-camera"))
    options = parser.parse_args()
    todo = left(options.only, rows_so_far(), options.seeds)
    pairs = {name: truth(name) for name in SUBJECTS}
    noisy = {name: round(psnr(p.y, p.x).mean().item(), 3) for name, p in pairs.items()}
    for name, variation, seed in todo:
        if variation not in options.variations:
            continue
        folder = options.runs / f"{name}-{variation.replace(' ', '-')}-{seed}"
        model, found = trained(name, variation, seed, folder)
        found = {"psnr": score(model, name), **found}
        found = {key: float(f"{value:.6g}") for key, value in found.items()}
        row = {"variation": f"{name}, {variation}", "seed": seed, "scores": found}
        if variation != SHIPPED:
            row["steps"] = STEPS["blind spots" if variation == "blind spots" else "denoiser"]
        payload = {"steps": STEPS, "longer": LONGER, "pictures": PICTURES, "noisy": noisy}
        payload["rows"] = [*rows_so_far(), row]  # another process may have added some
        save_result(NAME, payload, command="python benchmarks/your_camera.py")
        print(f"{name}, {variation}, seed {seed}: {found['psnr']:.2f} dB", flush=True)


if __name__ == "__main__":
    main()
