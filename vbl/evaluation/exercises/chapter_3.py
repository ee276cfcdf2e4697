"""Noise inference: votes, the window and what it is worth, priors of two strengths, a map."""

import math
from collections.abc import Callable, Iterator
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from vbl.degradations import local_variance, noniid
from vbl.evaluation.exercises.material import cat, seeded
from vbl.evaluation.exercises.question import Design, Question
from vbl.images import photo
from vbl.probability import expected_log_normal

LEVEL, WINDOW = 25 / 255, 7
FILTERS = [(3.0, 1), (3.0, 3), (1.4, 1), (1.4, 3)]  # width in pixels, colours
SECOND_DIFFERENCES = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6  # of norm 1


def _plugged_in(variance: float) -> float:
    """The log density of a residual of 0.1 at one variance."""
    return -0.5 * (math.log(2 * math.pi * variance) + 0.1**2 / variance)


def _gaussian(side: int, std: float) -> Tensor:
    t = torch.arange(side).double() - side // 2
    row = torch.exp(-(t**2) / (2 * std**2))
    return torch.outer(row, row)


def _fluctuations(spread: Callable[[Tensor, int], Tensor]) -> Tensor:
    """One number for each filter, from its weights and its number of colours."""
    weights = [_gaussian(WINDOW, std) for std, _ in FILTERS]
    colours = [c for _, c in FILTERS]
    return torch.stack([spread(w / w.sum(), c) for w, c in zip(weights, colours, strict=True)])


def _modes(mode: Callable[[float, float, float], float]) -> list[float]:
    """Standard deviations of 255 for the three strengths, from a, ξ and the squared residual."""
    return [255 * math.sqrt(mode(a, LEVEL**2, (75 / 255) ** 2)) for a in (1.0, 5.0, 23.5)]


def _allowed(share: float) -> float:
    """The eps0² at which the noisy picture has this share of the votes."""
    return share * LEVEL**2 / (1 - share)


def _windows() -> Iterator[tuple[Tensor, Tensor, int, float]]:
    generator = seeded()
    y, x = torch.rand(2, 1, 3, 20, 24, generator=generator)
    yield y, x, 7, 3.0
    yield y, x, 5, 1.4


def window_variance(y: Tensor, x: Tensor, p: int, std: float) -> Tensor:
    """ξ for each colour where the window fits."""
    inside = slice(p // 2, -(p // 2))
    return local_variance(y, x, p, std, shared=False)[..., inside, inside]


def _filtered(values: Tensor, weights: Tensor) -> Tensor:
    return F.conv2d(values.transpose(0, 1), weights[None, None].to(values)).transpose(0, 1)


@cache
def _unevenly_noisy() -> list[tuple[Tensor, Tensor]]:
    scenes = [cat(), photo("flower")[..., :256, :256]]
    generators = [seeded(case) for case in (1, 2, 3) for _ in scenes]
    pairs = [(x, case) for case in (1, 2, 3) for x in scenes]
    noisy = [noniid(x, case=c, generator=g) for (x, c), g in zip(pairs, generators, strict=True)]
    return [(pair.y, pair.noise_var.sqrt()) for pair in noisy]


def _map_errors(infer: Callable[[Tensor], Tensor]) -> list[float]:
    """Root mean squared relative error of the map, for each picture."""
    return [
        ((torch.as_tensor(infer(y.clone())) / std - 1).square().mean().sqrt()).item()
        for y, std in _unevenly_noisy()
    ]


def _smoothed(values: Tensor, std: float) -> Tensor:
    """Filter (1, 1, h, w) by a Gaussian, along the rows and then along the columns."""
    r = int(3 * std)
    row = _gaussian(2 * r + 1, std)[r, None] / _gaussian(2 * r + 1, std)[r].sum()
    padded = F.pad(values, (r, r, r, r), mode="reflect")
    return _filtered(_filtered(padded, row), row.mT)


def smooth_map(y: Tensor, std: float = 6.0, picture: bool = False) -> Tensor:
    """Root of the smoothed square of second differences, one map (1, 1, h, w) for all colours."""
    detail = _filtered(F.pad(y, (1, 1, 1, 1), mode="reflect"), SECOND_DIFFERENCES)
    values = y - y.mean((-2, -1), keepdim=True) if picture else detail
    return _smoothed(values.square().mean(1, keepdim=True), std).sqrt()


QUESTIONS = {
    "ex-vote": Question(
        "the weight of y in μ",
        lambda: LEVEL**-2 / (1e6 + LEVEL**-2),
        {
            "with standard deviations in place of variances": lambda: 1e-3 / (1e-3 + LEVEL),
            "for the weight of x": lambda: 1e6 / (1e6 + LEVEL**-2),
            "with a noise of 25, not 25/255": lambda: 25**-2 / (1e6 + 25**-2),
        },
    ),
    "ex-vdn-likelihood": Question(
        "the expected log-likelihood for α = 5, β = 0.06, y - μ = 0.1, m = 0",
        lambda: expected_log_normal(0.1, 0.0, 0.0, 5.0, 0.06),
        {
            "with the mode of the variance put in": lambda: _plugged_in(0.06 / 6),
            "with α/β put in as the precision, and log(β/α) as the logarithm": lambda: _plugged_in(
                0.06 / 5
            ),
            "with the mean of the variance put in": lambda: _plugged_in(0.06 / 4),
        },
        tolerance=0.003,
    ),
    "ex-xi.2": Question(
        "the four relative standard deviations: 3 pixels with one and three colours, then 1.4",
        lambda: _fluctuations(lambda w, c: (2 * w.square().sum() / c).sqrt()),
        {
            "without the 2 of the variance of a square": lambda: _fluctuations(
                lambda w, c: (w.square().sum() / c).sqrt()
            ),
            "if the colours divide the standard deviation and not the variance": lambda: (
                _fluctuations(lambda w, c: (2 * w.square().sum()).sqrt() / c)
            ),
            "if all weights of the window are equal": lambda: _fluctuations(
                lambda w, c: (2 / w.new_tensor(w.numel() * c)).sqrt()
            ),
            "if variances are given for standard deviations": lambda: _fluctuations(
                lambda w, c: 2 * w.square().sum() / c
            ),
        },
    ),
    "ex-strength": Question(
        "the three levels, of 255, for a = 1, 5, 23.5",
        lambda: _modes(lambda a, xi, r: ((a + 1) * xi + r / 2) / (a + 1.5)),
        {
            "if the pixel does not add its half to the shape": lambda: _modes(
                lambda a, xi, r: ((a + 1) * xi + r / 2) / (a + 1)
            ),
            "if the pixel's square counts whole and not half": lambda: _modes(
                lambda a, xi, r: ((a + 1) * xi + r) / (a + 1.5)
            ),
            "with β/α, which is not the mode": lambda: _modes(
                lambda a, xi, r: ((a + 1) * xi + r / 2) / (a + 0.5)
            ),
        },
        tolerance=0.005,
    ),
    "ex-large-eps": Question(
        "the eps0² at which a tenth of a decibel is lost",
        lambda: _allowed(math.sqrt(1e-3 * (10**0.01 - 1) / (LEVEL**2 - 1e-3))),
        {
            "if the error grows with the vote and not with its square": lambda: _allowed(
                1e-3 * (10**0.01 - 1) / (LEVEL**2 - 1e-3)
            ),
            "if a tenth of a decibel is a tenth of the squared error": lambda: _allowed(
                math.sqrt(1e-3 * 0.1 / (LEVEL**2 - 1e-3))
            ),
            "if the vote itself is given": lambda: math.sqrt(
                1e-3 * (10**0.01 - 1) / (LEVEL**2 - 1e-3)
            ),
        },
        tolerance=0.04,
    ),
    "ex-measure": Question(
        "a function of y, x (1, 3, h, w), p and the filter's width, which returns ξ for each "
        "colour where the window fits, (1, 3, h - p + 1, w - p + 1)",
        window_variance,
        {
            "if the differences are averaged first and squared then": lambda y, x, p, s: _filtered(
                y - x, _gaussian(p, s) / _gaussian(p, s).sum()
            ).square(),
            "with weights that do not sum to one": lambda y, x, p, s: _filtered(
                (y - x).square(), _gaussian(p, s)
            ),
            "with equal weights": lambda y, x, p, s: F.avg_pool2d((y - x).square(), p, 1),
            "with the filter's width taken for its variance": lambda y, x, p, s: window_variance(
                y, x, p, s**0.5
            ),
        },
        tries=_windows,
        tolerance=1e-3,
    ),
    "ex-map": Design(
        "a function of a noisy image (1, 3, h, w) that returns a map of the noise's standard "
        "deviation, (1, 1, h, w)",
        _map_errors,
        lambda errors: torch.as_tensor(errors) < 0.085,
        smooth_map,
        {
            "if the picture's own variation counts as noise": lambda y: smooth_map(y, picture=True),
            "with a window of few pixels, which fluctuates": lambda y: smooth_map(y, 2.0),
            "with one level for the whole picture": lambda y: (
                smooth_map(y).square().mean().sqrt().expand(1, 1, *y.shape[-2:])
            ),
            "if variances are returned for standard deviations": lambda y: smooth_map(y).square(),
        },
    ),
}
