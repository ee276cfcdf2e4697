"""A training of the length that suits the machine, and its scores beside those that are known.

::

    run = train_here("virnet-denoise")
    print(scores_beside(run, "virnet-denoise"))
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vbl.evaluation import TABLES, paper_values
from vbl.images import open_set
from vbl.models import checkpoints
from vbl.recipes import find_recipe
from vbl.training.fit import fit
from vbl.training.run import Run
from vbl.training.shipping import measure, score_text
from vbl.utils import find_device, is_static

STATIC_STEPS, STATIC_PICTURES = 40, 12  # while the pages of the book are made


def train_here(
    name: str,
    *,
    folder: Path | str = "runs",
    device: Any = None,
    minutes: float | None = None,
    watch: Callable[[list[dict[str, Any]]], None] | None = None,
) -> Run:
    """Train a recipe: preset "gpu" on a GPU, 10 to 20 minutes, and "quick" on a CPU, a few.

    A run that was interrupted is resumed. While the pages of the book are made, "quick" is
    shortened to 40 steps on a few pictures that are always there, and the run is not kept.

    `device`, `minutes` and `watch` are as in `fit`.

    Args:
        name: A recipe with the preset "gpu".
        folder: Folder of runs; this one is in ``NAME-gpu`` or ``NAME-quick``.

    Raises:
        UnknownName: For an unknown recipe, or one without the preset.
        ValueError: When the folder holds another run.
    """
    recipe = find_recipe(name)
    if is_static():
        short = replace(recipe.presets["quick"], steps=STATIC_STEPS)
        pictures = open_set(recipe.data[-1])  # the last is always there
        few = pictures[:STATIC_PICTURES]
        with TemporaryDirectory() as place:
            return fit(recipe, preset=short, folder=f"{place}/run", data=few, device="cpu")
    preset = "quick" if find_device(device).type == "cpu" else "gpu"
    return fit(
        recipe,
        preset=preset,
        folder=Path(folder) / f"{name}-{preset}",
        device=device,
        resume=True,
        minutes=minutes,
        watch=watch,
    )


def scores_beside(run: Run, name: str) -> str:
    """A table: PSNR in dB of a run, of the shipped network and of the paper's, by test set.

    Args:
        run: A finished run of the recipe `name`.
        name: A recipe of which a network ships.

    Raises:
        UnknownName: For an unknown recipe.
    """
    shipped = checkpoints.index()[name]
    ours = {} if is_static() else {_case(s): s for s in measure(run.model, find_recipe(name))}
    lines = [f"{'PSNR in dB':34} {'yours':>7} {'ships':>7} {'paper':>7}"]
    for score in shipped["scores"]:
        mine = ours.get(_case(score), {})
        numbers = (mine.get("psnr"), score["psnr"], _published(name, score))
        cells = (" " * 7 if number is None else f"{number:7.2f}" for number in numbers)
        lines.append(f"{_case(score):34} {' '.join(cells)}")
    validated = [row["psnr"] for row in run.history if "psnr" in row]
    mine, theirs = validated[-1] if validated else float("nan"), shipped["validation_psnr"]
    lines.append(f"{'held-out crops':34} {mine:7.2f} {theirs:7.2f}")
    return "\n".join(lines)


def _case(score: Mapping[str, Any]) -> str:
    return score_text(score).rpartition(":")[0]


def _published(name: str, score: Mapping[str, Any]) -> float | None:
    """What the paper prints for the data set and options of a score."""
    for table in TABLES.values():
        method = table.models.get(name)
        if not (table.paper and method):
            continue
        for column in table.columns:
            if column.ours == score["dataset"] and column.options.items() <= score.items():
                cells = paper_values(table.paper)[method]
                return cells.get((column.dataset, column.case), {}).get("psnr")
    return None
