"""Draw overview.png: the picture at the top of the README and of the welcome page.

python book/images/overview.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from vbl.degradations import case_noise_map, motion_kernel, noniid
from vbl.degradations.operators import blur
from vbl.figures import plots
from vbl.images import photo

FILE = Path(__file__).with_suffix(".png")


def draw() -> Figure:
    """A scene, the kernel and the noise map that spoil it, and the picture that is left."""
    scene = photo("chelsea")[..., 20:276, 100:356]
    kernel = motion_kernel(21, generator=torch.Generator().manual_seed(4))
    noise_map = case_noise_map(1, 256, 256)
    observed = noniid(blur(scene, kernel), noise_map, generator=torch.Generator().manual_seed(0)).y
    panels = [
        ("the scene z", scene[0].permute(1, 2, 0), None),
        ("blur kernel k, enlarged", kernel[0, 0], plots.KERNEL_COLOURS),
        ("noise n of level σ", noise_map[0, 0], plots.NOISE_COLOURS),
        ("your picture y", observed[0].permute(1, 2, 0).clamp(0, 1), None),
    ]
    figure = plt.figure(figsize=(7.5, 2.35), dpi=160, layout="none", facecolor="white")
    for i, (title, image, colours) in enumerate(panels):
        ax = figure.add_axes((0.01 + 0.25 * i, 0.22, 0.215, 0.68))
        ax.imshow(image.numpy(), cmap=colours, interpolation="nearest")
        ax.set_title(title, fontsize=10)
        ax.axis("off")
    for x, sign in ((0.237, "∗"), (0.487, "+"), (0.737, "=")):
        figure.text(x, 0.55, sign, fontsize=17, ha="center", va="center")
    _arrow(figure)
    return figure


def _arrow(figure: Figure) -> None:
    ax = figure.add_axes((0, 0, 1, 0.2))
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.axis("off")
    style = {"arrowstyle": "-|>", "color": plots.PALETTE[0], "lw": 2, "mutation_scale": 15}
    ax.annotate("", xy=(0.1, 0.55), xytext=(0.88, 0.55), arrowprops=style)
    ax.text(
        0.5,
        0.55,
        "  this book: infer all three from the last one, as distributions  ",
        ha="center",
        va="center",
        color=plots.PALETTE[0],
        backgroundcolor="white",
        fontsize=10,
    )


if __name__ == "__main__":
    draw().savefig(FILE, metadata={"Software": None})
    print(FILE)
