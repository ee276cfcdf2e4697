"""VDIR: its bound on a discrete model and on a network's evidence, its losses as densities."""

import numpy as np
import torch
from scipy import optimize, stats

from equations.equation import (
    ALGEBRA,
    FINITE_DIFFERENCES,
    FIVE_STANDARD_ERRORS,
    MINIMISATION,
    MONTE_CARLO,
    QUADRATURE,
    Equation,
    Quadrature,
    log_normal,
    real,
    relative,
    seeded,
    standard_errors,
    worst,
)
from vbl.degradations import Degraded
from vbl.models.loss_weights import laplace_scales
from vbl.models.vdir import VDIR, Config
from vbl.probability import kl_normal


def table(*size: int, seed: int) -> torch.Tensor:
    """A random conditional distribution: sums to one over its first dimension."""
    return torch.rand(*size, generator=seeded(seed), dtype=torch.float64).softmax(0)


def kl(q: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """KL of two tables over their first dimension."""
    return (q * (q / p).log()).sum(0)


def bound_and_gap() -> float:
    """Every (x, y) of a model with 4 values of c, 3 of x and 5 of y."""
    p_c, q = table(4, seed=0), table(4, 5, seed=1)  # q(c | y)
    p_y, p_x = table(5, 4, seed=2), table(3, 5, 4, seed=3)  # p(y | c), p(x | y, c)
    joint = torch.einsum("c,yc,xyc->cxy", p_c, p_y, p_x)
    evidence = joint.sum(0)
    restore = torch.einsum("cy,xyc->xy", q, p_x.log())
    reconstruct = torch.einsum("cy,yc->y", q, p_y.log())
    prior, gap = kl(q, p_c[:, None]), kl(q[:, None, :], joint / evidence)
    return relative(restore + reconstruct - prior + gap, evidence.log())


def a_network_and_its_evidence() -> float:
    """With one number of code the evidence is a sum: L, drawn, and the gap reach it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        options = {"width": 4, "groups": 1, "blocks": 1}
        model = VDIR(Config(channels=1, code=1, known="nothing", width=4, options=options)).double()
    x, y = torch.rand(2, 1, 1, 4, 4, generator=seeded(), dtype=torch.float64)
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(2)  # so that the code matters
        q = model.posterior(y)
        c = torch.linspace(-9, 9, 6001, dtype=torch.float64)
        code, step = c.view(-1, 1, 1, 1), (c[1] - c[0]).item()
        scale = 0.01 * 16  # b = β n_x/n_c, of 16 values and one number
        error = (model.restored(y.expand(len(c), -1, -1, -1), code) - x).abs().sum((1, 2, 3))
        error = error + (model.degraded(code, (4, 4)).mean - y).abs().sum((1, 2, 3))
        joint = -error / scale - 32 * np.log(2 * scale) + log_normal(c, 0, 1)
        evidence = joint.logsumexp(0) + np.log(step)
        log_q = log_normal(c, q.mean.item(), q.var.item())
        gap = (log_q.exp() * (log_q - joint + evidence)).sum() * step
        many = Degraded(*(image.expand(20_000, -1, -1, -1) for image in (y, x)))
        draws = model.bound(many, model.posterior(many.y), generator=seeded(1)).total
    return standard_errors(iter([draws + gap]), evidence)


def l1_is_laplace() -> float:
    x, x_hat = torch.rand(2, 50, generator=seeded(), dtype=torch.float64)
    b = 0.12
    exact = stats.laplace.logpdf(x, x_hat, b).sum()
    return relative(-(x - x_hat).abs().sum() / b - len(x) * np.log(2 * b), exact)


def kl_to_the_standard_normal() -> float:
    """The sum over latents, against one quadrature for each."""
    mu, var = real(0.3, -1.2, 0.0, 2.0), real(0.5, 1.1, 0.02, 1.0)
    exact = sum(
        Quadrature.normal(m, v).mean(lambda c, m=m, v=v: log_normal(c, m, v) - log_normal(c, 0, 1))
        for m, v in zip(mu.tolist(), var.tolist(), strict=True)
    )
    formula = (var + mu**2 - 1 - var.log()).sum() / 2
    return max(relative(kl_normal(mu, var, 0.0, 1.0).sum(), exact), relative(formula, exact))


def best_discriminator() -> float:
    """The minimum of L_D over D(y), value by value, is D* = p/(p + p̂)."""
    p, p_hat = table(6, seed=4).tolist(), table(6, seed=5).tolist()

    def best(a, b):
        def loss(d):
            return -a * np.log(d) - b * np.log(1 - d)

        return optimize.minimize_scalar(loss, bounds=(0, 1), options={"xatol": 1e-12}).x

    return worst(relative(best(a, b), a / (a + b)) for a, b in zip(p, p_hat, strict=True))


def discriminator_loss_is_jensen_shannon() -> float:
    p, p_hat = table(6, seed=4), table(6, seed=5)
    d, middle = p / (p + p_hat), (p + p_hat) / 2
    js = (kl(p, middle) + kl(p_hat, middle)) / 2
    return relative(-(p * d.log()).sum() - (p_hat * (1 - d).log()).sum(), 2 * np.log(2) - 2 * js)


def generator_slope(loss, logits: torch.Tensor) -> torch.Tensor:
    """The derivative of a function of p̂ = softmax(logits), by central differences."""
    steps = 1e-5 * torch.eye(len(logits), dtype=torch.float64)
    up, down = (
        torch.stack([loss((logits + sign * step).softmax(0)) for step in steps]) for sign in (1, -1)
    )
    return (up - down) / 2e-5


def generator_loss() -> float:
    """With the best discriminator held fixed, -log D pulls along KL(p̂ || p) - 2 JS."""
    p, logits = table(6, seed=4), torch.randn(6, generator=seeded(5)).double()
    d = p / (p + logits.softmax(0))

    def kl_minus_two_js(p_hat):
        middle = (p + p_hat) / 2
        return kl(p_hat, p) - kl(p, middle) - kl(p_hat, middle)

    ours = generator_slope(lambda p_hat: -(p_hat * d.log()).sum(), logits)
    return relative(ours, generator_slope(kl_minus_two_js, logits))


def beta_is_a_laplace_scale() -> float:
    """A loss of means with β is a bound with Laplace densities, up to factor and constant."""

    def error(channels, scale, beta=0.01):
        n_y, n_c = channels * 64, 4 * 4  # an 8 x 8 picture, 4 x 2 x 2 numbers of code
        n_x, (b_x, b_y) = n_y * scale**2, laplace_scales(beta, channels=channels, scale=scale)

        def both(seed):
            generator = seeded(seed)
            x, x_hat = torch.rand(2, n_x, generator=generator, dtype=torch.float64)
            y, y_hat = torch.rand(2, n_y, generator=generator, dtype=torch.float64)
            mu, var = torch.rand(2, n_c, generator=generator, dtype=torch.float64)
            divergence = (var + mu**2 - 1 - var.log()) / 2
            loss = (x - x_hat).abs().mean() + (y - y_hat).abs().mean() + beta * divergence.mean()
            log_x, log_y = (
                stats.laplace.logpdf(*pair, b).sum()
                for pair, b in (((x, x_hat), b_x), ((y, y_hat), b_y))
            )
            return loss * n_c / beta, kl_normal(mu, var, 0.0, 1.0).sum() - log_x - log_y

        (loss, bound), (other_loss, other_bound) = both(0), both(1)
        return relative(loss - other_loss, bound - other_bound)  # the constant drops out

    return worst(error(*sizes) for sizes in ((3, 1), (1, 1), (3, 2), (3, 4)))


def _vdir(number, name, statement, functions, check, how, tolerance=1e-9, **links) -> Equation:
    return Equation("VDIR", number, name, statement, functions, check, how, tolerance, **links)


EQUATIONS = (
    _vdir(
        "8–11",
        "bound and gap of a pair",
        r"\begin{aligned}[t] \log p(\clean, \observed) ={}& \E_q \log p(\clean \mid \observed,"
        r" \restorecode) + \E_q \log p(\observed \mid \restorecode) \\"
        r" &- \KL{q}{p(\restorecode)} + \KL{q}{p(\restorecode \mid \clean, \observed)}"
        r" \end{aligned}",
        (),
        bound_and_gap,
        ALGEBRA,
        label="eq-vdir-gap",
    ),
    _vdir(
        "9",
        "the bound of a network",
        r"\begin{aligned}[t] \ELBO ={}& \E_q \log p(\clean \mid \observed, \restorecode)"
        r" + \E_q \log p(\observed \mid \restorecode) \\"
        r" &- \KL{q(\restorecode \mid \observed)}{p(\restorecode)} \end{aligned}",
        (VDIR.bound,),
        a_network_and_its_evidence,
        MONTE_CARLO,
        FIVE_STANDARD_ERRORS,
        label="eq-vdir-bound",
    ),
    _vdir(
        "14",
        "absolute error as a likelihood",
        r"\log \Laplace(\clean; \hat{\clean}, b) = -\tfrac1b \norm{\clean - \hat{\clean}}_1"
        r" - n \log 2b",
        (),
        l1_is_laplace,
        ALGEBRA,
    ),
    _vdir(
        "15",
        "divergence from the standard normal",
        r"\begin{aligned}[t] &\KL{\Normal(\mu, \operatorname{diag} \sigma^2)}"
        r"{\Normal(0, \mathbf{I})} \\ &= \tfrac12 \textstyle\sum_i"
        r" (\sigma_i^2 + \mu_i^2 - 1 - \log \sigma_i^2) \end{aligned}",
        (kl_normal,),
        kl_to_the_standard_normal,
        QUADRATURE,
        label="eq-kl-normal",
    ),
    _vdir(
        "16",
        "the best discriminator",
        r"D^* = \tfrac{p}{p + \hat p}",
        (),
        best_discriminator,
        MINIMISATION,
        1e-6,
    ),
    _vdir(
        "16",
        "its loss",
        r"L_{D^*} = 2 \log 2 - 2 \operatorname{JS}(p, \hat p)",
        (),
        discriminator_loss_is_jensen_shannon,
        ALGEBRA,
    ),
    _vdir(
        "17",
        "what the adversarial loss minimises",
        r"\nabla L_{\mathrm{adv}} = \nabla \left[ \KL{\hat p}{p}"
        r" - 2 \operatorname{JS}(p, \hat p) \right]",
        (),
        generator_loss,
        FINITE_DIFFERENCES,
        1e-6,
        erratum="erratum-vdir-17",
    ),
    _vdir(
        "19",
        "β as a Laplace scale",
        r"b_x = \beta\, \tfrac{n_x}{n_c}, \quad b_y = \beta\, \tfrac{n_y}{n_c}",
        (kl_normal, laplace_scales),
        beta_is_a_laplace_scale,
        ALGEBRA,
        label="eq-vdir-scales",
    ),
)
