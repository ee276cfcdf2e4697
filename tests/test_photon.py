"""The photon model, whose evidence and posterior are known."""

import math

import numpy as np
import pytest
import torch
from probability import F64, seeded
from scipy import integrate, stats
from torch.distributions import Gamma, kl_divergence

from vbl.models.photon import Config, PhotonModel
from vbl.probability import per_image

CONFIGS = [Config(), Config(photons=3.0, prior_shape=0.7, prior_rate=1.0), Config(photons=200.0)]


@pytest.fixture(params=CONFIGS, ids=lambda c: f"P={c.photons:g}")
def model(request):
    return PhotonModel(request.param).double()


def counts(model, size=(3, 1, 8, 8), seed=0):
    return model.sample(size, generator=seeded(seed))[1].double()


def random_posteriors(y, n, seed=1):
    """Gammas around and far from the exact posterior."""
    generator = seeded(seed)
    for _ in range(n):
        shape, rate = (torch.empty(y.shape, dtype=F64) for _ in range(2))
        yield Gamma(
            (1 + y) * shape.log_normal_(0, 1, generator=generator),
            20 * rate.log_normal_(0, 1, generator=generator),
        )


def test_the_bound_is_the_evidence_at_the_exact_posterior(model):
    y = counts(model)
    bound = model.bound(y, model.exact_posterior(y)).total
    torch.testing.assert_close(bound, model.log_evidence(y), rtol=1e-10, atol=0)


def test_the_bound_of_any_other_posterior_is_lower_by_its_divergence_from_the_exact_one(model):
    y = counts(model)
    evidence, exact = model.log_evidence(y), model.exact_posterior(y)
    for q in random_posteriors(y, 100):
        bound = model.bound(y, q).total
        assert (bound < evidence).all()
        gap = per_image(kl_divergence(q, exact))
        torch.testing.assert_close(evidence - bound, gap, rtol=1e-9, atol=1e-9)


def test_the_bound_is_the_mean_of_the_joint_over_the_posterior(model):
    """One pixel, E_q[log p(x, y) - log q(x)] by quadrature over log x."""
    config, y = model.config, torch.full((1, 1, 1, 1), 5.0, dtype=F64)
    q, prior = (
        stats.gamma(4.0, scale=1 / 15),
        stats.gamma(config.prior_shape, scale=1 / config.prior_rate),
    )

    def integrand(u):
        x = math.exp(u)
        joint = prior.logpdf(x) + stats.poisson.logpmf(5, config.photons * x)
        return q.pdf(x) * x * (joint - q.logpdf(x))

    low, high = np.log([q.ppf(1e-20), q.isf(1e-20)])
    integral = integrate.quad(integrand, low, high, epsabs=0, epsrel=1e-10, limit=200)[0]
    posterior = Gamma(torch.full_like(y, 4.0), torch.full_like(y, 15.0))
    assert model.bound(y, posterior).total.item() == pytest.approx(integral, rel=1e-9)


@pytest.mark.parametrize("count", [0, 1, 7, 60])
def test_the_evidence_is_the_integral_of_the_joint_over_the_brightness(model, count):
    config = model.config
    posterior = stats.gamma(
        config.prior_shape + count, scale=1 / (config.prior_rate + config.photons)
    )
    prior = stats.gamma(config.prior_shape, scale=1 / config.prior_rate)

    def integrand(u):
        x = math.exp(u)
        return prior.pdf(x) * stats.poisson.pmf(count, config.photons * x) * x

    low, high = np.log([posterior.ppf(1e-16), posterior.isf(1e-16)])
    integral = integrate.quad(integrand, low, high, epsabs=0, epsrel=1e-11, limit=200)[0]
    y = torch.full((1, 1, 1, 1), float(count), dtype=F64)
    assert model.log_evidence(y).item() == pytest.approx(math.log(integral), rel=1e-9)


def test_the_evidence_sums_to_one_over_all_counts(model):
    y = torch.arange(5000, dtype=F64).view(-1, 1, 1, 1)
    assert model.log_evidence(y).exp().sum().item() == pytest.approx(1, rel=1e-10)


def test_counts_of_the_sampler_have_the_frequencies_of_the_evidence():
    model = PhotonModel(Config(photons=6.0)).double()
    y = counts(model, (1, 1, 300, 300), seed=2)
    observed = torch.bincount(y.flatten().long(), minlength=12)
    expected = model.log_evidence(torch.arange(12, dtype=F64).view(-1, 1, 1, 1)).exp() * y.numel()
    observed = [*observed[:12].tolist(), observed[12:].sum().item()]
    expected = [*expected.tolist(), y.numel() - expected.sum().item()]
    assert stats.chisquare(observed, expected).pvalue > 1e-6


def test_the_same_seed_draws_the_same_photons():
    first, again, other = (
        PhotonModel().sample((2, 1, 4, 4), generator=seeded(s)) for s in (3, 3, 4)
    )
    assert all(map(torch.equal, first, again)) and not torch.equal(first[0], other[0])
    assert [t.shape for t in first] == [(2, 1, 4, 4)] * 2 and first[0].dtype == torch.float32


@pytest.fixture(scope="module")
def trained():
    """A model after 300 steps of Adam on 4 new images of 16 x 16 each, and its gaps."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = PhotonModel()
    y = model.sample((16, 1, 32, 32), generator=seeded(5))[1]

    def gap():
        with torch.no_grad():
            return ((model.log_evidence(y) - model(y).total).mean() / y[0].numel()).item()

    gaps, generator = [gap()], seeded(6)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(300):
        batch = model.sample((4, 1, 16, 16), generator=generator)[1]
        optimiser.zero_grad()
        model(batch).loss(batch[0].numel()).backward()
        optimiser.step()
    return model, [*gaps, gap()]


def test_training_closes_the_gap_between_bound_and_evidence(trained):
    _, (before, after) = trained
    assert before > 0.1
    assert 0 < after < 0.02


def test_the_trained_restoration_is_nearly_the_exact_posterior_mean_and_beats_the_raw_counts(
    trained,
):
    model, _ = trained
    x, y = model.sample((16, 1, 32, 32), generator=seeded(7))
    with torch.no_grad():
        restored = model.restore(y)
    exact, raw = model.exact_posterior(y).mean, y / model.config.photons
    errors = [((estimate - x) ** 2).mean().item() for estimate in (exact, restored, raw)]
    assert errors[0] < errors[1] < 1.05 * errors[0] < 0.95 * errors[2]


def test_the_mean_of_the_exact_posterior_beats_the_raw_counts_on_data_from_the_model(model):
    x, y = model.sample((16, 1, 32, 32), generator=seeded(8))
    shrunk, raw = model.exact_posterior(y).mean, y / model.config.photons
    gain = (raw - x) ** 2 - (shrunk - x) ** 2
    assert gain.mean() > 5 * gain.std() / math.sqrt(gain.numel())


CONSTANTS = ["photons", "prior_shape", "prior_rate"]
REFUSED = [(name, value) for name in CONSTANTS for value in (0.0, -1.0, math.inf, math.nan)]


@pytest.mark.parametrize(("name", "value"), [*REFUSED, ("width", 0), ("width", -1)])
def test_a_constant_that_is_not_positive_and_finite_is_refused_in_one_line(name, value):
    line = f"{name}: expected a positive finite number, got {value}"
    with pytest.raises(ValueError, match=f"^{line}$"):
        Config(**{name: value})
