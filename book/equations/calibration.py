"""Calibration, against closed forms, counted ranks and sums over a picture's pixels."""

import itertools
import math

import numpy as np
import torch
from scipy import stats

from equations.equation import ALGEBRA, QUADRATURE, Equation, real, relative, seeded, worst
from vbl.evaluation.calibration import conformal_quantile, coverage, log_score, pit
from vbl.restoration.error_scale import ErrorScale

MIDDLES = (np.arange(200_000) + 0.5) / 200_000  # probabilities of equally likely truths


def transform() -> float:
    """The moments 1/(n + 1) of a uniform variable, for truths from q itself."""
    families = (stats.norm(1, 2), stats.invgamma(23.5, scale=0.3), stats.beta(2, 60))
    u = torch.stack([pit(q, q.ppf(MIDDLES)) for q in families])
    return worst(relative((u**n).mean(1), torch.full((3,), 1 / (n + 1))) for n in (1, 2, 3))


def middle_intervals() -> float:
    """What a Gaussian of the wrong width covers: 2 Φ(r z) - 1."""
    levels = (0.2, 0.5, 0.9)

    def error(ratio):
        found = coverage(pit(stats.norm(0, ratio), stats.norm.ppf(MIDDLES)), levels)
        z = ratio * stats.norm.ppf((1 + np.array(levels)) / 2)
        return relative(found, 2 * stats.norm.cdf(z) - 1)

    return worst(error(ratio) for ratio in (0.3, 1.0, 2.0))


def proper() -> float:
    """E log q is the negative entropy minus the divergence, of Gaussians in closed form."""
    truth, q = stats.norm(0.2, 1.5), stats.norm(0.5, 1.1)
    kl = math.log(1.1 / 1.5) + (1.5**2 + 0.3**2) / (2 * 1.1**2) - 0.5
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    counts = np.round(1e6 * weights / weights.sum()).astype(int)
    values = np.repeat(0.2 + 1.5 * nodes, counts)
    return relative(log_score(q, values), -truth.entropy() - kl)


def promise() -> float:
    """How often the last of n + 1 scores in any order is at most the bound of the others."""
    scores = torch.tensor([1.0, 1.01, 1.02, 1.03, 1.04, 1.05])

    def error(level):
        held = [
            row[-1] <= conformal_quantile(torch.stack(row[:-1]), level)
            for row in itertools.permutations(scores)
        ]
        return relative(torch.stack(held).double().mean(), math.ceil(6 * level) / 6)

    return worst(error(level) for level in (0.3, 0.5, 0.8))


def scale() -> float:
    """s at one pixel, its local mean and local square summed pixel by pixel."""
    image = torch.rand(1, 3, 41, 41, generator=seeded(), dtype=torch.float64)
    x, mid = image[0].numpy(), 20

    def weights(radius, std):
        t = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * std**2))
        return np.outer(t, t) / t.sum() ** 2

    def off(i, j):
        return x[:, i, j] - (weights(6, 2.0) * x[:, i - 6 : i + 7, j - 6 : j + 7]).sum((1, 2))

    places = range(mid - 3, mid + 4)
    square = np.array([[(off(i, j) ** 2).mean() for j in places] for i in places])
    detail = (weights(3, 1.4) * square).sum() ** 0.5
    ours = ErrorScale(0.3, 0.6, 0.4)(image, real(0.1).view(1, 1, 1, 1))[0, 0, mid, mid]
    return relative(ours, 0.3 * 0.1**0.6 * detail**0.4)


def _book(name, statement, function, check, how, tolerance, label) -> Equation:
    return Equation("book", "–", name, statement, (function,), check, how, tolerance, label)


EQUATIONS = (
    _book(
        "the probability integral transform",
        r"u = \int_{-\infty}^{x} q(t)\, \mathrm{d}t \sim \Uniform(0, 1)"
        r"\; \text{ for } x \sim q",
        pit,
        transform,
        QUADRATURE,
        1e-4,
        "eq-pit",
    ),
    _book(
        "coverage",
        r"c(p) = \Pr\bigl( 2 \lvert u - \tfrac12 \rvert \le p \bigr)",
        coverage,
        middle_intervals,
        QUADRATURE,
        1e-4,
        "eq-coverage",
    ),
    _book(
        "the log score",
        r"\E_p \log q = \E_p \log p - \KL{p}{q}",
        log_score,
        proper,
        QUADRATURE,
        1e-4,
        "eq-log-score",
    ),
    _book(
        "the conformal promise",
        r"\Pr(e_{n+1} \le e_{(k)}) = \tfrac{k}{n + 1}, \quad k = \lceil (n + 1)\, p \rceil",
        conformal_quantile,
        promise,
        ALGEBRA,
        1e-9,
        "eq-conformal",
    ),
    _book(
        "the scale of a restoration's error",
        r"s_i = c\, \sigma_i^{a}\, d_i^{\,b}",
        ErrorScale.__call__,
        scale,
        ALGEBRA,
        1e-6,
        "eq-error-scale",
    ),
)
