"""Denoisers on photographs, camera by camera: is one ahead only where it knows the camera?

    python benchmarks/cameras.py                                writes data/results/cameras.json
    python benchmarks/cameras.py --models resunet --sets CC15   measures that anew, the rest stays

The pairs of CC15, and those scenes of PolyU that `lud-vae-real` has not seen. The camera is what
the name of a pair begins with. Stored beside the scores: how many noisy photographs of which
cameras `lud-vae-real` has seen.
"""

import argparse
from collections import Counter
from collections.abc import Mapping
from typing import Any

from vbl.evaluation import evaluate, load_result, save_result
from vbl.images import ImageSet, open_dataset
from vbl.recipes.lud_vae import held_out_photographs, noisy_photographs

NAME = "cameras"
SETS = ("CC15", "PolyU")
MODELS = (
    "input",
    "vdn-denoise",
    "lud-vae-real-denoiser",
    "virnet-denoise-real",
    "virnet-photo",
    "vdir-real",
    "resunet",
)


def camera(name: str) -> str:
    """Camera of a pair of CC15 or PolyU."""
    return name.split("_")[0]


def scores(model: str, pictures: ImageSet) -> dict[str, dict[str, float]]:
    """Mean PSNR in dB and SSIM by camera."""
    by_camera: dict[str, list[Mapping[str, Any]]] = {}
    for row in evaluate(model, pictures, device="cpu").per_image:
        by_camera.setdefault(camera(row["name"]), []).append(row)
    return {
        name: {key: round(sum(r[key] for r in rows) / len(rows), 4) for key in ("psnr", "ssim")}
        for name, rows in by_camera.items()
    }


def main() -> None:
    """Measure the models and sets that are asked for; keep the other scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=MODELS)
    parser.add_argument("--sets", nargs="*", default=SETS, choices=SETS)
    options = parser.parse_args()
    pictures = {"CC15": open_dataset("cc15"), "PolyU": held_out_photographs()}
    pairs = {title: Counter(map(camera, found.names)) for title, found in pictures.items()}
    seen = Counter(map(camera, noisy_photographs().names))
    try:
        rows = load_result(NAME)["rows"]
    except FileNotFoundError:
        rows = {}
    about = {"command": "python benchmarks/cameras.py"}
    for title in options.sets:
        for model in options.models:
            rows.setdefault(model, {})[title] = scores(model, pictures[title])
            payload = {"pairs": pairs, "seen by lud-vae-real": seen, "rows": rows}
            save_result(NAME, payload, **about)


if __name__ == "__main__":
    main()
