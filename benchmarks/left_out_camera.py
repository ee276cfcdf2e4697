"""What LUD-VAE's pairs are worth for a camera that no training has seen.

    VBL_DATA=... python benchmarks/left_out_camera.py [--camera NikonD800] [--seeds 3]
    VBL_DATA=... python benchmarks/left_out_camera.py --camera none [--seeds 3]

LUD-VAE and the denoiser of its pairs are trained as those that ship, `lud-vae-real` and
`lud-vae-real-denoiser`, on the photographs of all cameras but one. Both runs are resumed where they
were left. Measured are the crops of CC15, camera by camera, beside the shipped networks. Writes
data/results/left-out-camera.json.
"""

import argparse
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import nn

from vbl.evaluation import evaluate, load_result, save_result
from vbl.images import open_dataset
from vbl.models import load
from vbl.recipes import find_recipe
from vbl.recipes.lud_vae import beside_pile, noisy_photographs, translated
from vbl.training import fit

BESIDE = ("vdn-denoise", "virnet-denoise-real", "virnet-photo", "lud-vae-real-denoiser")


def without_camera(camera: str, runs: Path, seed: int) -> nn.Module:
    """The denoiser of a LUD-VAE, neither of which has seen a camera."""
    options = {"preset": "ship", "seed": seed, "device": "cpu", "resume": True}
    recipe = find_recipe("lud-vae-real")
    pile = partial(noisy_photographs, camera)
    recipe = replace(recipe, degrade=partial(beside_pile, pile=pile))
    folder = runs / f"{camera or 'none'}-{seed}"
    learned = fit(recipe, folder=folder / "lud-vae", **options)
    made = partial(translated, by=str(learned.folder / "weights.safetensors"), pair="added")
    recipe = replace(find_recipe("lud-vae-real-denoiser"), degrade=made)
    denoiser = fit(recipe, folder=folder / "denoiser", **options)
    return load(str(denoiser.folder / "weights.safetensors"))


def by_camera(model: nn.Module | str) -> dict[str, float]:
    """PSNR in dB on the crops of CC15 of each camera, and on all."""
    pictures = open_dataset("cc15")
    names = {"all": list(pictures.names)}
    for name in pictures.names:
        names.setdefault(name.split("_")[0], []).append(name)
    return {
        camera: round(evaluate(model, pictures.only(some), device="cpu").psnr, 3)
        for camera, some in names.items()
    }


def main() -> None:
    """Train without one camera, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--camera", default="NikonD800", help="or none, to train on all as a control"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/left-out"))
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    try:
        rows = load_result("left-out-camera")["rows"]
    except FileNotFoundError:
        rows = {}
    rows |= {name: by_camera(name) for name in BESIDE if name not in rows}
    camera = "" if options.camera == "none" else options.camera
    for seed in range(options.seeds):
        name = f"lud-vae without {options.camera}, seed {seed}"
        if name not in rows:
            rows[name] = by_camera(without_camera(camera, options.runs, seed))
        print(name, rows[name])
        seen = Counter(name.split("_")[0] for name in noisy_photographs().names)
        about = {"command": "python benchmarks/left_out_camera.py"}
        save_result("left-out-camera", {"rows": rows, "noisy photographs": dict(seen)}, **about)


if __name__ == "__main__":
    main()
