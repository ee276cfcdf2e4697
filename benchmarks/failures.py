"""The gallery of failures: what is given, what a system makes of it, and the truth.

    python benchmarks/failures.py

Draws a sheet for each group, book/images/failures-GROUP.webp, and writes
data/results/failures.json.
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
        cure: A system that does better, or "".
        corner: Row and column of the part that is shown, from the upper left of the scene.
    """

    title: str
    system: str
    scene: Callable[[], Tensor]
    damage: Damage
    cure: str = ""
    corner: tuple[int, int] = (48, 48)


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
    left, right = (shaken_by(9, seed)(x, generator).y for seed in (7, 5))
    return Degraded(torch.cat([left[..., : SIDE // 2], right[..., SIDE // 2 :]], -1), x)


def reduced(kernel: Tensor, level: float) -> Damage:
    """Blur, every fourth pixel, noise."""

    def damage(x: Tensor, generator: torch.Generator) -> Degraded:
        return blind_sr(x, 4, kernel, level / 255, sampling="bicubic", generator=generator)

    return damage


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


def grainy(x: Tensor, generator: torch.Generator) -> Degraded:
    """A stronger grain than chapter 7's."""
    return grain(x, 25 / 255, generator=generator)


def disc(radius: float) -> Tensor:
    """The kernel of a lens out of focus."""
    return defocus_kernel(torch.tensor([radius]), 21)


def noise_then_jpeg(x: Tensor, generator: torch.Generator) -> Degraded:
    """Noise, and a file that has stored it."""
    noisy = awgn(x, 25 / 255, generator=generator).y.clamp(0, 1)
    return Degraded(jpeg(noisy, 40.0).y, x)


FACE, CAT = part("astronaut", 0, 130), part("chelsea", 60, 130)
FLOWER, ROOF, ROCKET = part("flower", 80, 220), part("china", 20, 100), part("rocket", 220, 230)
WOMAN = part("grace_hopper", 100, 170)
NOT_FOR_THIS, EVERYDAY, OF_A_CAMERA = "virnet-denoise", "virnet-photo", "virnet-denoise-real"

GROUPS: dict[str, tuple[Failure, ...]] = {
    "invented": (
        Failure("other letters", "vbdeblur-text", page(13, 15), shaken_by(9, 5)),
        Failure("ink on a cat", "vbdeblur-text", CAT, shaken_by(9, 5), "vbdeblur-natural"),
        Failure("a mesh", "least-squares", FACE, too_sure, "vbdeblur-natural"),
        Failure("a second outline", "vbdeblur-natural", FACE, shaken_by(19, 2)),
        Failure("worms", NOT_FOR_THIS, part("coffee", 40, 130), photographed, OF_A_CAMERA),
        Failure("other rings", "virnet-sr-x4", rings, reduced(rounded(1.0), 1), corner=(0, 0)),
        Failure("coloured stripes", OF_A_CAMERA, stripes, mosaic),
        Failure("noise made sharp", "vdir-sr-x4", FACE, reduced(rounded(2.0), 8), "virnet-sr-x4"),
    ),
    "gone": (
        Failure("grass", NOT_FOR_THIS, part("grass", 200, 200), white(50)),
        Failure("fur", NOT_FOR_THIS, CAT, white(50)),
        Failure("skin", "resunet", WOMAN, white(50)),
        Failure("stars", NOT_FOR_THIS, part("hubble", 300, 300), white(50)),
        Failure("small print", NOT_FOR_THIS, page(8, 9, seed=2), white(110)),
        Failure("vessels", NOT_FOR_THIS, reduced_part("retina", 400, 300, 2), white(50)),
        Failure("gravel", "vdir-jpeg-rgb", part("gravel", 100, 100), compressed(10)),
        Failure("light", EVERYDAY, ROOF, overexposed),
    ),
    "colours": (
        Failure("pale rims", NOT_FOR_THIS, FLOWER, white(70)),
        Failure("a grey picture", NOT_FOR_THIS, part("camera", 60, 180), grey_noise, EVERYDAY),
        Failure("a veil in the dark", NOT_FOR_THIS, ROCKET, in_the_dark),
        Failure("colour bleeds", "vdir-jpeg-rgb", FLOWER, compressed(8)),
    ),
    "kept": (
        Failure("blotches", NOT_FOR_THIS, CAT, grainy, "lud-vae-correlated-denoiser"),
        Failure("blocks", "resunet", ROOF, compressed(10), "vdir-jpeg-rgb"),
        Failure("noise in blocks", NOT_FOR_THIS, ROOF, noise_then_jpeg, EVERYDAY),
        Failure("told too little", "ffdnet", FACE, told_wrong, NOT_FOR_THIS),
        Failure("dots", NOT_FOR_THIS, ROCKET, hot_pixels),
        Failure("bands", NOT_FOR_THIS, part("rocket", 60, 230), banded),
        Failure("a disc", "virnet-sr-x4", FACE, reduced(disc(6.0), 1)),
        Failure("two motions", "vbdeblur-natural", WOMAN, two_shakes),
    ),
}


@torch.inference_mode()
def made_by(system: str, pair: Degraded) -> Tensor:
    """A restoration."""
    return travelled(find_method(system, torch.device("cpu")), pair).restored.image


def computed(failure: Failure, number: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The three pictures, and what is known of them in numbers."""
    pair = failure.damage(failure.scene(), seeded("cpu", "failures", number))
    given = pair.y.repeat_interleave(pair.scale, -1).repeat_interleave(pair.scale, -2)
    pictures = {"given": given, "made": made_by(failure.system, pair), "true": pair.x}
    row = {"title": failure.title, "system": failure.system, "cure": failure.cure}
    scored = dict(list(pictures.items())[:2])
    if failure.cure:
        scored["cured"] = made_by(failure.cure, pair)
    truth = pair.x.clamp(0, 1)
    row |= {f"{name}_db": round(psnr(v, truth).item(), 2) for name, v in scored.items()}
    top, left = failure.corner
    cut = slice(top, top + SHOWN), slice(left, left + SHOWN)
    return {name: v[..., *cut].clamp(0, 1) for name, v in pictures.items()}, row


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
    Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB").save(
        path, quality=88, method=6
    )
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
