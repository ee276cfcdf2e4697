"""Calibration on distributions that are right, too wide and too narrow; the conformal promise."""

import math

import pytest
import torch
from probability import seeded
from scipy import stats

from vbl.evaluation import (
    LEVELS,
    conformal_quantile,
    coverage,
    log_score,
    pit,
    pit_histogram,
    sharpness,
    summary,
)

NORMAL, WIDE, NARROW = stats.norm(0, 1), stats.norm(0, 2), stats.norm(0, 0.5)


def truths(n=40_000):
    return torch.randn(n, generator=seeded(0), dtype=torch.float64)


def test_a_right_gaussian_covers_what_it_says():
    found = coverage(pit(NORMAL, truths()))
    torch.testing.assert_close(found, torch.tensor(LEVELS).double(), atol=0.012, rtol=0)


@pytest.mark.parametrize(("q", "ratio"), [(WIDE, 2.0), (NARROW, 0.5)])
def test_a_gaussian_of_the_wrong_width_covers_what_its_quantile_allows(q, ratio):
    levels = torch.tensor(LEVELS).double()
    z = torch.from_numpy(stats.norm.ppf((1 + levels.numpy()) / 2))
    expected = torch.from_numpy(stats.norm.cdf((ratio * z).numpy())) * 2 - 1
    torch.testing.assert_close(coverage(pit(q, truths())), expected, atol=0.012, rtol=0)


def test_the_histogram_is_flat_high_in_the_middle_and_high_at_the_ends():
    flat, hump, valley = (pit_histogram(pit(q, truths()), 10) for q in (NORMAL, WIDE, NARROW))
    assert flat.sum() == pytest.approx(1)
    torch.testing.assert_close(flat, torch.full((10,), 0.1).double(), atol=0.01, rtol=0)
    assert hump[4:6].sum() > 0.3
    assert hump[[0, -1]].sum() < 0.05
    assert valley[[0, -1]].sum() > 0.4


def test_sharpness_is_the_width_of_the_interval():
    assert sharpness(NORMAL) == pytest.approx(2 * 1.6448536, rel=1e-6)
    assert sharpness(WIDE, 0.5) == pytest.approx(4 * 0.6744898, rel=1e-6)


def test_the_log_score_of_a_gaussian_is_its_closed_form_and_highest_for_the_truth():
    x = truths()
    expected = -0.5 * math.log(2 * math.pi) - 0.5 * x.square().mean().item()
    assert log_score(NORMAL, x) == pytest.approx(expected)
    assert log_score(NORMAL, x) > max(log_score(WIDE, x), log_score(NARROW, x))


def test_parameters_may_be_arrays():
    means = torch.tensor([0.0, 5.0]).numpy()
    assert pit(stats.norm(means, 1), torch.tensor([0.0, 5.0])).tolist() == [0.5, 0.5]


def test_the_quantile_is_the_smallest_that_the_promise_allows():
    scores = torch.arange(1.0, 10)  # nine scores: the ⌈10 · 0.9⌉ = 9th, the ⌈10 · 0.5⌉ = 5th
    assert conformal_quantile(scores, 0.9) == 9
    assert conformal_quantile(scores, 0.5) == 5
    assert conformal_quantile(scores, 0.91) == math.inf


def test_the_promise_is_kept_and_is_not_exceeded_by_more_than_one_in_n_plus_one():
    n, level, runs = 19, 0.8, 20_000
    scores = torch.rand(runs, n + 1, generator=seeded(1)).square()
    held = [row[n] <= conformal_quantile(row[:n], level) for row in scores]
    share, error = torch.stack(held).double().mean().item(), (level * (1 - level) / runs) ** 0.5
    assert level - 4 * error <= share <= level + 1 / (n + 1) + 4 * error


def test_pixels_of_one_picture_count_as_one_group():
    n, m, level, runs = 20, 30, 0.8, 4000
    generator = seeded(2)
    own = torch.rand(runs, n + 1, 1, generator=generator) * 3  # the scale of each picture
    scores = own * torch.rand(runs, n + 1, m, generator=generator)
    held = [(row[n] <= conformal_quantile(row[:n], level)).double().mean() for row in scores]
    held = torch.stack(held)
    assert held.mean() >= level - 4 * held.std() / runs**0.5
    assert held.mean() <= level + 0.1
    # one that takes all pixels for independent promises less than it says
    naive = [(row[n] <= row[:n].flatten().quantile(level)).double().mean() for row in scores]
    assert torch.stack(naive).mean() < held.mean()


def test_a_summary_says_everything():
    found = summary(WIDE, truths())
    assert found["values"] == 40_000
    assert list(found["coverage"]) == [f"{level:g}" for level in LEVELS]
    assert len(found["pit"]) == 20
    assert found["off"] == pytest.approx(0.32, abs=0.02)


@pytest.mark.parametrize("level", [0.0, 1.0, 90])
def test_levels_are_probabilities(level):
    with pytest.raises(ValueError, match="level: expected a probability"):
        conformal_quantile(torch.ones(3), level)
    with pytest.raises(ValueError, match="level: expected a probability"):
        coverage(torch.rand(5), [level])
    with pytest.raises(ValueError, match="level: expected a probability"):
        sharpness(NORMAL, level)


def test_no_scores_no_promise():
    with pytest.raises(ValueError, match="expected one or more"):
        conformal_quantile(torch.ones(0), 0.9)
