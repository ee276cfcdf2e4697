"""The two toy models: posterior, evidence and bounds, against sums over the unknowns."""

import numpy as np
import torch
from scipy import stats
from torch.distributions import Gamma

from equations.equation import (
    FINITE_DIFFERENCES,
    QUADRATURE,
    Equation,
    Quadrature,
    real,
    relative,
    worst,
)
from vbl.models.on_off import Config as OnOffConfig
from vbl.models.on_off import OnOffModel
from vbl.models.photon import PhotonModel
from vbl.probability import Elbo

COUNTS = (0.0, 1.0, 7.0, 40.0)


def _pixel(y: float):
    return real(y).view(1, 1, 1, 1)


def _log_joint(model: PhotonModel, x: np.ndarray, y: float) -> np.ndarray:
    """log p(x, y) at brightness x, by SciPy."""
    c = model.config
    prior = stats.gamma.logpdf(x, c.prior_shape, scale=1 / c.prior_rate)
    return prior + stats.poisson.logpmf(y, c.photons * x)


def _joint(model: PhotonModel, y: float) -> Quadrature:
    """∫ p(x, y) ... dx as a sum, in t = log x."""
    return Quadrature.over(lambda t: _log_joint(model, np.exp(t), y) + t, -25.0, 4.0)


def evidence() -> float:
    """log p(y) is the logarithm of the sum of all weights."""
    model = PhotonModel()
    return worst(
        relative(model.log_evidence(_pixel(y)), _joint(model, y).w.sum().log()) for y in COUNTS
    )


def posterior() -> float:
    """The mean and the mean square of p(x | y)."""
    model = PhotonModel()

    def error(y):
        rule, exact = _joint(model, y), model.exact_posterior(_pixel(y))
        first, second = (rule.mean(lambda t, n=n: (n * t).exp()) for n in (1, 2))
        total = rule.w.sum()
        ours = real(exact.mean.item(), (exact.variance + exact.mean**2).item())
        return relative(ours, torch.stack([first / total, second / total]))

    return worst(error(y) for y in COUNTS)


def bound() -> float:
    """L of a posterior that is not the exact one, as E_q [log p(x, y) - log q(x)]."""
    model = PhotonModel()
    q = stats.gamma(5.0, scale=1 / 9.0)
    rule = Quadrature.over(lambda t: q.logpdf(np.exp(t)) + t, -12.0, 3.0)
    ours = Gamma(_pixel(5.0), _pixel(9.0))

    def error(y):
        def integrand(t):
            x = t.exp().numpy()
            return torch.as_tensor(_log_joint(model, x, y) - q.logpdf(x))

        return relative(model.bound(_pixel(y), ours).total, rule.mean(integrand))

    return worst(error(y) for y in COUNTS)


def jensen() -> float:
    """E_q[p(y, x) / q(x)] is p(y); the expectation of its logarithm is L, and not larger."""
    model, q = PhotonModel(), stats.gamma(5.0, scale=1 / 9.0)
    rule = Quadrature.over(lambda t: q.logpdf(np.exp(t)) + t, -25.0, 4.0)
    x = rule.x.exp().numpy()

    def error(y):
        log_ratio = torch.as_tensor(_log_joint(model, x, y) - q.logpdf(x))
        log_mean = np.log(rule.mean(lambda _: log_ratio.exp()))
        mean_log = rule.mean(lambda _: log_ratio)
        assert mean_log < log_mean
        elbo = model.bound(_pixel(y), Gamma(_pixel(5.0), _pixel(9.0))).total
        ours = real(model.log_evidence(_pixel(y)).item(), elbo.item())
        return relative(ours, real(log_mean, mean_log))

    return worst(error(y) for y in COUNTS[:3])


def bound_touches_the_evidence() -> float:
    model, y = PhotonModel(), real(*COUNTS).view(-1, 1, 1, 1)
    return relative(model.bound(y, model.exact_posterior(y)).total, model.log_evidence(y))


def gap() -> float:
    """log p(y) - L against KL(q || p(x | y)), summed over x."""
    model, q = PhotonModel(), stats.gamma(5.0, scale=1 / 9.0)
    c = model.config
    rule = Quadrature.over(lambda t: q.logpdf(np.exp(t)) + t, -12.0, 3.0)

    def error(y):
        p = stats.gamma(c.prior_shape + y, scale=1 / (c.prior_rate + c.photons))
        x = rule.x.exp().numpy()
        kl = rule.mean(lambda _: torch.as_tensor(q.logpdf(x) - p.logpdf(x)))
        ours = model.bound(_pixel(y), Gamma(_pixel(5.0), _pixel(9.0)))
        return relative(model.log_evidence(_pixel(y)) - ours.total, kl)

    return worst(error(y) for y in COUNTS)


def mean_field_bound() -> float:
    """The bound of a star and its sky, summed over x, w and the n of y photons it sent."""
    y, u, c = 6, 4, OnOffConfig()
    q_x, q_w = stats.gamma(4.0, scale=1 / 11.0), stats.gamma(6.0, scale=1 / 21.0)
    prior = stats.gamma(c.prior_shape, scale=1 / c.prior_rate)
    x, w = (Quadrature.over(lambda t, q=q: q.logpdf(np.exp(t)) + t, -14.0, 2.0) for q in (q_x, q_w))
    ratio = np.exp(x.mean(lambda t: t)), np.exp(w.mean(lambda t: t))
    q_n = stats.binom(y, ratio[0] / sum(ratio))
    of_x, of_w = (
        sum(rule.w * torch.as_tensor(prior.logpdf(rule.x.exp()) - q.logpdf(rule.x.exp())))
        for rule, q in ((x, q_x), (w, q_w))
    )

    def of_n(n):
        sent = x.mean(lambda t: torch.as_tensor(stats.poisson.logpmf(n, c.photons * t.exp())))
        rest = w.mean(lambda t: torch.as_tensor(stats.poisson.logpmf(y - n, c.photons * t.exp())))
        return q_n.pmf(n) * (sent + rest - q_n.logpmf(n))

    off = w.mean(lambda t: torch.as_tensor(stats.poisson.logpmf(u, c.photons * t.exp())))
    exact = of_x + of_w + off + sum(of_n(n) for n in range(y + 1))
    ours = OnOffModel(y, u).bound(Gamma(*real(4, 11)), Gamma(*real(6, 21)))
    return relative(ours.total, exact)


def best_factor() -> float:
    """Mean and mean square of the density exp E[log p(y, u, x, w, n)] of x."""
    y, u, c = 6, 4, OnOffConfig()
    q_x, q_w = Gamma(*real(4, 11)), Gamma(*real(6, 21))
    log_x, log_w = (q.concentration.digamma() - q.rate.log() for q in (q_x, q_w))
    q_n = stats.binom(y, torch.sigmoid(log_x - log_w).item())
    prior = stats.gamma(c.prior_shape, scale=1 / c.prior_rate)

    def log_best(t):
        x = np.exp(t)
        sent = sum(q_n.pmf(n) * stats.poisson.logpmf(n, c.photons * x) for n in range(y + 1))
        return prior.logpdf(x) + sent + t

    rule = Quadrature.over(log_best, -14.0, 2.0)
    first, second = (rule.mean(lambda t, n=n: (n * t).exp()) / rule.w.sum() for n in (1, 2))
    ours, _ = OnOffModel(y, u).update(q_x, q_w)
    square = ours.variance + ours.mean**2
    return relative(real(ours.mean.item(), square.item()), torch.stack([first, second]))


def coordinate_ascent() -> float:
    """Where the updates stand still, no step of 1e-4 in a parameter's logarithm climbs."""
    model = OnOffModel(6, 4)
    best = model.start()
    for _ in range(300):
        best = model.update(*best)
    at = torch.stack([p.log() for q in best for p in (q.concentration, q.rate)])

    def bound(logs):
        a, b, c, d = logs.exp()
        return model.bound(Gamma(a, b), Gamma(c, d)).total.item()

    steps = 1e-4 * torch.eye(4, dtype=torch.float64)
    return max(abs(bound(at + step) - bound(at - step)) / 2e-4 for step in steps)


def _book(
    name, statement, functions, check, tolerance=1e-9, label=None, how=QUADRATURE
) -> Equation:
    return Equation("book", "–", name, statement, functions, check, how, tolerance, label)


EQUATIONS = (
    _book(
        "photons: the posterior",
        r"p(x \mid y) = \GammaDist(a + y,\, b + P)",
        (PhotonModel.exact_posterior,),
        posterior,
        label="eq-photon-posterior",
    ),
    _book(
        "photons: the evidence",
        r"p(y) = \tfrac{\Gamma(a + y)}{\Gamma(a)\, y!}"
        r" \left(\tfrac{b}{b + P}\right)^a \left(\tfrac{P}{b + P}\right)^y",
        (PhotonModel.log_evidence,),
        evidence,
        label="eq-photon-evidence",
    ),
    _book(
        "photons: the bound",
        r"\ELBO = \E_q \log p(y \mid x) - \KL{q(x)}{p(x)}",
        (PhotonModel.bound,),
        bound,
        label="eq-photon-bound",
    ),
    _book(
        "the bound at the exact posterior",
        r"q = p(x \mid y) \;\Rightarrow\; \ELBO = \log p(y)",
        (PhotonModel.bound, PhotonModel.log_evidence, PhotonModel.exact_posterior),
        bound_touches_the_evidence,
        1e-10,
        label="eq-elbo",
    ),
    _book(
        "the gap",
        r"\log p(y) - \ELBO = \KL{q(x)}{p(x \mid y)}",
        (PhotonModel.bound, PhotonModel.log_evidence, Elbo),
        gap,
        label="eq-evidence-gap",
    ),
    _book(
        "the bound by Jensen's inequality",
        r"\log \E_q\bigl[\tfrac{p(y, x)}{q(x)}\bigr] = \log p(y) \ge"
        r" \E_q\bigl[\log \tfrac{p(y, x)}{q(x)}\bigr] = \ELBO(q)",
        (PhotonModel.bound, PhotonModel.log_evidence),
        jensen,
        label="eq-jensen-bound",
    ),
    _book(
        "star and sky: the best factor",
        r"q_j^* \propto \exp \E_{\text{others}}[\log p(y, u, x, w, n)]",
        (OnOffModel.update,),
        best_factor,
        label="eq-best-factor",
    ),
    _book(
        "star and sky: the bound",
        r"\ELBO = \E_q \log \tfrac{p(y, u, n, x, w)}{q(x)\, q(w)\, q(n)}, \quad"
        r" q(n) \text{ at its best}",
        (OnOffModel.bound,),
        mean_field_bound,
        label="eq-on-off-bound",
    ),
    _book(
        "star and sky: coordinate ascent",
        r"\begin{aligned}[t] q(x) &= \GammaDist(a + y \pi,\, b + P) \\"
        r" q(w) &= \GammaDist(a + y (1 - \pi) + u,\, b + 2P) \end{aligned}",
        (OnOffModel.update,),
        coordinate_ascent,
        1e-6,
        "eq-coordinate-ascent",
        FINITE_DIFFERENCES,
    ),
)
