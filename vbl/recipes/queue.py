"""The checkpoints that ship or shall ship, in the order in which they are trained.

NAME is the recipe of that name with its preset "ship", NAME-paper the same with "paper".
"""

from dataclasses import dataclass

from vbl.recipes import RECIPES, Recipe

# Between the factors of 2 and 4, one of 3 shows nothing new.
SHIP = tuple(name for name in RECIPES if name != "virnet-sr-x3")

# What the book misses most comes first. Of the other recipes it needs no more than what ships.
PAPER = (
    "virnet-denoise",
    "virnet-sr-x4",
    "virnet-denoise-real",
    "vdir-denoise",
    "vdir-jpeg",
    "vdir-sr-x2",
    "vdir-real",
    "lud-vae-correlated",
    "lud-vae-real",
    "vbdeblur-text",
    "vbdeblur-natural",
    "vdn-denoise",
    "resunet",
    "dncnn",
)


@dataclass(frozen=True)
class Job:
    """A checkpoint to be trained.

    Attributes:
        recipe: What is trained, and on what it is measured.
        preset: At what size.
    """

    recipe: Recipe
    preset: str

    @property
    def large(self) -> bool:
        """Whether it takes a GPU, and ships float16 weights: those of the papers' sizes do."""
        return self.preset == "paper"


QUEUE: dict[str, Job] = {name: Job(RECIPES[name], "ship") for name in SHIP}
QUEUE |= {f"{name}-paper": Job(RECIPES[name], "paper") for name in PAPER}
