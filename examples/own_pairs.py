"""Pairs of your own: a folder of NAME_noisy and NAME_clean, of the same scene and size.

python examples/own_pairs.py FOLDER
"""

import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import torch

from vbl.degradations import Degraded
from vbl.evaluation import evaluate
from vbl.images import ImageSet, Sample, open_folder, pack, random_crops
from vbl.recipes import find_recipe
from vbl.training import fit


@cache
def both(folder):
    """The pairs of a folder, packed with six channels, so that a crop cuts both alike."""
    pairs = open_folder(folder)

    def one(name):
        pair = pairs[name]
        images = [image.expand(-1, 3, -1, -1) for image in (pair.degraded, pair.image)]
        return Sample(name, torch.cat(images, 1))

    return pack(ImageSet("pairs", {name: partial(one, name) for name in pairs.names}))


def crops(x, *, folder, generator=None):
    """As many crops of pairs as there are pictures in x, which is not used."""
    found = random_crops(both(folder), x.shape[-1], len(x), generator=generator)
    return Degraded(*found.to(x.device).chunk(2, 1))


def train(folder, run, steps=2000):
    """The book's baseline on these pairs; a tenth of the clean pictures is held out."""
    degrade = partial(crops, folder=folder)
    recipe = replace(find_recipe("resunet"), name="own-pairs", degrade=degrade, validate=degrade)
    preset = replace(recipe.presets["quick"], steps=steps, size=32)
    return fit(recipe, preset=preset, folder=run, data=open_folder(folder), resume=True)


def main(folder, steps=2000):
    """Train and measure. These are pictures that were trained on: hold some back, in a folder."""
    run = train(Path(folder), Path("runs") / "own-pairs", steps)
    report = evaluate(run.model, open_folder(folder), progress=False)
    print(f"{len(open_folder(folder))} pairs: {report.psnr:.2f} dB")
    return report.psnr


if __name__ == "__main__":
    main(sys.argv[1])
