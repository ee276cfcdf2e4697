"""Results, the numbers of the book's tables, in data/results/NAME.json with their provenance.

In a checkout new results are stored with the shipped ones. With an installed package they are
written to data/results of the current folder, and take precedence over the shipped ones.
"""

import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from vbl import __version__
from vbl.utils import DATA, INSTALLED, complete_or_absent

FOLDER = DATA / "results"  # of shipped results
RECORDED = ("torch", "numpy", "scikit-image")
Scores = Mapping[str, Mapping[int, Mapping[str, float]]]  # of a study, by variation and seed


def save_result(
    name: str,
    payload: Mapping[str, Any],
    *,
    scale: str | None = None,
    device: str | torch.device = "cpu",
    command: str | None = None,
    folder: Path | None = None,
) -> Path:
    """Write a result with its `provenance`, atomically, and return the file.

    `scale`, `device` and `command` are those of the provenance.

    Args:
        name: Name of the file, without suffix.
        payload: Serialisable as JSON; infinite and missing numbers are None.
        folder: By default `own_folder`.

    Raises:
        ValueError: When a number is not finite, or `payload` has a key of the provenance.
        OSError: When the file cannot be written.
    """
    about = provenance(scale=scale, device=device, command=command)
    if twice := about.keys() & payload.keys():
        raise ValueError(f"payload: {', '.join(sorted(twice))} is added here, and was given")
    text = json.dumps({**payload, **about}, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    folder = folder or own_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    with complete_or_absent(path) as file:
        file.write(text.encode())
    return path


def load_result(name: str, *, folder: Path | None = None) -> dict[str, Any]:
    """Read a result.

    Args:
        name: Name of the file, without suffix.
        folder: By default `own_folder`, then the folder of shipped results.

    Raises:
        FileNotFoundError: When there is none of that name.
    """
    path = (folder or own_folder()) / f"{name}.json"
    if folder is None and not path.is_file():
        path = FOLDER / f"{name}.json"
    if not path.is_file():
        raise FileNotFoundError(f"no result {name!r}: {path} does not exist")
    return json.loads(path.read_text("utf-8"))


def study_scores(name: str) -> dict[str, dict[int, dict[str, float]]]:
    """Return the scores of a study in data/results, by variation and seed.

    Raises:
        FileNotFoundError: When there is none of that name.
    """
    scores: dict[str, dict[int, dict[str, float]]] = {}
    for row in load_result(name)["rows"]:
        scores.setdefault(row["variation"], {})[row["seed"]] = row["scores"]
    return scores


def paired_changes(scores: Scores, one: str, other: str, score: str) -> list[float]:
    """Return how much higher `one` scores than `other`, for every seed that both have."""
    seeds = sorted(scores[one].keys() & scores[other].keys())
    return [scores[one][seed][score] - scores[other][seed][score] for seed in seeds]


def own_folder() -> Path:
    """Where results are written: data/results of the checkout, else of the current folder."""
    return Path.cwd() / "data" / "results" if INSTALLED else FOLDER


def provenance(
    *, scale: str | None = None, device: str | torch.device = "cpu", command: str | None = None
) -> dict[str, Any]:
    """How a result was computed: command, versions, date, class of the machine, scale.

    Args:
        scale: Preset of the trained model, if any.
        device: Where it was computed.
        command: The command that reproduces it; by default that of this process.
    """
    versions = {package: version(package) for package in RECORDED} | {"vbl": __version__}
    about = {
        "command": command or _command_line(),
        "versions": versions,
        "date": date.today().isoformat(),
        "machine": machine(device),
    }
    return about if scale is None else about | {"scale": scale}


def machine(device: str | torch.device = "cpu") -> str:
    """The class of a machine, not its name: "2 CPU cores, x86_64", or the GPU."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{os.cpu_count()} CPU cores, {platform.machine()}"


def _command_line() -> str:
    """The command of this process as typed in the folder of the book."""
    program = Path(sys.argv[0]).resolve()
    if program.stem in ("vbl", "__main__"):
        words = ["vbl"]
    elif program.is_relative_to(DATA.parent):
        words = ["python", program.relative_to(DATA.parent).as_posix()]
    else:
        words = ["python", program.name]
    return shlex.join([*words, *sys.argv[1:]])
