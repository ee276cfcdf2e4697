"""Synthetic images with statistics like those of photographs: dead leaves."""

import math

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import gaussian_filter
from torch import Tensor

_RADIUS = (1.5, 200.0)  # range in pixels; the density is proportional to r^-3


def numpy_rng(generator: torch.Generator | None) -> np.random.Generator:
    """A NumPy generator seeded by the torch one."""
    device = generator.device if generator else None
    seed = torch.randint(2**62, (), generator=generator, device=device).item()
    return np.random.default_rng(seed)


def dead_leaves(
    size: tuple[int, int] = (256, 256), *, n: int = 1, generator: torch.Generator | None = None
) -> Float[Tensor, "n 3 h w"]:
    """RGB images in [0, 1] of opaque, shaded, textured discs that occlude each other.

    With radii of density r^-3 they have the scale invariance, the edges and the heavy-tailed
    gradients of photographs (Lee, Mumford and Huang, IJCV 2001).

    Args:
        size: Height and width in pixels, at least 1 each.
        n: Number of images.

    Raises:
        ValueError: If a side or `n` is below 1.
    """
    check_size(size, n)
    rng = numpy_rng(generator)
    images = np.stack([_one_dead_leaves(*size, rng) for _ in range(n)])
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def _one_dead_leaves(h: int, w: int, rng: np.random.Generator) -> np.ndarray:
    palette = _Palette(rng)
    image = np.zeros((h, w, 3), np.float32)
    bare = np.ones((h, w), bool)
    left, margin = h * w, _RADIUS[1]
    while left:  # front to back: a disc covers only pixels that are still bare
        r = _radius(rng)  # centres are uniform on the image and a margin
        cy, cx = rng.random() * (h + 2 * margin) - margin, rng.random() * (w + 2 * margin) - margin
        if not (-r < cy < h + r and -r < cx < w + r):
            continue
        rows = slice(max(0, math.floor(cy - r)), max(0, math.ceil(cy + r) + 1))
        cols = slice(max(0, math.floor(cx - r)), max(0, math.ceil(cx + r) + 1))
        hole = bare[rows, cols]
        if not hole.any():
            continue
        y, x = np.ogrid[
            rows.start : rows.start + hole.shape[0], cols.start : cols.start + hole.shape[1]
        ]
        u, v = (x - cx) / r, (y - cy) / r
        paint = hole & (u * u + v * v <= 1)
        count = int(paint.sum())
        if count:
            image[rows, cols][paint] = palette.leaf(u, v, r)[paint]
            hole[paint] = False
            left -= count
    blur = rng.uniform(0.3, 0.8)  # of the optics: edges in photographs are not perfectly sharp
    return np.clip(gaussian_filter(image, (blur, blur, 0), truncate=3), 0, 1)


def _radius(rng: np.random.Generator) -> float:
    """Inverse CDF of the density r^-3 on [r0, r1]."""
    r0, r1 = _RADIUS
    u = rng.random()  # a tenth of the time of `uniform`
    return (r0**-2 - u * (r0**-2 - r1**-2)) ** -0.5


class _Palette:
    """Parameters of one scene: base colour, its variation, direction of light."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.base = rng.uniform(0.25, 0.65)
        self.luminance_std = rng.uniform(0.08, 0.22)
        self.chroma_std = rng.uniform(0.02, 0.12)
        self.light = rng.uniform(0, 2 * math.pi)

    def leaf(self, u: np.ndarray, v: np.ndarray, r: float) -> np.ndarray:
        """Colours of a disc of radius `r` at relative coordinates u, v in [-1, 1]."""
        rng = self.rng
        chroma = rng.normal(0, self.chroma_std, 3)
        colour = self.base + rng.normal(0, self.luminance_std) + chroma - chroma.mean()
        shade = 1 + rng.uniform(0, 0.35) * (u * math.cos(self.light) + v * math.sin(self.light))
        if r > 6:
            shade = shade + self._texture(u, v, r)
        return (shade[..., None] * colour).astype(np.float32)

    def _texture(self, u: np.ndarray, v: np.ndarray, r: float) -> np.ndarray:
        rng = self.rng
        amount = rng.exponential(0.08)
        if rng.uniform() < 0.5:
            angle, period = rng.uniform(0, math.pi), rng.uniform(3, 20)
            phase = 2 * math.pi * r / period * (u * math.cos(angle) + v * math.sin(angle))
            return amount * np.sin(phase)
        shape = np.broadcast(u, v).shape
        grain = gaussian_filter(rng.normal(size=shape), rng.uniform(0.5, 2.0))
        return amount * grain / (grain.std() + 1e-6)


def check_size(size: tuple[int, int], n: int) -> None:
    """Raise a ValueError if a side or `n` is below 1."""
    if min(size) < 1 or n < 1:
        raise ValueError(f"expected height, width and n of at least 1, got size={size}, n={n}")
