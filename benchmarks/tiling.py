"""What tiles change: the seams of too little overlap.

    python benchmarks/tiling.py [--models NAME ...] [--tile 128]

The difference to the untiled result on one noisy photograph in float32, for overlaps below the
receptive radius and at it. Writes data/results/benchmark-tiling.json.
"""

import argparse
from typing import Any

import torch

from vbl.degradations import awgn
from vbl.evaluation import save_result
from vbl.images import open_dataset
from vbl.models import load
from vbl.restoration import is_told, receptive_radius, restore


def seams(name: str, tile: int) -> list[dict[str, Any]]:
    """A row for each overlap: the greatest difference to the untiled result, and the mean."""
    torch.set_num_threads(1)
    model = load(name)
    clean, generator = open_dataset("photographs")["coffee"].image, torch.Generator().manual_seed(0)
    y = awgn(clean, 25 / 255, generator=generator).y
    options = {"bf16": False} | ({"noise_std": 25 / 255} if is_told(model) else {})
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
    parser.add_argument("--models", nargs="*", default=["resunet"], help="checkpoints")
    parser.add_argument("--tile", type=int, default=128)
    options = parser.parse_args()
    rows = [row for name in options.models for row in seams(name, options.tile)]
    print(*rows, sep="\n")
    save_result("benchmark-tiling", {"seams": rows})


if __name__ == "__main__":
    main()
