"""What the boxes of costs say of a GPU before one has been measured."""

import json
import re

import pytest
import torch
import vbl_tables

from vbl.recipes import RECIPES
from vbl.utils import DATA


@pytest.mark.parametrize("chapter", vbl_tables.TRAINED)
def test_the_estimate_is_that_of_the_recipe_which_the_chapter_trains(chapter):
    recipe = vbl_tables.TRAINED[chapter]
    notebook = (DATA.parent / "book" / f"{chapter}.ipynb").read_text("utf-8")
    assert f'train_here(\\"{recipe}\\"' in notebook
    said = re.findall(
        r"about (\d+) min and (\d+) GB .* (\d+) PFLOP", vbl_tables.gpu_estimate(chapter)
    )
    minutes, gigabytes, pflop = map(int, said[0])
    rows = json.loads(vbl_tables.FLOPS.read_text("utf-8"))["rows"]
    (row,) = [r for r in rows if r["recipe"] == recipe and r["preset"] == "gpu"]
    assert row["steps"] == RECIPES[recipe].presets["gpu"].steps
    assert pflop == pytest.approx(row["steps"] * row["tflop_per_step"] / 1000, rel=0.02)
    assert minutes == pytest.approx(pflop * 1000 / (0.3 * 300) / 60, abs=1)
    assert gigabytes == round(row["memory_gb"]) > 0


def test_chapters_without_a_training_have_no_estimate():
    assert vbl_tables.gpu_estimate("02-the-bound") is None


def test_memory_is_the_most_that_tensors_take_at_a_time(monkeypatch):
    monkeypatch.syspath_prepend(DATA.parent / "benchmarks")
    import measuring

    with measuring.PeakTensors() as memory:
        x = torch.zeros(1000)
        y = x.view(10, 100) + 1  # of which one is a view
        del x
        y = y * 2
        del y
        torch.zeros(1500)
    assert memory.peak == 8000
