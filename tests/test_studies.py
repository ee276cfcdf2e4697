"""The studies of benchmarks/: every variation can be trained, and every row that is kept is one."""

import sys
from pathlib import Path

import pytest
import torch

from vbl import recipes
from vbl.evaluation import load_result
from vbl.recipes.lud_vae import LUD_VAE_SMALL
from vbl.utils import seeded

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))

from blind_spots import SHARE, hidden  # noqa: E402
from lud_vae_studies import translated_small  # noqa: E402
from pareto import SIZES, variation  # noqa: E402
from studies import STUDIES  # noqa: E402

VARIATIONS = [(study, name) for study, (rows, _) in STUDIES.items() for name in rows]


@pytest.mark.parametrize("study, name", VARIATIONS)
def test_a_variation_has_a_model(study, name):
    variation = STUDIES[study][0][name]
    assert list(variation.recipe.model(variation.preset.config).parameters())


@pytest.mark.parametrize("study", STUDIES)
def test_every_row_of_a_study_can_be_computed_again(study):
    try:
        rows = load_result(f"study-{study}")["rows"]
    except FileNotFoundError:
        pytest.skip("not computed yet")
    assert {row["variation"] for row in rows} <= STUDIES[study][0].keys()
    assert len({(row["variation"], row["seed"]) for row in rows}) == len(rows)


@pytest.mark.parametrize("name", SIZES)
def test_a_candidate_has_the_size_it_is_called_by_and_takes_any_picture(name):
    candidate = variation(name, 1)
    model = candidate.recipe.model(candidate.preset.config)
    millions = sum(weights.numel() for weights in model.parameters()) / 1e6
    assert millions == pytest.approx(float(name.split()[-2]), rel=0.2)
    assert model.mean(torch.rand(1, 3, 21, 34)).shape == (1, 3, 21, 34)


def test_small_images_are_translated_after_they_are_reduced(monkeypatch):
    model = LUD_VAE_SMALL.model(LUD_VAE_SMALL.presets["quick"].config)
    monkeypatch.setattr(recipes.lud_vae, "translator", lambda name, device: model)
    x = torch.rand(2, 3, 64, 64, generator=seeded("cpu", "small"))
    pair = translated_small(x, by="any", generator=seeded("cpu", "small"))
    assert torch.equal(pair.x, x) and pair.y.shape == (2, 3, 16, 16) and pair.scale == 4


def test_hidden_pixels_have_the_values_of_neighbours_and_the_others_are_as_they_were():
    y = torch.arange(4096.0).view(1, 1, 64, 64).expand(2, 3, -1, -1)  # no two alike
    seen, spots = hidden(y, generator=seeded("cpu", "hidden"))
    inside = (..., slice(2, -2), slice(2, -2))  # at the border neighbours are reflected
    changed = (seen != y)[inside]
    assert torch.equal(changed, spots.bool().expand_as(y)[inside])
    assert spots.mean().item() == pytest.approx(SHARE, rel=0.2)
    off = (seen - y).abs()[inside][changed]  # rows and columns away: 64 and 1 each
    assert ((off + 2) // 64 <= 2).all() and ((off + 2) % 64 <= 4).all()
