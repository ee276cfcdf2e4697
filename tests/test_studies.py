"""The studies of benchmarks/: every variation can be trained, and every row that is kept is one."""

import sys
from pathlib import Path

import pytest

from vbl.evaluation import load_result

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))

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
