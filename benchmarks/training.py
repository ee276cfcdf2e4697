"""What a step of training costs, and where the time goes.

    python benchmarks/training.py [RECIPE ...] [--preset NAME ...] [--device cpu|cuda]

For every recipe and preset, in a process of its own: the whole body of the loop; the same networks'
forward, backward and optimiser alone, on fixed tensors under a mean square; the batches alone. The
rest is the loss, clipping and bookkeeping. Beside them stand the operations of a step and the rate
at which this device multiplies matrices in the same precision: together they are the time in which
a step would be over if everything ran as fast as that.

Writes data/results/benchmark-training.json (on a GPU benchmark-training-cuda.json).
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import measuring
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor, nn
from torch.optim import Adam
from torch.utils._pytree import tree_leaves

from vbl.degradations import Degraded
from vbl.images import pack
from vbl.networks import Network
from vbl.recipes import RECIPES, Preset, Recipe, find_recipe
from vbl.training import Learner
from vbl.training.batches import Batches
from vbl.training.data import training_and_held_out
from vbl.utils import bf16_pays

Calls = list[tuple[str, tuple[Tensor, ...]]]  # names of networks and what they were called with


def measure(name: str, label: str, options: argparse.Namespace) -> dict[str, Any]:
    """One row: a recipe at a preset."""
    torch.set_num_threads(options.threads)
    recipe = find_recipe(name)
    preset = recipe.presets[label]
    recipe = recipe.degrading_for(preset)
    handlers = [DistributedDataParallelKwargs()]
    accelerator = Accelerator(cpu=options.device == "cpu", kwargs_handlers=handlers)
    device = accelerator.device
    plan = {"seed": 0, "bf16": bf16_pays(device), "shards": 1}
    batches, pictures = training_batches(recipe, preset, device)
    learner = Learner(recipe, preset, plan, accelerator)
    steps = count()

    def loop() -> None:
        step = next(steps)
        learner.update(step, batches[step])

    for _ in range(2):
        loop()
    peak = measuring.peak_mb(device)

    eager = Learner(recipe, replace(preset, compile=False), plan, accelerator).model
    calls = network_calls(eager, batches[0])
    dtype = torch.bfloat16 if plan["bf16"] else torch.float32
    product, product_gflop = measuring.matrix_product(device, dtype)
    parts = {
        "loop": loop,
        "plain": plain_step(learner.model, calls),
        "data": lambda: batches[next(steps)],
        "product": product,
    }
    many = 10 if device.type == "cuda" else 1
    seconds = measuring.interleaved(parts, device, options.steps, options.seconds, many)
    counted = measuring.gflop(plain_step(eager, calls))
    return {
        "recipe": name,
        "preset": label,
        "data": pictures,
        "precision": str(dtype).removeprefix("torch."),
        "threads": options.threads,
        "batch": preset.batch,
        "size": preset.size,
        "parameters": sum(p.numel() for p in learner.model.parameters()),
        "peak_mb": peak,
        **summary(seconds, preset.batch, counted, product_gflop),
        **measuring.machine(device),
    }


def summary(
    seconds: dict[str, float], batch: int, counted: float, product_gflop: float
) -> dict[str, Any]:
    """What follows from the times of the parts, in seconds, and the counted GFLOP."""
    loop, plain, data = seconds["loop"], seconds["plain"], seconds["data"]
    rate = product_gflop / seconds["product"]
    return {
        "images_per_second": round(batch / loop, 2),
        "seconds_per_step": {
            "loop": round(loop, 5),
            "plain": round(plain, 5),
            "data": round(data, 5),
            "rest": round(loop - plain - data, 5),
        },
        "share_of_plain": round(plain / loop, 3),
        "gflop_per_step": round(counted, 2),
        "matrix_product_gflops": round(rate, 1),
        "roofline_images_per_second": round(batch * rate / counted, 2),
        "share_of_roofline": round(counted / rate / loop, 3),
    }


def training_batches(recipe: Recipe, preset: Preset, device: torch.device) -> tuple[Batches, str]:
    """What the loop would train on, and the name of the set."""
    training, _ = training_and_held_out(recipe, None)
    pixels = pack(training, preset.size).to(device)
    batches = Batches(pixels, recipe.degrade, size=preset.size, batch=preset.batch, seed=0)
    return batches, training.name


def network_calls(model: nn.Module, batch: Degraded) -> Calls:
    """Which networks a model calls in a step, in order, and with what."""
    calls: Calls = []

    def note(name: str, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        calls.append((name, tuple(tensor.detach() for tensor in inputs)))

    for name, module in model.named_modules():
        if isinstance(module, Network):
            module.register_forward_pre_hook(partial(note, name))
    generator = torch.Generator(batch.y.device).manual_seed(0)
    model(batch, generator=generator)
    for module in model.modules():
        module._forward_pre_hooks.clear()
    return calls


def plain_step(model: nn.Module, calls: Calls) -> Callable[[], None]:
    """Forward, mean square, backward and optimiser of the networks, and nothing else."""
    optimiser = Adam(model.parameters(), lr=0.0, fused=True)  # the arithmetic without the move

    def step() -> None:
        optimiser.zero_grad()
        outputs = tree_leaves([model.get_submodule(name)(*inputs) for name, inputs in calls])
        sum(output.square().mean() for output in outputs).backward()
        optimiser.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*", help="default: all")
    parser.add_argument("--preset", nargs="*", help="default: all a recipe has")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--steps", type=int, default=20, help="measured steps of each part")
    parser.add_argument("--seconds", type=float, default=60, help="about so long for a preset")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    measuring.add_file_options(parser)
    options = parser.parse_args()
    rows = []
    for name in options.recipes or RECIPES:
        for label in options.preset or find_recipe(name).presets:
            rows.append(measuring.in_fresh_process(measure, name, label, options))
            print(rows[-1])
    measuring.save_rows("benchmark-training", rows, ("recipe", "preset"), options)


if __name__ == "__main__":
    main()
