"""The first hours of this project on a GPU: tests, speed, one training for each chapter, the queue.

    python benchmarks/first_hour.py [--folder runs/gpu] [--minutes 9]

Each call takes at most so many minutes and goes on where the last one stopped; `make gpu` is one
call. Without a GPU it says so, and fails. In the folder are then

    done/            a file for each step that is done
    results/         benchmark-training-cuda.json, benchmark-restoration-cuda.json
    RECIPE-gpu/      a training for each of chapters 3 to 8, with the preset "gpu"
    queue/           the runs of the queue, whose checkpoints go to data/checkpoints
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from vbl.models.checkpoints import index
from vbl.recipes import RECIPES

ROOT = Path(__file__).resolve().parents[1]
TESTS = ("pretended_gpu", "training", "restoration", "evaluation", "degradations", "shipping")
CHAPTERS = (
    "vdn-denoise",
    "virnet-denoise",
    "virnet-sr-x4",
    "vdir-denoise",
    "lud-vae-correlated",
    "vbdeblur-text",
)
LEAST = 30  # seconds in which a step is worth beginning
MARGIN = 60  # seconds in which a training ends after the time that it was told

QUEUE = """
import sys
from pathlib import Path
from vbl.training.shipping import train_queue, waiting
minutes, folder = float(sys.argv[1]), Path(sys.argv[2])
train_queue(minutes=max(minutes, 0.1), folder=folder / "queue")
if not waiting():
    (folder / "queue-done").touch()
"""

Runner = Callable[[Sequence[str], float], bool]  # a command, in so many seconds: is it done?


@dataclass(frozen=True)
class Step:
    """A command that is done when it ends, or a training that is done when `result` is there."""

    name: str
    words: tuple[str, ...]
    result: Path | None = None

    def command(self, seconds: float) -> list[str]:
        """The command line, for a training with the minutes that it has."""
        minutes = max(0.0, seconds - MARGIN) / 60
        return [sys.executable, *(word.format(minutes=f"{minutes:.2f}") for word in self.words)]


def steps(folder: Path) -> list[Step]:
    """All that is to be done, in order."""
    tests = [f"tests/test_{name}.py" for name in TESTS]
    found = [Step("tests", ("-m", "pytest", "-q", *tests))]
    rest = ("--device", "cuda", "--add", "--folder", str(folder / "results"))
    for name in RECIPES:
        found.append(Step(f"speed of {name}", ("benchmarks/training.py", name, *rest)))
    models = [*index(), *(f"{name}/paper" for name in RECIPES if "paper" in RECIPES[name].presets)]
    for name in models:
        words = ("benchmarks/restoration.py", name, *rest)
        found.append(Step(f"restoration by {name.replace('/', ' ')}", words))
    for name in CHAPTERS:
        run = folder / f"{name}-gpu"
        words = ("-m", "vbl", "train", name, "--preset", "gpu", "--folder", str(run), "--resume")
        options = ("--device", "cuda", "--minutes", "{minutes}")
        found.append(Step(f"{name}-gpu", (*words, *options), run / "weights.safetensors"))
    return [*found, Step("queue", ("-c", QUEUE, "{minutes}", str(folder)), folder / "queue-done")]


def run(command: Sequence[str], seconds: float) -> bool:
    """Run a command and all that it starts; False if the time was over.

    Raises:
        CalledProcessError: When it fails.
    """
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as process:
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return False
    if code:
        raise subprocess.CalledProcessError(code, command)
    return True


def go_on(
    folder: Path, seconds: float, runner: Runner = run, clock: Callable[[], float] = time.monotonic
) -> list[str]:
    """Do what is left until the time is over; return the names of what is still left."""
    end, done = clock() + seconds, folder / "done"
    done.mkdir(parents=True, exist_ok=True)
    left = [step for step in steps(folder) if not (done / step.name).exists()]
    while left and (given := end - clock()) > LEAST:
        step = left[0]
        print(f"{step.name}, {given / 60:.1f} minutes left", flush=True)
        ended = runner(step.command(given), given)
        if not ended or (step.result is not None and not step.result.exists()):
            break
        (done / step.name).touch()
        left.pop(0)
    return [step.name for step in left]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--minutes", type=float, default=9.0, help="of this call")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU: PyTorch sees no CUDA device on this machine", file=sys.stderr)
        return 1
    try:
        left = go_on(options.folder.resolve(), 60 * options.minutes)
    except subprocess.CalledProcessError as reason:
        print(f"failed: {' '.join(map(str, reason.cmd[1:]))}", file=sys.stderr)
        return 1
    print(f"next: {left[0]}, of {len(left)} steps; call again" if left else "all is done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
