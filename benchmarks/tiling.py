"""What restoring in tiles costs and changes: the memory of a large photograph, and the seams.

    python benchmarks/tiling.py [--megapixels 24] [--models NAME ...] [--seams NAME ...]

Memory is that of ``vbl restore`` for a whole photograph, read from a file and written to one, in a
process of its own and counted from what its imports take. Seams are the difference to the untiled
result on one noisy photograph, for overlaps below the receptive radius and at it.

Writes data/results/benchmark-tiling.json.
"""

import argparse
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import measuring
import torch
from restoration import build
from torch.nn import functional as F

from vbl.cli.photos import restore_file
from vbl.degradations import awgn
from vbl.evaluation import save_result
from vbl.images import open_dataset, write
from vbl.models import load
from vbl.restoration import is_told, receptive_radius, restore


def make_photograph(path: Path, megapixels: float) -> None:
    """A photograph of 2 x 3 proportions with noise, as JPEG."""
    height = round(math.sqrt(megapixels * 1e6 / 6)) * 2
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, height // 100, 3 * height // 200, generator=generator)
    image = F.interpolate(image, (height, 3 * height // 2), mode="bilinear")
    image.add_(torch.randn(image.shape, generator=generator), alpha=0.05).clamp_(0, 1)
    write(path, image)


def memory(name: str, photo: Path, tile: int) -> dict[str, Any]:
    """One row: a model restores the file `photo`."""
    torch.set_num_threads(1)
    device = torch.device("cpu")
    model = build(name)
    imported = measuring.peak_mb(device)
    sigma = 25.0 if is_told(model) else None
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        restore_file(model, photo, Path(folder), sigma=sigma, tile=tile, device="cpu")
    return {
        "model": name,
        "tile": tile,
        "overlap": receptive_radius(model),
        "peak_mb_above_imports": measuring.peak_mb(device) - imported,
        "seconds": round(time.perf_counter() - began, 1),
        **measuring.machine(device),
    }


def seams(name: str, tile: int) -> list[dict[str, Any]]:
    """A row for each overlap: the greatest difference to the untiled result, and the mean."""
    torch.set_num_threads(1)
    model = load(name)
    clean, generator = open_dataset("photographs")["coffee"].image, torch.Generator().manual_seed(0)
    y = awgn(clean, 25 / 255, generator=generator).y
    options = {"noise_std": 25 / 255} if is_told(model) else {}
    whole = restore(model, y, tile=max(y.shape), device="cpu", **options).image
    rows, radius = [], receptive_radius(model)
    for overlap in (0, radius // 4, radius // 2, radius):
        tiled = restore(model, y, tile=tile, overlap=overlap, device="cpu", **options).image
        error = (tiled - whole).abs()
        row = {"model": name, "tile": tile, "overlap": overlap, "radius": radius}
        rows.append(row | {"largest": error.max().item(), "mean": error.mean().item()})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=["virnet-denoise/quick"])
    parser.add_argument("--seams", nargs="*", default=["resunet"], help="checkpoints")
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("--tile", type=int, default=512)
    options = parser.parse_args()
    seam_rows = [row for name in options.seams for row in seams(name, 128)]
    print(*seam_rows, sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "large.jpg"
        measuring.in_fresh_process(make_photograph, photo, options.megapixels)
        rows = []
        for name in options.models:
            row = measuring.in_fresh_process(memory, name, photo, options.tile)
            rows.append({"megapixels": options.megapixels, **row})
            print(rows[-1])
    save_result("benchmark-tiling", {"rows": rows, "seams": seam_rows})


if __name__ == "__main__":
    main()
