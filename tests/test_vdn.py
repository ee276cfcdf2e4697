"""VDN: size, its bound term by term, and what becomes of it as eps0 vanishes."""

import dataclasses

import pytest
import torch
from torch.distributions import InverseGamma, Normal, kl_divergence

from vbl.degradations import noniid
from vbl.models import VIRNet, load
from vbl.models.vdn import VDN, Config

TINY = Config(widths=(4, 6), sigma_width=4, sigma_depth=3)


def tiny(**choices) -> VDN:
    torch.manual_seed(0)
    return VDN(dataclasses.replace(TINY, **choices)).double()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    batch = noniid(torch.rand(2, 3, 12, 16, generator=generator), generator=generator)
    return dataclasses.replace(batch, y=batch.y.double(), x=batch.x.double())


def test_the_papers_network_has_the_papers_parameters():
    assert sum(p.numel() for p in VDN().parameters()) == 7_816_780


def test_the_slopes_are_the_authors_and_a_shipped_network_keeps_its_own():
    assert (VDN().sigma.slope, VIRNet().sigma.slope) == (0.2, 0.25)
    assert load("vdn-denoise").sigma.slope == 0.25


def test_every_divergence_is_that_of_the_named_distributions(batch):
    model = tiny()
    q, elbo = model.posterior(batch.y), model(batch)
    xi = model.xi(batch)
    noise = InverseGamma(q.shape, q.scale)
    prior = InverseGamma(torch.tensor(23.5, dtype=torch.float64), 24.5 * xi)
    expected = kl_divergence(noise, prior).sum((1, 2, 3))
    torch.testing.assert_close(elbo.kl["noise variance"], expected)
    image = kl_divergence(Normal(q.mean, q.var.sqrt()), Normal(batch.x, 1e-3)).sum((1, 2, 3))
    torch.testing.assert_close(elbo.kl["clean image"], image)


def test_the_prior_has_its_mode_at_xi(batch):
    model, xi = tiny(), tiny().xi(batch)
    prior = InverseGamma(torch.tensor(model.prior_shape), (model.prior_shape + 1) * xi)
    at_mode = prior.log_prob(xi)
    assert (at_mode > prior.log_prob(1.01 * xi)).all()
    assert (at_mode > prior.log_prob(0.99 * xi)).all()


def test_as_eps0_vanishes_what_is_trained_is_the_squared_error(batch):
    """eps0² times the negative bound: its gradient in the mean tends to that of MSE/2."""
    mse = None
    for eps0_sq in (1e-6, 1e-8, 1e-10):
        model = tiny(eps0_sq=eps0_sq)
        q = model.posterior(batch.y)
        mean = q.mean.detach().requires_grad_()
        fixed = dataclasses.replace(
            q, mean=mean, var=torch.full_like(q.var, eps0_sq), shape=q.shape.detach(),
            scale=q.scale.detach(),
        )  # fmt: skip
        (gradient,) = torch.autograd.grad(-eps0_sq * model.bound(batch, fixed).total.sum(), mean)
        mse = (mean - batch.x).detach()  # the gradient of half the summed squares
        assert (gradient - mse).abs().max() < 2e3 * eps0_sq
    assert mse.abs().max() > 0.01


def test_before_training_it_starts_near_its_prior(batch):
    q = tiny().posterior(batch.y)
    assert 0.2e-6 < q.var.median() < 5e-6
    assert 15 < 255 * tiny().restore(batch.y).noise_std.mean() < 40


def test_a_small_vdn_may_have_virnets_restorer(batch):
    torch.manual_seed(0)
    config = Config(network="ResUNet", widths=(4, 8), sigma_width=4)
    assert VDN(config).to(batch.y)(batch).total.isfinite().all()
    with pytest.raises(ValueError, match="network: expected one of 'UNet', 'ResUNet'; got 'DnCNN'"):
        Config(network="DnCNN")


def test_an_unknown_xi_is_refused():
    with pytest.raises(ValueError, match="xi: expected one of 'filtered', 'true'"):
        Config(xi="guessed")
