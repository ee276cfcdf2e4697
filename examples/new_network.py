"""A network of your own in the place of the book's: wide convolutions without downsampling.

python examples/new_network.py
"""

from dataclasses import replace
from tempfile import TemporaryDirectory

import torch
from torch import nn

from vbl import restore
from vbl.degradations import awgn
from vbl.evaluation import psnr
from vbl.images import photo
from vbl.models import supervised
from vbl.networks import Network
from vbl.networks.network import keep_variance
from vbl.recipes import find_recipe
from vbl.training import fit


class Wide(Network):
    """From images to residuals of the same size, by convolutions of 5 x 5.

    Args:
        width: Channels of the features.
        depth: Layers between the first and the last one.
    """

    def __init__(self, width=16, depth=3):
        super().__init__()
        self.in_channels = 3
        # what an output pixel depends on; `vbl.restore` cuts large pictures into tiles by it
        self.receptive_radius = 2 * (depth + 2)
        layers = [nn.Conv2d(3, width, 5, padding=2), nn.ReLU()]
        for _ in range(depth):
            layers += [nn.Conv2d(width, width, 5, padding=2), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 3, 5, padding=2))
        self.apply(keep_variance)  # with PyTorch's default the signal fades from layer to layer
        nn.init.zeros_(self.layers[-1].weight)  # the first answer: nothing to correct

    def forward(self, image):
        """Residual (B, 3, H, W) of images (B, 3, H, W)."""
        return self.layers(image)


supervised.NETWORKS["Wide"] = Wide  # its name in a configuration, and in checkpoints


def train(folder, steps=60):
    """`resunet`'s recipe with the new network and white noise."""
    recipe = replace(find_recipe("resunet"), name="wide", degrade=awgn, validate=awgn)
    config = supervised.Config("Wide", {"width": 16})
    preset = replace(recipe.presets["quick"], config=config, steps=steps, batch=8, size=32)
    return fit(recipe, preset=preset, folder=folder, data="free", device="cpu")


def main(steps=60):
    """Train, and restore a photograph tile by tile from the checkpoint."""
    pair = awgn(photo("chelsea"), generator=torch.Generator().manual_seed(1))
    with TemporaryDirectory() as place:
        run = train(f"{place}/run", steps)
        restored = restore(str(run.folder / "weights.safetensors"), pair.y, tile=128).image
    before, after = psnr(pair.y, pair.x).item(), psnr(restored, pair.x).item()
    print(f"noisy {before:.2f} dB, restored {after:.2f} dB")
    return before, after


if __name__ == "__main__":
    main()
