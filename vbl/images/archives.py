"""Safe and atomic unpacking of archives of plain files and folders."""

import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryDirectory

ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_DAMAGE = (EOFError, RuntimeError, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, zlib.error)
_PLAIN = (0, stat.S_IFREG, stat.S_IFDIR)  # 0: zipped where files have no modes


class UnpackError(ValueError):
    """An archive that ``unpack`` refuses; the message names archive, member and reason."""


def unpack(archive: Path, folder: Path, *, max_bytes: int = 8 * 2**30) -> None:
    """Unpack an archive whose name ends in one of ``ARCHIVES`` into a new folder.

    Raises:
        UnpackError: When the archive is damaged, larger than `max_bytes` unpacked, has a member
            that is encrypted, a link, a device or outside of it; or when ``folder`` is not empty.
    """
    try:
        with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as private:
            inside = Path(private, "inside")
            inside.mkdir()  # with default permissions, unlike the temporary folder
            _extract(archive, inside, max_bytes)
            inside.rename(folder)  # replaces an empty folder at most
    except (*_DAMAGE, OSError, ValueError) as reason:
        raise UnpackError(f"cannot unpack {archive}: {' '.join(str(reason).split())}") from reason


def _extract(archive: Path, folder: Path, max_bytes: int) -> None:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as bundle:
            members = [(m, stat.S_IFMT(m.external_attr >> 16)) for m in bundle.infolist()]
            _check(((m.filename, m.file_size, kind in _PLAIN) for m, kind in members), max_bytes)
            bundle.extractall(folder)  # stops at each declared size, and at what is encrypted
    else:
        with tarfile.open(archive) as bundle:
            _check(((m.name, m.size, m.isreg() or m.isdir()) for m in bundle), max_bytes)
            bundle.extractall(folder, filter="data")


def _check(members: Iterable[tuple[str, int, bool]], max_bytes: int) -> None:
    """Raise a ValueError for a path outside the folder, a member not plain, or too many bytes."""
    total = 0
    for name, size, plain in members:
        total += size
        path = PureWindowsPath(name)  # knows both slashes and drive letters
        if path.anchor or ".." in path.parts:
            raise ValueError(f"{name!r} leads out of the folder")
        if not plain:
            raise ValueError(f"{name!r} is a link or a device")
        if total > max_bytes:
            raise ValueError(f"{name!r} goes beyond the limit of {max_bytes:,} bytes")
