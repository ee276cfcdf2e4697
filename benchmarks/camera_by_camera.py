"""`vbl adapt` for one camera of PolyU after the other, tested on scenes that no training has seen.

    VBL_DATA=... python benchmarks/camera_by_camera.py [--only CAMERA ...] [--seeds 1]

A camera's scenes are in two halves, in turn by name: the first is tested. The noisy pile is the
other half ("own"), or what LUD-VAE's recipe takes of the other cameras ("others"); the clean one is
the book's training photographs. Noise is matched, or learned and matched. Beside them are a
denoiser of white noise of any strength, of the same size and steps, and networks that come with the
book. PSNR in dB, mean over the tested crops. Each row is kept in data/results/camera-by-camera.json
as soon as it is complete.
"""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from torch import nn
from your_camera import ANY, STEPS

from vbl.degradations import awgn
from vbl.evaluation import evaluate, load_result, save_result
from vbl.images import ImageSet, Sample, open_dataset
from vbl.images.piles import facts_of
from vbl.models import load
from vbl.recipes.adapting import denoiser_recipe
from vbl.recipes.lud_vae import noisy_photographs
from vbl.training import adapt, fit
from vbl.training.adapt import in_steps

NAME = "camera-by-camera"
CAMERAS = ("Canon5D2", "Canon600D", "Canon80D", "NikonD800", "Sony")
KINDS = {  # of pile and noise: whose, and whether it is learned
    "own": ("own", False), "others": ("others", False), "own, learned": ("own", True),
}  # fmt: skip
BESIDE = ("virnet-photo", "virnet-denoise", "lud-vae-real-denoiser")


def scenes(camera: str) -> list[str]:
    """Scenes of a camera: what the names of its crops begin with."""
    names = open_dataset("polyu100").names
    return sorted({n.rpartition("_")[0] for n in names if n.startswith(camera)})


def tested(camera: str) -> ImageSet:
    """Pairs of every second scene of a camera."""
    pairs, some = open_dataset("polyu100"), scenes(camera)[::2]
    return pairs.only(name for name in pairs.names if name.rpartition("_")[0] in some)


def noisy(camera: str, kind: str) -> ImageSet:
    """Noisy crops of the camera's other scenes, or of the other cameras."""
    if kind == "others":
        return noisy_photographs(camera)
    pairs, own = open_dataset("polyu100"), scenes(camera)[1::2]
    names = [name for name in pairs.names if name.rpartition("_")[0] in own]
    return ImageSet("noisy", {n: partial(lambda n: Sample(n, pairs[n].degraded), n) for n in names})


def adapted(camera: str, kind: str, seed: int, runs: Path) -> nn.Module:
    """The denoiser of a pile."""
    folder = runs / f"{camera}-{kind.replace(', ', '-')}-{seed}"
    whose, learn = KINDS[kind]
    options = {"learn": learn, "steps": STEPS, "device": "cpu", "seed": seed, "resume": True}
    made = adapt(noisy(camera, whose), None, folder, **options)
    return load(str(made.weights))


def white(seed: int, runs: Path) -> nn.Module:
    """The same denoiser, of white noise of any strength."""
    recipe = denoiser_recipe(partial(awgn, std=ANY), facts_of(noisy("", "others")))
    preset = in_steps(recipe, STEPS["denoiser"])
    run = fit(recipe, preset=preset, folder=runs / f"white-{seed}", seed=seed, resume=True)
    return run.model


def trainings(cameras: list[str], seeds: int, runs: Path) -> Iterator:
    """Name, seed, tested cameras and network of each row."""
    for name in BESIDE:
        yield name, 0, CAMERAS, partial(load, name)
    for seed in range(seeds):
        yield "white noise", seed, CAMERAS, partial(white, seed, runs)
        for kind in KINDS:
            for camera in cameras:
                yield kind, seed, (camera,), partial(adapted, camera, kind, seed, runs)


def main() -> None:
    """Compute what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=CAMERAS, default=list(CAMERAS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs/camera-by-camera"))
    options = parser.parse_args()
    try:
        rows = load_result(NAME)["rows"]
    except FileNotFoundError:
        rows = []
    done = {(row["variation"], row["seed"]) for row in rows}
    for name, seed, cameras, network in trainings(options.only, options.seeds, options.runs):
        left = [camera for camera in cameras if (f"{camera}, {name}", seed) not in done]
        model = network() if left else None
        for camera in left:
            found = evaluate(model, tested(camera), device="cpu").psnr
            row = {"variation": f"{camera}, {name}", "seed": seed}
            rows.append(row | {"scores": {"psnr": round(found, 3)}})
            print(f"{camera}, {name}, seed {seed}: {found:.2f} dB", flush=True)
        noisy_psnr = {camera: _of_the_input(camera) for camera in CAMERAS}
        payload = {"steps": STEPS, "noisy": noisy_psnr, "rows": rows}
        save_result(NAME, payload, command="python benchmarks/camera_by_camera.py")


def _of_the_input(camera: str) -> float:
    return round(evaluate("input", tested(camera), device="cpu").psnr, 3)


if __name__ == "__main__":
    main()
