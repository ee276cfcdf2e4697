"""Reading and writing pictures: what is a picture comes in as one layout, the rest is one line."""

import struct
import zlib

import numpy as np
import pytest
import torch
from picture_files import COLOUR, DEEP, GREY, RNG, png16, tiff16, transparent_colour
from PIL import Image

from vbl import images


def save(path, array_or_image, **options):
    picture = array_or_image
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    picture.save(path, **options)
    return path


def pixels(path):
    """What ``read`` gives, as (H, W, C) in float64."""
    image = images.read(path)
    assert image.dtype == torch.float32
    assert image.shape[:2] in ((1, 1), (1, 3))
    assert image.is_contiguous()
    return image[0].permute(1, 2, 0).double().numpy()


# Reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "webp"])
@pytest.mark.parametrize("array", [COLOUR, GREY], ids=["colour", "grey"])
def test_lossless_files_are_read_exactly(tmp_path, suffix, array):
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(tmp_path / f"a.{suffix}", array, **options)
    found = pixels(path)
    expected = array.reshape(12, 17, -1) / 255
    assert np.abs(found - expected).max() < 1e-7
    assert found.shape[-1] == (3 if array is COLOUR or suffix == "webp" else 1)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "YCbCr"])
def test_jpegs_of_every_mode_become_grey_or_rgb(tmp_path, mode):
    smooth = Image.fromarray(COLOUR).resize((64, 64), Image.Resampling.BICUBIC)
    path = save(tmp_path / "a.jpg", smooth.convert(mode), quality=100)
    expected = np.asarray(smooth.convert(mode).convert("L" if mode == "L" else "RGB")) / 255
    press = 0.12 if mode == "CMYK" else 0.03  # inks are darker than Pillow's rule for them
    assert np.abs(pixels(path) - expected.reshape(64, 64, -1)).mean() < press


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to view
    path = save(tmp_path / "a.png", COLOUR, exif=exif)
    assert np.allclose(pixels(path), np.rot90(COLOUR, -1) / 255)


def test_exif_orientation_is_applied_to_sixteen_bits_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(data)) + b"eXIf" + data
    chunk += struct.pack(">I", zlib.crc32(b"eXIf" + data))
    path = tmp_path / "a.png"
    path.write_bytes(png16(DEEP[..., :3], chunk))
    assert np.allclose(pixels(path), np.rot90(DEEP[..., :3], -1) / 65535)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_composited_on_white(tmp_path, mode):
    picture = Image.fromarray(RNG.integers(0, 256, (12, 17, 4), dtype=np.uint8)).convert(mode)
    values = np.asarray(picture) / 255
    colour, alpha = values[..., :-1], values[..., -1:]
    found = pixels(save(tmp_path / "a.png", picture))
    assert np.allclose(found, colour * alpha + 1 - alpha)


def test_a_palette_becomes_rgb(tmp_path):
    picture = Image.fromarray(COLOUR).quantize(16)
    expected = np.asarray(picture.convert("RGB")) / 255
    assert np.allclose(pixels(save(tmp_path / "a.png", picture)), expected)
    assert np.allclose(pixels(save(tmp_path / "a.gif", picture)), expected)


def test_a_transparent_palette_entry_becomes_white(tmp_path):
    picture = Image.fromarray(COLOUR).quantize(4)
    found = pixels(save(tmp_path / "a.png", picture, transparency=2))
    gone = np.asarray(picture) == 2
    assert np.allclose(found[gone], 1)
    assert np.allclose(found[~gone], (np.asarray(picture.convert("RGB")) / 255)[~gone])


def test_a_transparent_grey_level_becomes_white(tmp_path):
    found = pixels(save(tmp_path / "a.png", GREY, transparency=int(GREY[0, 0])))
    expected = np.where(GREY[0, 0] == GREY, 255, GREY)[..., None] / 255
    assert found.shape[-1] == 1
    assert np.allclose(found, expected)


def test_one_bit_pictures_are_black_and_white(tmp_path):
    bits = GREY > 127
    found = pixels(save(tmp_path / "a.png", Image.fromarray(bits)))
    assert np.array_equal(found[..., 0], bits.astype(float))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bit_pngs_keep_all_their_bits(tmp_path, channels):
    path = tmp_path / "a.png"
    values = DEEP[..., :channels]
    path.write_bytes(png16(values))
    expected = values / 65535
    if channels == 4:
        expected = expected[..., :3] * expected[..., 3:] + 1 - expected[..., 3:]
    assert np.abs(pixels(path) - expected).max() < 1e-7


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_colour_of_sixteen_bits_becomes_white(tmp_path, channels):
    path = tmp_path / "a.png"
    values = DEEP[..., :channels].copy()
    values[0, 0] = 1234
    path.write_bytes(png16(values, transparent_colour(*[1234] * channels)))
    found = pixels(path)
    assert np.allclose(found[0, 0], 1)
    assert np.allclose(found[1:], values[1:] / 65535)


@pytest.mark.parametrize(("channels", "photometric"), [(1, 1), (3, 2)])
def test_sixteen_bit_tiffs_keep_all_their_bits(tmp_path, channels, photometric):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff16(DEEP[..., :channels], photometric))
    assert np.abs(pixels(path) - DEEP[..., :channels] / 65535).max() < 1e-7


def test_float_tiffs_are_read_as_they_are(tmp_path):
    values = RNG.random((12, 17), dtype=np.float32)
    found = images.read(save(tmp_path / "a.tif", Image.fromarray(values)))
    assert torch.equal(found[0, 0], torch.from_numpy(values))


def test_a_multi_picture_jpeg_of_a_phone_gives_the_photograph(tmp_path):
    first, second = Image.fromarray(COLOUR), Image.new("RGB", (4, 4))
    path = tmp_path / "a.jpg"
    first.save(path, format="MPO", save_all=True, append_images=[second])
    assert images.read(path).shape == (1, 3, 12, 17)


def test_a_frame_may_be_larger_than_the_screen_of_its_gif(tmp_path):
    path = save(tmp_path / "a.gif", Image.fromarray(COLOUR).quantize(16))
    expected = images.read(path)
    data = bytearray(path.read_bytes())
    data[6:10] = struct.pack("<HH", 3, 2)
    path.write_bytes(data)
    assert torch.equal(images.read(path), expected)


# Writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_eight_bit_levels_survive_a_round_trip(tmp_path, channels):
    image = torch.arange(256).repeat(channels, 1).reshape(1, channels, 16, 16) / 255
    images.write(tmp_path / "a.png", image)
    assert torch.equal(images.read(tmp_path / "a.png"), image)


def test_sixteen_bit_grey_survives_a_round_trip(tmp_path):
    image = torch.from_numpy(DEEP[None, None, ..., 0].astype(np.float32) / 65535)
    images.write(tmp_path / "a.png", image, bits=16)
    assert torch.equal(images.read(tmp_path / "a.png"), image)


def test_halves_are_rounded_to_even(tmp_path):
    image = torch.tensor([0.5, 1.5, 2.5, 254.5], dtype=torch.float64).reshape(1, 1, 2, 2) / 255
    images.write(tmp_path / "a.png", image)
    assert np.asarray(Image.open(tmp_path / "a.png")).ravel().tolist() == [0, 2, 2, 254]


def test_jpegs_of_high_quality_are_close(tmp_path):
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64).clone()
    images.write(tmp_path / "a.JPG", ramp, quality=98)
    assert (images.read(tmp_path / "a.JPG") - ramp).abs().max() < 0.02


ONES = torch.ones(1, 3, 4, 4)
BAD_IMAGES = {
    "an array": (np.ones((1, 3, 4, 4)), TypeError, "got ndarray"),
    "two dimensions": (ONES[0, 0], ValueError, r"got shape \(4, 4\)"),
    "no batch": (ONES[0], ValueError, r"got shape \(3, 4, 4\)"),
    "a batch of two": (ONES.repeat(2, 1, 1, 1), ValueError, r"got shape \(2, 3, 4, 4\)"),
    "four channels": (torch.ones(1, 4, 4, 4), ValueError, r"got shape \(1, 4, 4, 4\)"),
    "no pixels": (torch.ones(1, 3, 0, 4), ValueError, r"got shape \(1, 3, 0, 4\)"),
    "integers": (ONES.to(torch.uint8), ValueError, "got torch.uint8"),
    "too bright": (ONES * 255, ValueError, "got values from 255 to 255"),
    "negative": (ONES - 1.5, ValueError, "got values from -0.5 to -0.5"),
    "not a number": (ONES * torch.nan, ValueError, "got values from nan to nan"),
    "infinite": (ONES / 0, ValueError, "got values from inf to inf"),
}


@pytest.mark.parametrize("what", BAD_IMAGES)
def test_a_bad_image_is_not_written(tmp_path, what):
    image, error, found = BAD_IMAGES[what]
    expected = r"expected an image \(1, C, H, W\), C = 1 or 3, in \[0, 1\], "
    with pytest.raises(error, match=expected + found):
        images.write(tmp_path / "a.png", image)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.gif", "a", "png"])
def test_an_unknown_suffix_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"expected a name in \.png, \.jpg, \.jpeg or \.tif"):
        images.write(tmp_path / name, ONES)


def test_a_jpeg_has_no_sixteen_bits(tmp_path):
    with pytest.raises(ValueError, match="bits must be 8"):
        images.write(tmp_path / "a.jpg", ONES, bits=16)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_come_back_as_they_were(tmp_path, suffix, channels):
    image = torch.from_numpy(DEEP[..., :channels] / 65535).permute(2, 0, 1)[None]
    path = tmp_path / f"a.{suffix}"
    images.write(path, image, bits=16)
    assert np.abs(pixels(path) - DEEP[..., :channels] / 65535).max() < 1e-7


@pytest.mark.parametrize("quality", [0, 101, 500, -1])
def test_a_quality_that_jpeg_does_not_have_is_refused(tmp_path, quality):
    with pytest.raises(ValueError, match=f"quality must be from 1 to 100, got {quality}"):
        images.write(tmp_path / "a.jpg", ONES, quality=quality)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OSError, match=r"cannot write .*absent/a\.png: No such file or directory"):
        images.write(tmp_path / "absent" / "a.png", ONES)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    images.write(path, ONES)
    old = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        images.write(path, ONES * 0)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]
