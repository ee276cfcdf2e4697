"""Fetching public image sets: only what has a published checksum, and only when asked.

::

    folder = fetch("kodak24_original")      downloads what is missing, verifies every hash
    kodak = open_folder(folder)

A set of ``DOWNLOADS`` without a checksum is a page to visit by hand. Nothing else in the library
uses the network. Files go to the folder that VBL_CACHE names, else to the cache folder of the
operating system.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pooch

from vbl.images.archives import ARCHIVES, unpack
from vbl.images.catalog import Entry
from vbl.utils import UnknownName, is_static


class DownloadError(RuntimeError):
    """A file that could not be fetched, or was not the expected one."""


@dataclass(frozen=True, kw_only=True)
class Download(Entry):
    """Files at a public address, each with the checksum that a public source states."""

    kind: ClassVar[str] = "download"
    base: str  # the address up to the file name
    files: dict[str, str] = field(repr=False)  # file name -> "..." or "md5:..."


@dataclass(frozen=True, kw_only=True)
class Manual(Entry):
    """A public page without a checksum: fetch by hand, then ``open_folder``."""

    kind: ClassVar[str] = "manual"


# Addresses and checksums as public data loaders and the sets' own pages state them.
DOWNLOADS: dict[str, Download | Manual] = {
    "kodak24_original": Download(
        about="The 24 Kodak photographs, 768 x 512",
        licence="not stated with the files",
        citation="Kodak PhotoCD (Franzen, r0k.us)",
        source="http://r0k.us/graphics/kodak/",
        base="http://r0k.us/graphics/kodak/kodak/",
        files={
            "kodim01.png": "a56e27cbf5f843c048b6af1d6e090760e9c92fadba88b7dee0205918a37523bd",
            "kodim02.png": "4f4b74a79237e311d72cad958237b5f7088d8bce1c82305ebefe1a70e3022dfd",
            "kodim03.png": "e25ca1ff2f0c0cb5fdfd5f9b0a0bb21ac4c3de3c84a67f35b09a85d3306249db",
            "kodim04.png": "e3b946107c5d3441c022f678d0c3caf1e224d81b1604ba840a4f88e562de61aa",
            "kodim05.png": "10349e963c5c813d327852f82c1795fa4148d69fedffc4c589bee458e3ac3d53",
            "kodim06.png": "363510303b715d4cbc384e1ce227e466b613a09e1b71ae985882bf8e7fbd9b18",
            "kodim07.png": "b77d3f006f42414bb242222e0482e750c0fb9e5ee8d4bed2f6f11c5605fe54a4",
            "kodim08.png": "ba23983c76b4832ee0e8af0592664756841a16779acd69f792e268fb6d13d6e7",
            "kodim09.png": "6a4361c2fc194feb4edaa9f9a4a0620fb9943e460ac7fdf037fb0f6dd6607a7d",
            "kodim10.png": "9dfb70f5867c29ff9ed6313683f19b3d867849e40fbc0c4c54a4a89df341cf23",
            "kodim11.png": "7936814b58b5387fce2e4e2488b4ec830dadd95fa9520f358ddb30990b50f2b6",
            "kodim12.png": "d78c37c2f04f23761ed2367dd77e2db584ddd4c3950833fecf89f199a8126980",
            "kodim13.png": "bc34a3ce58dea09dce1704c997171602de90cb34d0c8503a988b77f473d39b08",
            "kodim14.png": "55a94550ff18f3246c4074fd32b77b0c74447c26b6ad274d564d999c0450ba6e",
            "kodim15.png": "7538cbb80cb9103606c48b806eae57d56c885c7f90b9b3be70a41160f9cbb683",
            "kodim16.png": "a89c7268ccd4718ba424a99fc4643c572cf692ca6eae887185ceb4e9f11d2e54",
            "kodim17.png": "37afcc89fbdcb76d9518e04b2fc011027e2f4cd14b3b2f83cefd721641a47c5b",
            "kodim18.png": "1a9258c365988961d87a0598725b609139c303ad48a5aad6c503c3b1a87849aa",
            "kodim19.png": "b7450b264b1b0a411390d8931b112c27905a992520fc90569dc4b920aa32bbdc",
            "kodim20.png": "3b46c71e3b92a563820ba32936be8330c586c41f938efd94be938386aae4328a",
            "kodim21.png": "ac958597c82073f6bb65129c68f72b651db5b9efd82e11547d07350214bc268b",
            "kodim22.png": "1cee58eb1f2d9c7ebb254d208a03c783ce6cf2c4d8c2cf45e235dd23b4ce1b29",
            "kodim23.png": "e3111a2fd4da24af15d6459ef9eacfe54106b38e27b4a21821b75c3f5d2d5baf",
            "kodim24.png": "1071c68372cc5a01435c2c225a5cf7d4bb803846ec08bb6b3d6721b156d7cb96",
        },
    ),
    "bsds500": Download(
        about="500 photographs, in BSR_full/BSR/BSDS500/data/images/{train,val,test} (252 MB)",
        licence="research use; terms not stated",
        citation="Arbelaez et al., TPAMI 2011",
        source="https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/resources.html",
        base="https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/BSR/",
        files={
            "BSR_full.tgz": "4c34984b11f4efe83c2754dc94760e7fe2a93b66e3fe44d231bddf6e0fb6b4f9",
        },
    ),
    "div2k_train": Download(
        about="800 photographs of 2K resolution (3.5 GB)",
        licence="academic research only",
        citation="Agustsson and Timofte, CVPRW 2017",
        source="https://data.vision.ee.ethz.ch/cvl/DIV2K/",
        base="https://data.vision.ee.ethz.ch/cvl/DIV2K/",
        files={
            "DIV2K_train_HR.zip": (
                "9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335"
            ),
        },
    ),
    "div2k_valid": Download(
        about="100 photographs of 2K resolution (449 MB)",
        licence="academic research only",
        citation="Agustsson and Timofte, CVPRW 2017",
        source="https://data.vision.ee.ethz.ch/cvl/DIV2K/",
        base="https://data.vision.ee.ethz.ch/cvl/DIV2K/",
        files={
            "DIV2K_valid_HR.zip": (
                "20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc"
            ),
        },
    ),
    "clic2020_valid": Download(
        about="The professional validation photographs of the CLIC 2020 challenge",
        licence="see the page of the challenge",
        citation="CLIC 2020",
        source="https://data.vision.ee.ethz.ch/cvl/clic/",
        base="https://data.vision.ee.ethz.ch/cvl/clic/",
        files={
            "professional_valid_2020.zip": "md5:7111ee240435911db04dbc5f40d50272",
        },
    ),
    "kohler2012": Download(
        about="Recorded camera shake: blurred photographs and the frames along each trajectory",
        licence="see the page of the benchmark",
        citation="Köhler et al., ECCV 2012",
        source="http://people.kyb.tuebingen.mpg.de/rolfk/BenchmarkECCV2012/",
        base="http://people.kyb.tuebingen.mpg.de/rolfk/BenchmarkECCV2012/",
        files={
            "BlurryImages.zip": "md5:61ffb1434d93fca6c508976a7216d723",
            "GroundTruth_pngs_Image1.zip": "md5:acb90b6d9bfdb4b2370e08a5fcb80e68",
            "GroundTruth_pngs_Image2.zip": "md5:da440d3bf43b32bec0b7170ccd828f29",
            "GroundTruth_pngs_Image3.zip": "md5:3a77c41c951367f35db52eb18496bbac",
            "GroundTruth_pngs_Image4.zip": "md5:72ce9690c3ed1296358653396cf9576d",
        },
    ),
    "sidd": Manual(
        about="Pairs of smartphone photographs",
        licence="see the page",
        citation="Abdelhamed et al., CVPR 2018",
        source="https://abdokamel.github.io/sidd/",
    ),
    "dnd": Manual(
        about="50 noisy photographs with an online judge",
        licence="see the page",
        citation="Plötz and Roth, CVPR 2017",
        source="https://noise.visinf.tu-darmstadt.de/downloads/",
    ),
    "polyu": Manual(
        about="The full photographs behind PolyU100",
        licence="non-commercial use only, with the notice",
        citation="Xu et al., arXiv:1804.02603",
        source="https://github.com/csjunxu/PolyU-Real-World-Noisy-Images-Dataset",
    ),
    "gopro": Manual(
        about="Dynamic motion blur from a video camera",
        licence="see the page",
        citation="Nah et al., CVPR 2017",
        source="https://seungjunnah.github.io/Datasets/gopro",
    ),
    "realblur": Manual(
        about="Blurred and sharp through one beam splitter",
        licence="see the page",
        citation="Rim et al., ECCV 2020",
        source="http://cg.postech.ac.kr/research/realblur/",
    ),
    "waterloo": Manual(
        about="4,744 pristine photographs (rar)",
        licence="see the page",
        citation="Ma et al., TIP 2017",
        source="https://kedema.org/project/exploration/index.html",
    ),
    "live": Manual(
        about="The LIVE quality database, on request",
        licence="see the page",
        citation="Sheikh et al., LIVE",
        source="https://live.ece.utexas.edu/research/quality/subjective.htm",
    ),
}


def fetch(name: Any, *, folder: Any = None, downloader: Any = None) -> Path:
    """Download a public set, unless its files are there already, and unpack its archives.

    Args:
        name: A key of ``DOWNLOADS`` whose kind is "download".
        folder: Where to keep it; by default ``NAME`` in the cache folder.
        downloader: What moves the bytes, in pooch's sense; by default one with a progress bar,
            which VBL_STATIC=1 hides.

    Returns:
        The folder with the files; an archive ``A.zip`` is unpacked beside itself into ``A``.

    Raises:
        UnknownName: With the closest names when there is no such set.
        DownloadError: When a file cannot be fetched or has another hash (then it is not kept).
        UnpackError: When an archive holds what it should not.
    """
    if not isinstance(name, str) or name not in DOWNLOADS:
        raise UnknownName("download", name, DOWNLOADS)
    entry = DOWNLOADS[name]
    if not isinstance(entry, Download):
        by_hand = f"get it by hand from {entry.source}, then use open_folder"
        raise DownloadError(f"{name} has no published checksum: {by_hand}")
    target = cache_folder() / name if folder is None else Path(folder)
    if downloader is None:
        downloader = pooch.HTTPDownloader(progressbar=not is_static())
    for file, known_hash in entry.files.items():
        path = _retrieve(entry.base + file, known_hash, target / file, downloader)
        inside = target / _stem(file)
        if file.endswith(ARCHIVES) and not inside.exists():
            unpack(path, inside)
    return target


def cache_folder() -> Path:
    """The folder that VBL_CACHE names, else the cache folder of the operating system."""
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
