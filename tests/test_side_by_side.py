"""Side by side: every system gets every damage or says why not; what is left tells of the noise."""

import json

import pytest
import torch
from PIL import Image
from vbl_side_by_side import matrix, plain_table, table

from vbl.degradations import Degraded, awgn, correlated
from vbl.evaluation import load_result
from vbl.evaluation.side_by_side import (
    DAMAGES,
    NoRoad,
    Travelled,
    block_rms,
    damaged,
    inferred,
    left_over,
    scored,
    travelled,
)
from vbl.figures import heat_map, plots
from vbl.images import photo
from vbl.models import Restoration
from vbl.restoration import find_method
from vbl.utils import DATA, UnknownName

SHEETS = DATA.parent / "book" / "_ext" / "assets" / "side-by-side"
CPU = torch.device("cpu")


def scene(side=64):
    return photo("chelsea")[..., 60 : 60 + side, 130 : 130 + side]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damage_is_the_same_for_the_same_number_and_another_for_another(damage):
    first, again, other = (damaged(damage, scene(), n).y for n in (0, 0, 1))
    assert torch.equal(first, again)
    assert damage == "JPEG" or not torch.equal(first, other)


def test_an_unknown_damage_is_refused_with_the_known_ones():
    with pytest.raises(UnknownName, match="white"):
        damaged("whyte", scene())


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("system", ["tv", "least-squares", "virnet-denoise", "vbdeblur-natural"])
def test_a_system_that_keeps_the_size_gives_pictures_of_the_clean_size(system, damage):
    pair = damaged(damage, scene())
    with torch.inference_mode():
        made = travelled(find_method(system, CPU), pair)
    assert made.restored.image.shape == pair.x.shape
    assert made.explained.shape == pair.y.shape
    by_itself = damage != "reduced" or system == "least-squares"
    assert (made.detour == "") == by_itself


@pytest.mark.parametrize("system", ["virnet-sr-x4", "virnet-sr-x2"])
def test_a_system_that_enlarges_gets_reduced_pictures_alone(system):
    method = find_method(system, CPU)
    with pytest.raises(NoRoad, match="enlarges by"):
        travelled(method, damaged("white", scene()))
    with torch.inference_mode():
        made = travelled(method, damaged("reduced", scene()))
    assert made.restored.image.shape[-1] == 64


def test_a_system_for_grey_pictures_refuses_colour():
    with pytest.raises(NoRoad, match="grey"):
        travelled(find_method("vdir-jpeg", CPU), damaged("JPEG", scene()))


@pytest.mark.parametrize(("degrade", "alike"), [(awgn, 0.0), (correlated, 2 / 3)])
def test_what_a_perfect_explanation_leaves_is_the_noise(degrade, alike):
    pair = degrade(scene(256).expand(4, -1, -1, -1), generator=torch.Generator().manual_seed(0))
    std = torch.full((1, 1, 1, 1), 25 / 255)
    signs = left_over(pair.y, Travelled(Restoration(pair.x, std), pair.x))
    assert signs["ratio"] == pytest.approx(1, abs=0.01)
    assert signs["left"] == pytest.approx(25, abs=0.3)
    assert signs["alike"] == pytest.approx(alike, abs=0.01)


def test_a_map_that_is_right_correlates_and_its_level_is_the_true_one():
    pair = damaged("varying", scene(192))
    made = Travelled(Restoration(pair.x, pair.noise_var.sqrt()), pair.x)
    found = inferred(pair, made)
    assert found["map"] == pytest.approx(1, abs=1e-4)
    assert found["level"] == pytest.approx(found["true_level"])


def test_without_a_blur_the_true_kernel_is_a_point():
    kernel = torch.zeros(1, 1, 5, 5)
    kernel[..., 2, 2] = 1
    made = Travelled(Restoration(scene(), kernel=kernel), scene())
    assert inferred(damaged("white", scene()), made)["kernel"] == pytest.approx(1)


def test_after_a_blur_a_shift_by_a_pixel_costs_nothing():
    pair = damaged("shaken", scene(128))
    assert scored(pair, pair.x.roll(1, -1))["psnr"] > 40
    assert scored(Degraded(pair.y, pair.x), pair.x.roll(1, -1))["psnr"] < 40


def test_blocks_are_measured_apart():
    noise = torch.zeros(1, 3, 32, 32)
    noise[..., 16:, :] = 0.5
    assert block_rms(noise)[0, 0].tolist() == [[0, 0], [0.5, 0.5]]


def test_every_cell_of_the_result_has_numbers_or_a_reason():
    result = load_result("side-by-side")
    systems = dict.fromkeys(row["system"] for row in result["cells"])
    assert len(result["cells"]) == len(systems) * len(DAMAGES)
    for row in result["cells"]:
        whole = {"photographs", "pages"} <= row.keys()
        assert whole != bool(row.get("missing")), json.dumps(row)
    assert any(row["made_for"] for row in result["cells"])


def test_a_heat_map_writes_numbers_and_leaves_empty_cells_empty():
    plots.use_style()
    values = {"a": {"x": 1.25, "y": None}, "b": {"y": -2.0}}
    figure = heat_map(values, label="gain (dB)", limit=2, marked=[("a", "x")])
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["-2.0", "1.2"]
    with pytest.raises(ValueError, match="row"):
        heat_map({}, label="", limit=1)


def test_the_table_has_a_row_for_each_system_and_reasons_for_empty_cells():
    damages, systems = matrix()
    page = table(damages, systems)
    assert page.count('<th scope="row">') == len(systems)
    assert "enlarges by 4" in page
    best = next(system for system in systems if system["system"] == "virnet-denoise")
    gain = best["cells"]["white"]["photographs"]["gain"]
    assert f'<td class="vbl-home">{gain:+.1f}</td>' in page


def test_every_cell_of_the_table_has_a_picture():
    damages, systems = matrix()
    rows = -(-(len(systems) + 2) // 6)
    for kind in ("photographs", "pages"):
        for damage in damages:
            with Image.open(SHEETS / f"{kind}-{damage}.webp") as sheet:
                assert sheet.size == (6 * 96, rows * 96)


def test_notebooks_have_the_table_as_text():
    damages, systems = matrix()
    lines = plain_table(damages, systems).splitlines()
    assert len(lines) == len(systems) + 4
    assert all(line.count("|") == len(damages) + 2 for line in lines[2:])
    assert any(" / " in line for line in lines)
