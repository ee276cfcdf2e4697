"""Restoration of many photographs: which files, under which names, and that a batch goes on."""

import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import glob, has_magic
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn
from tqdm.auto import tqdm

from vbl.cli.drafts import remove_abandoned
from vbl.cli.photos import ENDINGS, Job, job_for, restore_file
from vbl.images.formats import EXTRA_SUFFIXES, SUFFIXES
from vbl.restoration import is_told
from vbl.utils import find_device, is_static

STDIN = Path("-")
MARKS = ("_restored", *(f"_{Path(ending).stem}" for ending in ENDINGS))  # of our own results


def restore_batch(
    model: nn.Module,
    given: Sequence[Path],
    out: Path,
    *,
    recursive: bool,
    suffix: str,
    skip_existing: bool,
    overwrite: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Restore photographs; name at the end those that could not be.

    Args:
        model: A model with a method ``restore``.
        given: Photographs, folders and patterns; ``-`` is standard input.
        out: A folder, the file that the only photograph becomes, or ``-`` for standard output.
        recursive: Look into the folders of folders.
        suffix: Of the format, for instance ".png"; "" leaves it to the picture.
        skip_existing: A photograph that has been restored is no error. In a batch it never is.
        overwrite: Replace files of the names that are written.
        quiet: Print errors only.
        options: Of `restore_file`.

    Raises:
        ValueError: When an option does not fit, a photograph would be overwritten, or after
            photographs that could not be restored.
        FileExistsError: When the only photograph has been restored before.
    """
    _check_options(model, **options)
    with _stdin_as_file(given) as (names, piped):
        jobs = _jobs(names, out, recursive, suffix, piped)
        _check_clashes(jobs)
        for folder in {path.parent for job in jobs for path in job.outputs}:
            folder.mkdir(parents=True, exist_ok=True)
            remove_abandoned(folder)
        several = len(jobs) > 1 or jobs[0].photo not in names
        lenient = several or skip_existing
        _restore_all(model, jobs, several, lenient, quiet, overwrite=overwrite, **options)


def _restore_all(
    model: nn.Module,
    jobs: Sequence[Job],
    several: bool,
    lenient: bool,
    quiet: bool,
    **options: Any,
) -> None:
    failed, there = [], 0
    say = _sayer(quiet, to_stderr=any(job.restored is None for job in jobs))
    hidden = True if quiet or is_static() else None  # None: hidden unless it is on a terminal
    layout = "{desc}{percentage:3.0f}%|{bar}| {n:.1f}/{total} [{elapsed}<{remaining}]"
    with tqdm(total=len(jobs), bar_format=layout, disable=hidden) as bar:
        for number, job in enumerate(jobs):
            bar.set_description(job.photo.name)
            if lenient and not options["overwrite"] and _is_there(job):
                there += 1
            else:
                try:
                    say(restore_file(model, job, progress=bar.update, **options))
                except (ValueError, OSError) as reason:
                    if not several:
                        raise
                    failed.append(str(job.photo))
                    line = " ".join(str(reason).split())
                    tqdm.write(f"vbl: error: {line}", file=sys.stderr)
            bar.update(number + 1 - bar.n)
    if there:
        what = "was" if there == 1 else "were"
        say(f"{there} of {len(jobs)} {what} there already (--overwrite replaces them)")
    if failed:
        count = f"{len(failed)} of {len(jobs)} photographs"
        raise ValueError(f"{count} could not be restored: {', '.join(failed)}")


def _sayer(quiet: bool, to_stderr: bool) -> Any:
    file = sys.stderr if to_stderr else sys.stdout
    return (lambda _: None) if quiet else lambda line: tqdm.write(line, file=file)


def _is_there(job: Job) -> bool:
    """Whether a photograph has been restored, in whichever format was left open."""
    if job.restored is None:
        return False
    return job.restored.exists() or (not job.suffix and job.restored.with_suffix(".tif").exists())


def _check_options(
    model: nn.Module, *, sigma: float | None, tile: int | None, device: Any, **others: Any
) -> None:
    find_device(device)
    name = type(model).__name__
    if is_told(model) and sigma is None:
        raise ValueError(f"sigma: {name} must be told the noise level, from 0 to 255")
    if sigma is not None and not is_told(model):
        raise ValueError(f"sigma: {name} is not told the noise level, got {sigma:g}")
    if sigma is not None and not 0 <= sigma <= 255:
        raise ValueError(f"sigma: expected a noise level from 0 to 255, got {sigma:g}")
    if tile is not None and tile < 1:
        raise ValueError(f"tile: expected a side of at least one pixel, got {tile}")
    if others["max_pixels"] < 1:
        raise ValueError(f"max_pixels: expected at least one, got {others['max_pixels']}")


@contextmanager
def _stdin_as_file(given: Sequence[Path]) -> Iterator[tuple[Sequence[Path], Path | None]]:
    """The given names, with standard input as a file, and that file."""
    if STDIN not in given:
        yield given, None
        return
    if given.count(STDIN) > 1:
        raise ValueError("-: standard input can be read once only")
    with TemporaryDirectory(prefix="vbl-stdin-") as folder:
        piped = Path(folder) / "stdin"
        if sys.stdin is None:
            raise ValueError("-: standard input is closed")
        with piped.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield [piped if path == STDIN else path for path in given], piped


def _jobs(
    given: Sequence[Path], out: Path, recursive: bool, suffix: str, piped: Path | None
) -> list[Job]:
    found = list(dict.fromkeys(_expanded(given, recursive)))
    known = out.suffix.lower() in (*SUFFIXES, *EXTRA_SUFFIXES)
    if out == STDIN or (known and not out.is_dir()):
        if len(found) != 1:
            raise ValueError(f"{out} is one file: expected one photograph, got {len(found)}")
        own = "" if out == STDIN else out.suffix.lower()
        if suffix and own and suffix != own:
            raise ValueError(f"{out}: its suffix says another format than --format {suffix[1:]}")
        return [Job(found[0][0], None if out == STDIN else out, {}, own or suffix)]
    suffixes = defaultdict(set)
    for photo, below in found:
        suffixes[below, photo.stem.casefold()].add(photo.suffix.casefold())
    jobs = []
    for photo, below in found:
        alone = len(suffixes[below, photo.stem.casefold()]) == 1
        stem = photo.stem if alone else photo.name.replace(".", "_")  # beside its raw file
        jobs.append(job_for(photo, out / below, stem, suffix))
    return jobs


def _expanded(given: Sequence[Path], recursive: bool) -> Iterator[tuple[Path, Path]]:
    """Photographs, and the folder of each below the folder it was found in."""
    for path in given:
        if path.is_dir():
            yield from _pictures_in(path, recursive)
        elif not path.exists() and has_magic(str(path)):
            found = glob(str(path), recursive=True)  # noqa: PTH207 (it may be absolute)
            matches = [Path(name) for name in sorted(found)]
            pictures = [match for match in matches if _is_candidate(match)]
            if not pictures:
                raise ValueError(f"{path}: no picture has such a name")
            yield from ((picture, Path()) for picture in pictures)
        else:
            yield path, Path()


def _pictures_in(folder: Path, recursive: bool) -> Iterator[tuple[Path, Path]]:
    inside = folder.rglob("*") if recursive else folder.iterdir()
    pictures = sorted(path for path in inside if _is_candidate(path))
    if not pictures:
        hint = "" if recursive else " (-r looks into its folders)"
        raise ValueError(f"{folder} holds no picture{hint}")
    yield from ((picture, picture.parent.relative_to(folder)) for picture in pictures)


def _is_candidate(path: Path) -> bool:
    """Whether a file in a folder is a photograph, by its name, and none of our results."""
    hidden = any(part.startswith(".vbl-") for part in path.parts) or path.name.startswith("._")
    known = path.suffix.lower() in (*SUFFIXES, *EXTRA_SUFFIXES)
    return known and not hidden and not path.stem.endswith(MARKS) and path.is_file()


def _check_clashes(jobs: Sequence[Job]) -> None:
    """Check that no two photographs become one file, and none becomes an input."""
    first: dict[str, Job] = {}
    inputs = {_identity(job.photo) for job in jobs if job.photo.exists()}
    for job in jobs:
        if job.restored is None:
            continue
        other = first.setdefault(str(job.restored).casefold(), job)
        if other is not job:
            both = f"{other.photo} and {job.photo} would both become {job.restored.name}"
            raise ValueError(f"{both}: restore them into different folders")
        variants = [*job.outputs, *(() if job.suffix else [job.restored.with_suffix(".tif")])]
        for path in variants:
            place = Path(os.path.realpath(path))  # also through a folder that is made later
            if place.exists() and _identity(place) in inputs:
                clash = f"{job.photo} would become {path}, which is to be restored itself"
                raise ValueError(f"{clash}: give another folder")


def _identity(path: Path) -> tuple[int, int]:
    """The same for all names of a file."""
    found = path.stat()
    return found.st_dev, found.st_ino
