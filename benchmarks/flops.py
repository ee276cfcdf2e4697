"""What training takes on a GPU, from counted operations: nothing is computed, let alone timed.

    python benchmarks/flops.py [RECIPE ...]

For the presets "gpu" and "paper" of each recipe: the floating-point operations of convolutions and
matrix products in one step, forwards and backwards, counted on tensors without data, times the
steps. Hours are those at 30 % of 300 TFLOP/s, which one modern card reaches in bfloat16.

Writes data/results/benchmark-flops.json.
"""

import argparse
from contextlib import nullcontext
from typing import Any
from unittest import mock

import measuring
import torch

from vbl.degradations import Degraded, unchecked
from vbl.evaluation import save_result
from vbl.recipes import RECIPES, find_recipe
from vbl.utils import seeded

PRESETS = ("gpu", "paper")
FLOPS = 0.3 * 300e12  # a second
PAIRS = 2  # images counted; a step takes as many more as its batch is larger


def count(name: str, label: str) -> dict[str, Any]:
    """One row: a recipe at a preset."""
    recipe = find_recipe(name)
    preset = recipe.presets[label]
    recipe = recipe.degrading_for(preset)
    batch = batch_without_data(recipe, preset.size)
    model = recipe.model(preset.config).to("meta")

    def step() -> None:
        for objective in model.objectives():
            which = {} if objective == "bound" else {"objective": objective}
            model(batch, **which).loss(batch.x[0].numel()).backward()

    with unchecked(), mock.patch.object(torch, "autocast", _no_autocast):  # which knows no "meta"
        tflop = measuring.gflop(step) / 1e3 * preset.batch / PAIRS
    return {
        "recipe": name,
        "preset": label,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "batch": preset.batch,
        "size": preset.size,
        "steps": preset.steps,
        "tflop_per_step": round(tflop, 3),
        "eflop": round(tflop * preset.steps / 1e6, 3),
        "hours": round(tflop * 1e12 * preset.steps / FLOPS / 3600, 2),
    }


def _no_autocast(*_: Any, **__: Any) -> nullcontext:
    return nullcontext()


def batch_without_data(recipe: Any, size: int) -> Degraded:
    """A batch of a recipe as tensors of the "meta" device, which have shapes alone."""
    clean = torch.rand(PAIRS, 3, size, size, generator=seeded("cpu", "flops"))
    if recipe.name == "lud-vae-real":  # from photographs that not every machine has
        half = clean.chunk(2)
        return Degraded(*half).to(torch.device("meta"))
    return recipe.degrade(clean, generator=seeded("cpu", "flops")).to(torch.device("meta"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*", help="default: all")
    options = parser.parse_args()
    rows = [
        count(name, label)
        for name in options.recipes or RECIPES
        for label in PRESETS
        if label in find_recipe(name).presets
    ]
    save_result("benchmark-flops", {"rows": rows})


if __name__ == "__main__":
    main()
