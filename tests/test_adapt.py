"""`vbl adapt`: from two piles of pictures to a denoiser, with trainings of a few steps."""

import importlib

import pytest
import tiny_runs
import torch
from PIL import Image

from vbl.cli.main import main
from vbl.images import open_folder, read, write
from vbl.models import load, supervised
from vbl.recipes import adapting


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with twelve noisy and twelve clean pictures, and trainings of a few steps."""
    module = importlib.import_module("vbl.training.adapt")
    monkeypatch.setattr(module, "STEPS", (3, 3))
    monkeypatch.setattr(module, "PILOT", 2)
    monkeypatch.setitem(adapting.SIZES, "width", 8)
    monkeypatch.setitem(adapting.SCHEDULE, "batch", 4)
    quick = {"widths": (4, 8), "blocks": 1}
    monkeypatch.setitem(adapting.UNET, "quick", quick)
    tiny_runs.pictures(tmp_path / "clean", count=12, side=48)
    (tmp_path / "noisy").mkdir()
    generator = torch.Generator().manual_seed(1)
    for file in sorted((tmp_path / "clean").iterdir()):
        x = read(file)
        noise = 0.08 * torch.randn(x.shape, generator=generator)
        write(tmp_path / "noisy" / file.name, (x + noise).clamp(0, 1))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def adapt(*more):
    return main(["adapt", "noisy", "clean", "-o", "mine", "--device", "cpu", *more])


@pytest.mark.parametrize("more", [(), ("--learn",)], ids=["gaussian", "learned"])
def test_two_piles_become_a_checkpoint_and_a_report(here, capsys, more):
    assert adapt(*more) == 0
    assert (here / "mine" / "lud-vae").is_dir() == bool(more)
    said = capsys.readouterr().out
    assert "noise taken out, std (of 255): " in said and "vbl restore PHOTO" in said
    report = (here / "mine" / "report.html").read_text("utf-8")
    assert report.count("data:image/png;base64,") == 2 and "http" not in report
    assert (
        main(["restore", "noisy/000.png", "-o", "out", "--model", "mine", "--device", "cpu"]) == 0
    )
    assert (here / "out" / "000_restored.png").is_file()
    assert isinstance(load("mine/weights.safetensors"), supervised.Supervised)


def test_what_is_there_is_kept_unless_it_is_resumed(here, capsys):
    assert adapt() == 0
    before = (here / "mine" / "weights.safetensors").read_bytes()
    assert adapt() == 1
    assert "mine is not empty: give --resume" in capsys.readouterr().err
    assert adapt("--resume") == 0
    assert (here / "mine" / "weights.safetensors").read_bytes() == before
    assert adapt("--resume", "--minutes", "5") == 1
    assert "mine was begun with other minutes" in capsys.readouterr().err
    assert adapt("--resume", "--learn") == 1
    assert "mine was begun with other learn" in capsys.readouterr().err


@pytest.mark.parametrize("more", [(), ("--learn",)], ids=["gaussian", "learned"])
def test_a_stopped_adaptation_goes_on_to_the_same_result(here, monkeypatch, capsys, more):
    module = importlib.import_module("vbl.training.adapt")
    whole, fit = here / "whole", module.fit
    assert main(["adapt", "noisy", "clean", "-o", str(whole), "--device", "cpu", *more]) == 0

    def stopped(recipe, *, folder, **options):
        limit = {"minutes": 0} if folder.name == "denoiser" else {}
        return fit(recipe, folder=folder, **options, **limit)

    monkeypatch.setattr(module, "fit", stopped)
    assert adapt(*more) == 130
    assert not (here / "mine" / "weights.safetensors").exists()
    assert "give the same line with --resume" in capsys.readouterr().out
    monkeypatch.setattr(module, "fit", fit)
    assert adapt("--resume", *more) == 0
    ours, theirs = (load(f"{folder}/weights.safetensors") for folder in ("mine", whole))
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, theirs.state_dict()[name])


def test_doubtful_piles_are_said_to_be(here, capsys):
    for file in list((here / "noisy").iterdir())[3:]:
        file.unlink()
    for file in (here / "noisy").iterdir():
        with Image.open(file) as opened:
            image = opened.convert("L").point(lambda v: 0 if v < 128 else 255)
        image.save(file)
    assert adapt() == 0
    said = capsys.readouterr().out
    assert "The noisy pile has 3 pictures" in said
    assert "Of the noisy values 100% are black or white" in said
    assert "The noisy pile is grey and the other is not" in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["adapt", "nowhere", "clean", "-o", "mine"], "nowhere is not a folder"),
        (
            ["adapt", "noisy", "clean", "-o", "mine", "--minutes", "0"],
            "minutes: expected a positive",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_made(here, capsys, line, said):
    assert main(line) == 1
    assert said in capsys.readouterr().err
    assert not (here / "mine").exists()


def test_one_picture_is_no_pile(here, capsys):
    for file in list((here / "noisy").iterdir())[1:]:
        file.unlink()
    assert adapt() == 1
    assert "noisy: expected two pictures or more, found 1" in capsys.readouterr().err
    assert not (here / "mine").exists()


def test_a_grey_stack_of_16_bits_and_a_burst_are_adapted_to(here, capsys):
    generator = torch.Generator().manual_seed(2)
    for number, file in enumerate(sorted((here / "noisy").iterdir())):
        x = 0.01 + 0.04 * read(here / "clean" / file.name)[:, :1]
        file.unlink()
        (here / "clean" / file.name).unlink()
        y = (x + 0.003 * torch.randn(x.shape, generator=generator)).clamp(0, 1)
        write(here / "noisy" / f"{number:03d}.tif", y, bits=16)
        write(here / "clean" / f"{number:03d}.tif", x, bits=16)
    still = read(here / "clean" / "000.tif")
    (here / "burst").mkdir()
    for number in range(4):
        y = (still + 0.003 * torch.randn(still.shape, generator=generator)).clamp(0, 1)
        write(here / "burst" / f"{number}.tif", y, bits=16)
    assert adapt("--burst", "burst") == 0
    assert "split-half of the burst, restored: " in capsys.readouterr().out
    report = (here / "mine" / "report.html").read_text("utf-8")
    assert "grey, deep, values 0.0" in report and "split-half of the burst" in report
    model = load("mine/weights.safetensors")
    assert model.restorer.in_channels == 1 and model.config.levels[1] < 0.1
    line = ["restore", "noisy/000.tif", "-o", "out", "--model", "mine", "--device", "cpu"]
    assert main(line) == 0
    restored = read(here / "out" / "000_restored.png")
    assert restored.shape == still.shape and 0 < restored.mean() < 0.1


def test_without_a_clean_pile_the_book_s_photographs_are_taken(here, monkeypatch):
    module = importlib.import_module("vbl.training.adapt")
    monkeypatch.setattr(module, "training_set", lambda names: open_folder(here / "clean"))
    assert main(["adapt", "noisy", "-o", "mine", "--device", "cpu"]) == 0
    assert (here / "mine" / "weights.safetensors").is_file()
