"""Restoring images of any size: tiles are invisible, memory is bounded, input is checked."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import vbl
from vbl.models import Restoration, supervised, vdir, vdn, virnet
from vbl.restoration import receptive_radius, restore, stride, tiles

pytestmark = pytest.mark.usefixtures("float32")

MODELS = {
    "VIRNet": lambda: virnet.VIRNet(
        virnet.Config(sigma_width=4, sigma_depth=3, widths=(4, 6), blocks=1)
    ),
    "VDN": lambda: vdn.VDN(vdn.Config(widths=(4, 6), sigma_width=4, sigma_depth=3)),
    "VDIR": lambda: vdir.VDIR(vdir.Config(width=4, options={"width": 4, "groups": 1, "blocks": 1})),
    "ResUNet": lambda: supervised.Supervised(
        supervised.Config("ResUNet", {"widths": (4, 6, 8), "blocks": 1})
    ),
    "DnCNN": lambda: supervised.Supervised(supervised.Config("DnCNN", {"width": 4, "depth": 4})),
    "FFDNet": lambda: supervised.Supervised(supervised.Config("FFDNet", {"width": 6, "depth": 4})),
}
SIZES = st.integers(1, 70)


def make(name: str) -> nn.Module:
    torch.manual_seed(0)
    return MODELS[name]().eval()


def picture(height: int, width: int, *, channels: int = 3, batch: int = 1) -> torch.Tensor:
    return torch.rand(batch, channels, height, width, generator=torch.Generator().manual_seed(1))


def told(name: str, image: torch.Tensor) -> dict:
    """A noise level for FFDNet that differs from place to place."""
    return {"noise_std": 0.2 * image[:, :1]} if name == "FFDNet" else {}


def difference(a: Restoration, b: Restoration) -> float:
    assert (a.noise_std is None) == (b.noise_std is None)
    pairs = [(a.image, b.image)] + ([] if a.noise_std is None else [(a.noise_std, b.noise_std)])
    return max((x - y).abs().max().item() for x, y in pairs)


class Recorder(nn.Module):
    """Gives its input back, and remembers how large it was."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def restore(self, y):
        self.seen.append(tuple(y.shape[-2:]))
        return Restoration(y, noise_std=y.mean(1, keepdim=True))


@settings(deadline=None, max_examples=60)
@given(
    height=SIZES,
    width=SIZES,
    size=st.integers(1, 40),
    overlap=st.integers(0, 20),
    stride=st.sampled_from([1, 2, 4, 8]),
)
def test_tiles_keep_every_pixel_once_and_begin_in_the_grid(height, width, size, overlap, stride):
    count = torch.zeros(height, width)
    for tile in tiles(height, width, size=size, overlap=overlap, stride=stride):
        count[tile.kept] += 1
        for seen, kept, inside, side in zip(
            tile.seen, tile.kept, tile.inside, (height, width), strict=True
        ):
            assert seen.start % stride == 0 and (seen.stop % stride == 0 or seen.stop == side)
            assert seen.start == 0 or kept.start - seen.start >= overlap
            assert seen.stop == side or seen.stop - kept.stop >= overlap
            assert kept.stop - kept.start <= max(size, stride)
            assert range(side)[seen][inside] == range(side)[kept]
    assert (count == 1).all()


@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize("name", MODELS)
@settings(deadline=None, max_examples=6)
@given(height=SIZES, width=SIZES, tile=st.integers(9, 40))
def test_tiles_cannot_be_seen(name, ensemble, height, width, tile):
    model, y = make(name), picture(height, width)
    options = {"ensemble": ensemble, "device": "cpu", **told(name, y)}
    whole = restore(model, y, tile=100, **options)
    assert difference(restore(model, y, tile=tile, **options), whole) <= 1e-4
    assert whole.image.shape == y.shape


def test_a_tile_that_is_no_multiple_of_the_stride_has_its_margin():
    model, y = make("FFDNet"), picture(1, 9)
    cut, whole = (restore(model, y, tile=n, device="cpu", **told("FFDNet", y)) for n in (9, 100))
    assert difference(cut, whole) <= 1e-4


@pytest.mark.parametrize("name", MODELS)
def test_one_tile_is_what_the_model_says_itself(name):
    model, y = make(name), picture(29, 23, batch=2)
    expected = model.restore(y, **told(name, y))
    found = restore(model, y, device="cpu", **told(name, y))
    assert difference(found, expected) < 1e-6  # sums of another memory layout, on some CPUs


def test_tiles_with_too_little_overlap_can_be_seen():
    model, y = make("ResUNet"), picture(70, 70)
    whole, cut = (restore(model, y, tile=n, overlap=0, device="cpu") for n in (70, 32))
    assert difference(whole, cut) > 1e-3


def test_the_network_never_sees_more_than_a_tile_with_its_overlap():
    model, y = Recorder(), picture(300, 512)
    restored = restore(model, y, tile=64, overlap=10, device="cpu")
    assert max(map(max, model.seen)) == 84
    assert len(model.seen) == 5 * 8
    assert torch.equal(restored.image, y)
    assert torch.equal(restored.noise_std, y.mean(1, keepdim=True))


@pytest.mark.parametrize("name", MODELS)
def test_the_ensemble_turns_with_the_image(name):
    model, y = make(name), picture(24, 16)
    plain, turned = (
        restore(model, v, ensemble=True, device="cpu", **told(name, v))
        for v in (y, y.rot90(1, (-2, -1)).flip(-1))
    )
    back = {
        key: value.flip(-1).rot90(-1, (-2, -1))
        for key, value in vars(turned).items()
        if value is not None
    }
    assert difference(Restoration(**back), plain) < 1e-6
    alone = restore(model, y, device="cpu", **told(name, y))
    assert difference(alone, plain) > 1e-6


def test_a_grey_image_is_restored_by_a_model_of_colours():
    model, y = make("VIRNet"), picture(20, 31, channels=1)
    restored = restore(model, y, tile=16, device="cpu")
    expected = model.restore(y.expand(-1, 3, -1, -1))
    assert restored.image.shape == restored.noise_std.shape == y.shape
    torch.testing.assert_close(restored.image, expected.image.mean(1, keepdim=True))


def test_a_grey_model_restores_grey_images_only():
    config = supervised.Config("DnCNN", {"channels": 1, "width": 4, "depth": 3})
    model = supervised.Supervised(config)
    assert restore(model, picture(9, 9, channels=1), device="cpu").image.shape == (1, 1, 9, 9)
    with pytest.raises(ValueError, match="image: Supervised restores 1 channel, got 3"):
        restore(model, picture(9, 9))


@pytest.mark.parametrize("noise_std", [0.1, torch.full((40, 30), 0.1), torch.full((1, 1), 0.1)])
def test_the_noise_level_is_a_number_or_a_map(noise_std):
    model, y = make("FFDNet"), picture(40, 30)
    expected = model.restore(y, noise_std=torch.tensor(0.1))
    restored = restore(model, y, noise_std=noise_std, tile=16, device="cpu")
    torch.testing.assert_close(restored.image, expected.image)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("FFDNet", {}, "noise_std: Supervised must be told the noise level"),
        ("VIRNet", {"noise_std": 0.1}, "noise_std: VIRNet is not told the noise level"),
        ("FFDNet", {"noise_std": 25}, "noise_std: expected standard deviations in units of the"),
        ("FFDNet", {"noise_std": -0.1}, "noise_std: expected standard deviations in units of the"),
        ("FFDNet", {"noise_std": torch.ones(3)}, r"noise_std: expected \(1, 1, 9, 9\), got \(3,\)"),
        ("DnCNN", {"tile": 0}, "tile: expected a side of at least one pixel, got 0"),
        ("DnCNN", {"overlap": -1}, "overlap: expected a number of pixels >= 0, got -1"),
        (
            "DnCNN",
            {"device": "tpu"},
            "device: expected 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps', got 'tpu'",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(name, options, said):
    with pytest.raises(ValueError, match=said):
        restore(make(name), picture(9, 9), **options)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (torch.zeros(3, 9, 9), r"got torch.float32 \(3, 9, 9\)"),
        (torch.zeros(1, 4, 9, 9), r"got torch.float32 \(1, 4, 9, 9\)"),
        (torch.zeros(1, 3, 0, 9), r"got torch.float32 \(1, 3, 0, 9\)"),
        (torch.zeros(1, 3, 9, 9, dtype=torch.uint8), r"got torch.uint8 \(1, 3, 9, 9\)"),
        (torch.full((1, 3, 9, 9), 255.0), "got values from 255 to 255"),
        (torch.full((1, 3, 9, 9), torch.nan), "got values from nan to nan"),
    ],
)
def test_what_is_no_image_is_refused(image, said):
    with pytest.raises(ValueError, match=f"image: expected float32 .*{said}"):
        restore(make("DnCNN"), image)


def test_a_model_that_does_not_restore_is_refused():
    with pytest.raises(ValueError, match="model: expected a method restore, ReLU has none"):
        restore(nn.ReLU(), picture(9, 9))


def test_a_model_that_changes_the_size_is_refused():
    model = Recorder()
    model.restore = lambda y: Restoration(y[..., ::2, ::2])
    with pytest.raises(ValueError, match="model: expected one that makes"):
        restore(model, picture(8, 8), device="cpu")


def test_a_model_of_unknown_reach_needs_an_overlap_only_where_there_are_tiles():
    model = Recorder()
    assert torch.equal(restore(model, picture(8, 8), device="cpu").image, picture(8, 8))
    with pytest.raises(ValueError, match="overlap: give it; how far Recorder looks is not known"):
        restore(model, picture(8, 8), tile=4)


def test_the_reach_of_a_model_is_that_of_its_networks_one_after_the_other():
    model = make("VIRNet")
    assert receptive_radius(model) == 12 + 3 and stride(model) == 2


def test_a_checkpoint_is_restored_by_name_through_the_front_door():
    y = picture(16, 16)
    by_name = vbl.restore("resunet", y, device="cpu")
    assert difference(by_name, vbl.load("resunet").restore(y)) < 1e-5


def test_a_bar_counts_tiles_unless_pages_are_rendered(capsys, monkeypatch):
    monkeypatch.delenv("VBL_STATIC", raising=False)
    restore(Recorder(), picture(8, 16), tile=8, overlap=0, device="cpu", progress="night.jpg")
    shown = capsys.readouterr().err
    assert "night.jpg: 100%" in shown and "2/2" in shown
    monkeypatch.setenv("VBL_STATIC", "1")
    restore(Recorder(), picture(8, 16), tile=8, overlap=0, device="cpu", progress=True)
    assert capsys.readouterr().err == ""


def test_a_restoration_can_be_trained_on():
    restored = restore(make("VIRNet"), picture(8, 8), device="cpu").image
    weight = torch.ones(1, requires_grad=True)
    (weight * restored).sum().backward()
    assert weight.grad is not None


def test_a_model_can_be_trained_after_it_has_restored_in_inference_mode():
    model = make("VIRNet")
    with torch.inference_mode():
        restore(model, picture(8, 8), device="cpu")
    model.requires_grad_(True).restore(picture(8, 8)).image.sum().backward()
