"""What restoring a picture costs: time, memory, size and operations, as papers tabulate it.

    python benchmarks/restoration.py [MODEL ...] [--device cpu|cuda] [--side 512]

MODEL is a checkpoint, a weights file, or RECIPE/PRESET for a network with random weights, which
costs the same. Each is measured in a process of its own.

Writes data/results/benchmark-restoration.json (on a GPU benchmark-restoration-cuda.json).
"""

import argparse
from functools import partial
from typing import Any

import measuring
import torch
from torch import nn

from vbl.models import load
from vbl.models.checkpoints import index
from vbl.recipes import RECIPES, find_recipe
from vbl.restoration import is_told
from vbl.restoration.tiling import networks_in


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One row: a model on one square picture."""
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    model = build(name).to(device, memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(0)
    channels = min(network.in_channels for network in networks_in(model))
    y = torch.rand(1, channels, options.side, options.side, generator=generator)
    y = y.to(device, memory_format=torch.channels_last)
    told = {"noise_std": y.new_full((1, 1, 1, 1), 25 / 255)} if is_told(model) else {}
    restore = partial(model.restore, y, **told)
    with torch.inference_mode():
        restore()
        peak = measuring.peak_mb(device)
        seconds = measuring.interleaved({name: restore}, device, options.times, options.seconds)
        counted = measuring.gflop(restore)
    megapixels = options.side**2 / 1e6
    return {
        "model": name,
        "side": options.side,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "gmac": round(counted / 2, 1),
        "seconds_per_megapixel": round(seconds[name] / megapixels, 3),
        "peak_mb": peak,
        "threads": options.threads,
        **measuring.machine(device),
    }


def build(name: str) -> nn.Module:
    """A checkpoint by its name, or an untrained model as RECIPE/PRESET."""
    recipe, _, preset = name.partition("/")
    if recipe in RECIPES and preset in RECIPES[recipe].presets:
        recipe = find_recipe(recipe)
        return recipe.model(recipe.presets[preset].config).eval().requires_grad_(False)
    return load(name)


def default_models() -> list[str]:
    """What ships, and every recipe's network at every size."""
    fresh = [f"{recipe}/{preset}" for recipe in RECIPES for preset in RECIPES[recipe].presets]
    return [*index(), *fresh]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="default: what ships, and every RECIPE/PRESET")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--side", type=int, default=512, help="of the picture, in pixels")
    parser.add_argument("--times", type=int, default=10, help="restorations, after one")
    parser.add_argument("--seconds", type=float, default=60, help="about so long for a model")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    measuring.add_file_options(parser)
    options = parser.parse_args()
    rows = []
    for name in options.models or default_models():
        rows.append(measuring.in_fresh_process(measure, name, options))
        print(rows[-1])
    measuring.save_rows("benchmark-restoration", rows, ("model",), options)


if __name__ == "__main__":
    main()
