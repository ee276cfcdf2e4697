"""The bound: divergences, the best noise variance, tighter bounds, quieter gradients."""

import math
from collections.abc import Callable, Iterator
from functools import cache

import torch
from torch import Tensor
from torch.distributions import Gamma, Poisson

from vbl.evaluation.exercises.material import seeded
from vbl.evaluation.exercises.question import Choice, Design, Question
from vbl.models.on_off import OnOffModel
from vbl.probability import kl_inverse_gamma, rsample_inverse_gamma
from vbl.probability.distributions import inverse_gamma_log_prob

RATIOS = 1 + torch.tensor([1e-5, -1e-4, 1e-3, -1e-2, 0.1, 1.0, -0.9, 50.0])


def _number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def _kl(alpha: float, beta: float = 0.013, xi: float = 0.01, sign: int = -1) -> float:
    r = xi / beta
    return alpha * (r - 1 + sign * math.log(r))


def _best_mode(xi: float, residuals: Tensor, p: int) -> Tensor:
    a = p**2 / 2
    total = torch.as_tensor(residuals).sum()
    return ((a - 1) * xi + (a - 1) / (2 * a) * total) / (a - 1 + len(residuals) / 2)


def _with_alpha0(xi: float, residuals: Tensor, p: int) -> Tensor:
    a = p**2 / 2
    return (a * xi + residuals.sum() / 2) / (a + len(residuals) / 2)


def _pixels() -> Iterator[tuple[float, Tensor, int]]:
    for p in (3, 7):
        yield 0.01, torch.tensor([0.02, 0.09, 0.005]).double(), p


@cache
def _log_weights() -> Tensor:
    """log p(3, x) - log q(x) of a million draws x of q = Gamma(4, 12)."""
    generator = seeded()
    scale = _number(4).expand(1000, 1000)
    x = rsample_inverse_gamma(scale, _number(12), generator=generator).reciprocal()
    prior, q = Gamma(_number(2), _number(4)), Gamma(_number(4), _number(12))
    return prior.log_prob(x) + Poisson(20 * x).log_prob(_number(3)) - q.log_prob(x)


def _bounds(average: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Means over all groups of K draws, for the four K of the exercise."""
    return torch.stack([average(_log_weights().view(-1, k), k).mean() for k in (1, 10, 100, 1000)])


@cache
def _scores() -> tuple[Tensor, Tensor]:
    """f and the score of ten thousand draws, as in the experiment with three gradients."""
    shape, scale = _number(23.5), _number(0.25).expand(10_000).clone().requires_grad_()
    generator = seeded()
    v = rsample_inverse_gamma(shape, scale, generator=generator).detach()
    (score,) = torch.autograd.grad(inverse_gamma_log_prob(v, shape, scale).sum(), scale)
    return -0.5 * (math.log(2 * math.pi) + v.log() + 0.12**2 / v), score


def _noise_left(baseline: Callable[[Tensor, Tensor], Tensor | float]) -> Tensor:
    """Standard deviation of the score function's estimate over that without a baseline."""
    f, s = _scores()
    return ((f - baseline(f, s)) * s).std() / (f * s).std()


@cache
def _mean_field_gap(with_origin: bool) -> float:
    """Nats between the evidence and the best q(x) q(w), with or without q(n) beside them."""
    sky = OnOffModel(y=12, u=4)
    q_x, q_w = sky.start()
    for _ in range(50):
        q_x, q_w = sky.update(q_x, q_w)
    if with_origin:
        return (sky.log_evidence() - sky.bound(q_x, q_w).total).item()
    x, w, area = sky.grid(100)
    start = [v.log() for q in (q_x, q_w) for v in (q.concentration, q.rate)]
    logs = torch.stack(start).requires_grad_()
    optimiser = torch.optim.LBFGS([logs], max_iter=60, line_search_fn="strong_wolfe")

    def minus_bound() -> Tensor:
        optimiser.zero_grad()
        a_x, b_x, a_w, b_w = logs.exp()
        log_q = Gamma(a_x, b_x).log_prob(x) + Gamma(a_w, b_w).log_prob(w)
        loss = -(area * log_q.exp() * (sky.log_joint(x, w) - log_q)).sum()
        loss.backward()
        return loss

    optimiser.step(minus_bound)
    return (sky.log_evidence() + minus_bound().detach()).item()


def _inaccurate(excess: Callable[[Tensor], Tensor]) -> Tensor:
    """1 where the relative error of r - 1 - log r is above a ten-thousandth, else 0."""
    u = RATIOS.double() - 1
    exact = u - u.log1p()
    found = torch.as_tensor(excess(RATIOS.clone())).double()
    return ((found - exact).abs() > 1e-4 * exact).double()


def excess_in_single(r: Tensor) -> Tensor:
    """r - 1 - log r in single precision: a series near r = 1, the formula elsewhere."""
    u = r - 1
    near = u**2 * (1 / 2 - u * (1 / 3 - u * (1 / 4 - u * (1 / 5 - u / 6))))
    return torch.where(u.abs() < 0.05, near, u - u.log1p())


QUESTIONS = {
    "ex-touch.3": Choice(
        "whether the bound can touch with the prior's rate",
        "no",
        {"yes": "The posterior has the rate b + P, and is the only q that touches."},
    ),
    "ex-direction": Question(
        "the variance of the q that KL(p‖q) chooses",
        lambda: 1 + 3**2,
        {
            "if the humps' own width is left out": lambda: 3**2,
            "for KL(q‖p), which settles on one hump": lambda: 1,
            "if the standard deviation is given for the variance": lambda: math.sqrt(10),
        },
    ),
    "ex-window": Question(
        "the mode over ξ for p = 7 and a prior flat in log v",
        lambda: 49 / (49 + 2),
        {
            "for a prior flat in v": lambda: 1.0,
            "if the mean is taken for the mode": lambda: 49 / (49 - 2),
        },
        tolerance=0.005,
    ),
    "ex-kl-ig": Question(
        "the divergence in nats",
        lambda: kl_inverse_gamma(23.5, 24.5 * 0.013, 23.5, 24.5 * 0.01),
        {
            "with α₀ where the shape α₀ - 1 belongs": lambda: _kl(24.5),
            "if q and p change places": lambda: _kl(23.5, 0.01, 0.013),
            "with the wrong sign of the logarithm": lambda: _kl(23.5, sign=1),
        },
    ),
    "ex-beta": Question(
        "a function of ξ, a tensor of C squared residuals and p, which returns β*",
        _best_mode,
        {
            "with α₀ where α₀ - 1 belongs": _with_alpha0,
            "with the mean of the residuals where their sum belongs": lambda xi, r, p: _best_mode(
                xi, r / len(r), p
            ),
            "if the likelihood is counted once in the denominator": lambda xi, r, p: (
                _best_mode(xi, r, p) * (p**2 / 2 - 1 + len(r) / 2) / (p**2 / 2 - 1 / 2)
            ),
        },
        tries=_pixels,
        tolerance=0.002,
    ),
    "ex-importance": Question(
        "the four estimates in nats, for K = 1, 10, 100, 1000",
        lambda: _bounds(lambda log_w, k: log_w.logsumexp(1) - math.log(k)),
        {
            "if the logarithms are averaged and not the weights": lambda: _bounds(
                lambda log_w, k: log_w.mean(1)
            ),
            "with the sum of the weights where their mean belongs": lambda: _bounds(
                lambda log_w, k: log_w.logsumexp(1)
            ),
            "with the weights upside down, q over p": lambda: _bounds(
                lambda log_w, k: (-log_w).logsumexp(1) - math.log(k)
            ),
        },
        tolerance=0.005,
    ),
    "ex-baseline": Question(
        "the standard deviation with your baseline over that without",
        lambda: _noise_left(lambda f, s: (f * s**2).mean() / (s**2).mean()),
        {
            "with the mean of f as the baseline": lambda: _noise_left(lambda f, s: f.mean()),
            "if a baseline changes nothing": lambda: 1.0,
        },
        tolerance=0.05,
    ),
    "ex-narrow.2": Question(
        "the best mean field's standard deviation over the true one, for ρ = -0.43",
        lambda: math.sqrt(1 - 0.43**2),
        {
            "if the variances' ratio is given": lambda: 1 - 0.43**2,
            "with ρ where ρ² belongs": lambda: math.sqrt(1 - 0.43),
        },
    ),
    "ex-narrow.3": Question(
        "the gap in nats that is left without q(n)",
        lambda: _mean_field_gap(False),
        {
            "with q(n) still in the product": lambda: _mean_field_gap(True),
            "with the bound minus the evidence": lambda: -_mean_field_gap(False),
        },
        tolerance=0.03,
    ),
    "ex-single": Design(
        "a function of a tensor r in single precision, which returns r - 1 - log r",
        _inaccurate,
        lambda failed: failed == 0,
        excess_in_single,
        {
            "if r - 1 and log r are subtracted, which are nearly equal; log1p of r - 1 is no "
            "better": lambda r: r - 1 - r.log(),
            "with the first term of the series alone": lambda r: (r - 1) ** 2 / 2,
            "with a series alone, which holds near r = 1 only": lambda r: (
                (r - 1) ** 2 / 2 - (r - 1) ** 3 / 3
            ),
        },
    ),
}
