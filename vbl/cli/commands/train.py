"""``vbl train``: one run, or the next of the checkpoints that the book ships."""

import os
import shlex
import time
from dataclasses import dataclass, fields, replace
from typing import Annotated

from tyro.conf import Positional, arg

from vbl.cli.commands.arguments import (
    INTERRUPTED,
    Device,
    Flag,
    Folder,
    UsageError,
    check_device,
    says,
)


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a network, or go on with a run that was stopped.
    $ vbl train resunet --preset quick
    $ vbl train --queue --minutes 60

    Attributes:
        recipe: What to train; vbl info lists the recipes.
        preset: How long: quick (a minute), classroom (ten), ship (hours), gpu or paper (a GPU).
        folder: Where the run is kept; runs/RECIPE-PRESET unless given.
        data: A set of the catalogue or a folder of pictures, instead of the recipe's own.
        device: A GPU where there is one, unless given.
        seed: Of the first weights and of everything drawn.
        resume: Go on from the last state in the folder.
        overwrite: Delete the run in the folder first.
        minutes: Stop after so many, resumable.
        memory_map: Keep the training pictures in a file, not in memory.
        workers: Processes that make batches, for degradations made on the CPU (JPEG).
        queue: Train the next of the checkpoints that the book ships.
    """

    recipe: Annotated[Positional[str | None], says("RECIPE")] = None
    preset: Annotated[str, arg(metavar="NAME")] = "classroom"
    folder: Folder = None
    data: Annotated[str | None, says("SET|FOLDER")] = None
    device: Device = None
    seed: Annotated[int, arg(metavar="N")] = 0
    resume: Flag = False
    overwrite: Flag = False
    minutes: Annotated[float | None, says("X")] = None
    memory_map: Flag = False
    workers: Annotated[int, arg(metavar="N")] = 0
    queue: Flag = False

    def run(self) -> int:
        """Train; say where the weights are, or how to go on."""
        self._check()
        began = time.monotonic()
        finished, said = self._train_queue() if self.queue else self._train()
        if os.environ.get("RANK", "0") == "0":  # only the main process of accelerate prints
            print(said)
        in_time = self.minutes is None or time.monotonic() - began < 60 * self.minutes
        return INTERRUPTED if in_time and not finished else 0

    def _check(self) -> None:
        check_device("train", self.device)
        if not self.queue and self.recipe is None:
            raise UsageError("train: expected a RECIPE (vbl info lists them) or --queue")
        if self.resume and self.overwrite:
            raise UsageError("train: --resume keeps the run and --overwrite deletes it: give one")
        expected = Train(queue=True, minutes=self.minutes, device=self.device)
        if self.queue and (self.minutes is None or self != expected):
            raise UsageError("train --queue: expected --minutes, and no other option but --device")

    def _train(self) -> tuple[bool, str]:
        from vbl.training import fit

        options = {field.name: getattr(self, field.name) for field in fields(self)[1:-1]}
        run = fit(self.recipe, **options)
        if not run.finished:
            again = replace(self, resume=True, overwrite=False).spelled()
            return False, f"stopped; the state is in {run.folder}. To go on:\n  {again}"
        from vbl.cli.printing import first_test

        weights = str(run.folder / "weights.safetensors")
        judge = shlex.join(["vbl", "evaluate", weights, *first_test(self.recipe)])
        return True, f"done; the weights are in {weights}. To measure them:\n  {judge}"

    def _train_queue(self) -> tuple[bool, str]:
        from vbl.training.shipping import train_queue, waiting

        shipped = train_queue(minutes=self.minutes, device=self.device)
        said = f"shipped: {', '.join(shipped) or 'nothing yet'}"
        if not waiting():
            return True, said
        return False, f"{said}; waiting: {', '.join(waiting())}. To go on:\n  {self.spelled()}"

    def spelled(self) -> str:
        """The command line of this run."""
        words = ["vbl", "train", *filter(None, [self.recipe])]
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if value != field.default:
                words.append("--" + field.name.replace("_", "-"))
                words += [] if value is True else [str(value)]
        return shlex.join(words)
