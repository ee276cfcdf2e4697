"""Fetching and unpacking: no test here touches the network."""

import gzip
import hashlib
import io
import os
import re
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch

from vbl import images
from vbl.images import download, open_folder
from vbl.images.archives import UnpackError, unpack
from vbl.images.catalog import DOWNLOADS, Download, Manual
from vbl.images.download import DownloadError, fetch
from vbl.utils import UnknownName


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, and a network that fails the test when it is used."""

    def no_network(*_, **__):
        pytest.fail("a test used the network")

    monkeypatch.setattr("requests.sessions.Session.request", no_network)
    monkeypatch.setenv("VBL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make_zip(path, **files):
    with zipfile.ZipFile(path, "w") as bundle:
        for name, content in files.items():
            bundle.writestr(name, content)
    return path


class Server:
    """A folder that plays the part of a web server, and counts its visitors."""

    def __init__(self, folder):
        self.folder, self.visits = folder, []

    def __call__(self, url, output_file, _):
        self.visits.append(url)
        shutil.copyfile(self.folder / url.rsplit("/", 1)[1], output_file)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A download called "tiny" of one picture and one archive."""
    folder = tmp_path / "www"
    folder.mkdir()
    images.write(folder / "one.png", torch.zeros(1, 3, 4, 4))
    make_zip(folder / "two.zip", **{"inside/two.png": (folder / "one.png").read_bytes()})
    files = {file.name: _sha256(file) for file in sorted(folder.iterdir())}
    entry = Download(
        about="", licence="", citation="", source="", base="https://example.org/", files=files
    )
    monkeypatch.setitem(DOWNLOADS, "tiny", entry)
    server = Server(folder)
    monkeypatch.setattr(download.pooch, "HTTPDownloader", lambda progressbar: server)
    return server


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# Fetching ------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*no picture by its name")
def test_a_set_is_fetched_once_and_its_archives_unpacked(server, cache):
    folder = fetch("tiny")
    assert folder == cache / "tiny"
    assert open_folder(folder).names == ("one",)
    assert open_folder(folder / "two" / "inside").names == ("two",)
    assert server.visits == ["https://example.org/one.png", "https://example.org/two.zip"]
    assert fetch("tiny") == folder
    assert len(server.visits) == 2


def test_the_folder_can_be_chosen_and_a_file_put_there_by_hand(server, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    shutil.copyfile(server.folder / "one.png", mine / "one.png")
    assert fetch("tiny", folder=mine) == mine
    assert server.visits == ["https://example.org/two.zip"]


def test_a_file_with_another_hash_is_not_kept(server, cache):
    images.write(server.folder / "one.png", torch.ones(1, 3, 4, 4))
    with pytest.raises(
        DownloadError, match=r"example\.org/one\.png: it holds another file"
    ) as caught:
        fetch("tiny")
    assert DOWNLOADS["tiny"].files["one.png"] in str(caught.value)
    assert list((cache / "tiny").iterdir()) == []


def test_without_a_network_the_message_says_where_to_put_the_file(server, cache, monkeypatch):
    def offline(*_):
        raise ConnectionError("Name or service\nnot known")

    monkeypatch.setattr(download.pooch, "HTTPDownloader", lambda progressbar: offline)
    with pytest.raises(DownloadError) as caught:
        fetch("tiny")
    message = str(caught.value)
    assert "\n" not in message
    for part in ("https://example.org/one.png", "not known", DOWNLOADS["tiny"].files["one.png"]):
        assert part in message
    assert message.endswith(f"may be put at {cache / 'tiny' / 'one.png'}")
    assert list((cache / "tiny").iterdir()) == []


@pytest.mark.parametrize("static", ["0", "1"])
def test_the_progress_bar_is_hidden_while_the_book_is_built(server, monkeypatch, static):
    asked = []

    def downloader(progressbar):
        asked.append(progressbar)
        return server

    monkeypatch.setattr(download.pooch, "HTTPDownloader", downloader)
    monkeypatch.setenv("VBL_STATIC", static)
    fetch("tiny")
    assert asked == [static == "0"]


def test_what_has_no_checksum_is_not_fetched():
    with pytest.raises(DownloadError, match=r"sidd has no published checksum: get it by hand from"):
        fetch("sidd")
    with pytest.raises(UnknownName, match="unknown download 'div2k'; did you mean div2k_"):
        fetch("div2k")
    with pytest.raises(UnknownName, match="unknown download None"):
        fetch(None)


def test_every_download_has_a_hash_and_every_other_a_page():
    for name, entry in DOWNLOADS.items():
        assert re.fullmatch(r"[a-z0-9_]+", name)
        assert entry.source.startswith("http")
        assert entry.about
        assert entry.licence
        assert isinstance(entry, Download | Manual)
        if isinstance(entry, Download):
            assert entry.base.startswith("http")
            for known in entry.files.values():
                assert re.fullmatch(r"[0-9a-f]{64}|md5:[0-9a-f]{32}", known)


def test_the_cache_is_the_one_of_the_system_unless_named(monkeypatch):
    monkeypatch.delenv("VBL_CACHE")
    assert download.cache_folder().name == "vbl"


# Unpacking -----------------------------------------------------------------------------------


def make_tar(path, *members):
    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as bundle:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, len(content)
            member.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            bundle.addfile(member, io.BytesIO(content))
    return path


def zip_with_mode(path, mode):
    member = zipfile.ZipInfo("strange")
    member.external_attr = mode << 16
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr(member, "/etc/passwd")
    return path


def encrypted_zip(path):
    make_zip(path, **{"a.txt": "secret"})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    return path


def damaged_zip(path):
    make_zip(path, **{"a.txt": "some content"})
    path.write_bytes(path.read_bytes().replace(b"some content", b"same content"))
    return path


def written(path, content):
    path.write_bytes(content)
    return path


def compressed(path):
    return gzip.compress(path.read_bytes(), mtime=0)


FILE, LINK, HARD, DEVICE = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE
BAD_ARCHIVES = {
    "zip, parent": (lambda p: make_zip(p, **{"../evil": "x"}), "'../evil' leads out"),
    "zip, absolute": (lambda p: make_zip(p, **{"/evil": "x"}), "'/evil' leads out"),
    "zip, backslashes": (lambda p: make_zip(p, **{"a\\..\\..\\evil": "x"}), "leads out"),
    "zip, drive": (lambda p: make_zip(p, **{"C:/evil": "x"}), "'C:/evil' leads out"),
    "zip, link": (lambda p: zip_with_mode(p, stat.S_IFLNK | 0o777), "'strange' is a link"),
    "zip, device": (lambda p: zip_with_mode(p, stat.S_IFCHR), "'strange' is a link or a device"),
    "zip, encrypted": (encrypted_zip, "'a.txt'.* is encrypted"),
    "zip, damaged": (damaged_zip, "Bad CRC-32"),
    "zip, too large": (
        lambda p: make_zip(p, few="0" * 500, zeros="0" * 501),
        "'zeros' goes beyond the limit of 1,000 bytes",
    ),
    "zip, missing": (lambda p: p, "No such file"),
    "tar, parent": (lambda p: make_tar(p, ("../evil", FILE, b"x")), "'../evil' leads out"),
    "tar, absolute": (lambda p: make_tar(p, ("/evil", FILE, b"x")), "'/evil' leads out"),
    "tar, link": (lambda p: make_tar(p, ("a", LINK, b"")), "'a' is a link"),
    "tar, hard link": (lambda p: make_tar(p, ("a", HARD, b"")), "'a' is a link"),
    "tar, device": (lambda p: make_tar(p, ("a", DEVICE, b"")), "'a' is a link or a device"),
    "tar, too large": (
        lambda p: make_tar(p, ("zeros", FILE, bytes(1001))),
        "'zeros' goes beyond the limit of 1,000 bytes",
    ),
    "tar, another kind": (lambda p: written(p, b"Rar!\x1a\x07\x00"), "could not be opened"),
    "tar, cut off": (
        lambda p: written(p, make_tar(p, ("a", FILE, os.urandom(900))).read_bytes()[:1000]),
        "unexpected end of data",
    ),
    "tar, cut off, compressed": (
        lambda p: written(p, compressed(make_tar(p, ("a", FILE, os.urandom(900))))[:700]),
        "end-of-stream marker",
    ),
}


@pytest.mark.parametrize("what", BAD_ARCHIVES)
def test_a_bad_archive_writes_nothing(tmp_path, what):
    make, reason = BAD_ARCHIVES[what]
    place = tmp_path / "place"
    place.mkdir()
    archive = make(tmp_path / f"archive.{what[:3]}")
    before = set(tmp_path.rglob("*"))
    with pytest.raises(UnpackError, match=reason) as caught:
        unpack(archive, place / "out", max_bytes=1000)
    assert str(archive) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert set(tmp_path.rglob("*")) == before
    assert not Path("/evil").exists()


@pytest.mark.parametrize("kind", ["a.zip", "a.tar", "a.tgz"])
def test_a_good_archive_is_unpacked(tmp_path, kind):
    archive = tmp_path / kind
    if kind == "a.zip":
        make_zip(archive, **{"x/y.txt": "text"})
    else:
        make_tar(archive, ("x", tarfile.DIRTYPE, b""), ("x/y.txt", FILE, b"text"))
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out" / "x" / "y.txt").read_text() == "text"
    assert {path.name for path in tmp_path.iterdir()} == {kind, "out"}


@pytest.mark.parametrize("there", ["a file", "a folder"])
def test_what_is_there_already_is_not_overwritten(tmp_path, there):
    mine = tmp_path / "out" / "mine" if there == "a folder" else tmp_path / "out"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    before = set(tmp_path.rglob("*"))
    archive = make_zip(tmp_path / "a.zip", mine="theirs")
    with pytest.raises(UnpackError, match=r"cannot unpack .*a\.zip: .*out"):
        unpack(archive, tmp_path / "out")
    assert mine.read_text() == "mine"
    assert set(tmp_path.rglob("*")) == before | {archive}


def test_a_zip_that_lies_about_its_sizes_is_refused(tmp_path):
    """The limit trusts the declared size; the reader must not go past it."""
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("zeros", b"\0" * 100_000)
    data = bytearray(archive.read_bytes())
    at = data.index(b"PK\1\2") + 24
    data[at : at + 4] = (10).to_bytes(4, "little")
    archive.write_bytes(data)
    with pytest.raises(UnpackError, match="Bad CRC-32"):
        unpack(archive, tmp_path / "out", max_bytes=1000)
    assert not (tmp_path / "out").exists()
