"""What a checked equation is, and the independent sums and draws it is checked against."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from scipy import stats
from torch import Tensor

QUADRATURE = "quadrature"
MONTE_CARLO = "Monte Carlo"
FINITE_DIFFERENCES = "finite differences"
AUTOGRAD = "autograd"
ALGEBRA = "algebra"
MINIMISATION = "minimisation"
LIMIT = "limit"
PATHWISE = "80,000 draws"

FIVE_STANDARD_ERRORS = 5.0


@dataclass(frozen=True)
class Equation:
    """A numbered equation, the code that computes it, and a check of that code.

    Attributes:
        paper: One of `equations.PAPERS`.
        number: As printed, or "–" where nothing is printed.
        name: What the equation is about, in a few words.
        statement: TeX in the notation of the book, without a vertical bar (use ``\\mid``).
        functions: The functions of `vbl` that compute it; none where `vbl` has none yet.
        check: Returns the largest error found: relative to the reference for exact methods, in
            standard errors for Monte Carlo.
        how: The method of the check.
        tolerance: What the error must stay below.
        label: Label of the equation in the book, if a chapter derives it.
        erratum: Anchor on the errata page, if the paper prints something else.
    """

    paper: str
    number: str
    name: str
    statement: str
    functions: tuple[Callable, ...]
    check: Callable[[], float]
    how: str
    tolerance: float = 1e-9
    label: str | None = None
    erratum: str | None = None


def real(*values) -> Tensor:
    """Numbers as a float64 tensor: the checks measure formulas, not rounding."""
    return torch.tensor(values, dtype=torch.float64)


def seeded(seed: int = 0) -> torch.Generator:
    """A source of randomness of the check's own."""
    return torch.Generator().manual_seed(seed)


def relative(value, reference) -> float:
    """The largest distance from the reference, as a fraction of it."""
    value, reference = (torch.as_tensor(v, dtype=torch.float64) for v in (value, reference))
    return ((value - reference).abs() / reference.abs()).max().item()


def worst(errors: Iterator[float]) -> float:
    """The largest error; one that is not a number counts as infinite."""
    return max(np.inf if np.isnan(error) else error for error in errors)


@cache
def _legendre(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(n)


class Quadrature:
    """Nodes x and weights w with Σ w f(x) = ∫ p(x) f(x) dx, p evaluated without our own code.

    Attributes:
        x: Nodes, (n,), float64.
        w: Weights, (n,), float64.
    """

    def __init__(self, x: np.ndarray, w: np.ndarray):
        self.x, self.w = torch.as_tensor(x), torch.as_tensor(w)

    @classmethod
    def over(cls, log_density: Callable, low: float, high: float, n: int = 800) -> "Quadrature":
        """Gauss-Legendre between two ends."""
        nodes, weights = _legendre(n)
        x = low + (high - low) * (nodes + 1) / 2
        return cls(x, weights * (high - low) / 2 * np.exp(log_density(x)))

    @classmethod
    def normal(cls, mean: float, var: float, n: int = 60) -> "Quadrature":
        """Gauss-Hermite: exact for polynomials."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(n)
        return cls(mean + np.sqrt(var) * nodes, weights / weights.sum())

    @classmethod
    def inverse_gamma(cls, shape: float, scale: float) -> "Quadrature":
        """Gauss-Legendre in t = log x, where the density is smooth and decays fast."""
        low, high = (
            np.log(stats.gamma.ppf(1e-40, shape)),
            np.log(stats.gamma.isf(1e-25, shape)),
        )
        inner = cls.over(lambda t: stats.gamma.logpdf(np.exp(t), shape) + t, low, high)
        return cls(scale * np.exp(-inner.x.numpy()), inner.w.numpy())

    def mean(self, f: Callable[[Tensor], Tensor]) -> float:
        """E f(x)."""
        return (self.w * f(self.x)).sum().item()


def log_normal(x, mean, var) -> Tensor:
    """log N(x; mean, var), by SciPy."""
    x, mean, var = (np.asarray(v) for v in (x, mean, var))
    return torch.as_tensor(stats.norm.logpdf(x, mean, np.sqrt(var)))


def log_inverse_gamma(x, shape, scale) -> Tensor:
    """log IG(x | shape, scale), by SciPy."""
    return torch.as_tensor(stats.invgamma.logpdf(np.asarray(x), shape, scale=scale))


def standard_errors(chunks: Iterator[Tensor], reference) -> float:
    """How many standard errors the mean of all rows (n, ...) of the chunks is off, at most."""
    n, total, square = 0, 0.0, 0.0
    reference = torch.as_tensor(reference, dtype=torch.float64)
    for chunk in chunks:
        off = chunk.detach().double() - reference  # centred: the squares do not cancel
        n, total, square = n + len(off), total + off.sum(0), square + (off**2).sum(0)
    mean = total / n
    error = ((square / n - mean**2) / n).sqrt()
    return (mean.abs() / error).max().item()
