"""The page for teachers: counted reading times, and the numbers of the exam."""

import re
from pathlib import Path

import pytest
import torch
from torch.distributions import InverseGamma, Normal, kl_divergence
from vbl_sections import sections

from vbl.probability import kl_normal


def _cell(kind, text, **metadata):
    return {"cell_type": kind, "source": [text], "metadata": metadata}


def test_the_minutes_of_a_section_count_words_equations_figures_and_visible_code():
    words = " ".join(["word"] * 240)
    chapter = {
        "cells": [
            _cell("markdown", f"# Title\n\n{words}\n\n## First\n\n{words}\n\n$$\nx\n$$\n"),
            _cell("code", "\n".join(["a = 1"] * 20), mystnb={"figure": {"name": "fig-a"}}),
            _cell("code", "\n".join(["a = 1"] * 20), tags=["hide-input"]),
            _cell("code", "\n".join(["a = 1"] * 20), tags=["remove-cell"]),
            _cell("markdown", f"## Exercises\n\n{words}"),
        ]
    }
    (opening, a), (first, b) = sections(chapter)
    assert (opening, first) == ("Opening", "First")
    assert a == pytest.approx(242 / 120)
    assert b == pytest.approx(243 / 120 + 1 + 2 + 1)  # words and $$ x $$, equation, code, figure


def test_the_exam_says_what_each_exercise_takes_and_gives_a_point_a_minute():
    page = (Path(__file__).parent.parent / "book" / "teaching.md").read_text("utf-8")
    exercises = re.findall(
        r"{exercise}.*\((\d+) points\)\n:label: exam-.*\n{effort}`[123], (\d+), pencil`", page
    )
    assert len(exercises) == page.count(":label: exam-")
    assert all(points == minutes for points, minutes in exercises)
    assert sum(int(minutes) for _, minutes in exercises) == 90


def test_a_chapter_of_parts_is_counted_by_their_sections():
    text = "# Title\n\n## Part one: a\n\n### First\n\nWords\n\n#### Deeper\n\nmore"
    after = "## Part two: b\n\n### Second\n\nwords\n\n## Whole\n\n### Not counted\n\nwords"
    chapter = {"cells": [_cell("markdown", text), _cell("markdown", after)]}
    titles = [title for title, _ in sections(chapter)]
    assert titles == ["Opening", "First", "Second", "Whole"]


def test_the_answers_of_the_exam():
    pixel = torch.tensor([10.0, 11, 9, 10, 12, 10, 11, 9, 80])
    assert (pixel.mean(), pixel.median(), pixel[:8].mean()) == (18, 10, 10.25)
    evidence = Normal(0.0, 2**0.5).log_prob(torch.tensor(2.0)).item()
    gap = kl_divergence(Normal(1.0, 1.0), Normal(1.0, 0.5**0.5)).item()
    assert evidence == pytest.approx(-2.2655, abs=1e-4) and gap == pytest.approx(0.1534, abs=1e-4)
    assert evidence - gap == pytest.approx(-2.4189, abs=1e-4)
    grid = torch.linspace(1e-3, 0.05, 100_001, dtype=torch.float64)
    modes = [
        grid[
            InverseGamma(torch.tensor(a).double(), torch.tensor(b).double()).log_prob(grid).argmax()
        ]
        for a, b in ((23.5, 0.245), (24.0, 0.29))
    ]
    assert modes == pytest.approx([0.01, 0.0116], abs=1e-6)
    assert pytest.approx(1.04e-4, rel=1e-2) == 1e-6 / (1e-6 + (25 / 255) ** 2)
    width = (torch.tensor([0.04, 0.96]) * 20_000).double()
    std = torch.distributions.Beta(*width).stddev
    assert std.item() == pytest.approx(0.0014, abs=2e-5)
    std = torch.distributions.Beta(*(width * 195 / 20_000)).stddev
    assert std.item() == pytest.approx(0.014, rel=1e-3)
    assert kl_normal(0.3, 1e-6, 0.2, 1e-6) == pytest.approx((0.3 - 0.2) ** 2 / 2e-6)
