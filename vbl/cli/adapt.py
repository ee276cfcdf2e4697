"""A denoiser for the noise of one camera, from two piles of pictures: noisy and clean, no pair.

LUD-VAE learns the noise from the piles and makes pairs, by adding what it has learned to the clean
pictures; a denoiser is trained on these. What can be measured without a truth is measured.
"""

import base64
import html
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from vbl.figures import autocorrelation, plots
from vbl.images import ImageSet, open_folder, training_set
from vbl.models import load
from vbl.recipes import Recipe
from vbl.recipes.lud_vae import LUD_VAE_REAL, REAL_DENOISER, photographs_unpaired, translated
from vbl.recipes.recipe import BERKELEY
from vbl.restoration import restore
from vbl.training import fit
from vbl.utils import complete_or_absent, seeded

CROP = 256  # side of what is measured, in pixels
MEASURED = 8  # noisy pictures that are measured, at most
FEW = 10  # pictures in a pile, below which the result is doubtful
CLIPPED = 0.05  # share of black or white values above which it is, too
PILOT = 12  # steps that are timed
SHARES = {"lud-vae": 0.6, "denoiser": 0.4}  # of the time
STEPS = (100, 20_000)  # fewest and most of each training


@dataclass(frozen=True)
class Adapted:
    """What `adapt` has made.

    Attributes:
        weights: The denoiser's weights, a checkpoint; None while the trainings are not finished.
        doubts: What speaks against the piles, a sentence each.
        measured: Numbers of the report.
    """

    weights: Path | None
    doubts: list[str]
    measured: dict[str, float]


def adapt(
    noisy: Path,
    clean: Path | None,
    folder: Path,
    *,
    minutes: float = 30.0,
    device: Any = None,
    seed: int = 0,
    resume: bool = False,
) -> Adapted:
    """Learn the noise of a pile of pictures, and a denoiser for it.

    Args:
        noisy: Folder of noisy pictures, at least two.
        clean: Folder of clean pictures of anything; None for the book's training photographs.
        folder: A new folder: weights.safetensors, report.html, plan.json, and the runs.
        minutes: Time of both trainings. A pilot finds how many steps it is worth here; they are
            kept in plan.json, so that a resumed run has the same.
        device: As in `vbl.training.fit`.
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
    piles = {"noisy": open_folder(noisy)}
    piles["clean"] = open_folder(clean) if clean else training_set(BERKELEY)
    for pile in piles.values():
        if len(pile) < 2:
            raise ValueError(f"{pile.name}: expected two pictures or more, found {len(pile)}")
    if folder.is_dir() and any(folder.iterdir()) and not resume:
        raise FileExistsError(f"{folder} is not empty: give --resume, or another folder")
    learning = replace(LUD_VAE_REAL, degrade=partial(photographs_unpaired, folder=noisy))
    weights = str(folder / "lud-vae" / "weights.safetensors")
    teaching = replace(REAL_DENOISER, degrade=partial(translated, by=weights, pair="added"))
    asked = {name: sorted(pile.names) for name, pile in piles.items()}
    plan = _plan(folder, asked | {"minutes": minutes, "seed": seed})
    options = {"data": piles["clean"], "device": device, "seed": seed}
    for name, recipe in (("lud-vae", learning), ("denoiser", teaching)):
        if name not in plan["steps"]:
            seconds = 60 * minutes * SHARES[name]
            plan["steps"][name] = _affordable(recipe, seconds, options)
            _write(folder / "plan.json", json.dumps(plan))
        preset = replace(recipe.presets["ship"], steps=plan["steps"][name])
        run = fit(recipe, preset=preset, folder=folder / name, resume=True, **options)
        if not run.finished:
            return Adapted(None, [], {})
    measured, figures = _measured(folder, piles["noisy"])
    doubts = _doubts(piles)
    _write(folder / "report.html", _page(measured, doubts, figures))
    result = folder / "weights.safetensors"
    with complete_or_absent(result) as file:
        file.write((folder / "denoiser" / "weights.safetensors").read_bytes())
    return Adapted(result, doubts, measured)


def _plan(folder: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The plan in a folder, or a new one."""
    path = folder / "plan.json"
    plan = json.loads(path.read_text("utf-8")) if path.is_file() else {**asked, "steps": {}}
    for name, value in asked.items():
        if plan[name] != value:
            raise ValueError(f"{folder} was begun with other {name}: give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    return plan


def _affordable(recipe: Recipe, seconds: float, options: Mapping[str, Any]) -> int:
    """Steps of a recipe's preset "ship" that this machine does in a time."""
    preset = replace(recipe.presets["ship"], steps=PILOT)
    with TemporaryDirectory() as place:
        rows = fit(recipe, preset=preset, folder=Path(place) / "pilot", **options).history
    took = median(b["seconds"] - a["seconds"] for a, b in pairwise(rows))
    fewest, most = STEPS
    return round(min(most, max(fewest, seconds / max(took, 1e-3))))


def _doubts(piles: Mapping[str, ImageSet]) -> list[str]:
    """What speaks against the piles."""
    found, grey = [], {}
    for name, pile in piles.items():
        if len(pile) < FEW:
            found.append(f"The {name} pile has {len(pile)} pictures; {FEW} or more are advised.")
        images = [pile[i].image for i in range(min(len(pile), MEASURED))]
        ends = torch.stack([((v <= 0.004) | (v >= 0.996)).float().mean() for v in images]).mean()
        if ends > CLIPPED:
            found.append(f"Of the {name} values {ends:.0%} are black or white: noise is cut off.")
        grey[name] = all(torch.equal(v, v[:, :1].expand_as(v)) for v in images)
    if grey["noisy"] != grey["clean"]:
        one = "noisy" if grey["noisy"] else "clean"
        found.append(f"The {one} pile is grey and the other is not: take two of one kind.")
    return found


@torch.no_grad()
def _measured(folder: Path, noisy: ImageSet) -> tuple[dict[str, float], dict[str, Figure]]:
    """What the denoiser takes out, beside what LUD-VAE makes; without a truth."""
    y = _middles(noisy)
    denoiser = load(str(folder / "denoiser" / "weights.safetensors"))
    x = torch.cat([restore(denoiser, picture).image for picture in y.split(1)]).clamp(0, 1)
    learned = load(str(folder / "lud-vae" / "weights.safetensors"))
    made = learned.translate(x, pair="added", generator=seeded("cpu", "adapt"))
    pairs = {"taken out": (y, x), "made by LUD-VAE": (made.y, made.x)}
    found = {}
    for name, (degraded, clean) in pairs.items():
        noise = degraded - clean
        found[f"std of the noise {name} (of 255)"] = 255 * noise.std().item()
        found[f"its correlation one pixel apart, {name}"] = autocorrelation(noise, 2)[2, 3].item()
    plots.use_style()
    noise = (0.5 + 4 * (y - x)[:1]).clamp(0, 1)
    strip = {"noisy": y[:1], "restored": x[:1], "taken out, 4 times": noise}
    return found, {"The noise": plots.noise_profile(pairs), "A picture": plots.show(strip)}


def _middles(pile: ImageSet) -> Tensor:
    """The middles of some pictures, of one size, in colour."""
    every = max(1, len(pile) // MEASURED)
    images = [pile[i].image for i in range(0, len(pile), every)][:MEASURED]
    side = min(CROP, *(size for v in images for size in v.shape[-2:])) // 4 * 4
    cut = []
    for image in images:
        top, left = ((n - side) // 2 for n in image.shape[-2:])
        cut.append(image[..., top : top + side, left : left + side].expand(-1, 3, -1, -1))
    return torch.cat(cut)


def _page(measured: Mapping[str, float], doubts: list[str], figures: Mapping[str, Figure]) -> str:
    """The report, one file of HTML."""
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{value:.2f}</td></tr>"
        for name, value in measured.items()
    )
    parts = [f"<p><strong>{html.escape(doubt)}</strong></p>" for doubt in doubts]
    parts.append(f"<table>{rows}</table>")
    for title, figure in figures.items():
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=130)
        plt.close(figure)
        data = base64.b64encode(file.getvalue()).decode()
        parts.append(f'<h2>{title}</h2><img alt="{title}" src="data:image/png;base64,{data}">')
    return PAGE.replace("BODY", "\n".join(parts))


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A denoiser for your camera</title>
<style>body { font-family: sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
img { max-width: 100% } td { padding: 0.2rem 1rem 0.2rem 0 }</style></head><body>
<h1>A denoiser for your camera</h1>
<p>Measured without a truth, on the middles of some noisy pictures. If the denoiser takes out what
LUD-VAE has learned, the two lines of each panel agree; where it takes out less, noise is left, and
where it takes out more, something of the pictures went with it. In the last picture, the noise,
outlines of what is shown are a loss.</p>
BODY
</body></html>
"""


def _write(path: Path, text: str) -> None:
    with complete_or_absent(path) as file:
        file.write(text.encode())
