"""The catalogue of image sets with their terms and hashes, read from ``data/images.toml``.

Sets are opened by ``vbl.images.datasets`` and downloaded by ``vbl.images.download``.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

from vbl.utils import DATA


@dataclass(frozen=True, kw_only=True)
class Photograph:
    """One photograph inside an installed package."""

    kind: ClassVar[str] = "photograph"
    title: str
    author: str
    licence: str
    source: str  # the package's source
    package: str  # the import name of the package that ships it
    path: str  # below the folder of that package
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The description of a set, of any kind."""

    kind: ClassVar[str]
    about: str
    licence: str  # as its source states it
    citation: str
    source: str = ""  # public page or repository


@dataclass(frozen=True, kw_only=True)
class Photographs(Entry):
    """Photographs of installed packages."""

    kind: ClassVar[str] = "embedded"
    photographs: dict[str, Photograph] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Generated(Entry):
    """Synthetic pictures, with the seeds ``first`` to ``first + count - 1``."""

    kind: ClassVar[str] = "generated"
    count: int
    size: tuple[int, int]
    first: int = 0


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """How degraded and clean pictures are paired by file name.

    For paths relative to the folder of the set, without suffix: ``degraded`` is a regular
    expression, ``clean`` and ``name`` are templates with its groups.
    """

    degraded: str
    clean: str
    name: str = r"\1"


@dataclass(frozen=True, kw_only=True)
class Folder(Entry):
    """Folders below VBL_DATA.

    ``digest`` is what ``sha256sum FOLDER/* | sha256sum`` prints in VBL_DATA for the pictures in
    byte order of their paths; it identifies the files of a result.
    """

    kind: ClassVar[str] = "local"
    folders: tuple[str, ...]
    files: int
    digest: str
    pairs: Pairs | None = None
    never_show: tuple[str, ...] = ()  # names that must not appear in a figure


@dataclass(frozen=True, kw_only=True)
class Download(Entry):
    """Files at a public address with published checksums."""

    kind: ClassVar[str] = "download"
    base: str  # URL up to the file name
    files: dict[str, str] = field(repr=False)  # file name -> "..." or "md5:..."


@dataclass(frozen=True, kw_only=True)
class Manual(Entry):
    """A public page without checksums: download by hand, then ``open_folder``."""

    kind: ClassVar[str] = "manual"


KINDS = {c.kind: c for c in (Photograph, Photographs, Generated, Folder, Download, Manual)}


def read_catalog(path: Path) -> dict[str, dict[str, Any]]:
    """Read a catalogue: a TOML file whose tables are ``[KIND.NAME]``.

    Returns:
        Kind -> name -> instance of the class in `KINDS`; an embedded set has all photographs.

    Raises:
        ValueError: Naming the file and the table, when its kind or a key is unknown, or a key is
            missing.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as reason:
        raise ValueError(f"{path}: {reason}") from reason
    found: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    for kind, entries in tables.items():
        for name, values in entries.items():
            where = f"{path}: {kind}.{name}"
            if kind not in KINDS:
                raise ValueError(f"{where}: unknown kind; expected {', '.join(KINDS)}")
            if kind == Photographs.kind:
                values = values | {"photographs": found[Photograph.kind]}
            found[kind][name] = _build(where, KINDS[kind], values)
    return found


def _build(where: str, kind: type, values: Mapping[str, Any]) -> Any:
    """A dataclass from a table; arrays become tuples."""
    known = {key.name: key for key in fields(kind)}
    if unknown := [name for name in values if name not in known]:
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; expected {', '.join(known)}")
    needed = (name for name, key in known.items() if key.default is MISSING)
    if missing := [name for name in needed if name not in values]:
        raise ValueError(f"{where}: missing key {missing[0]!r}")
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    if "pairs" in values:
        values["pairs"] = _build(f"{where}.pairs", Pairs, values["pairs"])
    return kind(**values)


_FOUND = read_catalog(DATA / "images.toml")
PHOTOGRAPHS: dict[str, Photograph] = _FOUND["photograph"]
CATALOG: dict[str, Entry] = _FOUND["embedded"] | _FOUND["generated"] | _FOUND["local"]
DOWNLOADS: dict[str, Download | Manual] = _FOUND["download"] | _FOUND["manual"]
