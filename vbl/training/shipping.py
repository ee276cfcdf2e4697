"""Training of the queue, and adding finished runs to the shipped checkpoints.

``data/checkpoints`` has, for each checkpoint, its weights (``NAME.safetensors``) and the log of
its training (``NAME.jsonl``); ``index.json`` has their hashes. ``README.md`` is written from it and
from the queue, when a checkpoint is shipped or by ``python -m vbl.training.shipping``.
"""

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from vbl.evaluation import evaluate
from vbl.evaluation.protocols import option_text
from vbl.images import CATALOG, DataUnavailable
from vbl.models import checkpoints
from vbl.recipes import Recipe
from vbl.recipes.queue import QUEUE
from vbl.training.fit import fit
from vbl.utils import DATA, INSTALLED, complete_or_absent, sha256

LIMIT_MB = 48  # largest size of a shipped checkpoint


def waiting() -> tuple[str, ...]:
    """Names in the queue without a shipped checkpoint, in order."""
    shipped = checkpoints.index()
    return tuple(name for name in QUEUE if name not in shipped)


def train_queue(*, minutes: float, device: Any = None, folder: Any = "runs") -> list[str]:
    """Train the checkpoints of the queue until the time is over; an unfinished run is resumable.

    Checkpoints that need a GPU are skipped on machines without one.

    Args:
        minutes: Time limit.
        device: As in `vbl.training.fit`.
        folder: Contains one run for each checkpoint.

    Returns:
        Names of the checkpoints that were finished and shipped.

    Raises:
        ValueError: If `minutes` is not positive, or vbl is not used from a checkout.
    """
    if INSTALLED:
        here = f"this vbl is installed in {DATA.parent}"
        raise ValueError(f"the queue ships into data/checkpoints of a checkout, and {here}")
    if not minutes > 0:
        raise ValueError(f"minutes: expected a positive number, got {minutes}")
    end, shipped = time.monotonic() + 60 * minutes, []
    gpu = device != "cpu" and torch.cuda.is_available()
    for name in waiting():
        job = QUEUE[name]
        if job.large and not gpu:
            continue
        run = fit(
            job.recipe,
            preset=job.preset,
            folder=Path(folder) / name,
            device=device,
            resume=True,
            minutes=max(0.0, end - time.monotonic()) / 60,
        )
        if not run.finished:  # out of time, or Ctrl-C
            break
        processes = PartialState()
        if processes.is_main_process:
            ship(run.folder, name, device=device)
        processes.wait_for_everyone()
        shipped.append(name)
        if time.monotonic() >= end:
            break
    return shipped


def ship(run: Path, name: str, *, device: Any = None) -> Path:
    """Evaluate a finished run and add its weights, log and scores to the shipped checkpoints.

    Args:
        run: Folder of the run.
        name: A name of the queue.
        device: Where to evaluate.

    Returns:
        The weights file.

    Raises:
        FileNotFoundError: When the run is not finished.
        ValueError: When the file would be larger than `LIMIT_MB`.
    """
    job, folder = QUEUE[name], checkpoints.FOLDER
    model = checkpoints.load_weights(run / "weights.safetensors", device=device)
    parameters = sum(p.numel() for p in model.parameters())
    facts = {k: v for k, v in model.about.items() if k not in ("model", "config")}
    facts |= {"why": job.recipe.about, "parameters": parameters}
    facts["scores"] = measure(model, job.recipe)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    checkpoints.save_weights(path, model, facts, half=job.large)
    if path.stat().st_size > LIMIT_MB * 2**20:
        path.unlink()
        raise ValueError(f"{name}: {parameters:,} parameters make more than {LIMIT_MB} MB")
    shutil.copyfile(run / "log.jsonl", folder / f"{name}.jsonl")
    entry = {"sha256": sha256(path), "bytes": path.stat().st_size, **facts}
    _write(folder / "index.json", json.dumps(checkpoints.index() | {name: entry}, indent=1) + "\n")
    _write(folder / "README.md", readme())
    return path


def measure(model: Any, recipe: Recipe) -> list[dict[str, Any]]:
    """Scores of a model on the sets in `recipe.scores` that are on this machine."""
    scores = []
    for dataset, options in recipe.scores:
        try:
            report = evaluate(model, dataset, **options)
        except DataUnavailable:
            continue
        numbers = {"psnr": round(report.psnr, 3), "ssim": round(report.ssim, 4)}
        scores.append({"dataset": dataset, **options, **numbers, "convention": report.convention})
    return scores


def _write(path: Path, text: str) -> None:
    with complete_or_absent(path) as file:
        file.write(text.encode())


# README.md


def readme() -> str:
    """The text of README.md: the shipped checkpoints and the queue."""
    shipped = checkpoints.index()
    rows = [_shipped_row(name, entry) for name, entry in shipped.items()]
    queue = [_queue_row(name) for name in waiting()]
    used = sorted({entry["data"] for entry in shipped.values()})
    terms = [f"- `{name}`: {_terms(name)}" for name in used]
    return "\n".join([_HEAD, *rows, _TERMS, *terms, _QUEUE, *queue, ""])


_HEAD = """# Checkpoints

Written by `vbl.training.shipping` from `index.json`: do not edit. `vbl.load("NAME")` verifies the
hash in the index, builds the model from the configuration in the file's metadata and executes
nothing from it. `NAME.jsonl` is the log of the training: one line for each logged step.

## What ships

| name | what it is | parameters | MB | trained on | steps | preset | minutes | scores |
|---|---|---|---|---|---|---|---|---|"""

_TERMS = """
Steps are given with the crops in each. Minutes are wall time of the training on whatever machine
did it; scores are mean PSNR under the convention the index names.

## The pictures they were trained on

The weights are ours (licence: see `LICENSE`). The pictures are not, and none is in this repository:
"""

_QUEUE = """
## The queue

What to train next, in order. `vbl train --queue --minutes N` trains the first for N minutes,
resumes it the next time, and ships it when it is done: measures it, writes its files and this page.
On a machine without a GPU it passes over what needs one.

| name | what it is | preset | needs | one run by hand |
|---|---|---|---|---|"""


def score_text(score: Mapping[str, Any]) -> str:
    """A score of the index of checkpoints, like "cbsd68 sigma 25: 31.23 dB"."""
    given = ("sigma", "case", "scale", "kernel", "quality")
    options = "".join(f" {option_text(name, score[name])}" for name in given if name in score)
    return f"{score['dataset']}{options}: {score['psnr']:.2f} dB"


def _shipped_row(name: str, entry: Mapping[str, Any]) -> str:
    scores = "; ".join(map(score_text, entry["scores"]))
    columns = (
        f"`{name}`",
        entry["why"],
        f"{entry['parameters']:,}",
        f"{entry['bytes'] / 2**20:.1f}",
        f"`{entry['data']}`",
        f"{entry['steps']:,} x {entry['settings']['batch']}",
        f"{entry['preset']}, seed {entry['seed']}",
        f"{entry['seconds'] / 60:.0f}",
        scores or f"validation {entry['validation_psnr']:.2f} dB",
    )
    return f"| {' | '.join(columns)} |"


def _queue_row(name: str) -> str:
    job = QUEUE[name]
    command = f"vbl train {job.recipe.name} --preset {job.preset} --folder runs/{name} --resume"
    where = "a GPU" if job.large else "a CPU will do"
    return f"| `{name}` | {job.recipe.about} | {job.preset} | {where} | `{command}` |"


def _terms(name: str) -> str:
    if name == "free":
        return "photographs of installed packages (their licences: see the catalogue), dead leaves"
    entry = CATALOG[name]
    return ". ".join(filter(None, (entry.about, entry.licence, entry.citation))) + "."


if __name__ == "__main__":
    _write(checkpoints.FOLDER / "README.md", readme())
