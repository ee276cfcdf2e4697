"""LUD-VAE: its split bound on a discrete model, its divergences, the appendix's decomposition."""

import numpy as np
import torch
from scipy import stats
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from equations.densities import kl_normals_by_quadrature
from equations.equation import (
    ALGEBRA,
    QUADRATURE,
    Equation,
    Quadrature,
    real,
    relative,
    seeded,
    worst,
)
from equations.vdir import kl, table
from vbl.models.gaussian import Gaussian
from vbl.models.loss_weights import decoder_std
from vbl.models.lud_vae import LUDVAE, Config
from vbl.models.lud_vae_neighbours import CorrelatedGaussian
from vbl.networks import Neighbours
from vbl.probability import kl_normal


def _discrete_model():
    """p(z), p(z_n), p(x | z), p(y | z, z_n), q(z), q(z_n | y) with 3, 4, 5 and 6 values."""
    prior = table(3, seed=0), table(4, seed=1)
    likelihood = table(5, 3, seed=2), table(6, 3, 4, seed=3)
    return *prior, *likelihood, table(3, seed=4), table(4, 6, seed=5)


def bound_and_gap() -> float:
    """Eq. (4)-(6) for every (x, y), q(z, z_n | x, y) = q(z) q(z_n | y)."""
    p_z, p_n, p_x, p_y, q_z, q_n = _discrete_model()
    joint = torch.einsum("z,n,xz,yzn->znxy", p_z, p_n, p_x, p_y)
    evidence = joint.sum((0, 1))
    q = torch.einsum("z,ny->zny", q_z, q_n)[:, :, None, :]
    bound = (q * (joint / q).log()).sum((0, 1))
    gap = (q * (q * evidence / joint).log()).sum((0, 1))
    return relative(bound + gap, evidence.log())


def bound_splits() -> float:
    """Eq. (10) + (11) = the bound: no term needs x and y of one scene."""
    p_z, p_n, p_x, p_y, q_z, q_n = _discrete_model()
    joint = torch.einsum("z,n,xz,yzn->znxy", p_z, p_n, p_x, p_y)
    q = torch.einsum("z,ny->zny", q_z, q_n)[:, :, None, :]
    bound = (q * (joint / q).log()).sum((0, 1))
    half = kl(q_z, p_z) / 2
    of_x = torch.einsum("z,xz->x", q_z, p_x.log()) - half
    of_y = torch.einsum("z,ny,yzn->y", q_z, q_n, p_y.log()) - half - kl(q_n, p_n[:, None])
    return relative(of_x[:, None] + of_y[None, :], bound)


def bound_of_a_network() -> float:
    """ELBO_x and ELBO_y of a small network against scipy's densities and PyTorch's divergences."""
    torch.manual_seed(0)
    model = LUDVAE(Config(width=4, latent=2, factors=(2, 1), std=0.1)).double()
    x, y = torch.rand(2, 1, 3, 6, 6, generator=seeded(), dtype=torch.float64)
    with torch.no_grad():
        z, q = model.content(x), model.posterior(y, generator=seeded(1))
        ours = model.elbo_x(x, z).total + model.elbo_y(y, q).total
        exact = stats.norm.logpdf(x, model.decode(z), 0.1).sum()
        exact += stats.norm.logpdf(y, q.mean, 0.1).sum()
    for a, b in zip(q.q, q.p, strict=True):
        two = (Normal(level.mean, level.var.sqrt()) for level in (a, b))
        exact -= kl_divergence(*two).sum().item()
    return relative(ours, exact)


def weight_is_a_width() -> float:
    """The loss of the authors' code, times a factor, is the bound's up to a constant."""

    def error(weight, share):
        s, values = decoder_std(weight, share), 30
        errors, divergences = torch.rand(2, 4, 8, generator=seeded(), dtype=torch.float64)
        theirs = errors.sum(1) / (8 * values)
        theirs = theirs + weight * divergences.sum(1) / (share * 8 * values)
        return relative(
            theirs * 8 * values / (2 * s**2), errors.sum(1) / (2 * s**2) + divergences.sum(1)
        )

    return max(error(1e-4, 0.5), error(3e-3, 0.25))


def price_of_independence() -> float:
    """y = F w + s ε on a circle of 12: the best q with independent w, found as matrices."""
    filtered, s = real(1.0, 0.6, 0.2, *[0.0] * 7, 0.2, 0.6), 0.3
    matrix = torch.stack([filtered.roll(i) for i in range(12)])
    precision = torch.eye(12, dtype=torch.float64) + matrix.T @ matrix / s**2
    best = MultivariateNormal(torch.zeros(12).double(), precision.diagonal().reciprocal().diag())
    exact = kl_divergence(best, MultivariateNormal(best.mean, precision_matrix=precision)) / 12
    gain = 1 + torch.fft.fft(filtered).abs().square() / s**2
    return relative((gain.mean().log() - gain.log().mean()) / 2, exact)


def neighbours_together() -> float:
    """A triangular L of 3 x 4 places with two numbers each, as a matrix."""
    layer, shape = Neighbours(2, 1).double(), (1, 2, 3, 4)
    torch.nn.init.normal_(layer.weight, std=0.1, generator=seeded())
    factor = layer(torch.eye(24, dtype=torch.float64).view(24, 2, 3, 4)).flatten(1).T
    a, b = torch.randn(2, *shape, generator=seeded(1), dtype=torch.float64)
    v, w = 0.1 + torch.rand(2, *shape, generator=seeded(2), dtype=torch.float64)
    factor = v.sqrt().flatten()[:, None] * factor
    q = MultivariateNormal(a.flatten(), factor @ factor.T)
    p = MultivariateNormal(b.flatten(), w.flatten().diag())
    ours = CorrelatedGaussian(a, v, layer).kl(Gaussian(b, w)).sum()
    return relative(ours.detach(), kl_divergence(q, p).detach())


def hierarchy() -> float:
    """Two Gaussian levels, the second linear in the first, against the joint divergence."""
    (m, v), (a_q, c_q, w_q), (a_p, c_p, w_p) = (0.4, 0.3), (0.8, -0.1, 0.2), (0.5, 0.2, 0.6)

    def joint(mean, var, a, c, w):
        covariance = real((var, a * var), (a * var, a * a * var + w))
        return MultivariateNormal(real(mean, a * mean + c), covariance)

    rule = Quadrature.normal(m, v)
    second = kl_normal(a_q * rule.x + c_q, real(w_q), a_p * rule.x + c_p, real(w_p))
    levels = kl_normal(*map(real, (m, v, 0, 1))) + (rule.w * second).sum()
    whole = kl_divergence(joint(m, v, a_q, c_q, w_q), joint(0.0, 1.0, a_p, c_p, w_p))
    return relative(levels, whole)


def kl_of_a_narrow_uniform() -> float:
    """q uniform on a width w inside p uniform on [0, 1]: a delta is the limit w → 0."""

    def by_quadrature(w):
        q, p = stats.uniform(0.3, w), stats.uniform(0, 1)
        rule = Quadrature.over(q.logpdf, 0.3, 0.3 + w)
        return rule.mean(lambda z: torch.as_tensor(q.logpdf(z) - p.logpdf(z)))

    return worst(relative(-np.log(w), by_quadrature(w)) for w in (0.5, 1e-2, 1e-6))


def reconstruction() -> float:
    x, d = torch.rand(2, 20, generator=seeded(), dtype=torch.float64)
    exact = stats.norm.logpdf(x, d, 1).sum()
    return relative(-((d - x) ** 2).sum() / 2 - 20 * np.log(2 * np.pi) / 2, exact)


def kl_of_the_invariance() -> float:
    """Eq. (22) as printed is right; the sentence after it is not."""
    n = torch.randn(12, generator=seeded()).double() * 10 / 255

    def error(std_x, std_y):
        ours = kl_normal(n, std_y**2, 0.0, std_x**2).sum()
        k = len(n)
        printed = (
            k * np.log(std_x / std_y)
            - k / 2
            + k * std_y**2 / (2 * std_x**2)
            + (n**2).sum() / (2 * std_x**2)
        )
        exact = sum(kl_normals_by_quadrature(v, std_y**2, 0, std_x**2) for v in n.tolist())
        return max(relative(ours, exact), relative(printed, exact))

    return max(error(15 / 255, 10 / 255), error(40 / 255, 20 / 255))


def paired_latents(seed: int = 0, n: int = 3):
    """Random μ_u, Σ_u, z_x and z_y of the appendix; n dimensions."""
    generator = seeded(seed)
    mu, zx, zy = torch.randn(3, n, generator=generator, dtype=torch.float64)
    root = torch.randn(n, n, generator=generator, dtype=torch.float64)
    return mu, root @ root.T + torch.eye(n, dtype=torch.float64), zx, zy


def log_joint(mu, cov, zx, zy) -> torch.Tensor:
    """log N((z_x, z_y); (0, μ_u), [[I, I], [I, I + Σ_u]]), with the whole 2n x 2n matrix."""
    eye = torch.eye(len(mu), dtype=torch.float64)
    whole = torch.cat([torch.cat([eye, eye], 1), torch.cat([eye, eye + cov], 1)])
    normal = MultivariateNormal(torch.cat([torch.zeros_like(mu), mu]), whole)
    return normal.log_prob(torch.cat([zx, zy]))


def decomposition(mu, cov, zx, zy, *, second, sign) -> torch.Tensor:
    """Eq. (32) without Jacobians; the paper has second = I + Σ_u and sign = -1.

    Args:
        mu: μ_u, (n,).
        cov: Σ_u, (n, n).
        zx: f(x), (n,).
        zy: f(y), (n,).
        second: Covariance of the Gaussian of f(y), (n, n).
        sign: Sign of the last term.
    """
    n, precision = len(mu), cov.inverse()
    gaussians = (
        MultivariateNormal(torch.zeros_like(mu), torch.eye(n, dtype=mu.dtype)).log_prob(zx)
        + MultivariateNormal(mu, second).log_prob(zy)
        + MultivariateNormal(-mu, cov).log_prob(zx)
    )
    normaliser = (n * np.log(2 * np.pi) + cov.logdet()) / 2
    return gaussians + zx @ precision @ zy + normaliser + sign * mu @ precision @ mu / 2


def appendix() -> float:
    def error(seed):
        values = paired_latents(seed)
        return relative(decomposition(*values, second=values[1], sign=1), log_joint(*values))

    return worst(error(seed) for seed in range(5))


def joint_precision() -> float:
    """Eq. (31): the inverse and the determinant of the joint covariance."""
    _, cov, _, _ = paired_latents()
    eye = torch.eye(3, dtype=torch.float64)
    whole = torch.cat([torch.cat([eye, eye], 1), torch.cat([eye, eye + cov], 1)])
    p = cov.inverse()
    inverse = torch.cat([torch.cat([eye + p, -p], 1), torch.cat([-p, p], 1)])
    return max(relative(1 + inverse, 1 + whole.inverse()), relative(cov.det(), whole.det()))


def _lud(number, name, statement, functions, check, how, tolerance=1e-9, **links) -> Equation:
    return Equation("LUD-VAE", number, name, statement, functions, check, how, tolerance, **links)


EQUATIONS = (
    _lud(
        "4–6",
        "bound and gap of a pair",
        r"\log p(\clean, \observed) = \ELBO + \KL{q(\latent, \degradelatent)}{p(\latent,"
        r" \degradelatent \mid \clean, \observed)}",
        (),
        bound_and_gap,
        ALGEBRA,
        label="eq-lud-bound",
    ),
    _lud(
        "7–11",
        "the bound needs no pairs",
        r"q(\latent \mid \clean) = q(\latent \mid \observed) \;\Rightarrow\;"
        r" \ELBO = \ELBO_{\clean} + \ELBO_{\observed}",
        (),
        bound_splits,
        ALGEBRA,
        label="eq-lud-split",
    ),
    _lud(
        "10, 11",
        "the halves of a network",
        r"\begin{aligned}[t] \ELBO_{\clean} &= \E \log p(\clean \mid \latent) \\"
        r" \ELBO_{\observed} &= \E \log p(\observed \mid \latent, \degradelatent)"
        r" - \E \KL{q(\degradelatent)}{p(\degradelatent)} \end{aligned}",
        (LUDVAE.elbo_x, LUDVAE.elbo_y),
        bound_of_a_network,
        ALGEBRA,
    ),
    _lud(
        "14–16",
        "divergence level by level",
        r"\begin{aligned}[t] &\KL{q(\degradelatent)}{p(\degradelatent)} \\"
        r" &= \textstyle\sum_l \E_q \KL{q(\degradelatent^l \mid \degradelatent^{<l})}"
        r"{p(\degradelatent^l \mid \degradelatent^{<l})} \end{aligned}",
        (kl_normal,),
        hierarchy,
        QUADRATURE,
        label="eq-lud-levels",
    ),
    _lud(
        "13",
        "the price of independent latents",
        r"\begin{aligned}[t] &\tfrac1n \min_q \KL{q(w)}{p(w \mid \observed)} \\"
        r" &= \tfrac12 \big( \log \overline{1 + \lvert F \rvert^2/s^2}"
        r" - \overline{\log (1 + \lvert F \rvert^2/s^2)} \big)"
        r" \end{aligned}",
        (),
        price_of_independence,
        ALGEBRA,
        label="eq-lud-flat",
    ),
    _lud(
        "13",
        "a posterior that knows its neighbours",
        r"\begin{aligned}[t] &\KL{\Normal(\mu, S L L^{\mathsf T} S)}"
        r"{\Normal(\nu, \operatorname{diag} w)} \\ &= \textstyle\sum_i"
        r" \KL{\Normal(\mu_i, g_i S_{ii}^2)}{\Normal(\nu_i, w_i)} + \tfrac12 \sum_i \log g_i,"
        r" \\ &g = \operatorname{diag} L L^{\mathsf T} \end{aligned}",
        (CorrelatedGaussian.kl,),
        neighbours_together,
        ALGEBRA,
        label="eq-lud-together",
    ),
    _lud(
        "17",
        "divergence of a narrow posterior",
        r"\KL{\Uniform[e, e + w]}{\Uniform[0, 1]} = -\log w",
        (),
        kl_of_a_narrow_uniform,
        QUADRATURE,
        erratum="erratum-lud-vae-17",
    ),
    _lud(
        "18, 19",
        "reconstruction",
        r"\log \Normal(\clean; d, \mathbf{I}) = -\tfrac12 \norm{d - \clean}^2"
        r" - \tfrac{n}{2} \log 2\pi",
        (),
        reconstruction,
        ALGEBRA,
    ),
    _lud(
        "19",
        "a weight is a width",
        r"\lambda = 2 s^2 r",
        (decoder_std,),
        weight_is_a_width,
        ALGEBRA,
        label="eq-lud-std",
    ),
    _lud(
        "22",
        "how far from invariant",
        r"\begin{aligned}[t] &\KL{\Normal(\noise, \sigma_y^2 \mathbf{I})}"
        r"{\Normal(0, \sigma_x^2 \mathbf{I})} \\ &= K \log\tfrac{\sigma_x}{\sigma_y}"
        r" - \tfrac{K}{2} + \tfrac{K \sigma_y^2}{2 \sigma_x^2}"
        r" + \tfrac{\norm{\noise}^2}{2 \sigma_x^2} \end{aligned}",
        (kl_normal,),
        kl_of_the_invariance,
        QUADRATURE,
        label="eq-lud-22",
        erratum="erratum-lud-vae-22",
    ),
    _lud(
        "31",
        "precision of a pair's latents",
        r"\begin{pmatrix} \mathbf{I} & \mathbf{I} \\ \mathbf{I} & \mathbf{I} + \Sigma_u"
        r" \end{pmatrix}^{-1} = \begin{pmatrix} \mathbf{I} + \Sigma_u^{-1} & -\Sigma_u^{-1} \\"
        r" -\Sigma_u^{-1} & \Sigma_u^{-1} \end{pmatrix}",
        (),
        joint_precision,
        ALGEBRA,
    ),
    _lud(
        "32",
        "density of a pair, decomposed",
        r"\begin{aligned}[t] \log p ={}& \log \Normal(f_x; 0, \mathbf{I})"
        r" + \log \Normal(f_y; \mu_u, \Sigma_u) \\ &+ \log \Normal(f_x; -\mu_u, \Sigma_u)"
        r" + f_x^{\mathsf T} \Sigma_u^{-1} f_y \\ &+ \tfrac12 \log \det(2\pi \Sigma_u)"
        r" + \tfrac12 \mu_u^{\mathsf T} \Sigma_u^{-1} \mu_u + \text{Jacobians} \end{aligned}",
        (),
        appendix,
        ALGEBRA,
        erratum="erratum-lud-vae-32",
    ),
)
