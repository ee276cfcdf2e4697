"""Unpacking archives that nobody has looked into.

An archive is a list of instructions to write files. ``unpack`` reads the list first and refuses
what leads out of the folder, what is not a plain file, and what would fill the disk; then it
writes into a new folder that gets its name only when everything is there.
"""

import lzma
import stat
import tarfile
import tempfile
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path, PureWindowsPath
from typing import Any

ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
# What the readers raise on damaged or unsupported archives.
_DAMAGE = (
    EOFError,
    RuntimeError,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
_EXTENDING = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_MAX_EXTENSION = 2**18  # bytes; a name has some hundred
_PLAIN = (0, stat.S_IFREG, stat.S_IFDIR)  # 0: made where files have no modes


class UnpackError(ValueError):
    """An archive that ``unpack`` refuses; the message names the archive, the member and why."""


def unpack(
    archive: Any, folder: Any, *, max_bytes: int = 8 * 2**30, max_members: int = 100_000
) -> Path:
    """Unpack a zip or tar archive into a new folder, all of it or nothing.

    Names that lead out of the folder, links, devices and encrypted members are refused, and so is
    an archive that would unfold into more than it may. (rar is not unpacked.)

    Args:
        archive: The file.
        folder: The folder to make; it must not exist yet.
        max_bytes: Of all members together, unpacked.
        max_members: Files and folders together.

    Returns:
        The new folder.

    Raises:
        UnpackError: When the archive is refused or damaged.
        FileExistsError: When ``folder`` exists.
    """
    archive, folder = Path(archive), Path(folder)
    if folder.exists():
        raise FileExistsError(f"cannot unpack {archive}: {folder} exists already")
    missing = [parent for parent in folder.parents if not parent.exists()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as fresh:
            inside = Path(fresh, "inside")  # "fresh" is private; this one has usual rights
            inside.mkdir()
            _extract(archive, inside, max_bytes, max_members)
            inside.rename(folder)
    except (*_DAMAGE, OSError) as reason:
        raise UnpackError(f"cannot unpack {archive}: {reason}") from reason
    finally:
        for parent in missing:  # innermost first; those of an unpacked folder are not empty
            with suppress(OSError):
                parent.rmdir()
    return folder


def _extract(archive: Path, folder: Path, max_bytes: int, max_members: int) -> None:
    budget = _Budget(archive, max_bytes, max_members)
    if _is_tar(archive):  # asked first: a tar that ends with a zip passes for a zip too
        with tarfile.open(archive, tarinfo=_TarHeader) as bundle:
            for member in bundle:
                budget.admit(member.name, member.size, _tar_kind(member))
            bundle.extractall(folder, filter="data")
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as bundle:
            for member in bundle.infolist():
                budget.admit(member.filename, member.file_size, _zip_kind(member))
            bundle.extractall(folder)  # zipfile stops at each declared size
    else:
        raise UnpackError(f"{archive} is neither a zip nor a tar archive; unpack it by hand")


def _is_tar(archive: Path) -> bool:
    """As ``tarfile.is_tarfile``, with the first header under our limit."""
    try:
        with tarfile.open(archive, tarinfo=_TarHeader):
            return True
    except tarfile.ReadError:
        return False


def _zip_kind(member: zipfile.ZipInfo) -> str:
    """Why a member is refused, else ""."""
    if member.flag_bits & 1:
        return "is encrypted"
    return "" if stat.S_IFMT(member.external_attr >> 16) in _PLAIN else "is a link or a device"


def _tar_kind(member: tarfile.TarInfo) -> str:
    """Why a member is refused, else ""."""
    return "" if member.isreg() or member.isdir() else "is a link or a device"


class _TarHeader(tarfile.TarInfo):
    """A header of a tar archive; a long name, or a list of attributes, must be of modest size."""

    @classmethod
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> tarfile.TarInfo:
        """Parse a header, and raise before what belongs to it is read into memory whole."""
        header = super().frombuf(buf, encoding, errors)
        if header.type in _EXTENDING and header.size > _MAX_EXTENSION:
            raise tarfile.TarError(
                f"a header claims {header.size:,} bytes, more than {_MAX_EXTENSION:,}"
            )
        return header


class _Budget:
    """What an archive may still unfold into."""

    def __init__(self, archive: Path, max_bytes: int, max_members: int):
        self.archive = archive
        self.bytes, self.members = max_bytes, max_members
        self.limits = f"{max_bytes:,} bytes in {max_members:,} members"

    def admit(self, name: str, size: int, refusal: str) -> None:
        """Count one member, or raise."""
        self.bytes -= size
        self.members -= 1
        path = PureWindowsPath(name)  # knows both slashes and drive letters
        if path.anchor or ".." in path.parts:
            refusal = "leads out of the folder"
        if self.bytes < 0 or self.members < 0:
            refusal = f"goes beyond the limit of {self.limits}"
        if refusal:
            raise UnpackError(f"cannot unpack {self.archive}: {name!r} {refusal}")
