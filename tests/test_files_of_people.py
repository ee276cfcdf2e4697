"""The table of files that people have, and what `vbl restore` makes of each; habits of a batch."""

import io
import os
import shlex
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
import tiny_runs
import torch
from marks import POSIX
from picture_files import COLOUR, DEEP, animated, encoded, png, png16, tiff16
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import IFDRational
from test_photo_files import tiny
from torch import nn

from vbl import images
from vbl.cli.main import main
from vbl.images import open_picture, read
from vbl.images.exif import add_to_tiff
from vbl.models import Restoration

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


class Same(nn.Module):
    """A denoiser that changes nothing, so that files can be compared."""

    def restore(self, y):
        return Restoration(y, noise_std=torch.full_like(y[:, :1], 0.1))

    receptive_radius = 0


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, with `Same` in place of our models."""
    monkeypatch.setenv("VBL_STATIC", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vbl.models.load", lambda _: Same())
    return tmp_path


def restored(path, *options: str, out: str = "out") -> images.Picture:
    assert main(["restore", str(path), "-o", out, "--device", "cpu", *options]) == 0
    (found,) = Path(out).glob("*_restored.*")
    return open_picture(found)


def values(picture) -> np.ndarray:
    return picture.decode().numpy()


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


# Colour profile, EXIF, resolution, date ------------------------------------------------------


@pytest.fixture
def from_a_phone(here):
    """A turned JPEG with a profile, the notes of a camera, a resolution and a date."""
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010F: "a camera", 0x0132: "2020:02:29 12:00:00"})
    path = save(here / "a.jpg", COLOUR, exif=exif, dpi=(300, 300), icc_profile=PROFILE, quality=100)
    os.utime(path, (1_500_000_000, 1_500_000_000))
    return path


@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
def test_profile_notes_resolution_and_date_are_carried_over(from_a_phone, kind):
    found = restored(from_a_phone, "--format", kind)
    with Image.open(found.path) as picture:
        exif = picture.getexif()
        assert picture.info["icc_profile"] == PROFILE
        assert picture.size == (12, 17)  # upright
        assert kind == "webp" or picture.info["dpi"] == pytest.approx((300, 300), abs=0.5)
    assert exif[0x010F] == "a camera" and exif[0x0132] == "2020:02:29 12:00:00"
    assert exif.get(0x0112, 1) == 1
    assert found.path.stat().st_mtime == 1_500_000_000


def with_thumbnail(exif: bytes) -> bytes:
    """EXIF with a second directory that holds a small JPEG, as cameras write it."""
    order = "<" if exif[6:8] == b"II" else ">"
    (first,) = struct.unpack_from(order + "I", exif, 10)
    (count,) = struct.unpack_from(order + "H", exif, 6 + first)
    end, at = 6 + first + 2 + 12 * count, len(exif) - 6
    jpeg = encoded(np.zeros((8, 8, 3), np.uint8), "JPEG")
    entries = [(0x103, 3, 6 << (16 if order == ">" else 0)), (0x201, 4, at + 42)]
    directory = struct.pack(order + "H", 3)
    for tag, kind, value in (*entries, (0x202, 4, len(jpeg))):
        directory += struct.pack(order + "HHII", tag, kind, 1, value)
    return exif[:end] + struct.pack(order + "I", at) + exif[end + 4 :] + directory + bytes(4) + jpeg


@pytest.fixture
def full_notes(here):
    """A turned JPEG with all that a camera notes, and its thumbnail."""
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010F: "a camera", 0x0132: "2020:02:29 12:00:00"})
    exif[0x8769] = {0x829A: 1 / 30, 0x927C: b"MAKER" + bytes(range(99)), 0xA002: 17}
    exif[0x8825] = {1: "N", 2: (47.0, 1.0, 2.0)}
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a tiff:Orientation='6'/></x:xmpmeta>"
    return save("a.jpg", COLOUR, exif=with_thumbnail(exif.tobytes()), xmp=xmp, dpi=(300, 300))


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "avif", "tif"])
def test_notes_are_brought_up_to_date(full_notes, kind):
    assert pyvips.Image.new_from_file("a.jpg").get_typeof("jpeg-thumbnail-data")
    found = restored("a.jpg", "--format", kind)
    written = pyvips.Image.new_from_file(str(found.path))
    assert found.shape == (1, 3, 17, 12)
    assert b"tiff:Orientation='1'" in written.get("xmp-data")
    assert not written.get_typeof("jpeg-thumbnail-data")
    with Image.open(found.path) as picture:
        exif = picture.getexif()
        exposure, place = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    assert exif[0x010F] == "a camera" and exif.get(0x0112, 1) == 1
    assert exposure[0x829A] == pytest.approx(1 / 30)
    assert exposure[0x927C] == b"MAKER" + bytes(range(99))  # as it is
    assert exposure.get(0xA002, 12) == 12
    assert place[2] == (47, 1, 2)


def test_a_tiff_keeps_profile_and_resolution(from_a_phone):
    with Image.open(restored(from_a_phone, "--format", "tif").path) as picture:
        assert picture.info["icc_profile"] == PROFILE
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.5)


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_exif_of_a_tiff_is_carried_over(here, kind):
    exif = Image.Exif()
    exif.update({0x010F: "a camera", 0x013B: "Ümit".encode()})
    exif[0x8769] = {0x829A: IFDRational(1, 30)}
    add_to_tiff(save(here / "a.tif", COLOUR, compression="tiff_lzw"), exif.tobytes())
    found = restored("a.tif", "--format", kind)
    with Image.open(found.path) as picture:
        exif = picture.getexif()
        assert np.array_equal(np.asarray(picture), COLOUR)
        assert exif.get_ifd(0x8769)[0x829A] == pytest.approx(1 / 30)
    assert (exif[0x010F], exif[0x013B].encode("latin-1").decode()) == ("a camera", "Ümit")


@pytest.mark.parametrize("big", [False, True])
def test_exif_is_added_to_a_tiff_of_either_kind(here, big):
    picture = pyvips.Image.new_from_array(np.tile(COLOUR, (40, 1, 1))).copy(interpretation="srgb")
    picture.tiffsave("a.tif", bigtiff=big)
    exif = Image.Exif()
    exif.update({0x010F: "a camera", 0x0132: "2020:02:29 12:00:00"})
    exif[0x8769] = {0x829A: IFDRational(1, 30)}
    add_to_tiff(here / "a.tif", exif.tobytes())
    assert np.array_equal(pyvips.Image.new_from_file("a.tif").numpy(), picture.numpy())
    with tifffile.TiffFile("a.tif") as found:
        tags = found.pages[0].tags
        assert (tags[271].value, tags[306].value) == ("a camera", "2020:02:29 12:00:00")
        assert tags[34665].value["ExposureTime"] == (1, 30)
        assert list(tags.keys()) == sorted(tags.keys())


def test_damaged_exif_is_no_obstacle(here):
    for number, exif in enumerate((b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"junk" * 9)):
        save("a.jpg", COLOUR, exif=exif)
        for kind in ("png", "tif"):
            assert restored("a.jpg", "--format", kind, out=f"{kind}{number}").shape[-2:] == (12, 17)


def test_a_bitmap_and_a_raw_file_keep_their_resolution(here):
    save("a.bmp", COLOUR, dpi=(300, 300))
    with Image.open(restored("a.bmp").path) as picture:
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.5)
    pytest.importorskip("rawpy")
    (here / "b.dng").write_bytes(dng(resolution=240))
    with Image.open(restored("b.dng", out="raw").path) as picture:
        assert picture.info["dpi"] == pytest.approx((240, 240), abs=0.5)
        assert picture.getexif()[0x010F] == "vbl"


def test_strip_leaves_them_out(from_a_phone):
    found = restored(from_a_phone, "--strip")
    with Image.open(found.path) as picture:
        assert "icc_profile" not in picture.info and not picture.getexif()
        assert picture.size == (12, 17)
    assert time.time() - found.path.stat().st_mtime < 3600


@pytest.mark.filterwarnings("default")  # our own, which main prints
def test_a_damaged_profile_is_left_out_with_a_word(here, capsys):
    save("a.jpg", COLOUR, icc_profile=PROFILE + bytes(200_000))
    assert restored("a.jpg").shape == (1, 3, 12, 17)
    assert "without the colour profile" in capsys.readouterr().err


# Depth, range, transparency ------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_stay_sixteen_bits(here, channels):
    (here / "a.png").write_bytes(png16(DEEP[..., :channels]))
    found = restored("a.png")
    assert found.depth == "ushort"
    assert np.array_equal(values(found), DEEP[..., :channels].squeeze())


@pytest.mark.parametrize("layout", [{"planes": 2}, {}])
def test_sixteen_bit_tiffs_of_both_layouts_keep_their_values(here, layout):
    (here / "a.tif").write_bytes(tiff16(DEEP[..., :3], **layout))
    for kind in ("png", "tif"):
        found = restored("a.tif", "--format", kind, out=f"out-{kind}")
        assert np.array_equal(values(found), DEEP[..., :3])


def test_a_tiff_whose_zero_is_white_is_inverted(here):
    (here / "a.tif").write_bytes(tiff16(DEEP[..., :1], photometric=0))
    assert np.array_equal(values(restored("a.tif")), 65535 - DEEP[..., 0])


def test_a_dark_ramp_keeps_its_levels(here):
    ramp = np.tile(np.arange(512, dtype=np.uint16), (8, 1))[..., None].repeat(3, 2)
    (here / "a.png").write_bytes(png16(ramp))
    assert len(np.unique(values(restored("a.png")))) == 512


def float_tiff(path, array, **options):
    pyvips.Image.new_from_array(array).copy(interpretation="scrgb").tiffsave(str(path), **options)


@pytest.mark.parametrize("big", [False, True])
def test_floating_point_stays_floating_point(here, big):
    numbers = (DEEP[..., :3] / 65535).astype(np.float32)
    float_tiff("a.tif", numbers, bigtiff=big)
    found = restored("a.tif")
    assert found.path.name == "a_restored.tif" and found.depth == "float"
    assert np.allclose(values(found), numbers, atol=1e-6)
    assert restored("a.tif", "--format", "png", out="png").depth == "ushort"


@pytest.mark.parametrize("kind", [np.float16, np.float64])
@pytest.mark.parametrize("channels", [1, 3])
def test_half_and_double_precision_become_single_precision(here, kind, channels):
    numbers = (DEEP[..., :channels].squeeze() / 65535).astype(kind)
    tifffile.imwrite("a.tif", numbers, photometric="rgb" if channels == 3 else "minisblack")
    found = restored("a.tif")
    assert found.path.suffix == ".tif" and found.depth == "float"
    assert np.allclose(values(found), numbers.astype(np.float32), atol=1e-6)


def test_doubles_that_are_no_picture_are_refused(here, capsys):
    for number, said in {1e300: "values from inf to inf", np.nan: "values from nan"}.items():
        tifffile.imwrite("a.tif", np.full((4, 4), number))
        assert main(["restore", "a.tif", "-o", "out"]) == 1
        assert said in capsys.readouterr().err
    tifffile.imwrite("a.tif", np.zeros((3, 8, 8)), photometric="minisblack")
    assert main(["restore", "a.tif", "-o", "out"]) == 1
    assert "3 frames or pages" in capsys.readouterr().err
    tifffile.imwrite("a.tif", np.zeros((20, 20)))
    assert main(["restore", "a.tif", "-o", "out", "--max-pixels", "100"]) == 1
    assert "400 pixels, more than max_pixels" in capsys.readouterr().err
    tifffile.imwrite("a.tif", np.ones((20, 20)), compression="zlib")
    with tifffile.TiffFile("a.tif") as opened:
        page = opened.pages[0]
        end = page.dataoffsets[0] + page.databytecounts[0]
    data = bytearray((here / "a.tif").read_bytes())
    data[end - 3] ^= 255  # in the checksum
    (here / "a.tif").write_bytes(data)
    assert main(["restore", "a.tif", "-o", "out"]) == 1
    assert capsys.readouterr().err.startswith("vbl: error: cannot read a.tif: ")


def test_huge_floats_are_scaled_or_refused_by_name(here, capsys):
    numbers = (DEEP[..., :3] / 65535).astype(np.float32)
    float_tiff("a.tif", (numbers - 0.5) * np.float32(1e37))
    assert main(["restore", "a.tif", "-o", "c.tif", "--range"]) == 0
    found = pyvips.Image.new_from_file("c.tif").numpy()
    assert np.allclose(found / 1e37, numbers - 0.5, atol=1e-6)
    float_tiff("b.tif", (numbers - 0.5) * np.float32(3e38))
    assert main(["restore", "b.tif", "-o", "out", "--range"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("vbl: error: cannot read b.tif: values from -1.49") and "large" in said


def ramp() -> np.ndarray:
    """(48, 64, 3) in [0, 1], with thousands of levels."""
    grey = np.linspace(0, 1, 48 * 64).reshape(48, 64)
    return np.stack([grey, grey**2, grey[:, ::-1]], -1)


@pytest.mark.parametrize("kind", ["separated", "cielab"])
def test_sixteen_bits_of_other_colours_become_sixteen_bits(here, kind):
    numbers = (65535 * ramp()).astype(np.uint16)
    if kind == "separated":
        numbers = np.dstack([numbers, 0 * numbers[..., 0]])
    tifffile.imwrite("a.tif", numbers, photometric=kind)
    found = restored("a.tif")
    assert found.depth == "ushort" and found.shape == (1, 3, 48, 64)
    assert len(np.unique(values(found))) > 1000


def test_lab_of_eight_bits_has_its_colours(here):
    profiles = (ImageCms.createProfile(name) for name in ("sRGB", "LAB"))
    smooth = Image.fromarray((255 * ramp()).astype(np.uint8))
    ImageCms.profileToProfile(smooth, *profiles, outputMode="LAB").save("a.tif")
    found = restored("a.tif")
    assert found.depth == "uchar"
    assert np.abs(values(found).astype(int) - np.asarray(smooth)).mean() < 5


def test_ten_bits_of_heic_are_kept(here):
    pillow_heif = pytest.importorskip("pillow_heif")
    numbers = (65535 * ramp()).astype(np.uint16)
    pillow_heif.encode("RGB;16", (64, 48), numbers.tobytes(), "a.heic", quality=-1)
    found = restored("a.heic")
    assert found.depth == "ushort" and len(np.unique(values(found))) > 900
    assert np.abs(values(found).astype(int) - numbers).mean() < 200
    assert values(found).max() == 65535


DEEP_JXL = bytes.fromhex(  # 2 x 3 pixels of 16 bits, all 40000
    "0000000c4a584c200d0a870a00000014667479706a786c20000000006a786c20000000096a786c6c0a"
    "000000256a786c63ff0a0840fc00142d020804010038004b188b15428a02f10004c4010000"
)


@pytest.mark.filterwarnings("default")  # our own, which main prints
def test_jpeg_xl_says_when_bits_are_lost(here, capsys):
    pytest.importorskip("pillow_jxl")
    (here / "a.jxl").write_bytes(DEEP_JXL)
    assert restored("a.jxl").depth == "uchar"
    assert capsys.readouterr().err == "vbl: warning: a.jxl: its 16 bits are read as 8\n"
    save("b.jxl", COLOUR)
    restored("b.jxl", out="eight")
    assert capsys.readouterr().err == ""


def test_a_range_of_its_own_is_scaled_only_when_asked(here, capsys):
    float_tiff("a.tif", (DEEP[..., :3] / 655.35).astype(np.float32))
    assert main(["restore", "a.tif", "-o", "out"]) == 1
    assert "values from 0" in (said := capsys.readouterr().err) and "--range" in said
    assert main(["restore", "a.tif", "-o", "out", "--range"]) == 0
    found = pyvips.Image.new_from_file("out/a_restored.tif").numpy()
    assert np.allclose(found, DEEP[..., :3] / 655.35, rtol=1e-5)


def test_twelve_bits_in_sixteen_come_back_as_twelve_bits(here):
    dark = DEEP[..., :3] // 16
    (here / "a.png").write_bytes(png16(dark))
    picture = open_picture("a.png", full_range=True)
    assert picture[:, :].min() == 0 and picture[:, :].max() == 1
    assert np.array_equal(values(restored("a.png", "--range")), dark)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("kind", ["png", "tif"])
def test_transparency_is_kept(here, mode, kind):
    rgba = (DEEP >> 8).astype(np.uint8)
    Image.fromarray(rgba).convert(mode).save("a.png")
    found = restored("a.png", "--format", kind)
    assert np.array_equal(values(found), values(open_picture("a.png")))


def test_a_jpeg_of_a_transparent_picture_is_refused(here, capsys):
    save("a.png", (DEEP >> 8).astype(np.uint8))
    assert main(["restore", "a.png", "-o", "a.jpg"]) == 1
    assert "transparent in places, which .jpg cannot hold" in capsys.readouterr().err
    assert names(here) == {"a.png"}


def test_transparency_is_enlarged_with_the_picture(here, monkeypatch):
    monkeypatch.setattr("vbl.models.load", lambda _: tiny("virnet-sr"))
    save("a.png", np.full((12, 17, 4), 100, np.uint8))
    found = values(restored("a.png"))
    assert found.shape == (24, 34, 4)
    assert (found[..., 3] == 100).all()


# Formats -------------------------------------------------------------------------------------


def dng(width=64, height=48, resolution=72) -> bytes:
    """A small raw file: a mosaic of 16 bits, as cameras write it."""
    y, x = np.mgrid[:height, :width]
    mosaic = (8000 + 300 * x + 200 * y).astype("<u2").tobytes()
    rational = struct.pack
    entries = [
        (254, 4, 1, 0),
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 16),
        (259, 3, 1, 1),
        (262, 3, 1, 32803),
        (271, 2, b"vbl\0"),
        (272, 2, b"test\0"),
        (273, 4, 1, "pixels"),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, len(mosaic)),
        (282, 5, rational("<2I", resolution, 1)),
        (283, 5, rational("<2I", resolution, 1)),
        (296, 3, 1, 2),
        (33421, 3, 2, 2 | 2 << 16),
        (33422, 1, 4, int.from_bytes(bytes([0, 1, 1, 2]), "little")),
        (50706, 1, 4, int.from_bytes(bytes([1, 4, 0, 0]), "little")),
        (50708, 2, b"vbl test\0"),
        (50717, 4, 1, 65535),
        (50721, 10, rational("<18i", *(v for k in range(9) for v in (int(k % 4 == 0), 1)))),
        (50728, 5, rational("<6I", 1, 1, 1, 1, 1, 1)),
        (50778, 3, 1, 21),
    ]
    at = 8 + 2 + 12 * len(entries) + 4
    extra, rows = b"", []
    for tag, kind, *content in entries:
        if isinstance(content[0], bytes):
            data = content[0]
            count = len(data) // {2: 1, 5: 8, 10: 8}[kind]
            if len(data) <= 4:
                rows.append(struct.pack("<HHI4s", tag, kind, count, data))
            else:
                rows.append(struct.pack("<HHII", tag, kind, count, at + len(extra)))
                extra += data + b"\0" * (len(data) % 2)
        else:
            rows.append((tag, kind, *content))
    pixels_at = at + len(extra)
    packed = [
        row
        if isinstance(row, bytes)
        else struct.pack("<HHII", *row[:3], pixels_at if row[3] == "pixels" else row[3])
        for row in rows
    ]
    head = b"II*\0" + struct.pack("<IH", 8, len(packed))
    return head + b"".join(packed) + bytes(4) + extra + mosaic


def test_a_raw_file_is_developed_in_sixteen_bits(here):
    pytest.importorskip("rawpy")
    (here / "a.dng").write_bytes(dng())
    found = restored("a.dng")
    assert found.depth == "ushort" and found.shape == (1, 3, 48, 64)
    assert values(found).std() > 1000  # a ramp, no thumbnail


@pytest.mark.parametrize(
    ("package", "said"),
    [
        ("rawpy", "it is the raw file of a camera; to open it: pip install 'vbl[photos]'"),
        ("pillow_heif", "it is a picture in HEIC; to open it: pip install 'vbl[photos]'"),
        ("pillow_jxl", "it is a picture in JPEG XL; to open it: pip install 'vbl[photos]'"),
    ],
)
def test_a_format_whose_package_is_missing_is_named(here, capsys, monkeypatch, package, said):
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(20)
    files = {"rawpy": dng(), "pillow_heif": heic, "pillow_jxl": b"\xff\x0a" + bytes(20)}
    (here / "a.png").write_bytes(files[package])
    monkeypatch.setitem(sys.modules, package, None)  # importing it fails
    assert main(["restore", "a.png", "-o", "out"]) == 1
    assert capsys.readouterr().err == f"vbl: error: cannot read a.png: {said}\n"


@pytest.mark.parametrize(
    "data",
    [
        b"FUJIFILMCCD-RAW 0201" + bytes(50),
        b"II*\0\x10\0\0\0CR\2\0" + bytes(50),
        b"IIU\0" + bytes(50),
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(20),
        dng()[:400],
        dng()[:2000],
    ],
    ids=["raf", "cr2", "rw2", "cr3", "cut dng", "dng cut later"],
)
def test_a_damaged_raw_file_is_refused_in_one_line(here, capfd, data):
    pytest.importorskip("rawpy")
    (here / "a.raw").write_bytes(data)
    assert main(["restore", "a.raw", "-o", "out"]) == 1
    said = capfd.readouterr().err  # also what libraries print by themselves
    assert said.startswith("vbl: error: cannot read a.raw: ") and said.count("\n") == 1


def test_heic_avif_and_jpeg_xl_are_read(here):
    pytest.importorskip("pillow_heif").register_heif_opener()
    pytest.importorskip("pillow_jxl")
    ramp = Image.linear_gradient("L").convert("RGB").resize((64, 48))
    for suffix, options in {"heic": {}, "avif": {}, "jxl": {"lossless": True}}.items():
        ramp.save(f"a.{suffix}", **options)
        found = restored(f"a.{suffix}", out=suffix)
        assert np.abs(values(found).astype(int) - np.asarray(ramp)).mean() < 2, suffix


def test_the_white_of_an_avif_of_ten_bits_is_white(here):
    white = pyvips.Image.new_from_array(np.full((16, 16, 3), 65535, np.uint16))
    white = white.copy(interpretation="rgb16")
    white.heifsave("a.avif", bitdepth=10, compression="av1", lossless=True)
    assert float(read("a.avif").min()) == 1


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations_and_pages_are_refused(here, capsys, kind):
    (here / "a.png").write_bytes(animated(kind))
    assert main(["restore", "a.png", "-o", "out"]) == 1
    assert "frames or pages, expected one picture" in capsys.readouterr().err


def test_a_text_about_animations_is_no_animation(here):
    body = b"tEXtComment\0acTL"
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    (here / "a.png").write_bytes(png16(DEEP[..., :3], chunk))
    assert restored("a.png").depth == "ushort"


def test_a_name_with_brackets_or_of_another_encoding_is_a_name(here):
    for name in (b"a[1].png", b"\xe9t\xe9 [page=2].png"):
        path = os.fsdecode(name)
        try:
            save(path, COLOUR)
        except OSError:  # a file system that wants UTF-8
            continue
        assert np.array_equal(values(open_picture(path)), COLOUR)
        assert main(["restore", path, "-o", "out", "--quiet"]) == 0


def test_a_picture_over_the_limit_is_refused_before_it_is_decoded(here, capsys):
    (here / "a.png").write_bytes(png(20_000, 20_000, 8, 2))
    assert main(["restore", "a.png", "-o", "out"]) == 1
    assert "400,000,000 pixels, more than max_pixels = 250,000,000" in capsys.readouterr().err
    save("b.png", COLOUR)
    assert main(["restore", "b.png", "-o", "out", "--max-pixels", "100"]) == 1
    assert "204 pixels, more than max_pixels = 100" in capsys.readouterr().err


def test_a_format_that_cannot_be_written_is_refused_before_the_work(here, capsys):
    save("a.png", COLOUR)
    save("b.png", COLOUR)
    for options in (["-o", "a.bmp"], ["-o", "a.heic"], ["b.png", "-o", "out", "--format", "gif"]):
        assert main(["restore", "a.png", *options]) == 2
        said = capsys.readouterr().err
        assert "expected one of .png, .jpg" in said and said.count("\n") == 1
    assert names(here) == {"a.png", "b.png"}
    assert main(["restore", "a.png", "-o", "b.jpg", "--format", "png"]) == 2
    assert "its suffix says another format" in capsys.readouterr().err


# Habits --------------------------------------------------------------------------------------


def results(folder) -> set[str]:
    return {path.name for path in folder.rglob("*restored*")}


def test_a_folder_a_pattern_and_a_tree(here):
    for name in ("a.png", "b.jpg", "sub/c.png", "sub/sub/d.png"):
        (here / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        save(here / "in" / name, COLOUR)
    (here / "in" / "e.mpo").write_bytes((here / "in" / "b.jpg").read_bytes())
    (here / "in" / "notes.txt").write_text("no picture")
    assert main(["restore", "in", "-o", "flat"]) == 0
    assert results(here / "flat") == {f"{x}_restored.png" for x in "abe"}
    assert main(["restore", "in", "-r", "-o", "tree"]) == 0
    assert (here / "tree" / "sub" / "sub" / "d_restored.png").is_file()
    assert main(["restore", "in/**/*.png", "-o", "pattern"]) == 0
    assert results(here / "pattern") == {f"{x}_restored.png" for x in "acd"}


def test_results_beside_the_photographs_are_not_restored_again(here, capsys):
    save("a.png", COLOUR)
    save("b.png", COLOUR)
    assert main(["restore", ".", "-o", "."]) == 0
    before = {path: path.read_bytes() for path in here.iterdir()}
    capsys.readouterr()
    assert main(["restore", ".", "-o", "."]) == 0
    assert capsys.readouterr().out == "2 of 2 were there already (--overwrite replaces them)\n"
    assert {path: path.read_bytes() for path in here.iterdir()} == before


def test_a_folder_that_cannot_be_read_is_named(here, capsys, monkeypatch):
    for name in ("a.png", "closed/b.png"):
        (here / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        save(here / "in" / name, COLOUR)
    scandir = os.scandir

    def refused(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)  # as root, every folder can be read
    assert main(["restore", "in", "-r", "-o", "out"]) == 1
    said = capsys.readouterr().err
    assert said == (
        "vbl: error: cannot read in/closed: Permission denied\n"
        "vbl: error: could not be read: in/closed\n"
    )
    assert results(here / "out") == {"a_restored.png"}
    assert main(["restore", "in/closed", "-o", "none"]) == 1
    assert "cannot read in/closed" in capsys.readouterr().err
    assert names(here) == {"in", "out"}


def test_a_folder_in_the_place_of_a_file_is_refused_before_the_work(here, capsys, monkeypatch):
    save("a.png", COLOUR)
    monkeypatch.setattr("vbl.cli.photos.restore_bands", None)
    for ending in ("restored.png", "noise_std.npy"):
        (here / ending / f"a_{ending}").mkdir(parents=True)
        for options in ([], ["--overwrite"]):
            assert main(["restore", "a.png", "-o", ending, *options]) == 1
            said = f"{ending}/a_{ending} is a folder: it is not replaced"
            assert said in capsys.readouterr().err
        assert names(here / ending) == {f"a_{ending}"}


@pytest.mark.parametrize("several", [False, True])
def test_an_empty_file_is_no_result(here, several):
    save("a.png", COLOUR)
    save("b.png", COLOUR)
    (here / "out").mkdir()
    (here / "out" / "a_restored.png").touch()
    assert main(["restore", "a.png", *["b.png"] * several, "-o", "out"]) == 0
    assert np.array_equal(values(open_picture("out/a_restored.png")), COLOUR)


@pytest.mark.parametrize("overwrite", [False, True])
def test_files_of_one_photograph_are_all_written_or_none(here, capsys, monkeypatch, overwrite):
    save("a.png", COLOUR)
    (here / "out").mkdir()
    if overwrite:
        assert main(["restore", "a.png", "-o", "out"]) == 0
        (here / "out" / "a_noise_std.npy").write_bytes(b"older")
        save("a.png", 255 - COLOUR)
    before = {path: path.read_bytes() for path in (here / "out").iterdir()}
    replace = Path.replace

    def refused(self, target):
        if str(target).endswith("_restored.png"):  # the last
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refused)
    assert main(["restore", "a.png", "-o", "out", *["--overwrite"] * overwrite]) == 1
    said = "vbl: error: cannot write out/a_restored.png: No space left on device\n"
    assert capsys.readouterr().err == said
    assert {path: path.read_bytes() for path in (here / "out").iterdir()} == before


def test_folders_of_a_call_that_failed_are_removed_again_if_they_are_empty(here):
    (here / "mine" / "empty").mkdir(parents=True)
    for out in ("new", "new/deep/er", "new/deep/a.png", "mine/empty", "mine/new"):
        assert main(["restore", "no.png", "-o", out]) == 1
    assert names(here) == {"mine"} and names(here / "mine") == {"empty"}
    save("a.png", COLOUR)
    assert main(["restore", "a.png", "no.png", "-o", "kept"]) == 1
    assert (here / "kept" / "a_restored.png").is_file()


def test_a_batch_with_an_impossible_name_goes_on(here, capsys):
    save("a.png", COLOUR)
    assert main(["restore", "y" * 300 + ".png", "a.png", "-o", "out"]) == 1
    assert "File name too long" in capsys.readouterr().err
    assert results(here / "out") == {"a_restored.png"}


def test_a_raw_file_and_its_jpeg_become_two_pictures(here):
    save("a.png", COLOUR)
    save("a.jpg", COLOUR)
    assert main(["restore", ".", "-o", "out"]) == 0
    assert results(here / "out") == {"a_png_restored.png", "a_jpg_restored.png"}


def test_a_folder_of_one_photograph_can_be_restored_again(here):
    (here / "in").mkdir()
    save("in/a.png", COLOUR)
    assert main(["restore", "in", "-o", "out"]) == 0
    assert main(["restore", "in", "-o", "out"]) == 0


def test_an_input_is_not_overwritten_through_a_folder_that_does_not_exist(here, capsys):
    save("a.png", COLOUR)
    before = (here / "a.png").read_bytes()
    assert main(["restore", "a.png", "-o", "new/../a.png", "--overwrite"]) == 1
    assert "which is to be restored itself" in capsys.readouterr().err
    assert (here / "a.png").read_bytes() == before


def test_a_tiff_in_ycbcr_without_jpeg_has_its_colours(here):
    Image.fromarray(COLOUR).convert("YCbCr").save("a.tif")
    found = values(restored("a.tif"))
    assert np.abs(found.astype(int) - COLOUR).mean() < 3


def test_a_tiff_that_calls_itself_reduced_is_no_raw_file(here):
    Image.fromarray(COLOUR).save("a.tif", tiffinfo={254: 1})
    assert np.array_equal(values(restored("a.tif")), COLOUR)


def test_a_bitmap_over_the_limit_is_refused_before_it_is_decoded(here, capsys, monkeypatch):
    save("a.bmp", COLOUR)
    monkeypatch.setattr("vbl.images.decoders.ImageOps.exif_transpose", None)
    assert main(["restore", "a.bmp", "-o", "out", "--max-pixels", "100"]) == 1
    assert "204 pixels, more than max_pixels = 100" in capsys.readouterr().err


def test_one_photograph_becomes_the_file_that_is_named(here, capsys):
    save("a.png", COLOUR)
    assert main(["restore", "a.png", "-o", "clean.tif"]) == 0
    assert names(here) == {"a.png", "clean.tif"}
    assert capsys.readouterr().out == "clean.tif: noise std 25.5, from 25.5 to 25.5 (of 255)\n"
    assert main(["restore", "a.png", "-o", "clean.tif"]) == 1
    assert "clean.tif exists" in capsys.readouterr().err
    assert main(["restore", "a.png", "-o", "a.png", "--overwrite"]) == 1
    assert "which is to be restored itself" in capsys.readouterr().err
    save("b.png", COLOUR)
    assert main(["restore", "a.png", "b.png", "-o", "both.png"]) == 1
    assert "both.png is one file: expected one photograph, got 2" in capsys.readouterr().err


def test_a_format_that_is_not_written_is_no_folder(here, capsys):
    save("a.png", COLOUR)
    assert main(["restore", "a.png", "-o", "clean.psd"]) == 2
    assert "clean.psd: expected one of .png, .jpg" in capsys.readouterr().err
    assert names(here) == {"a.png"}
    assert main(["restore", "a.png", "-o", "clean.v2"]) == 0
    assert names(here) == {"a.png", "clean.v2"}


@pytest.mark.parametrize("link", [os.symlink, os.link])
@POSIX
def test_a_photograph_behind_another_name_is_not_overwritten(here, capsys, link):
    save("a.png", COLOUR)
    link("a.png", "clean.png")
    before = (here / "a.png").read_bytes()
    assert main(["restore", "a.png", "-o", "clean.png", "--overwrite"]) == 1
    assert "which is to be restored itself" in capsys.readouterr().err
    assert (here / "a.png").read_bytes() == before


def run_vbl(line: str, code: str = "", **options) -> subprocess.CompletedProcess:
    script = (
        "import signal, sys, vbl.models, test_files_of_people as t\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # tests in the background
        "getattr(signal, 'SIGHUP', None) and signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        "vbl.models.load = lambda _: t.Same()\n"
        f"{code}\n"
        "from vbl.cli.main import main\n"
        f"raise SystemExit(main({shlex.split(line)}))"
    )
    folders = [Path(__file__).parent, Path(images.__path__[0]).parents[1]]
    folder = os.pathsep.join(map(str, folders))
    environment = os.environ | {"PYTHONPATH": folder, "VBL_STATIC": "1"}
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, check=False, **options
    )


@pytest.mark.slow
def test_standard_input_becomes_standard_output(here):
    result = run_vbl("restore - -o -", input=encoded(COLOUR, "PNG"))
    assert result.returncode == 0
    with Image.open(io.BytesIO(result.stdout)) as picture:
        assert np.array_equal(np.asarray(picture), COLOUR)
    assert result.stderr.decode() == "-: noise std 25.5, from 25.5 to 25.5 (of 255)\n"
    assert list(here.iterdir()) == []


@pytest.mark.slow
def test_standard_input_is_called_so(here):
    result = run_vbl("restore - no.png -o out", input=b"no picture")
    first, second, third = result.stderr.decode().splitlines()
    assert first.startswith("vbl: error: cannot read stdin: its format is none of PNG")
    assert second == "vbl: error: cannot read no.png: No such file or directory"
    assert third == "vbl: error: 2 of 2 photographs could not be restored: stdin, no.png"


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("limit", [1000, 270_050])  # of the rows, of the encoded picture
def test_a_full_disk_is_said_of_the_file_that_was_asked_for(here, limit):
    rng = np.random.default_rng(0)
    save("a.png", rng.integers(0, 256, (300, 300, 3), dtype=np.uint8))
    full = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, "
        f"({limit}, {limit})); signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    )
    for out, asked in (("b.png", "b.png"), ("b.tif", "b.tif"), ("out", "out/a_restored.png")):
        result = run_vbl(f"restore a.png -o {out}", full)
        said = f"vbl: error: cannot write {asked}: File too large\n"
        assert (result.returncode, result.stderr.decode()) == (1, said)
    assert names(here) == {"a.png"}


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_closed_stream_is_no_obstacle(here, monkeypatch, name):
    save("a.png", COLOUR)
    monkeypatch.delenv("VBL_STATIC")  # with a progress bar
    monkeypatch.setattr(sys, name, None)
    assert main(["restore", "a.png", "-o", "out"]) == 0
    getattr(sys, name).close()
    assert (here / "out" / "a_restored.png").is_file()


@pytest.mark.slow
def test_a_log_has_no_bar(here):
    save("a.png", COLOUR)
    result = run_vbl("restore a.png -o out", "import os; del os.environ['VBL_STATIC']")
    assert result.returncode == 0
    assert b"\r" not in result.stdout + result.stderr and b"%" not in result.stderr
    result = run_vbl("restore a.png -o quiet --quiet")
    assert (result.stdout, result.stderr) == (b"", b"")


def test_a_name_too_long_for_what_it_becomes_fails_before_the_work(here, capsys, monkeypatch):
    name = "x" * 250 + ".png"
    save(name, COLOUR)
    monkeypatch.setattr("vbl.cli.photos.restore_bands", None)
    assert main(["restore", name, "-o", "out"]) == 1
    assert "File name too long" in capsys.readouterr().err


KILLED = """
import os
from vbl.cli import photos
publish, count = photos._publish, [0]
def killed(*arguments):
    count[0] += 1
    if count[0] == 4:
        os.kill(os.getpid(), {number})
    if count[0] == 4:
        import time; time.sleep(5)
    publish(*arguments)
photos._publish = killed
"""


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_leaves_nothing_half_written(here, name):
    tiny_runs.pictures(here / "in", count=6)
    result = run_vbl("restore in -o out", KILLED.format(number=int(signal.Signals[name])))
    assert result.returncode == 128 + signal.Signals[name]
    assert b"Traceback" not in result.stderr
    assert results(here / "out") == {f"00{i}_restored.png" for i in range(3)}
    assert not list((here / "out").glob(".*"))


@POSIX
@pytest.mark.slow
def test_a_batch_that_was_killed_is_finished_by_the_same_line(here):
    tiny_runs.pictures(here / "in", count=20)
    first = run_vbl("restore in -o out", KILLED.format(number=9))
    assert first.returncode == -9
    done = {path: path.stat().st_mtime_ns for path in (here / "out").glob("*side_by_side*")}
    assert len(done) == 3 and list((here / "out").glob(".vbl-restore-*"))
    second = run_vbl("restore in -o out")
    assert second.returncode == 0, second.stderr
    assert b"3 of 20 were there already" in second.stdout
    assert results(here / "out") == {f"{i:03d}_restored.png" for i in range(20)}
    assert not list((here / "out").glob(".*"))
    assert {path: path.stat().st_mtime_ns for path in done} == done  # not written twice


BETWEEN_TWO_FILES = """
import os
from pathlib import Path
replace, count = Path.replace, [0]
def killed(self, target):
    replace(self, target)
    count[0] += Path(target).parent.name == "out"
    if count[0] == 2:
        os.kill(os.getpid(), 9)
Path.replace = killed
"""


@POSIX
@pytest.mark.slow
def test_a_photograph_killed_between_two_of_its_files_is_finished(here):
    save("a.png", COLOUR)
    assert run_vbl("restore a.png -o out", BETWEEN_TWO_FILES).returncode == -9
    left = {path.name for path in (here / "out").glob("a_*")}
    assert left and "a_restored.png" not in left
    second = run_vbl("restore a.png -o out")
    assert second.returncode == 0, second.stderr
    assert (here / "out" / "a_restored.png").is_file() and not list((here / "out").glob(".*"))


# Bands ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("turned", [1, 6])
def test_a_picture_read_in_bands_is_the_picture_read_at_once(here, turned):
    tall = np.random.default_rng(1).integers(0, 256, (700, 40, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = turned
    save("a.png", tall, exif=exif)
    picture, whole = open_picture("a.png"), images.read("a.png")
    height = picture.height
    for top, bottom in ((0, 20), (10, 30), (25, 40), (5, 12), (height - 9, height)):
        part = picture[top:bottom, 3:21]
        assert torch.equal(part, whole[..., top:bottom, 3:21])


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("model", ["virnet", "virnet-sr"])
def test_bands_of_a_file_are_restored_as_the_whole(here, monkeypatch, model):
    monkeypatch.setattr("vbl.models.load", lambda _: tiny(model))
    tall = np.random.default_rng(1).integers(0, 256, (150, 40, 3), dtype=np.uint8)
    save("a.png", tall)
    found = restored("a.png", "--tile", "32")
    with torch.no_grad():
        whole = tiny(model).restore(images.read("a.png"))
    assert (found[:, :] - whole.image.clamp(0, 1)).abs().max() < 0.6 / 255
