"""Training as long as suits the machine, and the scores beside the run's."""

import json
import sys
from dataclasses import replace

import pytest
import tiny_runs
import torch
import vbl_tables

from vbl.models import checkpoints
from vbl.training import Run, fit, scores_beside, train_here
from vbl.utils import DATA, UnknownName

here = sys.modules["vbl.training.here"]


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """Recipes of any name are tiny, and their training pictures a few; cwd is an empty folder."""
    short, long = tiny_runs.preset(steps=3), tiny_runs.preset(steps=6)
    monkeypatch.setattr(
        here,
        "find_recipe",
        lambda name: replace(
            tiny_runs.TINY, name=name, presets={"quick": short, "gpu": long}, data=("free",)
        ),
    )
    few = tiny_runs.pictures(tmp_path / "pictures")
    monkeypatch.setattr(
        here, "fit", lambda recipe, **options: fit(recipe, **options | {"data": few})
    )
    monkeypatch.setattr(here, "STATIC_STEPS", 2)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_on_a_cpu_the_run_is_quick_and_kept(tiny, monkeypatch):
    monkeypatch.setenv("VBL_STATIC", "")
    first = train_here("vdn-denoise", device="cpu", minutes=0)
    assert not first.finished and first.folder.name == "vdn-denoise-quick"
    run = train_here("vdn-denoise", device="cpu")
    assert run.finished and run.history[-1]["step"] == 3
    assert (tiny / "runs" / "vdn-denoise-quick" / "weights.safetensors").is_file()


def test_on_a_gpu_the_preset_is_for_a_gpu(tiny, monkeypatch):
    monkeypatch.setenv("VBL_STATIC", "")
    asked, stopped = {}, Run(tiny, torch.nn.Identity(), [], False)
    monkeypatch.setattr(here, "fit", lambda recipe, **options: asked.update(options) or stopped)
    monkeypatch.setattr(here, "find_device", lambda device: torch.device("cuda"))
    train_here("vdn-denoise")
    assert asked["preset"] == "gpu" and asked["resume"]
    assert asked["folder"].as_posix() == "runs/vdn-denoise-gpu"


def test_while_pages_are_made_it_is_short_and_not_kept(tiny, monkeypatch):
    monkeypatch.setenv("VBL_STATIC", "1")
    run = train_here("vdn-denoise")
    assert run.finished and run.history[-1]["step"] == 2
    assert not any(tiny.iterdir())


def test_the_scores_stand_beside_those_that_ship_and_the_papers(tiny, monkeypatch):
    monkeypatch.setenv("VBL_STATIC", "1")
    run = train_here("virnet-denoise")
    monkeypatch.setenv("VBL_STATIC", "")
    scores = [{**score, "psnr": 20.25} for score in checkpoints.index()["virnet-denoise"]["scores"]]
    monkeypatch.setattr(here, "measure", lambda model, recipe: scores[:1])
    lines = scores_beside(run, "virnet-denoise").splitlines()
    assert lines[1].split()[-3:] == ["20.25", f"{_shipped(0):.2f}", "34.27"]  # VIRNet's Table 2
    assert lines[2].split()[-2:] == [f"{_shipped(1):.2f}", "31.65"]
    assert len(lines) == len(scores) + 2
    assert lines[-1].startswith("held-out crops")


def _shipped(number: int) -> float:
    return checkpoints.index()["virnet-denoise"]["scores"][number]["psnr"]


def test_a_recipe_that_is_not_there_is_refused():
    with pytest.raises(UnknownName, match="virnet-denoise"):
        train_here("virnet-denoize")


@pytest.mark.parametrize("chapter, recipe", vbl_tables.TRAINED.items())
def test_a_chapter_names_its_network_and_device_once(chapter, recipe):
    cells = json.loads((DATA.parent / "book" / f"{chapter}.ipynb").read_text("utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert code.count("device = find_device()") == code.count("NETWORK = ") == 1
    assert f'NETWORK = "{recipe}"' in code and code.count("load(NETWORK, device=device)") == 1
    told = f"write its file, `runs/{recipe}-gpu/weights.safetensors`, after `NETWORK`"
    assert any(told in "".join(cell["source"]) for cell in cells)
