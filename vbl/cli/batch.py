"""Restoration of many photographs: which files, under which names, and that a batch goes on."""

import os
import re
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from glob import glob, has_magic
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn
from tqdm.auto import tqdm

from vbl.cli.commands.arguments import UsageError
from vbl.cli.drafts import remove_abandoned
from vbl.cli.photos import ENDINGS, Job, is_filled, job_for, restore_file
from vbl.images.formats import EXTRA_SUFFIXES, SUFFIXES
from vbl.images.picture_writer import FORMATS
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
    unread: list[str] = []
    with _stdin_as_file(given) as (names, piped):
        jobs = _jobs(names, out, recursive, suffix, piped, unread)
        _check_clashes(jobs)
        several = len(jobs) > 1 or bool(unread) or jobs[0].photo not in names
        lenient = several or skip_existing
        with _folders({path.parent for job in jobs for path in job.outputs}):
            failed = _restore_all(
                model, jobs, several, lenient, quiet, overwrite=overwrite, **options
            )
    said = []
    if failed:
        count = f"{len(failed)} of {len(jobs)} photographs"
        said.append(f"{count} could not be restored: {', '.join(failed)}")
    if unread:
        said.append(f"could not be read: {', '.join(unread)}")
    if said:
        raise ValueError("; ".join(said))


@contextmanager
def _folders(wanted: Iterable[Path]) -> Iterator[None]:
    """Output folders; those that are made here and stay empty are removed again."""
    made: list[Path] = []
    try:
        for folder in sorted(wanted):
            for path in (*reversed(folder.parents), folder):
                if _make(path):
                    made.append(path)
            remove_abandoned(folder)
        yield
    finally:
        for path in reversed(made):
            with suppress(OSError):  # it is not empty
                path.rmdir()


def _make(folder: Path) -> bool:
    """Make a folder, unless it is there, perhaps made by another process just now."""
    try:
        if not folder.is_dir():
            folder.mkdir()
            return True
    except FileExistsError:
        if not folder.is_dir():
            raise
    return False


def _restore_all(
    model: nn.Module, jobs: Sequence[Job], several: bool, lenient: bool, quiet: bool, **options: Any
) -> list[str]:
    """Restore what can be restored; return the names of the others."""
    failed, there = [], 0
    say = _sayer(quiet, to_stderr=any(job.restored is None for job in jobs))
    hidden = True if quiet or is_static() else None  # None: hidden unless it is on a terminal
    layout = "{desc}{percentage:3.0f}%|{bar}| {n:.1f}/{total} [{elapsed}<{remaining}]"
    with tqdm(total=len(jobs), bar_format=layout, disable=hidden) as bar:
        for number, job in enumerate(jobs):
            bar.set_description(job.photo.name)
            try:
                if lenient and not options["overwrite"] and _is_there(job):
                    there += 1
                else:
                    say(restore_file(model, job, progress=bar.update, **options))
            except (ValueError, OSError) as reason:
                if not several or isinstance(reason, BrokenPipeError):  # nobody reads on
                    raise
                failed.append(job.name)
                _complain(reason)
            bar.update(number + 1 - bar.n)
    if there:
        what = "was" if there == 1 else "were"
        say(f"{there} of {len(jobs)} {what} there already (--overwrite replaces them)")
    return failed


def _complain(reason: Exception) -> None:
    """One line about what does not end a batch."""
    tqdm.write(f"vbl: error: {' '.join(str(reason).split())}", file=sys.stderr)


def _sayer(quiet: bool, to_stderr: bool) -> Any:
    file = sys.stderr if to_stderr else sys.stdout
    return (lambda _: None) if quiet else lambda line: tqdm.write(line, file=file)


def _is_there(job: Job) -> bool:
    """Whether a photograph has been restored, in whichever format was left open."""
    return any(is_filled(path) for path in _variants(job))


def _variants(job: Job) -> list[Path]:
    """The files that the restored picture may become."""
    if job.restored is None:
        return []
    return [job.restored, *(() if job.suffix else [job.restored.with_suffix(".tif")])]


def _check_options(model: nn.Module, *, sigma: float | None, device: Any, **others: Any) -> None:
    find_device(device)
    name = type(model).__name__
    if is_told(model) and sigma is None:
        raise ValueError(f"sigma: {name} must be told the noise level, from 0 to 255")
    if sigma is not None and not is_told(model):
        raise ValueError(f"sigma: {name} is not told the noise level, got {sigma:g}")


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
        try:
            with piped.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        except OSError as reason:
            raise OSError(f"-: standard input: {reason.strerror or reason}") from reason
        yield [piped if path == STDIN else path for path in given], piped


def _jobs(
    given: Sequence[Path],
    out: Path,
    recursive: bool,
    suffix: str,
    piped: Path | None,
    unread: list[str],
) -> list[Job]:
    """What is to be done; folders that cannot be read are added to `unread`."""
    found = list(dict.fromkeys(_expanded(given, recursive, unread)))
    known = out.suffix.lower() in (*SUFFIXES, *EXTRA_SUFFIXES)
    if out == STDIN or (known and not out.is_dir()):
        if len(found) != 1:
            raise ValueError(f"{out} is one file: expected one photograph, got {len(found)}")
        own = "" if out == STDIN else out.suffix.lower()
        if suffix and own and suffix != own:
            raise UsageError(f"{out}: its suffix says another format than --format {suffix[1:]}")
        (photo, _), restored = found[0], None if out == STDIN else out
        return [Job(photo, restored, {}, own or suffix, _called(photo, piped))]
    if re.fullmatch(r"\.[a-z]{2,5}", out.suffix.lower()) and len(found) == 1 and not out.exists():
        formats = f"expected one of {', '.join(FORMATS)}, or a folder that exists"
        raise UsageError(f"{out}: {formats}, got {out.suffix}")
    suffixes = defaultdict(set)
    for photo, below in found:
        suffixes[below, photo.stem.casefold()].add(photo.suffix.casefold())
    jobs = []
    for photo, below in found:
        alone = len(suffixes[below, photo.stem.casefold()]) == 1
        stem = photo.stem if alone else photo.name.replace(".", "_")  # beside its raw file
        jobs.append(job_for(photo, out / below, stem, suffix, _called(photo, piped)))
    return jobs


def _called(photo: Path, piped: Path | None) -> str:
    return "stdin" if photo == piped else ""


def _expanded(
    given: Sequence[Path], recursive: bool, unread: list[str]
) -> Iterator[tuple[Path, Path]]:
    """Photographs, and the folder of each below the folder it was found in."""
    for path in given:
        if os.path.isdir(path):  # noqa: PTH112 (no error for a name that is too long)
            yield from _pictures_in(path, recursive, unread)
        elif has_magic(str(path)) and not path.exists():
            found = glob(str(path), recursive=True)  # noqa: PTH207 (it may be absolute)
            matches = [Path(name) for name in sorted(found)]
            pictures = [match for match in matches if _is_candidate(match)]
            if not pictures:
                raise ValueError(f"{path}: no picture has such a name")
            yield from ((picture, Path()) for picture in pictures)
        else:
            yield path, Path()


def _pictures_in(folder: Path, recursive: bool, unread: list[str]) -> Iterator[tuple[Path, Path]]:
    def missed(reason: OSError) -> None:
        unread.append(str(reason.filename))
        _complain(ValueError(f"cannot read {reason.filename}: {reason.strerror}"))

    inside = []
    for parent, folders, names in os.walk(folder, onerror=missed):
        inside += [Path(parent, name) for name in names]
        if not recursive:
            folders.clear()
    pictures = sorted(path for path in inside if _is_candidate(path))
    if not pictures and not unread:
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
    inputs = {_identity(job.photo) for job in jobs} - {None}
    for job in jobs:
        if job.restored is None:
            continue
        other = first.setdefault(str(job.restored).casefold(), job)
        if other is not job:
            both = f"{other.name} and {job.name} would both become {job.restored.name}"
            raise ValueError(f"{both}: restore them into different folders")
        for path in (*_variants(job), *job.others.values()):
            place = os.path.realpath(path)  # also through a folder that is made later
            if _identity(Path(place)) in inputs:
                clash = f"{job.name} would become {path}, which is to be restored itself"
                raise ValueError(f"{clash}: give another folder")


def _identity(path: Path) -> tuple[int, int] | None:
    """The same for all names of a file; None if there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino
