"""The gallery of failures: what is given, what a system makes of it, and the truth.

    python benchmarks/failures.py

Draws book/images/failures-GROUP.webp, a sheet for each group, and writes data/results/failures.json.
All pictures are photographs of the catalogue that may be shown, pages of print, or drawn here.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vbl.degradations import (
    Degraded,
    awgn,
    blind_sr,
    blurred,
    camera,
    defocus_kernel,
    gaussian_kernel,
    grain,
    jpeg,
    motion_kernel,
)
from vbl.evaluation import psnr, save_result
from vbl.evaluation.side_by_side import travelled
from vbl.images import photo, text_page
from vbl.restoration import find_method
from vbl.utils import DATA, seeded

SHEETS = DATA.parent / "book" / "images"
SIDE, SHOWN = 192, 96  # pixels that a system gets, and that are shown of them

Damage = Callable[[Tensor, torch.Generator], Degraded]


@dataclass(frozen=True)
class Failure:
    """One row of the gallery.

    Attributes:
        title: What one sees.
        system: As `vbl.restoration.find_method` takes it.
        scene: The clean picture (1, 3, h, w).
        damage: What was done to it.
        corner: Row and column of the part that is shown, from the upper left of the scene.
        side: Of that part, in pixels of the clean picture.
    """

    title: str
    system: str
    scene: Callable[[], Tensor]
    damage: Damage
    corner: tuple[int, int] = (48, 48)
    side: int = SHOWN


def part(name: str, row: int, column: int, side: int = SIDE) -> Callable[[], Tensor]:
    """A square of a photograph, in three channels."""
    return lambda: photo(name)[..., row : row + side, column : column + side].expand(-1, 3, -1, -1)


def reduced_part(name: str, row: int, column: int, by: int) -> Callable[[], Tensor]:
    """A larger square, reduced to 192 pixels by averaging."""

    def scene() -> Tensor:
        return torch.nn.functional.avg_pool2d(part(name, row, column, by * SIDE)(), by)

    return scene


def page(*type_size: int, seed: int = 0) -> Callable[[], Tensor]:
    """A page of print."""
    drawn = {"type_size": type_size, "generator": seeded("cpu", "failures", seed)}
    return lambda: text_page((SIDE, SIDE), **drawn).expand(-1, 3, -1, -1)


def rings() -> Tensor:
    """Circles that become finer towards the outside, up to three pixels a period."""
    t = torch.arange(SIDE) - SIDE / 2
    radius_sq = t[:, None] ** 2 + t[None] ** 2
    wave = 0.5 + 0.4 * torch.cos(torch.pi * radius_sq / (3 * SIDE))
    return wave.expand(1, 3, -1, -1)


def stripes() -> Tensor:
    """A cloth with stripes of two to three pixels a period, slightly turned."""
    t = torch.arange(SIDE, dtype=torch.float32)
    phase = t[None] * (0.36 + 0.0005 * t[None]) + 0.05 * t[:, None]
    return (0.5 + 0.3 * torch.cos(2 * torch.pi * phase)).expand(1, 3, -1, -1)


def white(level: float) -> Damage:
    """White noise of a level of 255."""
    return lambda x, generator: awgn(x, level / 255, generator=generator)


def shaken_by(size: int, seed: int = 0, level: float = 2.0) -> Damage:
    """A motion kernel of a side, and noise."""
    kernel = motion_kernel(size, generator=seeded("cpu", "kernel", seed))
    return lambda x, generator: blurred(x, kernel, level / 255, generator=generator)


def told_wrong(x: Tensor, generator: torch.Generator) -> Degraded:
    """Noise of 40, said to be 15."""
    pair = awgn(x, 40 / 255, generator=generator)
    return replace(pair, noise_var=pair.noise_var * (15 / 40) ** 2)


def too_sure(x: Tensor, generator: torch.Generator) -> Degraded:
    """A known shake, and noise that is said to be a tenth of what it is."""
    pair = shaken_by(9, 3, 2.5)(x, generator)
    return replace(pair, noise_var=pair.noise_var / 100)


def overexposed(x: Tensor, generator: torch.Generator) -> Degraded:
    """Twice the light on a sensor that ends at 1; made darker afterwards."""
    noise = awgn(torch.zeros_like(x), 10 / 255, generator=generator).y
    return Degraded((1.9 * x + noise).clamp(0, 1) / 1.9, x)


def in_the_dark(x: Tensor, generator: torch.Generator) -> Degraded:
    """A quarter of the light, noise that the file cuts off at 0; made brighter afterwards."""
    return Degraded(4 * awgn(x / 4, 15 / 255, generator=generator).y.clamp(0, 1), x)


def hot_pixels(x: Tensor, generator: torch.Generator) -> Degraded:
    """One pixel in a hundred at its end."""
    hot = torch.rand(1, 1, *x.shape[-2:], generator=generator) < 0.01
    return Degraded(torch.where(hot, 1.0, x), x)


def banded(x: Tensor, generator: torch.Generator) -> Degraded:
    """Each row brighter or darker by 12."""
    rows = 12 / 255 * torch.randn(1, 1, x.shape[-2], 1, generator=generator)
    return Degraded(awgn(x, 5 / 255, generator=generator).y + rows, x)


def grey_noise(x: Tensor, generator: torch.Generator) -> Degraded:
    """The same noise in the three channels of a grey picture."""
    y = awgn(x[:, :1], 40 / 255, generator=generator).y.expand(-1, 3, -1, -1)
    return Degraded(y, x)


def two_shakes(x: Tensor, generator: torch.Generator) -> Degraded:
    """The left half shaken in one way, the right half moving in another."""
    left, right = (shaken_by(9, seed)(x, generator).y for seed in (1, 2))
    return Degraded(torch.cat([left[..., : SIDE // 2], right[..., SIDE // 2 :]], -1), x)


def reduced(kernel: Tensor, level: float, sampling: str = "bicubic") -> Damage:
    """Blur, every fourth pixel, noise."""
    options = {"sampling": sampling}
    return lambda x, generator: blind_sr(
        x, 4, kernel, level / 255, generator=generator, **options
    )


def rounded(var: float) -> Tensor:
    """A round Gaussian kernel."""
    v = torch.tensor([var])
    return gaussian_kernel(v, v, 0 * v, 21)


def mosaic(x: Tensor, generator: torch.Generator) -> Degraded:
    """A camera without noise to speak of; the truth is the scene itself."""
    return replace(camera(x, 20_000.0, 1.0, generator=generator), x=x)


def photographed(x: Tensor, generator: torch.Generator) -> Degraded:
    """A camera at night."""
    return camera(x, 250.0, 4.0, generator=generator)


def compressed(quality: float) -> Damage:
    """JPEG."""
    return lambda x, generator: jpeg(x, quality)


def noise_then_jpeg(x: Tensor, generator: torch.Generator) -> Degraded:
    """Noise, and a file that has stored it."""
    noisy = awgn(x, 25 / 255, generator=generator).y.clamp(0, 1)
    return Degraded(jpeg(noisy, 40.0).y, x)


GROUPS: dict[str, tuple[Failure, ...]] = {
    "invented": (
        Failure("other letters", "vbdeblur-text", page(13, 15), shaken_by(9, 5)),
        Failure("ink on a cat", "vbdeblur-text", part("chelsea", 60, 130), shaken_by(9, 5)),
        Failure("rings along edges", "least-squares", part("astronaut", 0, 130), too_sure),
        Failure("double image", "vbdeblur-natural", part("astronaut", 0, 130), shaken_by(19, 2)),
        Failure("worms", "virnet-denoise", part("coffee", 40, 130), photographed),
        Failure("other circles", "virnet-sr-x4", rings, reduced(rounded(1.0), 1)),
        Failure("coloured stripes", "virnet-denoise-real", stripes, mosaic),
        Failure("noise made sharp", "vdir-sr-x4", part("astronaut", 0, 130), reduced(rounded(2.0), 8, "direct")),
    ),
    "gone": (
        Failure("grass", "virnet-denoise", part("grass", 200, 200), white(50)),
        Failure("fur", "virnet-denoise", part("chelsea", 60, 130), white(50)),
        Failure("skin", "resunet", part("grace_hopper", 100, 170), white(50)),
        Failure("stars", "virnet-denoise", part("hubble", 300, 300), white(25)),
        Failure("small print", "virnet-denoise", page(8, 9, seed=2), white(70)),
        Failure("vessels", "virnet-denoise", reduced_part("retina", 400, 300, 2), white(50)),
        Failure("gravel", "vdir-jpeg-rgb", part("gravel", 100, 100), compressed(10)),
        Failure("light", "virnet-photo", part("china", 20, 100), overexposed),
    ),
    "colour": (
        Failure("colours", "virnet-denoise", part("flower", 80, 220), white(70)),
        Failure("grey with a tint", "virnet-denoise", part("camera", 60, 180), grey_noise),
        Failure("a veil in the dark", "virnet-denoise", part("rocket", 220, 230), in_the_dark),
        Failure("colour bleeds", "vdir-jpeg-rgb", part("flower", 80, 220), compressed(8)),
    ),
    "left": (
        Failure("blotches", "virnet-denoise", part("chelsea", 60, 130), lambda x, g: grain(x, 25 / 255, generator=g)),
        Failure("blocks", "resunet", part("china", 20, 100), compressed(10)),
        Failure("noise in blocks", "virnet-denoise", part("china", 20, 100), noise_then_jpeg),
        Failure("noise told too small", "ffdnet", part("astronaut", 0, 130), told_wrong),
        Failure("dots", "virnet-denoise", part("rocket", 220, 230), hot_pixels),
        Failure("bands", "virnet-denoise", part("rocket", 60, 230), banded),
        Failure("a disc", "virnet-sr-x4", part("astronaut", 0, 130), reduced(defocus_kernel(torch.tensor([7.0]), 21), 1)),
        Failure("half of a picture", "vbdeblur-natural", part("grace_hopper", 100, 170), two_shakes),
    ),
}


@torch.inference_mode()
def computed(failure: Failure, number: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The three pictures, and what is known of them in numbers."""
    method = find_method(failure.system, torch.device("cpu"))
    pair = failure.damage(failure.scene(), seeded("cpu", "failures", number))
    made = travelled(method, pair)
    row, column = failure.corner
    given = pair.y.repeat_interleave(pair.scale, -1).repeat_interleave(pair.scale, -2)
    shown = {
        name: image[..., row : row + failure.side, column : column + failure.side].clamp(0, 1)
        for name, image in (("given", given), ("made", made.restored.image), ("true", pair.x))
    }
    before, after = (psnr(v, pair.x.clamp(0, 1)).item() for v in (given, made.restored.image))
    numbers = {"given_db": round(before, 2), "made_db": round(after, 2)}
    return shown, {"title": failure.title, "system": failure.system, **numbers}


def sheet(group: str, shown: list[dict[str, Tensor]], first: int, path: Path) -> None:
    """Two columns of rows: number, given, made, true."""
    rows = -(-len(shown) // 2)
    figure = plt.figure(figsize=(8, 1.36 * rows + 0.2), dpi=150, layout="none", facecolor="white")
    height = 1.3 / (1.36 * rows + 0.2)
    for i, pictures in enumerate(shown):
        column, row = divmod(i, rows)
        top = 1 - 0.2 / (1.36 * rows + 0.2) - row * 1.36 / (1.36 * rows + 0.2)
        figure.text(0.5 * column + 0.003, top - height / 2, str(first + i), fontsize=9, va="center")
        for place, (name, image) in enumerate(pictures.items()):
            left = 0.5 * column + 0.025 + 0.157 * place
            ax = figure.add_axes((left, top - height, 0.155, height))
            ax.imshow(image[0].permute(1, 2, 0).numpy(), interpolation="nearest")
            ax.axis("off")
            if row == 0:
                ax.set_title(name, fontsize=8, pad=3)
    figure.canvas.draw()
    Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB").save(path, quality=88, method=6)
    plt.close(figure)


def main() -> None:
    """Compute all rows and draw the sheets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, metavar="GROUP")
    options = parser.parse_args()
    torch.set_num_threads(1)
    plt.switch_backend("agg")
    rows, first = [], 1
    for group, failures in GROUPS.items():
        if group in options.only:
            found = [computed(failure, first + i) for i, failure in enumerate(failures)]
            sheet(group, [v for v, _ in found], first, SHEETS / f"failures-{group}.webp")
            for number, (_, numbers) in enumerate(found, first):
                rows.append({"number": number, "group": group, **numbers})
                print(rows[-1], flush=True)
        first += len(failures)
    if options.only is GROUPS:
        save_result("failures", {"rows": rows})


if __name__ == "__main__":
    main()
