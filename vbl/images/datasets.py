"""Opening an embedded photograph, a set of the catalogue, or a folder of your own.

::

    photo("china")                              one photograph, (1, 3, H, W)
    open_dataset("cbsd68")[0].image             a set of the catalogue, in a fixed order
    open_folder("holiday")["beach"].image       your own pictures, by file name

Nothing here uses the network. Embedded and local sets are checked against the hashes of the
catalogue when opened, so that scores always refer to the same pictures.
"""

import hashlib
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vbl.images.catalog import CATALOG, PHOTOGRAPHS, Folder, Generated, Pairs, Photograph
from vbl.images.files import read
from vbl.images.formats import SUFFIXES, UnreadableImage
from vbl.images.synthetic import dead_leaves
from vbl.images.text_pages import text_page
from vbl.utils import UnknownName, look_up, sha256

NOISY_CLEAN = Pairs(degraded=r"(.+)_noisy", clean=r"\1_clean")


class DataUnavailable(RuntimeError):
    """A set that is not on this machine, or differs from the catalogue's."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture of a set.

    Attributes:
        name: Its name in the set (a file name without suffix, or the common part of a pair).
        image: The picture, or the clean one of a pair; float32 in [0, 1].
        degraded: The degraded one of a pair, else None; of the same shape.
    """

    name: str
    image: Float[Tensor, "1 c h w"]
    degraded: Float[Tensor, "1 c h w"] | None = None


class ImageSet(Sequence):  # of Sample; unparametrised, or the type checker would read a file
    """Pictures in a fixed order, read from disk at each access.

    Indexed by a number, a slice (another ``ImageSet``) or a name; ``in`` takes a name and reads no
    file.

    Attributes:
        name: Name of the set.
        names: Names of its pictures, in order.
        never_show: Names of pictures that must not appear in a figure.
    """

    def __init__(
        self, name: str, load: dict[str, Callable[[], Sample]], never_show: tuple[str, ...] = ()
    ):
        self.name = name
        self.names = tuple(load)
        self.never_show = never_show
        self._load = load

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: Any) -> bool:
        return name in self.names

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return self.only(self.names[key])
        if isinstance(key, str):
            return look_up(f"picture of {self.name}", key, self._load)()
        return self._load[self.names[key]]()

    def only(self, names: Iterable[str]) -> "ImageSet":
        """The subset of the named pictures, in the given order."""
        return ImageSet(self.name, {name: self._load[name] for name in names}, self.never_show)

    def __repr__(self) -> str:
        return f"ImageSet({self.name!r}, {len(self)} pictures)"


def photo(name: Any) -> Float[Tensor, "1 c h w"]:
    """Read one embedded photograph, float32 in [0, 1]; C = 1 for grey ones, else 3.

    Args:
        name: A key of ``vbl.images.PHOTOGRAPHS``, e.g. "china".

    Raises:
        UnknownName: With the closest names when there is no such photograph.
        DataUnavailable: When the file in the installed package differs.
    """
    return read(_photograph_path(look_up("photograph", name, PHOTOGRAPHS)))


def open_dataset(name: Any) -> ImageSet:
    """Open a set of the catalogue.

    Args:
        name: A key of ``CATALOG``, e.g. "cbsd68".

    Raises:
        UnknownName: With the closest names when there is no such set.
        DataUnavailable: When its files are missing or are not those of the catalogue.
    """
    entry = look_up("data set", name, CATALOG)
    if isinstance(entry, Folder):
        return _open_local(name, entry, _data_root(name))
    if isinstance(entry, Generated):
        numbers = range(entry.first, entry.first + entry.count)
        draws = {f"{name}_{i:02d}": partial(_draw, name, entry, i) for i in numbers}
        return ImageSet(name, draws)
    paths = {key: _photograph_path(picture) for key, picture in entry.photographs.items()}
    return ImageSet(name, {key: partial(_one, key, path) for key, path in paths.items()})


def open_folder(path: Any, *, pairs: Pairs | None = None) -> ImageSet:
    """Open a folder of pictures, or of pairs of a noisy and a clean one.

    Pictures are sorted by file name. Subfolders are ignored, and so are other files, with a warning
    that counts them by their suffix. If a name ends in ``_noisy``, all pictures must form pairs
    ``NAME_noisy`` and ``NAME_clean`` (with any suffix).

    Args:
        path: The folder.
        pairs: Another naming of pairs.

    Raises:
        NotADirectoryError: When ``path`` is not a folder.
        ValueError: When it holds no picture, two of the same name, or half a pair.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a string or a Path, got {type(path).__name__}")
    folder = Path(path)
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    inside = sorted(file for file in folder.iterdir() if file.is_file())
    files = [file for file in inside if _is_picture(file)]
    if not files:
        raise ValueError(f"{folder} holds no picture ({', '.join(SUFFIXES)})")
    seen = (file for file in inside if file not in files and not file.name.startswith("."))
    others = Counter(file.suffix or "no suffix" for file in seen)
    if others:
        found = ", ".join(f"{count} x {suffix}" for suffix, count in sorted(others.items()))
        warnings.warn(f"{folder}: left out what is no picture by its name: {found}", stacklevel=2)
    if pairs is None and any(re.fullmatch(NOISY_CLEAN.degraded, file.stem) for file in files):
        pairs = NOISY_CLEAN
    stems = _by_stem(folder, files)
    if pairs is None:
        return ImageSet(folder.name, {stem: partial(_one, stem, stems[stem]) for stem in stems})
    found = _pair_up(folder, stems, pairs)
    used = {file for pair in found.values() for file in pair}
    if alone := [file.name for file in files if file not in used]:
        raise ValueError(f"{folder}: {alone[0]} belongs to no pair")
    return ImageSet(folder.name, {key: partial(_two, key, *found[key]) for key in found})


def _one(name: str, path: Path) -> Sample:
    return Sample(name, read(path))


def _two(name: str, degraded: Path, clean: Path) -> Sample:
    y, x = read(degraded), read(clean)
    if x.shape != y.shape:
        sizes = f"{tuple(y.shape[1:])} and {tuple(x.shape[1:])}"
        raise ValueError(f"{degraded} and {clean.name} are no pair: (C, H, W) are {sizes}")
    return Sample(name, x, y)


def _draw(name: str, entry: Generated, number: int) -> Sample:
    return Sample(f"{name}_{number:02d}", _drawn(name, entry.size, number).clone())


@lru_cache(maxsize=64)  # drawing takes a second, and a training opens its pictures again
def _drawn(name: str, size: tuple[int, int], number: int) -> Tensor:
    draw = dead_leaves if name == "dead_leaves" else text_page
    return draw(size, generator=torch.Generator().manual_seed(number))


def _photograph_path(picture: Photograph) -> Path:
    """The file in the installed package, after a check of its hash."""
    spec = find_spec(picture.package)
    if spec is None or not spec.submodule_search_locations:
        raise DataUnavailable(f"{picture.package}, which ships {picture.path}, is not installed")
    path = Path(spec.submodule_search_locations[0]) / picture.path
    found = sha256(path) if path.is_file() else "no such file"
    if found != picture.sha256:
        expected = f"expected sha256 {picture.sha256}, found {found}"
        raise DataUnavailable(f"{path} is not the photograph of the catalogue: {expected}")
    return path


def _data_root(name: str) -> Path:
    folder = os.environ.get("VBL_DATA")
    hint = 'see "About the data" in the book'
    if not folder:
        raise DataUnavailable(
            f"{name} needs the environment variable VBL_DATA to name the folder of sets; {hint}"
        )
    if not Path(folder).is_dir():
        raise DataUnavailable(f"{name}: the data folder {folder} does not exist; {hint}")
    return Path(folder)


def _open_local(name: str, entry: Folder, root: Path) -> ImageSet:
    missing = [folder for folder in entry.folders if not (root / folder).is_dir()]
    if missing:
        raise DataUnavailable(
            f"{name}: {root / missing[0]} does not exist; the set can be found by {entry.source}"
        )
    files = [f for folder in entry.folders for f in (root / folder).rglob("*") if _is_picture(f)]
    files.sort(key=lambda file: file.relative_to(root).as_posix())
    found = digest(root, files)
    if found != entry.digest:
        what = f"{len(files)} pictures, digest {found}; expected {entry.files}, {entry.digest}"
        raise DataUnavailable(f"{name} is not the set of the catalogue: {what}")
    if entry.pairs is None:
        load = {file.stem: partial(_one, file.stem, file) for file in files}
    else:
        folder = root / entry.folders[0]
        found = _pair_up(folder, _by_stem(folder, files), entry.pairs)
        load = {key: partial(_two, key, *found[key]) for key in found}
    return ImageSet(name, load, entry.never_show)


def digest(root: Path, files: Iterable[Path]) -> str:
    """The output of ``sha256sum FILES | sha256sum`` in the folder ``root``."""
    lines = (f"{sha256(file)}  {file.relative_to(root).as_posix()}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _by_stem(folder: Path, files: Sequence[Path]) -> dict[str, Path]:
    """Files by their path below ``folder`` without suffix."""
    stems = [file.relative_to(folder).with_suffix("").as_posix() for file in files]
    twice = [stem for stem, times in Counter(stems).items() if times > 1]
    if twice:
        raise ValueError(f"{folder} holds two pictures called {twice[0]}")
    return dict(zip(stems, files, strict=True))


def _pair_up(folder: Path, stems: dict[str, Path], pairs: Pairs) -> dict[str, tuple[Path, Path]]:
    """Name -> (degraded, clean)."""
    found = {}
    for stem, file in stems.items():
        if match := re.fullmatch(pairs.degraded, stem):
            clean = match.expand(pairs.clean)
            if clean not in stems:
                raise ValueError(f"{folder}: {file.name} has no partner {clean}")
            found[match.expand(pairs.name)] = (file, stems[clean])
    return found


def find_pictures(dataset: Any) -> ImageSet:
    """A set of the catalogue by name, or a folder of pictures or pairs.

    Raises:
        UnknownName: When it is neither.
    """
    if isinstance(dataset, ImageSet):
        return dataset
    if dataset in CATALOG:
        return open_dataset(dataset)
    if Path(dataset).is_dir():
        return open_folder(dataset)
    raise UnknownName("data set or folder", str(dataset), CATALOG)


def training_set(names: tuple[str, ...]) -> ImageSet:
    """The first of the named sets that is on this machine.

    Raises:
        DataUnavailable: When none is, with the reason for the last.
    """
    for name in names[:-1]:
        try:
            return open_set(name)
        except DataUnavailable:
            continue
    return open_set(names[-1])


def open_set(name: str) -> ImageSet:
    """A set of the catalogue, or "free": embedded colour photographs and dead leaves."""
    if name != "free":
        return open_dataset(name)
    photographs = open_dataset("photographs")
    colour = photographs.only(photo for photo in photographs.names if photo not in GREY)
    return ImageSet("free", colour._load | open_dataset("dead_leaves")._load)


GREY = ("camera", "brick", "grass", "gravel", "coins", "clock")
UNREADABLE_SHARE = 0.01  # of a set's files, at which the set is refused


def readable(dataset: Sequence, whole: int | None = None) -> Iterator[Sample]:
    """Every sample of a set; a few unreadable files are skipped with a warning.

    Args:
        dataset: A set of `vbl.images.datasets`.
        whole: Number of files of the set that `dataset` is a part of.

    Raises:
        UnreadableImage: Naming the file, as soon as 1 % of the files cannot be read.
    """
    bad, whole = 0, whole or len(dataset)
    for i in range(len(dataset)):
        try:
            yield dataset[i]
        except UnreadableImage as error:
            bad += 1
            if bad >= UNREADABLE_SHARE * whole:
                raise
            warnings.warn(f"left out ({bad} of {whole}): {error}", stacklevel=2)
