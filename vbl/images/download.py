"""Download of public image sets with published checksums.

::

    folder = fetch("kodak24_original")      downloads what is missing, verifies every hash
    kodak = open_folder(folder)

Nothing else in the library uses the network.
"""

import os
from pathlib import Path
from typing import Any

import pooch

from vbl.images.archives import ARCHIVES, unpack
from vbl.images.catalog import DOWNLOADS, Download
from vbl.utils import is_static, look_up


class DownloadError(RuntimeError):
    """A file that cannot be downloaded or has another hash, or a set without checksums."""


def fetch(name: Any, *, folder: Any = None) -> Path:
    """Download the missing files of a public set and unpack its archives.

    Args:
        name: A key of `vbl.images.catalog.DOWNLOADS` whose kind is "download".
        folder: Where to store it; by default ``NAME`` in `cache_folder`.

    Returns:
        The folder with the files; an archive ``A.zip`` is unpacked beside itself into ``A``.

    Raises:
        UnknownName: With the closest names when there is no such set.
        DownloadError: When a file cannot be downloaded or has another hash (then it is not kept),
            or the set has no checksums and must be downloaded by hand.
        UnpackError: As `vbl.images.archives.unpack`.
    """
    entry = look_up("download", name, DOWNLOADS)
    if not isinstance(entry, Download):
        by_hand = f"get it by hand from {entry.source}, then use open_folder"
        raise DownloadError(f"{name} has no published checksum: {by_hand}")
    target = cache_folder() / name if folder is None else Path(folder)
    downloader = pooch.HTTPDownloader(progressbar=not is_static())
    for file, known_hash in entry.files.items():
        path = _retrieve(entry.base + file, known_hash, target / file, downloader)
        inside = target / _stem(file)
        if file.endswith(ARCHIVES) and not inside.exists():
            unpack(path, inside)
    return target


def cache_folder() -> Path:
    """The folder VBL_CACHE, else the cache folder of the operating system."""
    return Path(os.environ.get("VBL_CACHE") or pooch.os_cache("vbl"))


def _retrieve(url: str, known_hash: str, path: Path, downloader: Any) -> Path:
    by_hand = f"expected {known_hash}; a file fetched by hand may be put at {path}"
    try:
        pooch.retrieve(url, known_hash, path.name, path.parent, downloader=downloader)
    except (OSError, ValueError) as reason:  # pooch: no network, or another hash
        why = _line(reason) if isinstance(reason, OSError) else "it holds another file"
        raise DownloadError(f"cannot fetch {url}: {why}; {by_hand}") from reason
    return path


def _line(reason: Exception) -> str:
    return " ".join(str(reason).split())[:200] or type(reason).__name__


def _stem(file: str) -> str:
    return next((file.removesuffix(end) for end in ARCHIVES if file.endswith(end)), file)
