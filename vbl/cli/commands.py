"""The commands of ``vbl``, one class each: fields are arguments, the docstring is the help page.

``run`` executes the command and returns the exit code; None is 0. Libraries that take seconds to
import are imported in ``run``, so that help is instant.
"""

import json
import os
import shlex
import sys
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

INTERRUPTED = 130  # exit code after Ctrl-C, as in shells


def says(metavar: str) -> Any:
    """An optional value in the help page, where its sentence describes the default."""
    return arg(metavar=metavar, help_behavior_hint="")


Flag = Annotated[bool, arg(help_behavior_hint="")]
Device = Annotated[str | None, says("auto|cpu|cuda|cuda:1|mps")]
Text = Annotated[str | None, says("NAME")]
Number = Annotated[int | None, says("N")]
Folder = Annotated[Path | None, says("FOLDER")]


class UsageError(ValueError):
    """Invalid arguments."""


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
        _check_device("train", self.device)
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


@dataclass(frozen=True, kw_only=True)
class Adapt:
    """Learn the noise of your camera from noisy and clean pictures, no pairs, and remove it.
    $ vbl adapt noisy/ clean/ -o mycamera --minutes 30
    $ vbl restore night.jpg --model mycamera

    Attributes:
        noisy: A folder of noisy pictures; ten or more are advised.
        clean: A folder of clean pictures of anything; unless given, the book's photographs.
        out: A new folder for the weights, a report (report.html) and the two runs.
        minutes: For both trainings; it finds out how many steps they are worth here.
        burst: A folder of four exposures or more of one scene, to measure on without a truth.
        device: A GPU where there is one, unless given.
        seed: Of the first weights and of everything drawn.
        resume: Go on with what is in the folder.
    """

    noisy: Annotated[Positional[Path], arg(metavar="NOISY")]
    clean: Annotated[Positional[Path | None], says("CLEAN")] = None
    out: Annotated[Path, arg(aliases=["-o"], metavar="FOLDER")]
    minutes: Annotated[float, arg(metavar="X")] = 30.0
    burst: Folder = None
    device: Device = None
    seed: Annotated[int, arg(metavar="N")] = 0
    resume: Flag = False

    def run(self) -> int:
        """Adapt; say what is doubtful, and how to use the result or to go on."""
        _check_device("adapt", self.device)
        from vbl.cli.adapt import measured, write_report
        from vbl.training import adapt

        options = {name: getattr(self, name) for name in ("minutes", "device", "seed", "resume")}
        made = adapt(self.noisy, self.clean, self.out, **options)
        print(*made.doubts, sep="\n", end="\n" if made.doubts else "")
        if made.weights is None:
            print(
                f"stopped; to go on, give the same line with --resume. The state is in {self.out}"
            )
            return INTERRUPTED
        found = measured(made, self.burst)
        write_report(self.out / "report.html", made, found)
        print(*found.doubts, sep="\n", end="\n" if found.doubts else "")
        for name, (taken, learned) in found.rows.items():
            print(f"noise taken out, {name}: {taken:.2f} (learned: {learned:.2f})")
        for name, value in found.burst.items():
            print(f"split-half of the burst, {name}: {value:.2f} dB")
        print(f"the report is {self.out / 'report.html'}. To restore a picture:")
        print(f"  {shlex.join(['vbl', 'restore', 'PHOTO', '--model', str(made.weights)])}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Restore:
    """Restore photographs of any size, and show the noise that was inferred.
    $ vbl restore night.jpg -o out
    $ vbl restore holidays -r -o out --format jpg
    $ vbl restore a.png b.png -o out --model ffdnet --sigma 25

    Writes night_restored.png, night_side_by_side.png and what the model infers: the noise's
    standard deviation, night_noise_std.png and .npy, and the blur, night_kernel.png and .json.
    --uncertainty adds how far off a value may be, night_uncertainty.png and .npy: of pictures like
    those of the calibration, 90 % of the values lie within.
    What has been restored before is not restored again.

    Attributes:
        photos: Files, folders, quoted patterns, or - for standard input.
        out: A folder, or for one photograph the file that it becomes; - for standard output.
        model: A name that vbl info lists, a .safetensors file or the folder of a run.
        sigma: Noise level from 0 to 255, for a model that must be told.
        format: png, jpg, tif, webp or avif; png, and tif for floating point, unless given.
        recursive: Look into the folders of folders.
        tile: Side of the tiles in which a large photograph is restored; smaller takes less memory.
        ensemble: Average over the eight rotations and reflections.
        uncertainty: Write a map of where the result is not to be trusted.
        full_range: Scale a picture by its own smallest and largest value.
        strip: Leave out the colour profile, EXIF, the resolution and the date.
        max_pixels: Refuse larger pictures.
        skip_existing: It is no error that the only photograph has been restored before.
        overwrite: Replace what is there of the names that are written; else it is refused.
        quiet: Print errors only.
        threads: Of the CPU; all its cores unless given.
        device: A GPU where there is one, unless given.
    """

    photos: Annotated[Positional[tuple[Path, ...]], says("PHOTO ...")]
    out: Annotated[Path, arg(aliases=["-o"], metavar="FOLDER|FILE")]
    model: Annotated[str, arg(metavar="MODEL")] = "virnet-photo"
    sigma: Annotated[float | None, says("X")] = None
    format: Annotated[str | None, says("FORMAT")] = None
    recursive: Annotated[bool, arg(aliases=["-r"], help_behavior_hint="")] = False
    tile: Number = None
    ensemble: Flag = False
    uncertainty: Flag = False
    full_range: Annotated[bool, arg(name="range", help_behavior_hint="")] = False
    strip: Flag = False
    max_pixels: Annotated[int, arg(metavar="N")] = 250_000_000
    skip_existing: Flag = False
    overwrite: Flag = False
    quiet: Flag = False
    threads: Number = None
    device: Device = None

    def run(self) -> None:
        """Restore what can be restored; name the others at the end."""
        import torch

        from vbl.cli.batch import restore_batch
        from vbl.models import load
        from vbl.restoration import WithUncertainty

        self._check()
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        names = [field.name for field in fields(self)]
        for own in ("photos", "out", "model", "format", "threads", "uncertainty"):
            names.remove(own)
        options = {name: getattr(self, name) for name in names}
        model = load(_weights(self.model))
        if self.uncertainty:
            model = WithUncertainty(model, self.model)
        restore_batch(model, self.photos, self.out, suffix=self._suffix, **options)

    @property
    def _suffix(self) -> str:
        return f".{self.format.lower().lstrip('.')}" if self.format is not None else ""

    def _check(self) -> None:
        from vbl.images.formats import EXTRA_SUFFIXES, SUFFIXES
        from vbl.images.picture_writer import FORMATS

        if not self.photos:
            raise UsageError("restore: expected at least one PHOTO")
        for name in ("threads", "tile", "max_pixels"):
            value = getattr(self, name)
            if value is not None and value < 1:
                option = f"--{name.replace('_', '-')}"
                raise UsageError(f"restore: {option}: expected at least 1, got {value}")
        if self.sigma is not None and not 0 <= self.sigma <= 255:
            expected = "expected a noise level from 0 to 255"
            raise UsageError(f"restore: --sigma: {expected}, got {self.sigma:g}")
        _check_device("restore", self.device)
        suffixes = {"--format": self._suffix, "--out": self.out.suffix.lower()}
        if suffixes["--out"] not in (*SUFFIXES, *EXTRA_SUFFIXES) or self.out.is_dir():  # a folder
            del suffixes["--out"]
        if self.uncertainty and ("--out" in suffixes or self.out == Path("-")):
            raise UsageError(f"restore: --uncertainty: expected a folder for --out, got {self.out}")
        for option, suffix in suffixes.items():
            if suffix and suffix not in FORMATS:
                expected = f"expected one of {', '.join(FORMATS)}"
                raise UsageError(f"restore: {option}: {expected}, got {suffix}")


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Measure a network on a set: PSNR and SSIM of each picture, and their means.
    $ vbl evaluate ffdnet cbsd68 --sigma 25
    $ vbl evaluate virnet-sr-x4 set14 --scale 4 --kernel all --sigma 2.55

    Attributes:
        model: A name in vbl info, a weights file, a run's folder, or A+B: A with what B infers.
        dataset: A set (vbl data list), or a folder of pictures or of pairs NAME_noisy, NAME_clean.
        sigma: Add white noise of this standard deviation, on the scale of 0 to 255.
        case: Add noise whose level varies over the picture: VIRNet's case 1, 2 or 3.
        scale: Blur and reduce the pictures by this factor.
        kernel: Which of the blur kernels of that factor, by number.
        quality: Compress the pictures as JPEG of quality 1 to 100.
        protocol: The noise stream and the convention of a published table.
        device: A GPU where there is one, unless given.
        json: Print one JSON object instead of a table.
        save: Keep the result in data/results under this name.
    """

    model: Annotated[Positional[str], arg(metavar="MODEL")]
    dataset: Annotated[Positional[str], arg(metavar="DATASET")]
    sigma: Annotated[float | None, says("X")] = None
    case: Number = None
    scale: Number = None
    kernel: Annotated[str | None, says("N|all")] = None
    quality: Number = None
    protocol: Text = None
    device: Device = None
    json: Flag = False
    save: Text = None

    def run(self) -> None:
        """Evaluate and print."""
        from vbl.cli.printing import report_lines
        from vbl.evaluation import evaluate, save_result
        from vbl.utils import find_device

        _check_device("evaluate", self.device)
        degradation = ("sigma", "case", "scale", "kernel", "quality")
        options = {name: getattr(self, name) for name in (*degradation, "protocol", "device")}
        report = evaluate(_weights(self.model), self.dataset, **options)
        if self.save:
            path = save_result(self.save, report.to_json(), device=find_device(self.device))
            print(f"kept in {path}", file=sys.stderr)
        print(json.dumps(report.to_json()) if self.json else "\n".join(report_lines(report)))


@dataclass(frozen=True, kw_only=True)
class Reproduce:
    """Recompute a table of a paper and print our numbers beside the paper's.
    $ vbl reproduce virnet-table-2 --models ffdnet virnet-denoise
    $ vbl reproduce --all --dry-run

    Attributes:
        table: For instance virnet-table-2.
        models: Only these rows; the others stay as they were measured last.
        device: A GPU where there is one, unless given.
        all: Every table whose pictures are on this machine, one after the other.
        dry_run: Compute nothing; say what there is for every table of the papers.
    """

    table: Annotated[Positional[str | None], says("TABLE")] = None
    models: Annotated[tuple[str, ...], says("MODEL ...")] = ()
    device: Device = None
    all: Flag = False
    dry_run: Flag = False

    def run(self) -> None:
        """Compute, keep in data/results and print."""
        if self.all == bool(self.table):
            raise UsageError("expected a table, for instance virnet-table-2, or --all")
        if self.models and self.all:
            raise UsageError("--models: rows are those of one table, not of --all")
        from vbl.evaluation import TABLES, reproduce
        from vbl.images import DataUnavailable

        if self.dry_run:
            from vbl.cli.printing import ledger_lines

            print(*ledger_lines(self.table), sep="\n")
            return
        _check_device("reproduce", self.device)
        for table in TABLES if self.all else (self.table,):
            try:
                print(reproduce(table, models=self.models or None, device=self.device))
            except DataUnavailable as reason:
                if not self.all:
                    raise
                print(f"{table}: {reason}", file=sys.stderr)


@dataclass(frozen=True)
class List:
    """Say which sets are on this machine and which can be fetched, with their terms.
    $ vbl data list
    """

    def run(self) -> None:
        """Print three lines for each set."""
        from vbl.cli.printing import set_lines

        print(*set_lines(), sep="\n")


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Download a public set and verify its checksums.
    $ vbl data fetch kodak24_original

    Attributes:
        name: Of the set; vbl data list shows which can be fetched.
        folder: Where to keep it; the cache folder (VBL_CACHE) unless given.
    """

    name: Annotated[Positional[str], arg(metavar="NAME")]
    folder: Folder = None

    def run(self) -> None:
        """Fetch; say where it is and on which terms."""
        from vbl.cli.printing import presence
        from vbl.images.catalog import CATALOG, DOWNLOADS
        from vbl.images.download import fetch

        if self.name in CATALOG:
            raise ValueError(f"{self.name} is not for download; it is {presence(self.name)}")
        folder = fetch(self.name, folder=self.folder)
        print(f"{self.name} is in {folder}\nterms: {DOWNLOADS[self.name].licence}")


@dataclass(frozen=True)
class Data:
    """See which sets of pictures there are, and fetch public ones.
    $ vbl data list
    """

    what: List | Fetch

    def run(self) -> None:
        """Run the subcommand."""
        self.what.run()


@dataclass(frozen=True, kw_only=True)
class Info:
    """Say what is installed and known here, or how a model was made.
    $ vbl info ffdnet

    Attributes:
        model: A checkpoint, a .safetensors file or the folder of a run.
    """

    model: Annotated[Positional[str | None], says("MODEL")] = None

    def run(self) -> None:
        """Print names and values."""
        from vbl.cli.printing import machine_lines, model_lines
        from vbl.models import load

        machine = self.model is None
        print(*(machine_lines() if machine else model_lines(load(_weights(self.model)))), sep="\n")


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a model as a script that the laboratory of the book's pages runs, without a server.
    $ vbl export virnet-photo --page virnet-photo.js

    Attributes:
        model: A checkpoint, a .safetensors file or the folder of a run.
        page: The script.
    """

    model: Annotated[Positional[str], arg(metavar="MODEL")]
    page: Annotated[Path, arg(metavar="FILE")]

    def run(self) -> None:
        """Write the script and say how large it is."""
        from vbl.models.page import export_page

        size = export_page(_weights(self.model), self.page)
        print(f"{self.page}: {size / 1e6:.2f} MB")


Command = Train | Adapt | Restore | Evaluate | Reproduce | Data | Info | Export


def _check_device(command: str, device: str | None) -> None:
    from vbl.utils import check_device_name

    try:
        check_device_name(device)
    except ValueError as reason:
        raise UsageError(f"{command}: --{reason}") from None


def _weights(model: str) -> str:
    """The name of a model, or the weights file of the run in a folder."""
    folder = Path(model)
    if not folder.is_dir():
        return model
    path = folder / "weights.safetensors"
    if not path.is_file():
        raise ValueError(f"{folder} holds no {path.name}: expected the folder of a finished run")
    return str(path)
