"""What training takes on a GPU, from counted operations: nothing is computed, let alone timed.

    python benchmarks/flops.py [RECIPE ...]

For the presets "gpu" and "paper" of each recipe, one step is made, forwards and backwards, on
tensors without data, and the floating-point operations of its convolutions and matrix products are
counted. Hours are those of all steps at 30 % of 300 TFLOP/s, which one modern card reaches in
bfloat16. Memory is the most that the tensors of the step take at a time, in bfloat16, with the
weights and the two moments of Adam; a card takes more, for its kernels and the pictures.

Writes data/results/benchmark-flops.json.
"""

import argparse
from typing import Any

import measuring
import torch
from torch._subclasses import FakeTensorMode

from vbl.degradations import Degraded, unchecked
from vbl.evaluation import save_result
from vbl.networks import use_bf16
from vbl.recipes import RECIPES, find_recipe
from vbl.training.batches import concatenate
from vbl.utils import seeded

PRESETS = ("gpu", "paper")
FLOPS = 0.3 * 300e12  # a second
CROPS = 2  # that are degraded; a batch repeats them
ADAM = 12  # bytes for a weight and its two moments


def count(name: str, label: str) -> dict[str, Any]:
    """One row: a recipe at a preset."""
    recipe = find_recipe(name)
    preset = recipe.presets[label]
    recipe = recipe.degrading_for(preset)
    pairs = drawn(recipe, preset.size)
    with FakeTensorMode(allow_non_fake_inputs=True), unchecked():
        batch = concatenate([pairs] * (preset.batch // CROPS))
        model = recipe.model(preset.config)
        use_bf16(model, True)

        def step() -> None:
            for objective in model.objectives():
                which = {} if objective == "bound" else {"objective": objective}
                model(batch, **which).loss(batch.x[0].numel()).backward()

        with measuring.PeakTensors() as memory:
            tflop = measuring.gflop(step) / 1e3
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {
        "recipe": name,
        "preset": label,
        "parameters": parameters,
        "batch": preset.batch,
        "size": preset.size,
        "steps": preset.steps,
        "tflop_per_step": round(tflop, 3),
        "eflop": round(tflop * preset.steps / 1e6, 3),
        "hours": round(tflop * 1e12 * preset.steps / FLOPS / 3600, 2),
        "memory_gb": round((memory.peak + ADAM * parameters) / 1e9, 2),
    }


def drawn(recipe: Any, size: int) -> Degraded:
    """What a recipe makes of two crops."""
    clean = torch.rand(CROPS, 3, size, size, generator=seeded("cpu", "flops"))
    if recipe.name == "lud-vae-real":  # from photographs that not every machine has
        return Degraded(*clean.chunk(2))
    return recipe.degrade(clean, generator=seeded("cpu", "flops"))


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
