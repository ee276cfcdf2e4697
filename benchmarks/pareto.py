"""What a restorer's time buys: PSNR against seconds per megapixel, all trained for the same time.

    python benchmarks/pareto.py [--minutes 40] [--seeds 1] [--only NAME ...]

Each is trained by least squares as the baseline `resunet` is, for as many steps as one core does in
the time; those are measured first, one network after the other. Each row is kept in
data/results/pareto.json as soon as it is complete; a row that is there is not computed again.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import median
from typing import Any

import torch
from candidates import GatedUNet, UnshuffledUNet
from torch import nn
from variation import Variation, some_of_cbsd68, trained

from vbl.evaluation import evaluate, load_result, save_result
from vbl.images import open_dataset
from vbl.models import Supervised, supervised
from vbl.recipes.denoising import RESUNET
from vbl.utils import seeded

supervised.NETWORKS |= {"UnshuffledUNet": UnshuffledUNet, "GatedUNet": GatedUNet}

TIMED = 7  # steps and restorations
SIDE = 512  # of the picture that is restored

# About 0.1, 0.3 and 1 million parameters each
SIZES: dict[str, tuple[str, Mapping[str, Any]]] = {
    "ResUNet, 0.1 M": ("ResUNet", {"widths": (16, 32, 48), "blocks": 1}),
    "ResUNet, 0.3 M": ("ResUNet", {"widths": (24, 48, 80), "blocks": 1}),
    "ResUNet, 1 M": ("ResUNet", {"widths": (32, 64, 128), "blocks": (1, 1, 2)}),
    "sub-images, 0.1 M": ("UnshuffledUNet", {"widths": (24, 56), "blocks": (1, 1)}),
    "sub-images, 0.3 M": ("UnshuffledUNet", {"widths": (40, 88), "blocks": (1, 1)}),
    "sub-images, 1 M": ("UnshuffledUNet", {"widths": (48, 96, 128), "blocks": (1, 1, 1)}),
    "gated blocks, 0.1 M": ("GatedUNet", {"widths": (16, 32, 64), "blocks": (1, 1, 2)}),
    "gated blocks, 0.3 M": ("GatedUNet", {"widths": (24, 48, 96), "blocks": (1, 1, 3)}),
    "gated blocks, 1 M": ("GatedUNet", {"widths": (32, 64, 160), "blocks": (1, 2, 4)}),
}


def variation(name: str, steps: int) -> Variation:
    """A candidate, in a number of steps."""
    network, options = SIZES[name]
    preset = replace(RESUNET.presets["classroom"], config=supervised.Config(network, options))
    return Variation(RESUNET, replace(preset, steps=steps))


def cpu_seconds(act: Callable[[], object]) -> float:
    """Median time that one core works on it, after a first time."""
    took = []
    for _ in range(1 + TIMED):
        start = time.process_time()
        act()
        took.append(time.process_time() - start)
    return median(took[1:])


def costs(name: str) -> dict[str, float]:
    """Parameters, seconds of one step and seconds for a megapixel, on one core."""
    torch.set_num_threads(1)
    preset = variation(name, 1).preset
    model = Supervised(preset.config).to(memory_format=torch.channels_last)
    generator = seeded("cpu", "pareto")

    def picture(count: int, side: int) -> torch.Tensor:
        x = torch.rand(count, 3, side, side, generator=generator)
        return x.contiguous(memory_format=torch.channels_last)

    crops, whole = picture(preset.batch, preset.size), picture(1, SIDE)
    step = cpu_seconds(lambda: model.mean(crops).square().mean().backward())
    with torch.inference_mode():
        restoration = cpu_seconds(lambda: model.restore(whole))
    return {
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "step_seconds": round(step, 3),
        "seconds_per_megapixel": round(restoration * 1e6 / SIDE**2, 3),
    }


def scores(model: nn.Module) -> dict[str, float]:
    """PSNR in dB at three noise levels on CBSD68, and at 25 on McMaster18."""
    chosen = [(some_of_cbsd68(), sigma) for sigma in (25, 15, 50)]
    chosen.append((open_dataset("mcmaster18"), 25))
    return {
        f"{pictures.name} {sigma}": round(
            evaluate(model, pictures, sigma=sigma, device="cpu", progress=False).psnr, 4
        )
        for pictures, sigma in chosen
    }


def save(measured: Mapping[str, Any], rows: list[dict[str, Any]]) -> None:
    """Write what there is."""
    payload = {"costs": measured, "rows": rows}
    save_result("pareto", payload, command="python benchmarks/pareto.py")


def main() -> None:
    """Compute what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=40, help="of one core, for each training")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=SIZES)
    options = parser.parse_args()
    names = options.only or [*SIZES]
    try:
        found = load_result("pareto")
    except FileNotFoundError:
        found = {"costs": {}, "rows": []}
    missing = [name for name in names if name not in found["costs"]]
    measured = found["costs"] | {name: costs(name) for name in missing}
    rows = found["rows"]
    save(measured, rows)
    for seed in range(options.seeds):
        for name in names:
            key = {"network": name, "minutes": options.minutes, "seed": seed}
            if any(key.items() <= row.items() for row in rows):
                continue
            steps = round(60 * options.minutes / measured[name]["step_seconds"])
            row = key | {"steps": steps, "scores": scores(trained(variation(name, steps), seed))}
            rows.append(row)
            save(measured, rows)
            print(f"{name}, seed {seed}: {steps} steps, {row['scores']}", flush=True)


if __name__ == "__main__":
    main()
