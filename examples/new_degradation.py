"""A degradation of your own: bands, as a scanner or a tired sensor draws them.

python examples/new_degradation.py
"""

from dataclasses import replace
from functools import partial
from tempfile import TemporaryDirectory

import torch

from vbl.degradations import Degraded
from vbl.evaluation import psnr
from vbl.images import photo
from vbl.recipes import find_recipe
from vbl.training import fit
from vbl.utils import randn_like


def banded(x, std=0.02, band_std=0.06, *, generator=None):
    """Add white noise, and an offset to each row: y = x + offset(row) + std · n.

    Args:
        x: Images (B, C, H, W) in [0, 1].
        std: Standard deviation of the white noise.
        band_std: Standard deviation of the offsets.
        generator: Source of randomness.
    """
    b, _, h, _ = x.shape
    offsets = band_std * randn_like(x, generator=generator, shape=(b, 1, h, 1))
    y = x + offsets + std * randn_like(x, generator=generator)
    return Degraded(y, x, truth={"offsets": offsets.flatten(1)})


def train(steps=60, folder="run", degrade=banded):
    """A small supervised network that removes it; the book's baseline with another degradation."""
    recipe = replace(find_recipe("resunet"), name="bands", degrade=degrade, validate=degrade)
    preset = replace(recipe.presets["quick"], steps=steps, batch=8, size=32)
    return fit(recipe, preset=preset, folder=folder, data="free", device="cpu").model


def main(steps=60):
    """Train, and measure on a photograph that training has not seen."""
    with TemporaryDirectory() as place:
        model = train(steps, f"{place}/run", partial(banded, band_std=0.06))
    pair = banded(photo("chelsea"), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        restored = model.restore(pair.y).image
    before, after = psnr(pair.y, pair.x).item(), psnr(restored, pair.x).item()
    print(f"with bands {before:.2f} dB, restored {after:.2f} dB")
    return before, after


if __name__ == "__main__":
    main()
