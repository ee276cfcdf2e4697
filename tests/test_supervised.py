"""Learning from pairs: its likelihood is the scaled squared error, and FFDNet must be told."""

import math

import pytest
import torch
from torch.distributions import Normal

from vbl.degradations import awgn
from vbl.models.supervised import Config, Supervised

TINY = {"widths": (4, 6), "blocks": 1}


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return awgn(torch.rand(2, 3, 10, 14, generator=generator), (0.02, 0.2), generator=generator)


def test_the_log_likelihood_is_a_normal_density(batch):
    model = Supervised(Config("ResUNet", TINY, eps0_sq=1e-3))
    mean = model.mean(batch.y)
    expected = Normal(mean, math.sqrt(1e-3)).log_prob(batch.x).sum((1, 2, 3))
    torch.testing.assert_close(model(batch).total, expected)


def test_its_gradient_is_that_of_the_scaled_squared_error(batch):
    model = Supervised(Config("ResUNet", TINY))
    numel = batch.x[0].numel()
    model(batch).loss(numel).backward()
    ours = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    (0.5 / 1e-6 * (model.mean(batch.y) - batch.x).square().mean()).backward()
    for a, b in zip(ours, model.parameters(), strict=True):
        torch.testing.assert_close(a, b.grad, rtol=1e-3, atol=1e-2)


def test_ffdnet_must_be_told_the_noise_level(batch):
    model = Supervised(Config("FFDNet", {"width": 6, "depth": 4}))
    with pytest.raises(ValueError, match="must be told the noise level"):
        model.restore(batch.y)
    told = model.restore(batch.y, noise_std=batch.noise_var.sqrt()).image
    assert told.shape == batch.y.shape
    assert not torch.equal(told, model.restore(batch.y, noise_std=torch.tensor(0.3)).image)
    model(batch).loss(1).backward()  # trained, it is told the batch's own level


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network": "UNet"}, "expected one of 'ResUNet', 'DnCNN', 'FFDNet'"),
        ({"eps0_sq": 0.0}, "positive variance"),
    ],
)
def test_a_wrong_configuration_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Config(**arguments)


def test_a_misspelt_option_is_refused():
    with pytest.raises(TypeError, match="width"):
        Supervised(Config("ResUNet", {"width": 4}))
