"""The files of examples/: each runs, briefly, and does what it says."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vbl.evaluation import psnr
from vbl.images import photo, write
from vbl.recipes import find_recipe
from vbl.training import fit

EXAMPLES = Path(__file__).parents[1] / "examples"
FILES = sorted(EXAMPLES.glob("*.py"))
LONGEST = 80


@pytest.fixture
def example(monkeypatch, tmp_path):
    """Import a file of examples/, in an empty folder."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.chdir(tmp_path)
    yield importlib.import_module
    for file in FILES:
        sys.modules.pop(file.stem, None)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_fits_on_a_screen_and_is_shown_on_the_page(file):
    assert len(file.read_text("utf-8").splitlines()) <= LONGEST
    page = EXAMPLES.parent / "book" / "your-own-experiment.md"
    assert f"../examples/{file.name}" in page.read_text("utf-8")


def test_a_new_degradation_can_be_trained_on(example):
    before, after = example("new_degradation").main(steps=40)
    assert after > before


def test_pairs_of_a_folder_can_be_trained_on(example, tmp_path):
    generator = torch.Generator().manual_seed(0)
    folder = tmp_path / "pairs"
    folder.mkdir()
    for name in ("china", "coffee", "flower"):
        clean = photo(name)[..., :64, :64]
        noisy = (clean + 0.1 * torch.randn(clean.shape, generator=generator)).clamp(0, 1)
        write(folder / f"{name}_noisy.png", noisy)
        write(folder / f"{name}_clean.png", clean)
    assert example("own_pairs").main(folder, steps=20) > 20


def test_a_new_network_can_be_trained_and_loaded_again(example):
    before, after = example("new_network").main(steps=40)
    assert after > before


def test_the_bound_of_the_new_model_meets_its_evidence_and_its_gap_is_the_divergence(example):
    assert max(example("check_model").check()) < 1e-6


def test_the_check_notices_a_bound_that_is_wrong(example, monkeypatch):
    model, check = example("new_model"), example("check_model")
    kl = model.kl_normal
    monkeypatch.setattr(model, "kl_normal", lambda *arguments: 1.05 * kl(*arguments))
    assert max(check.check()) > 1e-3


def test_the_new_model_learns_to_infer_bands(example, tmp_path):
    model, banded = example("new_model"), example("new_degradation").banded
    recipe = replace(
        find_recipe("resunet"), name="rows", model=model.Bands, degrade=banded, validate=banded
    )
    options = {"steps": 60, "batch": 8, "size": 32, "clip": {}, "config": model.Config()}
    preset = replace(recipe.presets["quick"], **options)
    run = fit(recipe, preset=preset, folder=tmp_path / "run", data="free", device="cpu")
    pair = banded(photo("chelsea"), generator=torch.Generator().manual_seed(1))
    restored = run.model.restore(pair.y).image
    assert psnr(restored, pair.x) > psnr(pair.y, pair.x) + 1
