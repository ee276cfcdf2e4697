"""Comparisons of trainings, drawn."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_rgb

from vbl.figures import PALETTE, show_seeds


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def _dots(ax):
    return [tuple(map(float, xy)) for c in ax.collections for xy in c.get_offsets()]


def test_a_row_for_each_way_and_a_dot_for_each_seed(ax):
    show_seeds(ax, {"one": [1.0, 2.0, 3.0], "two": [5.0]}, xlabel="PSNR (dB)", zero=True)
    assert sorted(x for x, _ in _dots(ax)) == [1, 2, 3, 5]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "two"]
    means = {float(x) for line in ax.lines for x in line.get_xdata()}
    assert {2.0, 5.0, 0.0} <= means  # of the rows, and the line of no difference
    assert ax.get_xlabel() == "PSNR (dB)" and ax.get_legend() is None


def test_labels_have_colours_and_stand_side_by_side(ax):
    values = {"one": {"a": [1.0, 2.0], "b": [3.0]}, "two": {"a": [4.0]}}
    show_seeds(ax, values, xlabel="x", colours=PALETTE[1:])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    found = {tuple(c.get_facecolor()[0][:3]) for c in ax.collections if len(c.get_offsets())}
    assert found == {to_rgb(PALETTE[1]), to_rgb(PALETTE[2])}
    heights = dict(_dots(ax))
    assert heights[1.0] == heights[2.0] != heights[3.0]


def test_nothing_to_draw_is_an_error(ax):
    with pytest.raises(ValueError, match="at least one number"):
        show_seeds(ax, {"one": []}, xlabel="x")
