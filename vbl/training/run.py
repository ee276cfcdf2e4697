"""The folder of a training run: log, states and weights.

::

    runs/resunet-ship/
        log.jsonl                     one line for each logged step
        state-000012000.safetensors   the last two states, each with its .sha256
        weights.safetensors           the result, after all steps
"""

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from tqdm.auto import tqdm

from vbl.degradations import Degraded
from vbl.models import save_weights
from vbl.networks import use_bf16
from vbl.training.learner import Learner, Outcome
from vbl.training.states import save_state
from vbl.utils import progress_bar

LOGGED = 200  # logged steps in a run; at every tenth the model is validated
SECONDS_BETWEEN_STATES = 120
ECHO = 5  # seconds in which a launcher may repeat a signal that the process has received already


@dataclass(frozen=True)
class Run:
    """A training run, finished or not.

    Attributes:
        folder: Its folder.
        model: In evaluation mode, on the CPU.
        history: One row for each logged step: step, images, seconds, loss, rate, terms (nats per
            image, of the first process), norms (of the gradients, before clipping) and, twenty
            times in a run, the validation psnr in dB.
        finished: Whether all steps are done.
    """

    folder: Path
    model: nn.Module
    history: list[dict[str, Any]]
    finished: bool


def prepare_folder(
    folder: Path, accelerator: Accelerator, *, resume: bool, overwrite: bool
) -> None:
    """Create the folder of a run, or refuse one that is in use. Nothing is deleted.

    Raises:
        FileExistsError: When it is not empty and neither `resume` nor `overwrite` is given, or
            `overwrite` is and it contains no run.
        OSError: When it cannot be created or written.
    """
    if folder.is_dir() and any(folder.iterdir()) and not resume:
        if not overwrite:
            raise FileExistsError(
                f"{folder} is not empty: give --resume to go on with the run in it, "
                "--overwrite to delete it, or another folder"
            )
        if not _run_files(folder):
            raise FileExistsError(f"{folder} holds no training run: it is not deleted")
    if accelerator.is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
    accelerator.wait_for_everyone()


def clear_folder(folder: Path, accelerator: Accelerator) -> None:
    """Delete the files of the run in a folder, and no others, before a new run."""
    if accelerator.is_main_process:
        for file in _run_files(folder):
            if file.suffix != ".bin":  # written by the new run already
                file.unlink()
    accelerator.wait_for_everyone()


def _run_files(folder: Path) -> list[Path]:
    patterns = ("log.jsonl", "state-*", "weights.safetensors", "pixels-*.bin")
    return [file for pattern in patterns for file in folder.glob(pattern)]


def agreed_plan(earlier: Mapping, asked: Mapping, folder: Path) -> dict[str, Any]:
    """The plan of the run in `folder`, if it agrees with the plan `asked` for.

    Precision and number of shards, which depend on the machine, stay those of the earlier run. A
    setting that only one of the versions of the library knows is ignored where it is None or False.

    Raises:
        ValueError: Naming what differs.
    """
    asked = json.loads(json.dumps(asked))  # as JSON holds it: tuples are lists
    earlier = json.loads(json.dumps(earlier))
    for key in asked:
        before, now = _given(earlier.get(key, asked[key])), _given(asked[key])
        if key not in ("bf16", "shards") and before != now:
            found = f"{earlier[key]!r} where {asked[key]!r} was asked for"
            raise ValueError(f"{folder} holds another run: its {key} is {found}")
    return earlier


def _given(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: item for key, item in value.items() if item is not None and item is not False}


class Journal:
    """Progress bar, log, validation and states of a run, and when it stops.

    Ctrl-C or SIGTERM stops it after the current step; a second one, at least five seconds later,
    immediately. `minutes` and `watch` are as in `vbl.training.fit`.

    Args:
        folder: Folder of the run.
        facts: Step, plan, seconds and history of the state that is resumed.
        learner: What is trained.
        pairs: Held-out pairs for validation.
    """

    def __init__(
        self,
        folder: Path,
        facts: Mapping[str, Any],
        learner: Learner,
        pairs: Sequence[Degraded],
        minutes: float | None = None,
        watch: Callable[[list[dict[str, Any]]], None] | None = None,
    ):
        self.folder, self.plan, self.done = folder, facts["plan"], facts["step"]
        self.history: list[dict[str, Any]] = list(facts.get("history", []))
        self.stops = False
        self._learner, self._pairs, self._watch = learner, pairs, watch
        self._steps, self._writes = learner.preset.steps, learner.accelerator.is_main_process
        self._every = max(1, self._steps // LOGGED)
        self._began = self._saved = time.monotonic()
        self._earlier = facts.get("seconds", 0.0)
        self._deadline = self._began + 60 * minutes if minutes is not None else float("inf")
        self._asked, self._asked_at = False, 0.0

    @property
    def seconds(self) -> float:
        """Time spent on this run, in this and earlier processes."""
        return self._earlier + time.monotonic() - self._began

    def __enter__(self) -> "Journal":
        self._bar = progress_bar(
            desc=self.plan["recipe"],
            total=self._steps,
            initial=self.done,
            unit="step",
            hidden=not self._writes,
        )
        self._write_log(self.history, "wb")
        self._handlers = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _: object) -> None:
        if self._asked and time.monotonic() - self._asked_at > ECHO:
            raise KeyboardInterrupt
        if self._asked:
            return
        self._asked, self._asked_at = True, time.monotonic()
        tqdm.write(f"stopping after this step ({signal.Signals(number).name})", sys.stderr)

    def note(self, done: int, outcome: Outcome) -> None:
        """Record that `done` steps are done; sets `stops` when the loop must end."""
        self.done = done
        self._bar.update()
        last = done == self._steps
        row = self._row(outcome) if done % self._every == 0 or last else None
        if row and (done % (10 * self._every) == 0 or last):
            row["psnr"] = self._learner.validate(self._pairs)  # by all processes
        if row and self._writes:
            self._log(row)
        self.stops = self._must_stop()
        if self._writes and (self.stops or last or self._save_is_due()):
            facts = {"plan": self.plan, "seconds": self.seconds, "history": self.history}
            save_state(self.folder, done, self._learner.tensors(), facts)
            self._saved = time.monotonic()

    def _row(self, outcome: Outcome) -> dict[str, Any]:
        elbo, preset = outcome.elbo, self._learner.preset
        kl = {f"KL {name}": term for name, term in elbo.kl.items()}
        terms = {**elbo.log_likelihood, **kl, **elbo.auxiliary}
        return {
            "step": self.done,
            "images": self.done * preset.batch,
            "seconds": round(self.seconds, 2),
            "loss": float(outcome.loss),
            "rate": preset.rate(self.done - 1),
            "terms": {name: float(term.detach().mean()) for name, term in terms.items()},
            "norms": {name: float(norm) for name, norm in outcome.norms.items()},
        }

    def _log(self, row: dict[str, Any]) -> None:
        self.history.append(row)
        self._write_log([row], "ab")
        speed = row["images"] / row["seconds"] if row["seconds"] else 0.0
        shown = {"images/s": f"{speed:.0f}", "loss": f"{row['loss']:.4g}"}
        scores = [past["psnr"] for past in self.history if "psnr" in past]
        shown |= {"PSNR": f"{scores[-1]:.2f} dB"} if scores else {}
        self._bar.set_postfix(shown, refresh=False)
        if "psnr" in row and self._watch:
            self._watch(self.history)

    def _write_log(self, rows: Sequence[Mapping], mode: str) -> None:
        if self._writes:
            with (self.folder / "log.jsonl").open(mode) as file:
                file.writelines(json.dumps(row).encode() + b"\n" for row in rows)

    def _must_stop(self) -> bool:
        mine = self._asked or time.monotonic() > self._deadline
        accelerator = self._learner.accelerator
        if accelerator.num_processes == 1:
            return mine
        wish = torch.tensor(float(mine), device=accelerator.device)
        return bool(accelerator.reduce(wish, "sum") > 0)

    def _save_is_due(self) -> bool:
        return time.monotonic() - self._saved > SECONDS_BETWEEN_STATES

    def finish(self) -> Run:
        """Write the weights if all steps are done, and return the run."""
        model, finished = self._learner.model.eval().cpu(), self.done == self._steps
        use_bf16(model, False)
        if finished and self._writes:
            last = self.history[-1]
            about = {**self.plan, "steps": self.done, "seconds": round(last["seconds"])}
            about["validation_psnr"] = last.get("psnr")
            about["versions"] = {name: version(name) for name in ("torch", "accelerate", "vbl")}
            save_weights(self.folder / "weights.safetensors", model, about)
        self._learner.accelerator.wait_for_everyone()
        return Run(self.folder, model, self.history, finished)
