"""All systems of the book on the same pictures with the same seven damages.

    python benchmarks/side_by_side.py                   writes data/results/side-by-side.json
    python benchmarks/side_by_side.py --only resunet    measures what is missing of that system

The middles of eight photographs of CBSD68 and of four pages of print, 192 x 192 pixels. Each cell,
a system on a damage, is kept as soon as it is complete; a cell that is there is not computed again.
One that cannot be says why. Costs are those of one picture of 256 x 256 pixels on one thread.
"""

import argparse
from collections import defaultdict
from functools import partial
from statistics import mean
from typing import Any

import measuring
import torch
from torch import Tensor

from vbl.degradations import Degraded, motion_kernel
from vbl.evaluation import load_result, save_result
from vbl.evaluation.side_by_side import (
    DAMAGES,
    NoRoad,
    damaged,
    inferred,
    left_over,
    scored,
    travelled,
)
from vbl.figures import middles
from vbl.images import open_dataset
from vbl.restoration import CLASSICAL, find_method

NAME, SIDE, COST_SIDE = "side-by-side", 192, 256
NOISES = ("white", "varying")

# System -> what it was made for: what it was trained on, or what its assumptions fit
SYSTEMS: dict[str, tuple[str, ...]] = {
    "input": (),
    "nlm": ("white",),
    "tv": ("white",),
    "wavelets": ("white",),
    "least-squares": ("reduced", "shaken"),
    "ffdnet": ("white",),
    "ffdnet+virnet-denoise": NOISES,
    "dncnn": NOISES,
    "resunet": NOISES,
    "vdn-denoise": NOISES,
    "virnet-denoise": NOISES,
    "virnet-denoise-true-map": NOISES,
    "virnet-denoise-free": NOISES,
    "virnet-denoise-real": ("camera",),
    "virnet-photo": (*NOISES, "camera"),
    "vdir-denoise": ("white",),
    "vdir-real": ("camera",),
    "vdir-jpeg": (),
    "vdir-jpeg-rgb": ("JPEG",),
    "lud-vae-correlated": ("grain",),
    "lud-vae-correlated-denoiser": ("grain",),
    "lud-vae-real": (),
    "lud-vae-real-denoiser": (),
    "lud-vae-small": (),
    "vbdeblur-natural": ("shaken",),
    "vbdeblur-text": ("shaken",),
    "vbdeblur-text-mse": ("shaken",),
    "least-squares+vbdeblur-natural": ("shaken",),
    "virnet-sr-x4": ("reduced",),
    "virnet-sr-x4-learned-width": ("reduced",),
    "least-squares+virnet-sr-x4": ("reduced",),
    "virnet-sr-x2": (),
    "vdir-sr-x4": ("reduced",),
    "vdir-sr-x2": (),
}

KINDS = {  # of pictures, where not all
    "vbdeblur-natural": ("photographs",),
    "least-squares+vbdeblur-natural": ("photographs",),
    "vbdeblur-text": ("pages",),
    "vbdeblur-text-mse": ("pages",),
}


def pictures() -> dict[str, list[Tensor]]:
    """Kind of picture -> clean pictures (1, 3, 192, 192)."""
    cbsd68, pages = open_dataset("cbsd68"), open_dataset("text_page")
    photographs = middles(cbsd68.only(cbsd68.names[4::8][:8]), SIDE)
    printed = middles(pages.only(pages.names[::6][:4]), SIDE).expand(-1, 3, -1, -1)
    return {"photographs": list(photographs.split(1)), "pages": list(printed.split(1))}


@torch.inference_mode()
def cell(system: str, damage: str, kinds: dict[str, list[Tensor]]) -> dict[str, Any]:
    """Means of all that is measured, for each kind of picture; or why nothing is."""
    method = find_method(system, torch.device("cpu"))
    row: dict[str, Any] = {"system": system, "damage": damage}
    made_for = damage in SYSTEMS[system]
    row["made_for"] = [kind for kind in kinds if made_for and kind in KINDS.get(system, kinds)]
    try:
        for kind, clean in kinds.items():
            found = defaultdict(list)
            for number, x in enumerate(clean):
                pair = damaged(damage, x, number)
                made = travelled(method, pair)
                values = scored(pair, made.restored.image)
                values |= left_over(pair.y, made) | inferred(pair, made)
                for name, value in values.items():
                    found[name].append(value)
                row["detour"] = made.detour
            row[kind] = {name: float(f"{mean(v):.4g}") for name, v in found.items()}
            row[kind]["psnr_of_each"] = " ".join(f"{v:.2f}" for v in found["psnr"])
    except NoRoad as reason:
        row["missing"] = str(reason)
    return row


@torch.inference_mode()
def cost(system: str) -> dict[str, Any]:
    """What a restoration costs; memory and operations of networks alone."""
    device = torch.device("cpu")
    method = find_method(system, device)
    scale = method.scale or 1
    generator = torch.Generator().manual_seed(0)
    y = torch.rand(1, 3, COST_SIDE // scale, COST_SIDE // scale, generator=generator)
    kernel = motion_kernel(9, generator=generator)
    pair = Degraded(y, y, torch.full((1, 1, 1, 1), 0.01), kernel, scale)
    restore = partial(method.restore, pair, "bicubic")
    seconds = measuring.interleaved({system: restore}, device, 3, 20)[system]
    megapixels = COST_SIDE**2 / 1e6
    row = {"system": system, "seconds_per_megapixel": round(seconds / megapixels, 2)}
    if system in CLASSICAL:
        return row
    with measuring.PeakTensors() as memory:
        restore()
    return row | {
        "parameters": method.about["parameters"],
        "gmac_per_megapixel": round(measuring.gflop(restore) / 2 / megapixels, 1),
        "mb_per_megapixel": round(memory.peak / 1e6 / megapixels),
    }


def kept() -> dict[str, list[dict[str, Any]]]:
    """What has been measured."""
    try:
        found = load_result(NAME)
    except FileNotFoundError:
        return {"cells": [], "costs": []}
    return {part: found[part] for part in ("cells", "costs")}


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="SYSTEM", choices=SYSTEMS, default=SYSTEMS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    clean, found = pictures(), kept()
    done = {(row["system"], row["damage"]) for row in found["cells"]}
    costed = {row["system"] for row in found["costs"]}
    for system in options.only:
        if system not in costed and system not in ("input", "vdir-jpeg"):
            found["costs"].append(cost(system))
        for damage in DAMAGES:
            if (system, damage) in done:
                continue
            row = cell(system, damage, clean)
            found["cells"].append(row)
            save_result(NAME, found, command="python benchmarks/side_by_side.py")
            said = row.get("missing") or f"{row['photographs']['psnr']:.2f} dB"
            print(f"{system}, {damage}: {said}", flush=True)
    for rows in found.values():
        rows.sort(key=lambda row: list(SYSTEMS).index(row["system"]))
    save_result(NAME, found, command="python benchmarks/side_by_side.py")


if __name__ == "__main__":
    main()
