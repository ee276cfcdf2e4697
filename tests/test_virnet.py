"""VIRNet's denoiser: sizes, its bound term by term, who feels which gradient, what it restores."""

import dataclasses
import math

import pytest
import torch
from torch.distributions import InverseGamma, Normal, kl_divergence

from vbl.degradations import awgn, local_variance, noniid
from vbl.models import VIRNet
from vbl.models.virnet import Config, Posterior

TINY = Config(sigma_width=4, sigma_depth=3, widths=(4, 6), blocks=1)


def tiny(**choices) -> VIRNet:
    torch.manual_seed(0)
    return VIRNet(dataclasses.replace(TINY, **choices))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    return noniid(torch.rand(2, 3, 12, 16, generator=generator), generator=generator)


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def test_the_papers_networks_have_the_papers_parameters():
    assert parameters(VIRNet()) == 10_539_332  # synthetic noise
    real = Config(map_channels=3, sigma_depth=8, widths=(96, 160, 224, 288))
    assert parameters(VIRNet(real)) == 15_403_974


def test_the_network_that_ships_is_a_classroom_network():
    from vbl.recipes import find_recipe

    config = find_recipe("virnet-denoise").presets["ship"].config
    assert parameters(VIRNet(config)) <= 1_000_000


@pytest.mark.parametrize("map_channels", [1, 3])
def test_every_term_of_the_bound_is_that_of_the_named_distributions(batch, map_channels):
    model = tiny(map_channels=map_channels).double()
    batch = dataclasses.replace(batch, y=batch.y.double(), x=batch.x.double())
    q, elbo = model.posterior(batch.y), model(batch)
    shape, eps0 = torch.tensor(24.5 - 1, dtype=torch.float64), 1e-3
    noise = InverseGamma(shape, 24.5 * q.mode)
    prior = InverseGamma(shape, 24.5 * model.xi(batch))
    kl = kl_divergence(noise, prior).sum((1, 2, 3))
    torch.testing.assert_close(elbo.kl["noise variance"], kl)
    image = kl_divergence(Normal(q.mean, eps0), Normal(batch.x, eps0)).sum((1, 2, 3))
    torch.testing.assert_close(elbo.kl["clean image"], image)
    inverse, log = shape / (24.5 * q.mode), (24.5 * q.mode).log() - shape.digamma()
    error = (batch.y - q.mean).square() + eps0**2
    expected = -0.5 * (math.log(2 * math.pi) + log + inverse * error)
    torch.testing.assert_close(elbo.log_likelihood["noisy image"], expected.sum((1, 2, 3)))


def test_draws_of_the_likelihood_average_to_the_exact_one(batch):
    exact = tiny().double()
    drawn = tiny(likelihood="monte carlo").double()
    batch = dataclasses.replace(batch, y=batch.y.double(), x=batch.x.double())
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        draws = torch.stack(
            [drawn(batch, generator=generator).log_likelihood["noisy image"] for _ in range(2000)]
        )
        target = exact(batch).log_likelihood["noisy image"]
    error = draws.std(0) / math.sqrt(len(draws))
    assert ((draws.mean(0) - target).abs() < 5 * error).all()


def gradient_norms(model, batch):
    model.zero_grad()
    model(batch).loss(batch.x[0].numel()).backward()
    return {
        name: torch.cat([p.grad.flatten() for p in network.parameters()]).norm().item()
        for name, network in model.objectives()["bound"].items()
    }


def test_stopped_the_noise_network_feels_only_its_own_terms(batch):
    model = tiny(gradient="stop")
    with_everything = gradient_norms(model, batch)["sigma"]
    model.zero_grad()
    elbo = model(batch)
    own = elbo.kl["noise variance"].sum() - elbo.log_likelihood["noisy image"].sum()
    (own / (len(batch.x) * batch.x[0].numel())).backward()
    grads = torch.cat([p.grad.flatten() for p in model.sigma.parameters()])
    assert grads.norm().item() == pytest.approx(with_everything, rel=1e-5)


def test_flowing_the_restoration_swamps_the_noise_network(batch):
    stopped = gradient_norms(tiny(gradient="stop"), batch)["sigma"]
    flowing = gradient_norms(tiny(gradient="flow"), batch)["sigma"]
    assert flowing > 20 * stopped


def test_the_best_mode_is_taught_by_the_prior_49_to_1(batch):
    # beta* = [(a-1) xi + (a-1)/(2a) R] / (a - 1/2) per channel, a = alpha0
    model = tiny(map_channels=3).double()
    batch = dataclasses.replace(batch, y=batch.y.double(), x=batch.x.double())
    mean, a = batch.x + 0.01, 24.5
    xi = model.xi(batch)
    residual = (batch.y - mean).square() + 1e-6
    best = ((a - 1) * xi + (a - 1) / (2 * a) * residual) / (a - 0.5)
    log_beta = best.log().requires_grad_()
    elbo = model.bound(batch, Posterior(mean, log_beta.exp()))
    (gradient,) = torch.autograd.grad(elbo.total.sum(), log_beta)
    assert gradient.abs().max() < 1e-9 * a


def test_xi_of_constant_noise_is_its_variance():
    generator = torch.Generator().manual_seed(0)
    batch = awgn(torch.full((4, 3, 64, 64), 0.5), 0.1, generator=generator)
    xi = local_variance(batch.y, batch.x, 7, 1.4, shared=True)
    assert xi.shape == (4, 1, 64, 64)
    assert xi.mean().item() == pytest.approx(0.01, rel=0.01)
    each = local_variance(batch.y, batch.x, 7, 1.4, shared=False)
    torch.testing.assert_close(each.mean(1, keepdim=True), xi)


def test_the_true_variance_can_be_the_priors_mode(batch):
    assert torch.equal(tiny(xi="true").xi(batch), batch.noise_var.clamp_min(1e-10))
    assert tiny(xi="true", map_channels=3).xi(batch).shape == batch.y.shape


def test_xi_has_a_floor_where_there_is_no_noise():
    x = torch.rand(1, 3, 9, 9)
    assert local_variance(x, x, 7, 1.4, shared=True).min() == pytest.approx(1e-10)
    with pytest.raises(ValueError, match="odd window, got 6"):
        local_variance(x, x, 6, 1.4, shared=True)


@pytest.mark.parametrize("told", ["mode", "sample", "nothing"])
def test_the_restorer_hears_what_it_is_told(batch, told):
    model = tiny(conditioning=told, likelihood="monte carlo")
    with torch.no_grad():
        loud = model.sigma.convolutions[-1].bias.clone()
        first = model.restore(batch.y, generator=torch.Generator().manual_seed(0)).image
        again = model.restore(batch.y, generator=torch.Generator().manual_seed(0)).image
        model.sigma.convolutions[-1].bias.copy_(loud + 2)
        changed = model.restore(batch.y, generator=torch.Generator().manual_seed(0)).image
        other = model.restore(batch.y, generator=torch.Generator().manual_seed(1)).image
    assert torch.equal(first, again)
    assert torch.equal(first, changed) == (told == "nothing")
    assert torch.equal(changed, other) == (told != "sample")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"map_channels": 2}, "map_channels: expected one of 1, 3; got 2"),
        ({"conditioning": "mean"}, "conditioning: expected one of 'mode', 'sample', 'nothing'"),
        ({"gradient": "half"}, "gradient"),
        ({"conditioning": "sample"}, "needs 'monte carlo'"),
    ],
)
def test_a_wrong_choice_is_refused(choice, message):
    with pytest.raises(ValueError, match=message):
        Config(**choice)


def test_extreme_outputs_of_the_noise_network_keep_the_bound_finite(batch):
    model = tiny()
    for bias in (-500.0, 500.0):
        with torch.no_grad():
            model.sigma.convolutions[-1].bias.fill_(bias)
        assert model(batch).total.isfinite().all()


def test_before_training_it_answers_a_plausible_level(batch):
    level = 255 * tiny().restore(batch.y).noise_std.mean()
    assert 15 < level < 40
