"""What the studies have in common: one way to train, done as often as asked for."""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from vbl.images import ImageSet, open_dataset
from vbl.models import load
from vbl.recipes import Preset, Recipe
from vbl.training import fit

EVERY_FOURTH = 4  # of CBSD68's pictures: 17 of them


@dataclass(frozen=True)
class Variation:
    """One way to train.

    Attributes:
        recipe: What is trained.
        preset: At what size.
        pictures: Number of training pictures, or None for all.
        data: Name of the set it trains on.
        around: Context in which it trains.
    """

    recipe: Recipe
    preset: Preset
    pictures: int | None = None
    data: str = "bsd397"
    around: Callable[[], AbstractContextManager] = nullcontext


def subset(pictures: ImageSet, count: int | None) -> ImageSet:
    """Pictures spread evenly over a set."""
    if count is None:
        return pictures
    return pictures.only(pictures.names[i * len(pictures) // count] for i in range(count))


def some_of_cbsd68() -> ImageSet:
    """Every fourth picture."""
    pictures = open_dataset("cbsd68")
    return pictures.only(pictures.names[::EVERY_FOURTH])


def trained(variation: Variation, seed: int) -> nn.Module:
    """A network, trained from scratch, with the log of its training in `history`."""
    with tempfile.TemporaryDirectory() as folder, variation.around():
        run = fit(
            variation.recipe,
            preset=variation.preset,
            data=subset(open_dataset(variation.data), variation.pictures),
            folder=Path(folder) / "run",
            seed=seed,
            device="cpu",
        )
        model = load(str(run.folder / "weights.safetensors"))
        model.history = run.history
        return model
