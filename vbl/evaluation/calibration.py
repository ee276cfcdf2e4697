"""Calibration: does what a distribution claims agree with how often it is true?

A distribution is anything with ``cdf(x)``, ``ppf(p)`` (its inverse) and ``logpdf(x)`` for arrays,
such as the frozen ones of `scipy.stats`, whose parameters may be arrays: one entry for each value
that is judged. All functions take and return NumPy arrays or tensors of any shape as flat float64
tensors, on the CPU.
"""

import math
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

LEVELS = tuple(round(0.05 * i, 2) for i in range(1, 20))  # 0.05, 0.1 ... 0.95


@runtime_checkable
class Distribution(Protocol):
    """A frozen distribution of `scipy.stats`, or what looks like one."""

    def cdf(self, x: Any) -> Any: ...
    def ppf(self, p: Any) -> Any: ...
    def logpdf(self, x: Any) -> Any: ...


def pit(q: Distribution, truth: Any) -> Float[Tensor, " n"]:
    """The probability integral transform, q's probability of a value below the truth.

    :eq:`eq-pit`. Uniform between 0 and 1 over many cases if q is calibrated
    :cite:p:`gneiting2007calibration`.
    """
    return _flat(q.cdf(_array(truth)))


def pit_histogram(u: Float[Tensor, " n"], bins: int = 20) -> Float[Tensor, " bins"]:
    """The share of the transforms in each of some equal bins; 1/bins everywhere if calibrated.

    High at both ends: too sure. High in the middle: too wide. Leaning: biased.
    """
    counts = torch.histc(_flat(u), bins, min=0.0, max=1.0)
    return counts / counts.sum()


def coverage(u: Float[Tensor, " n"], levels: Sequence[float] = LEVELS) -> Float[Tensor, " levels"]:
    """How many truths lie in the middle interval of each probability, :eq:`eq-coverage`.

    Args:
        u: The transforms of `pit`. The truth lies in the interval between the quantiles
            (1 - level)/2 and (1 + level)/2 exactly if abs(2u - 1) <= level.
        levels: Nominal probabilities, between 0 and 1.

    Raises:
        ValueError: If a level is not between 0 and 1.
    """
    for level in levels:
        _check_level(level)
    off_centre = (2 * _flat(u) - 1).abs()
    return torch.stack([(off_centre <= level).double().mean() for level in levels])


def sharpness(q: Distribution, level: float = 0.9) -> float:
    """The mean width of q's middle interval of probability `level`, in the unit of the value.

    Says nothing alone: of two *calibrated* distributions the sharper one knows more.

    Raises:
        ValueError: If the level is not between 0 and 1.
    """
    _check_level(level)
    low, high = (q.ppf((1 + sign * level) / 2) for sign in (-1, 1))
    return (_flat(high) - _flat(low)).mean().item()


def log_score(q: Distribution, truth: Any) -> float:
    """The mean log-density of the truth, nats per value; higher is better, :eq:`eq-log-score`.

    A proper score: on average nobody beats the true distribution :cite:p:`gneiting2007scoring`.
    """
    return _flat(q.logpdf(_array(truth))).mean().item()


def conformal_quantile(scores: Float[Tensor, "n *m"], level: float) -> float:
    """The bound that a new score does not exceed, with at least this probability.

    The ⌈(n + 1) level⌉-th smallest of n scores, :eq:`eq-conformal`; infinite where n is too small
    to promise so much. The promise needs nothing but that the n and the new one are exchangeable
    :cite:p:`vovk2005algorithmic`. For m scores in each of n groups (pixels of pictures) the groups
    have to be exchangeable, and the promise is about a score drawn at random from a new group
    :cite:p:`lee2023hierarchical`: at least n level (n + 1)/n of all n m scores lie below.

    Args:
        scores: Errors of the predictions, one for each picture (n,) or some (n, m).
        level: The probability.

    Raises:
        ValueError: If the level is not between 0 and 1, or there are no scores.
    """
    _check_level(level)
    values = torch.as_tensor(scores)
    if values.numel() == 0:
        raise ValueError("scores: expected one or more, got none")
    n, total = len(values), values.numel()
    rank = math.ceil(total * level * (n + 1) / n - 1e-9)
    if rank > total:
        return math.inf
    return values.flatten().double().kthvalue(rank).values.item()


def summary(q: Distribution, truth: Any, levels: Sequence[float] = LEVELS) -> dict[str, Any]:
    """Everything above about one distribution and many truths, as numbers for a result.

    Returns:
        ``values`` (how many), ``coverage`` by level, ``pit`` (20 bins), ``sharpness``,
        ``log_score`` and ``off``, the largest distance between coverage and level.
    """
    u = pit(q, truth)
    found = coverage(u, levels)
    return {
        "values": u.numel(),
        "coverage": {
            f"{level:g}": share for level, share in zip(levels, found.tolist(), strict=True)
        },
        "pit": pit_histogram(u).tolist(),
        "sharpness": sharpness(q),
        "log_score": log_score(q, truth),
        "off": max(abs(a - b) for a, b in zip(found.tolist(), levels, strict=True)),
    }


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level: expected a probability between 0 and 1, got {level}")


def _array(values: Any) -> np.ndarray:
    """Float64 values as SciPy takes them, of the shape of q's parameters."""
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=np.float64)


def _flat(values: Any) -> Tensor:
    return torch.as_tensor(_array(values)).flatten()
