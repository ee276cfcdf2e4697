"""The training and validation pictures of a run."""

import hashlib
import math
import os
from pathlib import Path
from typing import Any

from vbl.degradations import Degraded
from vbl.images import ImageSet, middle, open_folder, open_set, training_set
from vbl.images.datasets import readable
from vbl.recipes import Preset, Recipe
from vbl.utils import seeded

VALIDATION_SIDE = 128  # pixels of a held-out crop


def training_and_held_out(recipe: Recipe, data: Any) -> tuple[ImageSet, ImageSet]:
    """Split into training pictures and up to 20 held-out ones, spread evenly over the set.

    Args:
        recipe: Names the default set.
        data: A set, its name, a folder, or None for the default.

    Raises:
        ValueError: When there are fewer than two pictures.
    """
    if data is None:
        pictures = training_set(recipe.data)
    elif isinstance(data, ImageSet):
        pictures = data
    elif Path(data).is_dir() or os.sep in str(data):
        pictures = open_folder(data)
    else:
        pictures = open_set(str(data))
    if len(pictures) < 2:
        raise ValueError(f"{pictures.name}: expected at least two pictures, found {len(pictures)}")
    count = min(20, max(1, len(pictures) // 10))
    held_out = {pictures.names[i * len(pictures) // count] for i in range(count)}
    rest = [name for name in pictures.names if name not in held_out]
    return pictures.only(rest), pictures.only(sorted(held_out))


def fingerprint(pictures: ImageSet) -> str:
    """The number of pictures and a hash of their names, to detect a different folder."""
    names = hashlib.sha256("\n".join(pictures.names).encode()).hexdigest()
    return f"{len(pictures)} pictures, {names[:12]}"


def validation_pairs(
    held_out: ImageSet, recipe: Recipe, preset: Preset, whole: int
) -> list[Degraded]:
    """The central crop of each held-out picture, degraded in the same way in every run."""
    pairs, multiple = [], math.lcm(4, getattr(preset.config, "scale", 1))
    for number, sample in enumerate(readable(held_out, whole)):
        side = min(VALIDATION_SIDE, *sample.image.shape[-2:]) // multiple * multiple
        generator = seeded("cpu", "validation", number)
        pairs.append(recipe.validate(middle(sample.image, side), generator=generator))
    return pairs
