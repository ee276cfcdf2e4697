"""What the chapters say of two trainings is what their seeds allow to be said.

`book/claims.toml` has the sentences and the studies; CONTRIBUTING.md the rule.
"""

import re
import statistics
import tomllib

import pytest
from test_plain_numbers import BOOK, texts

from vbl.evaluation import load_result

CLAIMS = tomllib.loads((BOOK / "claims.toml").read_text("utf-8"))["claim"]
FEW = {1: r"one training|one seed", 2: r"two seeds|two trainings"}


def runs(study, variation, score):
    """Return the scores of a variation by seed, and after how many steps."""
    rows = [row for row in load_result(study)["rows"] if row["variation"] == variation]
    steps = {row["steps"] for row in rows}
    assert len(steps) == 1, f"{study}, {variation!r}: one number of steps is expected, not {steps}"
    return {row["seed"]: row["scores"][score] for row in rows}, steps


def differences(claim, score):
    """Return the differences of a claim's two sides, seed by seed."""
    a, steps = runs(claim["study"], claim["a"], score)
    b, steps_b = runs(claim["study"], claim.get("b", claim["a"]), claim.get("score_b", score))
    assert steps == steps_b, f"trained for {steps} and {steps_b} steps"
    return [a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())]


def relation(found, margin=0.0):
    """Return what may be said of differences: "above", "below", "level" or "few".

    A difference counts if it is larger than two standard errors of its mean, and than the margin.
    """
    if len(found) < 3:
        return "few"
    mean = statistics.fmean(found)
    error = statistics.stdev(found) / len(found) ** 0.5
    if abs(mean) <= max(2 * error, margin):
        return "level"
    return "above" if mean > 0 else "below"


def allowed(says, found, margin, sentence):
    """Whether the differences allow a claim; of few seeds the sentence says how many."""
    what = relation(found, margin)
    if says == "few" or what == "few":
        return says == what and bool(re.search(FEW[len(found)], sentence))
    return what in {"not above": ("below", "level")}.get(says, (says,))


def name(claim):
    """Return what a claim is called in the list of tests."""
    return f"{claim['page']}: {claim['a']} {claim['says']} {claim.get('b', 'with another code')}"


@pytest.mark.parametrize("claim", CLAIMS, ids=name)
def test_a_claim(claim):
    (path,) = BOOK.glob(f"{claim['page']}.*")
    assert claim["sentence"] in "\n".join(texts(path).values()), "the page says it otherwise"
    for score in claim["scores"]:
        found, margin = differences(claim, score), claim.get("margin", 0.0)
        said = f"{score!r}: {found} allow {relation(found, margin)!r}, said is {claim['says']!r}"
        assert allowed(claim["says"], found, margin, claim["sentence"]), said


@pytest.mark.parametrize(
    ("says", "found", "margin", "sentence", "right"),
    [
        ("above", [0.3, 0.2, 0.25], 0, "A is better", True),
        ("above", [0.3, -0.2, 0.1], 0, "A is better", False),
        ("above", [0.3, 0.2], 0, "A is better", False),
        ("above", [0.03, 0.02, 0.025], 0.05, "A is better", False),
        ("below", [-0.3, -0.2, -0.25], 0, "A is worse", True),
        ("below", [0.3, 0.2, 0.25], 0, "A is worse", False),
        ("level", [0.3, -0.2, 0.1], 0, "A and B are level", True),
        ("level", [0.3, 0.2, 0.25], 0, "A and B are level", False),
        ("level", [0.03, 0.02, 0.025], 0.05, "A and B are level", True),
        ("not above", [-0.3, -0.2, -0.25], 0, "A is no better", True),
        ("not above", [0.3, 0.2, 0.25], 0, "A is no better", False),
        ("few", [0.3], 0, "A is better in one training", True),
        ("few", [0.3], 0, "A is better", False),
        ("few", [0.3, 0.2], 0, "A is better in one training", False),
        ("few", [0.3, 0.2, 0.25], 0, "A is better in one training", False),
    ],
)
def test_the_rule(says, found, margin, sentence, right):
    assert allowed(says, found, margin, sentence) == right
