"""A recipe small enough to train in a test, and processes that train it."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import torch

from vbl.degradations import awgn
from vbl.images import write
from vbl.models import supervised
from vbl.recipes import Preset, Recipe

STEPS = 20

TINY = Recipe(
    name="tiny",
    about="A test",
    model=supervised.Supervised,
    degrade=awgn,
    validate=awgn,
    data=("free",),
    presets={
        "quick": Preset(
            config=supervised.Config("ResUNet", {"widths": (4, 8), "blocks": 1}),
            steps=STEPS,
            batch=4,
            size=16,
            clip={"restorer": 1e3},
        )
    },
)


def preset(**changes) -> Preset:
    return dataclasses.replace(TINY.presets["quick"], **changes)


def pictures(folder: Path, count: int = 6, side: int = 24) -> Path:
    """A folder of small smooth pictures."""
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    for number in range(count):
        coarse = torch.rand(1, 3, 4, 4, generator=generator)
        image = torch.nn.functional.interpolate(coarse, (side, side + 8), mode="bilinear")
        write(folder / f"{number:03d}.png", image)
    return folder


def run_python(code: str, folder: Path, *, launcher: tuple[str, ...] = (), check: bool = True):
    """Run code in a process of its own, in `folder`, with the tests' helpers importable."""
    script = folder / "script.py"
    script.write_text(code)
    here = Path(__file__).parent
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{here}{os.pathsep}{here.parent}",
        "VBL_STATIC": "1",  # no progress bars
    }
    command = [sys.executable, *launcher, str(script)]
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0 or not check, result.stderr
    return result
