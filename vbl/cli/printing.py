"""Reports, sets, models and machines as lines of text for the command line."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

import torch
from torch import nn

from vbl import __version__
from vbl.evaluation import CONVENTIONS, PROTOCOLS, TABLES, Report, ledger
from vbl.evaluation.ledger import counts
from vbl.evaluation.protocols import option_text
from vbl.evaluation.results import own_folder
from vbl.images import CATALOG, DataUnavailable, open_dataset
from vbl.images.catalog import DOWNLOADS, Entry, Manual
from vbl.images.download import cache_folder
from vbl.models.checkpoints import PUBLISHED, index
from vbl.recipes import RECIPES, find_recipe
from vbl.restoration import CLASSICAL
from vbl.training.shipping import score_text
from vbl.utils import DATA, bf16_pays, look_up


def report_lines(report: Report) -> Iterator[str]:
    """Scores of each picture and of each of several kernels, and the protocol."""
    options = [option_text(*option) for option in report.options.items()]
    without = "pairs as they are" if PROTOCOLS[report.protocol].degrade is None else report.protocol
    yield f"{report.model} on {report.dataset}: {', '.join(options) or without}"
    yield f"\n{'':24} {'PSNR':>7} {'SSIM':>7}"
    for row in report.per_image:
        yield _score_line(row["name"], row)
    for row in report.per_kernel if len(report.per_kernel) > 1 else ():
        yield _score_line(f"kernel {row['kernel']}", row)
    yield _score_line(f"mean of {report.images} images", vars(report)) + "\n"
    for name, value in report.inferred.items():
        yield f"{name.replace('_', ' ')}: {value:.4g}"
    if report.skipped:
        yield f"left out, unreadable: {', '.join(report.skipped)}"
    yield f"protocol {report.protocol}: {PROTOCOLS[report.protocol].about}"
    how = CONVENTIONS[report.convention]
    rounded = "8 bits" if how.eight_bit else "not rounded"
    yield f"convention {report.convention}: {how.colour}, {rounded}, border {how.border}"
    yield f"{report.seconds_per_megapixel:.3g} seconds per megapixel"


def _score_line(name: str, row: Mapping[str, Any]) -> str:
    return f"{name:24} {row['psnr']:7.2f} {row['ssim']:7.4f}"


def machine_lines() -> Iterator[str]:
    """Versions, device, data folders, and names for the other commands."""
    yield _line("vbl", f"{__version__} on Python {python_version()}")
    for library in ("torch", "accelerate", "safetensors", "numpy"):
        yield _line(library, version(library))
    gpu = torch.cuda.is_available()
    cpu = f"cpu, {torch.get_num_threads()} threads"
    yield _line("device", f"cuda, {torch.cuda.get_device_name()}" if gpu else cpu)
    pays = bf16_pays(torch.device("cuda" if gpu else "cpu"))
    yield _line("bfloat16", "used by networks in training" if pays else "not used: slower here")
    root = os.environ.get("VBL_DATA")
    found = "found" if root and Path(root).is_dir() else "no such folder"
    yield _line("VBL_DATA", f"{root} ({found})" if root else "not set: local sets are not seen")
    yield _line("shipped", str(DATA))
    yield _line("results", str(own_folder()))
    for name, recipe in RECIPES.items():
        yield _line("recipe", f"{name} ({', '.join(recipe.presets)}): {recipe.about}")
    for name, entry in index().items():
        yield _line("checkpoint", f"{name}: {'; '.join(map(score_text, entry['scores']))}")
    for name in PUBLISHED:
        yield _line("checkpoint", f"{name}: its authors' weights, read where VBL_DATA points")
    yield _line("classical", ", ".join(CLASSICAL))


def first_test(recipe: str) -> list[str]:
    """Arguments of ``vbl evaluate`` after MODEL: the first of a recipe's scores, or white noise."""
    scores = (*find_recipe(recipe).scores, ("cbsd68", {"sigma": 25}))
    pictures, options = scores[0]
    if not os.environ.get("VBL_DATA"):  # embedded photographs can be degraded; they are no pairs
        pictures, options = "photographs", options or {"sigma": 25}
    return [pictures, *(word for k, v in options.items() for word in (f"--{k}", str(v)))]


def model_lines(model: nn.Module) -> Iterator[str]:
    """Size, configuration and training of a loaded model."""
    yield _line("parameters", f"{sum(p.numel() for p in model.parameters()):,}")
    for name, value in {"config": asdict(model.config), **model.about}.items():
        yield _line(name, value if isinstance(value, str) else json.dumps(value))


def set_lines() -> Iterator[str]:
    """For each set: whether it is on this machine, its description, its terms."""
    for name, entry in CATALOG.items():
        yield from _set(name, presence(name), entry)
    for name, entry in DOWNLOADS.items():
        folder = cache_folder() / name
        if isinstance(entry, Manual):
            where = f"by hand from {entry.source}"
        else:
            where = f"here, in {folder}" if folder.is_dir() else f"vbl data fetch {name}"
        yield from _set(name, where, entry)


def presence(name: str) -> str:
    """Whether a set of the catalogue is on this machine."""
    try:
        return f"here, {len(open_dataset(name))} pictures"
    except DataUnavailable as reason:
        return f"not here: {reason}" if os.environ.get("VBL_DATA") else "not here (set VBL_DATA)"


def _set(name: str, where: str, entry: Entry) -> Iterator[str]:
    yield f"{name:18}{where}"
    yield f"{'':18}{entry.about}"
    yield f"{'':18}terms: {entry.licence}"


def _line(name: str, value: str) -> str:
    return f"{name:<12} {value}"


def ledger_lines(table: str | None = None) -> Iterator[str]:
    """What there is for every table of the papers, or for one of our tables.

    Raises:
        UnknownName: For an unknown table.
    """
    entries = [entry for entry in ledger() if table is None or table in entry.results]
    if table and not entries:
        look_up("table", table, TABLES)
    for entry in entries:
        yield f"{entry.paper}: {entry.title}"
        yield _line(f"  {entry.state}", entry.text)
        commands = [f"vbl reproduce {name}" for name in entry.results if name in TABLES]
        if commands:
            yield _line("", "; ".join(commands))
    yield ", ".join(f"{count} {state}" for state, count in counts(entries).items())
