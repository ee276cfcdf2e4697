"""Numbers behind the tables of the book: data/results/NAME.json, each with how it came to be.

In a checkout new results join those that ship. An installed package stays as it is: there they go
to data/results of the current folder, and are found there before those that ship.
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

FOLDER = DATA / "results"  # of those that ship
RECORDED = ("torch", "numpy", "scikit-image")


def save_result(
    name: str,
    payload: Mapping[str, Any],
    *,
    scale: str | None = None,
    device: str | torch.device = "cpu",
    command: str | None = None,
    folder: Path | None = None,
) -> Path:
    """Write a result with its `provenance`; the file is complete or as it was before.

    Args:
        name: Of the file, without suffix.
        payload: Anything JSON can hold; infinite and missing numbers are None.
        scale: Preset of the training behind it, where there is one.
        device: Where it was computed.
        command: What computes it again; by default the line this process was started with.
        folder: Where it is kept; `own_folder` by default.

    Returns:
        The file.

    Raises:
        ValueError: When a number is not finite, or a key of the provenance is used already.
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
        name: Of the file, without suffix.
        folder: Where it is kept; by default `own_folder`, else among those that ship.

    Raises:
        FileNotFoundError: When there is none of that name.
    """
    path = (folder or own_folder()) / f"{name}.json"
    if folder is None and not path.is_file():
        path = FOLDER / f"{name}.json"
    if not path.is_file():
        raise FileNotFoundError(f"no result {name!r}: {path} does not exist")
    return json.loads(path.read_text("utf-8"))


def own_folder() -> Path:
    """Where results are written: data/results of the checkout, else of the current folder."""
    return Path.cwd() / "data" / "results" if INSTALLED else FOLDER


def provenance(
    *,
    scale: str | None = None,
    device: str | torch.device = "cpu",
    command: str | None = None,
) -> dict[str, Any]:
    """How a number came to be: command, versions, date, class of the machine, scale.

    Args:
        scale: Preset of the training behind it, where there is one.
        device: Where it was computed.
        command: What computes it again; by default the line this process was started with.
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
    """The line as a reader would type it in the folder of the book."""
    program = Path(sys.argv[0]).resolve()
    if program.stem in ("vbl", "__main__"):
        words = ["vbl"]
    elif program.is_relative_to(DATA.parent):
        words = ["python", program.relative_to(DATA.parent).as_posix()]
    else:
        words = ["python", program.name]
    return shlex.join([*words, *sys.argv[1:]])
