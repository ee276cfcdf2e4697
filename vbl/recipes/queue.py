"""The checkpoints that are or will be shipped, in the order in which they are trained.

NAME is the recipe of that name with its preset "ship", NAME-paper the same with "paper".
"""

from dataclasses import dataclass

from vbl.recipes import RECIPES, Recipe

# A factor of 3 shows nothing that those of 2 and 4 do not.
SHIP = tuple(
    name for name, recipe in RECIPES.items() if "ship" in recipe.presets and name != "virnet-sr-x3"
)

# Most important for the book first. Of the other recipes the preset "ship" is enough.
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
    """A checkpoint to train: a recipe and the name of its preset."""

    recipe: Recipe
    preset: str

    @property
    def large(self) -> bool:
        """Whether it has the paper's size, so that it needs a GPU and ships float16 weights."""
        return self.preset == "paper"


QUEUE: dict[str, Job] = {name: Job(RECIPES[name], "ship") for name in SHIP}
QUEUE |= {f"{name}-paper": Job(RECIPES[name], "paper") for name in PAPER}
