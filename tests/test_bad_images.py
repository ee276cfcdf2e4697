"""The table of files that are not pictures, and what is said about each."""

import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import COLOUR, DEEP, animated, encoded, png, png16
from PIL import Image

from vbl import images

FLOATS = np.full((4, 4), 0.5, np.float32)
NOT_FINITE = FLOATS.copy()
NOT_FINITE[1, 1] = np.nan


def gif(frame, *, screen=(4, 4), extension=b""):
    """A GIF of a few bytes that promises a frame."""
    header = b"GIF89a" + struct.pack("<2H3B", *screen, 128, 0, 0) + bytes(6)  # two colours
    return header + extension + b"," + struct.pack("<4HBB", 0, 0, *frame, 0, 2) + b"\1\0\0;"


def webp(width, height):
    """A WebP of a few bytes that promises a picture."""
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<II", 10, 0) + canvas + bytes(8)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def with_exif(kind):
    """A picture with the notes of a camera."""
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010F: "a camera", 0x829A: (1, 30)})
    return encoded(COLOUR, kind, exif=exif)


def broken_exif():
    """A JPEG whose camera is called a width: Pillow cannot write such notes again."""
    return with_exif("JPEG").replace(b"\x01\x0f\x00\x02", b"\x01\x00\x00\x02")


COMMENT = b"!\xfe\x03abc\x02de\x00"
BAD_FILES = {
    "empty": (b"", "the file is empty (0 bytes)"),
    "text": (b"not a picture", "its format is none of PNG, JPEG, TIFF"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "its format is none of PNG"),
    "truncated png": (encoded(COLOUR, "PNG")[:300], "libpng read error"),
    "truncated jpeg": (encoded(COLOUR, "JPEG")[:-60], "premature end of JPEG"),
    "only a signature": (b"\x89PNG\r\n\x1a\n", "cannot read"),
    "bomb": (png(20_000, 20_000, 8, 2), "20000 x 20000 = 400,000,000 pixels, more than max_pixels"),
    "gigantic bomb": (png(60_000, 60_000, 1, 0), "3,600,000,000 pixels, more than max_pixels"),
    "webp bomb": (webp(16_384, 16_384), "cannot read"),
    "gif bomb": (gif((20_000, 20_000)), "20000 x 20000 = 400,000,000 pixels, more than max_pixels"),
    "gif bomb after a comment": (gif((19_000, 22_000), extension=COMMENT), "19000 x 22000"),
    "no pixels": (png(0, 5, 8, 0), "cannot read"),
    "animated gif": (animated("GIF"), "3 frames or pages, expected one picture"),
    "animated png": (animated("PNG"), "several frames or pages, expected one picture"),
    "animated webp": (animated("WEBP"), "3 frames or pages, expected one picture"),
    "many pages": (animated("TIFF"), "3 frames or pages, expected one picture"),
    "not finite": (encoded(NOT_FINITE, "TIFF"), "values from nan to nan, expected numbers"),
    "too bright": (encoded(FLOATS * 510, "TIFF"), "values from 255 to 255, expected [0, 1]"),
    "32-bit integers": (encoded(np.ones((4, 4), np.int32), "TIFF"), "1 channels of type int"),
}


@pytest.mark.parametrize("content", BAD_FILES)
def test_a_bad_file_is_refused_in_one_line_that_names_it(tmp_path, content):
    data, reason = BAD_FILES[content]
    path = tmp_path / "bad.png"
    path.write_bytes(data)
    with pytest.raises(images.UnreadableImage) as caught:
        images.read(path)
    message = str(caught.value)
    assert message.startswith(f"cannot read {path}: ")
    assert reason in message
    assert "\n" not in message


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(images.UnreadableImage, match="No such file"):
        images.read(tmp_path / "absent.png")
    with pytest.raises(images.UnreadableImage, match="it is a folder, expected a picture"):
        images.read(tmp_path)
    with pytest.raises(images.UnreadableImage, match="null"):
        images.read("a\0b.png")


@pytest.mark.parametrize("path", [None, 3, b"a.png", ["a.png"]])
def test_a_path_of_another_type_is_refused(path):
    expected = f"path must be a string or a Path, got {type(path).__name__}"
    with pytest.raises(TypeError, match=expected):
        images.read(path)
    with pytest.raises(TypeError, match=expected):
        images.write(path, torch.zeros(1, 1, 2, 2))


def test_the_limit_of_pixels_counts_height_times_width(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(COLOUR, "PNG"))
    assert images.read(path, max_pixels=12 * 17).shape == (1, 3, 12, 17)
    with pytest.raises(images.UnreadableImage, match="17 x 12 = 204 pixels, more than max_pixels"):
        images.read(path, max_pixels=12 * 17 - 1)


SEEDS = [encoded(COLOUR, kind) for kind in ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP")]
SEEDS += [with_exif(kind) for kind in ("PNG", "JPEG", "WEBP")]
SEEDS += [png16(DEEP[..., :3]), gif((4, 4), extension=COMMENT), webp(4, 4)]


@pytest.mark.filterwarnings("ignore")  # Pillow warns about the metadata of broken files
@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    seed=st.sampled_from(SEEDS),
    length=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=6),
)
def test_a_damaged_file_is_either_read_or_refused(tmp_path_factory, seed, length, flips):
    data = bytearray(seed[: max(1, round(length * len(seed)))])
    for where, change in flips:
        data[int(where * len(data))] ^= change
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(data)
    try:
        image = images.read(path, max_pixels=10_000)
    except images.UnreadableImage as refused:
        assert "\n" not in str(refused)
    else:
        assert 0 <= image.min() <= image.max() <= 1


def test_threads_read_the_same_as_one_and_leave_pillow_as_it_was(tmp_path):
    before = Image.MAX_IMAGE_PIXELS
    deep = tmp_path / "deep.png"
    deep.write_bytes(png16(DEEP[..., :3]))
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(BAD_FILES["bomb"][0])
    expected = images.read(deep)

    def job(_):
        with pytest.raises(images.UnreadableImage):
            images.read(bomb)
        return torch.equal(images.read(deep), expected)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(job, range(40)))
    assert before == Image.MAX_IMAGE_PIXELS
