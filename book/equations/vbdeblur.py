"""VBDeblurNet: the Dirichlet prior of a blur kernel, its divergence, moments and gradient."""

import torch

from equations.densities import kl_normals_by_quadrature
from equations.equation import (
    ALGEBRA,
    FIVE_STANDARD_ERRORS,
    MONTE_CARLO,
    PATHWISE,
    QUADRATURE,
    Equation,
    real,
    relative,
    seeded,
    standard_errors,
    worst,
)
from equations.vdir import kl, table
from vbl.degradations import gaussian_kernel, rotated_parameters, with_floor
from vbl.probability import kl_dirichlet, kl_normal, rsample_dirichlet

C, EPS0_SQ, FLOOR = 2e4, 1e-6, 1e-6


def kernel(side: int, floor: float = FLOOR) -> torch.Tensor:
    """An anisotropic kernel with its floor, (side²,)."""
    parameters = rotated_parameters(real(1.8), real(0.7), real(0.6))
    return with_floor(gaussian_kernel(*parameters, side), floor).flatten()


def floor_keeps_a_kernel() -> float:
    """A kernel with exact zeros becomes positive, keeps its sum, and moves by at most δ d'."""
    k = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    k[..., 4, 2:7] = 0.2
    floored = with_floor(k, FLOOR)
    if not (floored > 0).all() or (floored - k).abs().max() > FLOOR * k.numel():
        return float("inf")
    return relative(floored.sum(), 1.0)


def moments() -> float:
    """Mean and variance of draws from Dir(C k)."""
    k = kernel(5)
    mean, var = k, k * (1 - k) / (C + 1)

    def chunks():
        generator = seeded()
        for _ in range(10):
            h = rsample_dirichlet((C * k).expand(20_000, -1), generator=generator)
            yield torch.cat([h, (h - mean) ** 2], 1)

    return standard_errors(chunks(), torch.cat([mean, var]))


def bounds_and_gaps() -> float:
    """log p(y) = L + KL for both factorisations, on every y of a discrete model."""
    p_z, p_h, p_y = table(3, seed=0), table(4, seed=1), table(6, 3, 4, seed=2)
    q_h = table(4, 6, seed=3)
    free, dependent = table(3, 6, seed=4)[:, None, :], table(3, 4, 6, seed=5)
    joint = torch.einsum("z,h,yzh->zhy", p_z, p_h, p_y)
    evidence = joint.sum((0, 1))

    def error(q_z):  # (z, 1 or h, y)
        q = q_z * q_h
        likelihood = torch.einsum("zhy,yzh->y", q, p_y.log())
        kl_z = (q_h * kl(q_z, p_z[:, None, None])).sum(0)
        gap = (q * (q * evidence / joint).log()).sum((0, 1))
        return relative(likelihood - kl_z - kl(q_h, p_h[:, None]) + gap, evidence.log())

    return max(error(free), error(dependent))


def kl_of_the_image() -> float:
    values = [(0.5004, 1.3e-6, 0.5), (0.2, 4e-7, 0.2)]
    return worst(
        relative(
            kl_normal(*map(real, (mu, m_sq, x, EPS0_SQ))),
            kl_normals_by_quadrature(mu, m_sq, x, EPS0_SQ),
        )
        for mu, m_sq, x in values
    )


def kl_of_the_kernel() -> float:
    """E_q [log q(h) - log p(h)], torch's densities at draws made with torch's Gammas."""
    prior = C * kernel(5, 1e-4)
    q = (C * kernel(5, 3e-4)).sqrt() * (C * kernel(5, 2e-4)).sqrt()
    exact = kl_dirichlet(q, prior)

    def chunks():
        generator = seeded()
        for _ in range(10):
            g = torch._standard_gamma(q.expand(20_000, -1), generator=generator)
            h = g / g.sum(1, keepdim=True)
            densities = [torch.distributions.Dirichlet(a).log_prob(h) for a in (q, prior)]
            yield (densities[0] - densities[1])[:, None]

    return standard_errors(chunks(), exact)


def gradient() -> float:
    """∇ E[a·h] at C = 2e4 from 80,000 draws; with h = ζ/Σζ on average it is (a - a·h)/Σζ."""
    zeta = C * kernel(9)
    a = torch.randn(81, generator=seeded(1), dtype=torch.float64)
    total, generator, n = torch.zeros_like(zeta), seeded(), 80_000
    for _ in range(8):
        leaf = zeta.clone().requires_grad_()
        h = rsample_dirichlet(leaf.expand(n // 8, -1), generator=generator)
        total += torch.autograd.grad((h @ a).sum(), leaf)[0] / n
    exact = (a - a @ zeta / zeta.sum()) / zeta.sum()
    return ((total - exact).norm() / exact.norm()).item()


def _vbd(number, name, statement, functions, check, how, tolerance=1e-9, **links) -> Equation:
    return Equation(
        "VBDeblurNet", number, name, statement, functions, check, how, tolerance, **links
    )


EQUATIONS = (
    _vbd(
        "5",
        "mean and variance of a kernel",
        r"\E[h_i] = k_i, \quad \Var[h_i] = \tfrac{k_i (1 - k_i)}{\dirsum + 1}",
        (rsample_dirichlet,),
        moments,
        MONTE_CARLO,
        FIVE_STANDARD_ERRORS,
        label="eq-vbd-moments",
    ),
    _vbd(
        "6",
        "a prior for kernels with zeros",
        r"\tilde k_i = \tfrac{k_i + \delta}{1 + \delta d'} > 0, \quad"
        r" \textstyle\sum_i \tilde k_i = 1",
        (with_floor,),
        floor_keeps_a_kernel,
        ALGEBRA,
        label="eq-vbd-floor",
        erratum="erratum-vbdeblur-6",
    ),
    _vbd(
        "12–14",
        "bounds and gaps",
        r"\begin{aligned}[t] \log \evidence ={}& \E_q \log p(\observed \mid \latent, \kernel)"
        r" - \E_{q(\kernel)} \mathrm{KL}_{\latent} - \mathrm{KL}_{\kernel} \\"
        r" &+ \KL{q(\latent, \kernel)}{p(\latent, \kernel \mid \observed)} \end{aligned}",
        (),
        bounds_and_gaps,
        ALGEBRA,
        label="eq-vbd-bound",
    ),
    _vbd(
        "15",
        "divergence of the image",
        r"\KL{\Normal(\mu_i, m_i^2)}{\Normal(x_i, \latentvar)}",
        (kl_normal,),
        kl_of_the_image,
        QUADRATURE,
        label="eq-kl-normal",
    ),
    _vbd(
        "16",
        "divergence of the kernel",
        r"\KL{\Dir(\dirpar)}{\Dir(\dirsum \kernel)}",
        (kl_dirichlet,),
        kl_of_the_kernel,
        MONTE_CARLO,
        FIVE_STANDARD_ERRORS,
        label="eq-kl-dirichlet",
    ),
    _vbd(
        "–",
        "gradient through a draw",
        r"\nabla_{\dirpar} \E[a \cdot h] = (a - a \cdot \bar h)\, /\, \dirsum, \quad"
        r" \bar h = \dirpar / \dirsum",
        (rsample_dirichlet,),
        gradient,
        PATHWISE,
        0.01,
    ),
)
