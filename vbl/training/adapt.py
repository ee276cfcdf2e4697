"""A denoiser for the noise of one camera, from two piles of pictures: noisy and clean, no pair.

Pairs are made by adding noise to the clean pictures, as strong and as coloured as the noisy pile
shows it; a denoiser is trained on these. The noise is Gaussian, or what LUD-VAE has learned.

::

    made = adapt(Path("noisy"), None, Path("mycamera"), minutes=30)
    restore(made.weights, y).image
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from vbl.degradations import Degrade
from vbl.images import ImageSet, open_folder, training_set
from vbl.images.piles import Facts, doubts, facts_of, prepared
from vbl.models import load, save_weights
from vbl.recipes import Recipe
from vbl.recipes.adapting import denoiser_recipe, noise_recipe, noise_std
from vbl.recipes.matching import Match, matching, noise_maker
from vbl.recipes.recipe import BERKELEY
from vbl.training.fit import fit
from vbl.training.run import Run
from vbl.utils import complete_or_absent

PILOT = 12  # steps that are timed
SHARE = {"lud-vae": 0.75, "denoiser": 0.25}  # of the time, where both are trained
STEPS = (100, 20_000)  # fewest and most of each training


@dataclass(frozen=True)
class Adapted:
    """What `adapt` has made.

    Attributes:
        weights: The denoiser's weights, a checkpoint; None while the trainings are not finished.
        make: The degradation, from clean images to pairs, or None.
        noisy: The noisy pictures as the networks see them.
        facts: What is known of both piles, by "noisy" and "clean".
        doubts: What speaks against the piles, a sentence each.
    """

    weights: Path | None
    make: Degrade | None
    noisy: ImageSet
    facts: dict[str, Facts]
    doubts: list[str]


def adapt(
    noisy: Path | ImageSet,
    clean: Path | ImageSet | None,
    folder: Path,
    *,
    learn: bool = False,
    minutes: float = 30.0,
    steps: Mapping[str, int] | None = None,
    device: Any = None,
    seed: int = 0,
    resume: bool = False,
    watch: Callable[[list[dict[str, Any]]], None] | None = None,
) -> Adapted:
    """Find the noise of a pile of pictures, and train a denoiser for it.

    `device` and `watch` are as in `vbl.training.fit`.

    Args:
        noisy: Noisy pictures or their folder, at least two.
        clean: Clean pictures of anything; None for the book's training photographs.
        folder: A new folder: weights.safetensors, plan.json, and the runs.
        learn: Whether LUD-VAE learns the noise first; else it is Gaussian. Both are matched to the
            noisy pile.
        minutes: Time of all trainings. A pilot finds how many steps it is worth here; they are
            kept in plan.json, so that a resumed run has the same.
        steps: Of "denoiser" and, to learn, "lud-vae", instead of what `minutes` is worth.
        seed: Of the weights and of everything drawn.
        resume: Go on with what is in `folder`.

    Raises:
        NotADirectoryError: When a pile is not a folder.
        ValueError: When a pile has fewer than two pictures, `minutes` is not positive, or `folder`
            was begun with other piles.
        FileExistsError: When `folder` is not empty and `resume` is not given.
    """
    if not minutes > 0:
        raise ValueError(f"minutes: expected a positive number, got {minutes}")
    piles = _piles(noisy, clean)
    if folder.is_dir() and any(folder.iterdir()) and not resume:
        raise FileExistsError(f"{folder} is not empty: give --resume, or another folder")
    facts = {name: facts_of(pile) for name, pile in piles.items()}
    asked = {name: sorted(pile.names) for name, pile in piles.items()}
    asked |= {"learn": learn, "minutes": minutes, "seed": seed}
    plan = _plan(folder, asked, steps or {})
    ready = {
        name: prepared(pile, facts["noisy"].channels, _levels(facts, name))
        for name, pile in piles.items()
    }
    options = {"data": ready["clean"], "device": device, "seed": seed}
    made = Adapted(None, None, ready["noisy"], facts, doubts(facts))
    source = noise_std(facts["noisy"])
    if learn:
        recipe = noise_recipe(ready["noisy"], facts["noisy"])
        if not _trained("lud-vae", recipe, folder, plan, options, watch).finished:
            return made
        source = str((folder / "lud-vae" / "weights.safetensors").resolve())
    if "match" not in plan:
        plan["match"] = asdict(matching(source, ready["clean"], ready["noisy"]))
    make = noise_maker(source, Match(**plan["match"]))
    recipe = denoiser_recipe(make, facts["noisy"])
    if not _trained("denoiser", recipe, folder, plan, options, watch).finished:
        return made
    weights = folder / "weights.safetensors"
    _finish(folder / "denoiser" / "weights.safetensors", weights, facts["noisy"])
    return replace(made, weights=weights, make=make)


def _piles(noisy: Path | ImageSet, clean: Path | ImageSet | None) -> dict[str, ImageSet]:
    """Both piles, opened."""
    piles = {"noisy": noisy, "clean": training_set(BERKELEY) if clean is None else clean}
    for name, pile in piles.items():
        piles[name] = opened = pile if isinstance(pile, ImageSet) else open_folder(pile)
        if len(opened) < 2:
            raise ValueError(f"{opened.name}: expected two pictures or more, found {len(opened)}")
    return piles


def _levels(facts: Mapping[str, Facts], name: str) -> tuple[float, float]:
    """Levels of a pile: the noisy one's, but for clean pictures that are of another kind."""
    same = name == "noisy" or facts[name].levels != (0.0, 1.0)
    return facts["noisy"].levels if same else (0.0, 1.0)


def _plan(folder: Path, asked: Mapping[str, Any], steps: Mapping[str, int]) -> dict[str, Any]:
    """The plan in a folder, or a new one."""
    path = folder / "plan.json"
    plan = json.loads(path.read_text("utf-8")) if path.is_file() else {**asked, "steps": {**steps}}
    for name, value in asked.items():
        if plan.get(name) != value:
            raise ValueError(f"{folder} was begun with other {name}: give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    return plan


def _trained(
    name: str,
    recipe: Recipe,
    folder: Path,
    plan: dict[str, Any],
    options: Mapping[str, Any],
    watch: Callable[[list[dict[str, Any]]], None] | None,
) -> Run:
    """One of the trainings, gone on with where it was left."""
    if name not in plan["steps"]:
        share = SHARE[name] if plan["learn"] else 1.0
        plan["steps"][name] = _affordable(recipe, 60 * plan["minutes"] * share, options)
    with complete_or_absent(folder / "plan.json") as file:
        file.write(json.dumps(plan).encode())
    preset = in_steps(recipe, plan["steps"][name])
    return fit(recipe, preset=preset, folder=folder / name, resume=True, watch=watch, **options)


def in_steps(recipe: Recipe, steps: int) -> Any:
    """The preset "ship" of a recipe in another number of steps, annealing included."""
    preset = recipe.presets["ship"]
    if hasattr(preset.config, "annealed"):
        config = replace(preset.config, annealed=min(preset.config.annealed, steps // 4))
        preset = replace(preset, config=config)
    return replace(preset, steps=steps)


def _affordable(recipe: Recipe, seconds: float, options: Mapping[str, Any]) -> int:
    """Steps of a recipe's preset "ship" that this machine does in a time."""
    preset = replace(recipe.presets["ship"], steps=PILOT)
    with TemporaryDirectory() as place:
        rows = fit(recipe, preset=preset, folder=Path(place) / "pilot", **options).history
    took = median(b["seconds"] - a["seconds"] for a, b in pairwise(rows))
    fewest, most = STEPS
    return round(min(most, max(fewest, seconds / max(took, 1e-3))))


def _finish(trained: Path, result: Path, noisy: Facts) -> None:
    """The denoiser's weights, with the levels of the pile that it is for."""
    model = load(str(trained))
    model.config = replace(model.config, levels=noisy.levels)
    about = {key: value for key, value in model.about.items() if key not in ("model", "config")}
    save_weights(result, model, about | {"noisy pile": asdict(noisy)})
