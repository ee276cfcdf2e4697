"""Restoring photographs in files: what is written, what is refused, and that a batch goes on."""

import json
import shlex

import numpy as np
import pytest
import tiny_runs
import torch
from PIL import Image
from test_bad_images import BAD_FILES

from vbl import images
from vbl.cli.main import main
from vbl.models import supervised, vdn, virnet, virnet_sr
from vbl.restoration import INTERVALS, ErrorScale
from vbl.restoration.uncertainty import Interval

pytestmark = pytest.mark.usefixtures("float32")

MODELS = {
    "virnet": lambda: virnet.VIRNet(
        virnet.Config(sigma_width=4, sigma_depth=3, widths=(4, 6), blocks=1)
    ),
    "virnet-sr": lambda: virnet_sr.VIRNetSR(
        virnet_sr.Config(
            scale=2, sigma_width=4, sigma_depth=3, kernel_width=4, kernel_blocks=1, widths=(4, 6)
        )
    ),
    "vdn": lambda: vdn.VDN(vdn.Config(widths=(4, 6), sigma_width=4, sigma_depth=3)),
    "ffdnet": lambda: supervised.Supervised(supervised.Config("FFDNet", {"width": 4, "depth": 3})),
}
ENDINGS = ("restored.png", "side_by_side.png", "noise_std.npy", "noise_std.png")
SR_ENDINGS = ("restored.png", "side_by_side.png", "kernel.png", "kernel.json")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, with two photographs in `in` and tiny models in place of ours."""
    monkeypatch.setenv("VBL_STATIC", "1")
    monkeypatch.chdir(tmp_path)
    tiny_runs.pictures(tmp_path / "in", count=2)
    monkeypatch.setattr("vbl.models.load", tiny)
    return tmp_path


def tiny(name: str):
    torch.manual_seed(0)
    return MODELS[name]().eval()


def vbl(line: str) -> int:
    return main(["restore", "-o", "out", "--device", "cpu", *shlex.split(line)])


def written(folder) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def size(path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_super_resolution_enlarges_and_writes_the_kernel_and_its_parameters(here, capsys):
    assert vbl("in/000.png --model virnet-sr --tile 16") == 0
    assert written(here / "out") == {f"000_{end}" for end in SR_ENDINGS}
    width, height = size("in/000.png")
    assert size("out/000_restored.png") == (2 * width, 2 * height)
    with torch.no_grad():
        expected = tiny("virnet-sr").restore(images.read("in/000.png"))
    about = json.loads((here / "out" / "000_kernel.json").read_text())
    kernel = torch.tensor(about["kernel"])
    torch.testing.assert_close(kernel, expected.kernel[0, 0], rtol=0, atol=1e-6)
    parameters = torch.tensor([about[name] for name in ("lambda1_sq", "lambda2_sq", "rho")])
    torch.testing.assert_close(parameters, expected.kernel_parameters[0])
    assert about["noise_std"] == pytest.approx(expected.noise_std.item())
    assert "blur std" in capsys.readouterr().out


@pytest.mark.parametrize(("model", "channels"), [("virnet", 1), ("vdn", 3)])
def test_what_is_written_is_what_the_model_says(here, capsys, model, channels):
    assert vbl(f"in/000.png in/001.png --model {model} --tile 16") == 0
    assert written(here / "out") == {f"00{i}_{end}" for i in range(2) for end in ENDINGS}
    y = images.read("in/001.png")
    with torch.no_grad():
        expected = tiny(model).restore(y)
    restored = images.read("out/001_restored.png")
    assert (restored - expected.image.clamp(0, 1)).abs().max() < 0.51 / 255
    std = np.load("out/001_noise_std.npy")
    assert std.dtype == np.float32 and std.shape == (channels, *y.shape[-2:])
    np.testing.assert_allclose(std, expected.noise_std[0], atol=1e-4)
    assert all(min(size(here / "out" / f"001_{end}")) > 100 for end in ENDINGS if "side" in end)
    captured = capsys.readouterr()
    assert captured.err == ""
    line = f"out/001_restored.png: noise std {255 * std.mean():.1f}, from {255 * std.min():.1f} to"
    assert captured.out.splitlines()[1].startswith(line)


def test_a_model_without_a_noise_map_writes_none(here, capsys):
    assert vbl("in/000.png --model ffdnet --sigma 25") == 0
    assert written(here / "out") == {"000_restored.png", "000_side_by_side.png"}
    assert capsys.readouterr().out == "out/000_restored.png\n"
    y = images.read("in/000.png")
    with torch.no_grad():
        told = tiny("ffdnet").restore(y, noise_std=torch.tensor(25 / 255))
    difference = images.read("out/000_restored.png") - told.image.clamp(0, 1)
    assert difference.abs().max() < 0.51 / 255


def test_files_of_the_user_that_are_not_written_stay(here):
    """A denoiser writes no kernel, whatever may be called so."""
    mine = [here / "in" / f"000_{end}" for end in ("kernel.png", "kernel.json", "other.txt")]
    for path in mine:
        path.write_bytes(b"mine")
    assert main(["restore", "in/000.png", "-o", "in", "--model", "virnet", "--overwrite"]) == 0
    assert main(["restore", "in/000.png", "-o", "in", "--model", "virnet", "--overwrite"]) == 0
    assert all(path.read_bytes() == b"mine" for path in mine)


def test_a_map_of_the_user_is_replaced_only_when_asked_for(here, capsys):
    (here / "in" / "000_noise_std.png").write_bytes(b"mine")
    line = ["restore", "in/000.png", "-o", "in", "--model", "virnet"]
    assert main(line) == 1
    assert "in/000_noise_std.png exists" in capsys.readouterr().err
    assert written(here / "in") == {"000.png", "001.png", "000_noise_std.png"}
    assert (here / "in" / "000_noise_std.png").read_bytes() == b"mine"
    assert main([*line, "--overwrite"]) == 0
    assert (here / "in" / "000_noise_std.png").read_bytes() != b"mine"


@pytest.fixture
def calibrated(monkeypatch):
    """The tiny VIRNet as though it had been calibrated."""
    monkeypatch.setitem(INTERVALS, "virnet", Interval(ErrorScale(0.3, 0.6, 0.4), 2.0))


def test_a_map_of_uncertainty_is_written_if_it_is_asked_for(here, calibrated):
    assert vbl("in/001.png --model virnet --uncertainty") == 0
    maps = {"uncertainty.npy", "uncertainty.png"}
    assert written(here / "out") == {f"001_{end}" for end in {*ENDINGS, *maps}}
    half = np.load("out/001_uncertainty.npy")
    height, width = images.read("in/001.png").shape[-2:]
    assert half.shape == (1, height, width)
    assert half.dtype == np.float32
    assert (half > 0).all()
    before = np.load("out/001_noise_std.npy")
    assert vbl("in/001.png --model virnet --uncertainty --tile 16 --overwrite") == 0
    np.testing.assert_allclose(np.load("out/001_uncertainty.npy"), half, rtol=1e-3)
    np.testing.assert_allclose(np.load("out/001_noise_std.npy"), before, rtol=1e-3)


def test_a_map_of_uncertainty_replaces_nothing_unasked_and_is_no_photograph(
    here, calibrated, capsys
):
    (here / "in" / "000_uncertainty.png").write_bytes(b"mine")
    line = ["restore", "in", "-o", "in", "--device", "cpu", "--model", "virnet", "--uncertainty"]
    assert main([*line, "--quiet"]) == 1
    assert "in/000_uncertainty.png exists" in capsys.readouterr().err
    assert (here / "in" / "000_uncertainty.png").read_bytes() == b"mine"
    assert not (here / "in" / "000_restored.png").exists()
    assert not (here / "in" / "000_uncertainty_restored.png").exists()


@pytest.mark.parametrize("out", ["a.png", "-"])
def test_a_map_of_uncertainty_needs_a_folder(here, calibrated, capsys, out):
    line = ["restore", "in/000.png", "-o", out, "--model", "virnet", "--uncertainty"]
    assert main(line) == 2
    assert "--uncertainty: expected a folder for --out" in capsys.readouterr().err


def test_a_model_that_was_not_calibrated_gives_no_map(here, capsys):
    assert vbl("in/000.png --model vdn --uncertainty") != 0
    assert "unknown calibrated model 'vdn'" in capsys.readouterr().err
    assert written(here / "out") == set()


@pytest.mark.parametrize("ending", ["restored", "side_by_side", "noise_std", "kernel"])
def test_an_input_is_never_overwritten(here, capsys, ending):
    other = here / "in" / f"000_{ending}.png"
    other.write_bytes((here / "in" / "001.png").read_bytes())
    before = {path: path.read_bytes() for path in (here / "in").iterdir()}
    line = ["restore", "in/000.png", str(other), "-o", "in", "--model", "virnet", "--overwrite"]
    assert main(line) == 1
    assert f"in/000.png would become in/000_{ending}.png, which" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (here / "in").iterdir()} == before


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 1, 700), (1, 1, 1500, 3)])
def test_photographs_of_any_shape_are_restored_and_drawn_small(here, shape):
    images.write("odd.png", torch.rand(shape, generator=torch.Generator().manual_seed(0)))
    assert vbl("odd.png --model virnet --ensemble") == 0
    assert images.read("out/odd_restored.png").shape == shape
    assert max(size(here / "out" / "odd_side_by_side.png")) <= 2100


def test_every_bad_file_is_named_and_the_others_are_restored(here, capsys):
    for number, (data, _) in enumerate(BAD_FILES.values()):
        (here / f"bad{number:02d}.png").write_bytes(data)
    bad = sorted(path.name for path in here.glob("bad*.png"))
    assert vbl(shlex.join(["in/000.png", *bad, "in/001.png", "--model", "virnet"])) == 1
    lines = capsys.readouterr().err.splitlines()
    for name, line, (_, reason) in zip(bad, lines[:-1], BAD_FILES.values(), strict=True):
        assert line.startswith(f"vbl: error: cannot read {name}: ") and reason in line
    count = f"{len(bad)} of {len(bad) + 2} photographs could not be restored: bad00.png, bad01.png"
    assert lines[-1].startswith(f"vbl: error: {count}")
    assert {name[:3] for name in written(here / "out")} == {"000", "001"}


def test_what_is_there_is_kept_unless_it_is_to_be_replaced(here, capsys):
    assert vbl("in/000.png --model virnet") == 0
    before = {path: path.read_bytes() for path in (here / "out").iterdir()}
    capsys.readouterr()
    assert vbl("in/000.png --model vdn") == 1
    said = "vbl: error: out/000_restored.png exists: give --overwrite to replace it\n"
    assert capsys.readouterr().err == said
    assert {path: path.read_bytes() for path in (here / "out").iterdir()} == before
    assert vbl("in/000.png --model vdn --skip-existing") == 0
    assert vbl("in/000.png in/001.png --model vdn") == 0  # what is missing is restored
    assert "1 of 2 was there already" in capsys.readouterr().out
    assert "001_restored.png" in written(here / "out")
    assert vbl("in/000.png --model vdn --overwrite") == 0
    assert all(path.read_bytes() != data for path, data in before.items())


@pytest.mark.parametrize("other", ["more/000.png"])
def test_two_photographs_never_become_one_file(here, capsys, other):
    assert vbl(f"in/000.png in/001.png {other} --model virnet") == 1
    said = capsys.readouterr().err
    assert f"in/000.png and {other} would both become 000_restored.png" in said
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [(KeyboardInterrupt(), 130, "interrupted"), (OSError(28, "No space left"), 1, "No space left")],
)
def test_a_photograph_that_was_stopped_leaves_no_file(here, capsys, monkeypatch, error, code, said):
    def stopped(*_, **__):
        raise error

    assert vbl("in/000.png --model virnet") == 0
    before = {path: path.read_bytes() for path in (here / "out").iterdir()}
    monkeypatch.setattr("vbl.cli.photos.show_maps", stopped)  # the last that is written
    assert vbl("in/001.png --model virnet") == code
    assert vbl("in/000.png --model virnet --overwrite") == code
    assert {path: path.read_bytes() for path in (here / "out").iterdir()} == before
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_figures_are_closed_and_leave_the_style_as_it_was(here):
    import matplotlib.pyplot as plt

    style = dict(plt.rcParams)
    assert vbl("in/000.png --model virnet") == 0
    assert plt.get_fignums() == [] and dict(plt.rcParams) == style
