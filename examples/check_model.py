"""The equation check of `new_model`: its bound against an evidence that shares no formula with it.

    python examples/check_model.py

Given x, the values of a row are jointly Gaussian: log p(y | x) is a density of PyTorch's, with the
covariance r² 1 1ᵀ + s² I. With the exact posterior of the offsets the bound must meet it, and with
any other it must fall below by the divergence of the two.
"""

import torch
from new_degradation import banded
from new_model import Bands
from torch.distributions import MultivariateNormal, Normal, kl_divergence


def evidence(model, batch):
    """log p(y | x) of images (1, C, H, W), row by row."""
    values = (batch.y - batch.x)[0].transpose(0, 1).flatten(1)  # (H, C·W)
    s, r, n = model.config.std, model.config.band_std, values.shape[1]
    covariance = r**2 * torch.ones(n, n, dtype=values.dtype) + s**2 * torch.eye(n)
    return MultivariateNormal(torch.zeros(n).to(values), covariance).log_prob(values).sum()


def exact(model, batch):
    """Mean and variance of p(o | y, x), (1, H): precisions add."""
    noise = batch.y - batch.x
    s_sq, r_sq = model.config.std**2, model.config.band_std**2
    var = 1 / (1 / r_sq + noise.shape[1] * noise.shape[3] / s_sq)
    mean = var / s_sq * noise.sum((1, 3))
    return mean, torch.full_like(mean, var)


def check():
    """Relative errors: of the bound at the exact posterior, and of its gap at another one."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1, 3, 6, 8, generator=generator, dtype=torch.float64)
    model, batch = Bands(), banded(x, generator=generator)
    mean, var = exact(model, batch)
    truth = evidence(model, batch)
    meets = (model.elbo(batch, mean, var).total - truth) / truth
    wrong = Normal(mean + 0.01, (2 * var).sqrt())
    gap = truth - model.elbo(batch, wrong.mean, wrong.variance).total
    divergence = kl_divergence(wrong, Normal(mean, var.sqrt())).sum()
    return abs(meets.item()), abs((gap / divergence - 1).item())


if __name__ == "__main__":
    print("relative errors: bound {:.1e}, gap {:.1e}".format(*check()))
