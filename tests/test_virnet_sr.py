"""VIRNet's super-resolution: sizes, its bound term by term, who learns from what, kernels."""

import dataclasses
import math

import pytest
import torch
from moments import kernel_parameters
from torch.distributions import Gamma, Normal, kl_divergence

from vbl.degradations import blind_sr, gaussian_kernel
from vbl.models.virnet_sr import Config, Inferred, Posterior, VIRNetSR
from vbl.models.virnet_sr_learned_width import VIRNetSRLearnedWidth
from vbl.restoration import restore

TINY = Config(
    scale=2, sigma_width=4, sigma_depth=3, kernel_width=4, kernel_blocks=1, widths=(4, 6), blocks=1
)


def tiny(**choices) -> VIRNetSR:
    torch.manual_seed(0)
    return VIRNetSR(dataclasses.replace(TINY, **choices))


def tiny_learned() -> VIRNetSRLearnedWidth:
    torch.manual_seed(0)
    return VIRNetSRLearnedWidth(TINY)


def pairs(scale=2, side=24):
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(2, 3, side, side, generator=generator)
    return blind_sr(x, scale, std=(0.0, 0.02), sampling="bicubic", generator=generator)


def double(batch):
    truth = {name: value.double() for name, value in batch.truth.items()}
    parts = {name: getattr(batch, name).double() for name in ("y", "x", "noise_var", "kernel")}
    return dataclasses.replace(batch, **parts, truth=truth)


def test_the_papers_network_has_the_papers_parameters():
    count = {
        name: sum(p.numel() for p in network.parameters())
        for name, network in VIRNetSR().objectives()["bound"].items()
    }
    assert count == {"restorer": 4_991_011, "sigma": 113_153, "kernel": 612_771}


@pytest.mark.parametrize("upsampling", ["nearest", "shuffle"])
@pytest.mark.parametrize("told", ["both", "noise", "kernel", "nothing"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_factorisation_restores_to_the_size_of_the_original(scale, told, upsampling):
    model = tiny(scale=scale, conditioning=told, upsampling=upsampling)
    restored = model.restore(torch.rand(2, 3, 7, 10))
    assert restored.image.shape == (2, 3, 7 * scale, 10 * scale)
    assert restored.kernel.shape == (2, 1, 21, 21)
    assert restored.noise_std.shape == (2, 1, 1, 1)
    torch.testing.assert_close(restored.kernel.sum((2, 3)), torch.ones(2, 1))


def test_an_unknown_choice_is_refused_by_name():
    with pytest.raises(ValueError, match="conditioning: expected one of 'both'"):
        Config(conditioning="everything")


def test_the_divergences_are_those_of_the_named_distributions():
    model, batch = tiny().double(), double(pairs())
    q = model.posterior(batch.y)
    elbo, found = model.bound(batch, q), q.inferred
    a = torch.tensor(60.5, dtype=torch.float64)

    def kl(strength, mode_q, mode_p):  # of the reciprocals, whose rates are the scales
        return kl_divergence(
            Gamma(strength - 1, strength * mode_q), Gamma(strength - 1, strength * mode_p)
        )

    noise = kl(a, found.mode, model.xi(batch)).flatten()
    torch.testing.assert_close(elbo.kl["noise variance"], noise)
    lambda_sq, rho = model.lambda_hat(batch)
    kernel = kl(torch.tensor(50.0, dtype=torch.float64), found.eta, lambda_sq).sum(1)
    kernel = kernel + kl_divergence(Normal(found.rho, 0.01), Normal(rho, 0.01))[:, 0]
    torch.testing.assert_close(elbo.kl["kernel"], kernel)
    image = (q.mean - batch.x).square().sum((1, 2, 3)) / 2e-5
    torch.testing.assert_close(elbo.kl["clean image"], image)


def test_the_likelihood_is_a_fair_draw_of_its_expectation():
    # E log p(y | z, Λ, σ²) with all three drawn, against the mean of the model's own estimate,
    # in which σ² is integrated out.
    model, batch = tiny().double(), double(pairs(side=8))
    with torch.no_grad():
        q, generator = model.posterior(batch.y), torch.Generator().manual_seed(0)
        a, draws, ours = model.config.alpha0, [], []
        for _ in range(1500):
            ours.append(
                model.bound(batch, q, generator=generator).log_likelihood["low-resolution image"]
            )
            z = q.mean + math.sqrt(1e-5) * torch.randn(
                q.mean.shape, generator=generator, dtype=torch.float64
            )
            lambda_sq, rho = q.inferred.draw(generator=generator)
            mean = model.degrade(z, gaussian_kernel(*lambda_sq.T, rho[:, 0], 21))
            rate = (a * q.inferred.mode).flatten()
            shape = torch.full_like(rate, a - 1)
            var = (rate / torch._standard_gamma(shape, generator=generator)).view(-1, 1, 1, 1)
            draws.append(Normal(mean, var.sqrt()).log_prob(batch.y).sum((1, 2, 3)))
    ours, draws = torch.stack(ours), torch.stack(draws)
    error = (ours.var(0) / len(ours) + draws.var(0) / len(draws)).sqrt()
    assert ((ours.mean(0) - draws.mean(0)).abs() < 5 * error).all()


def test_the_likelihoods_gradient_in_the_kernel_is_that_of_finite_differences():
    model, batch = tiny().double(), double(pairs())
    z = batch.x

    def log_likelihood(parameters):
        kernel = gaussian_kernel(*parameters.T, 21)
        error = batch.y - model.degrade(z, kernel)
        return -0.5 * (error.square() / batch.noise_var.clamp_min(1e-6)).sum()

    parameters = torch.tensor([(1.7, 0.8, 0.4), (0.9, 2.1, -0.6)], dtype=torch.float64)
    assert torch.autograd.gradcheck(log_likelihood, parameters.requires_grad_(), rtol=1e-5)


def test_a_kernel_is_inferred_in_the_orientation_in_which_it_was_made():
    # The likelihood of the true parameters beats that of the transposed and the mirrored kernel.
    model = tiny().double()
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(1, 3, 48, 48, generator=generator, dtype=torch.float64)
    truth = torch.tensor([[3.0, 0.6, 0.5]], dtype=torch.float64)
    kernel = gaussian_kernel(*truth.T, 21)
    y = blind_sr(x, 2, kernel, 0.0, sampling="bicubic").y

    def error(lambda1_sq, lambda2_sq, rho):
        given = (torch.tensor([v], dtype=torch.float64) for v in (lambda1_sq, lambda2_sq, rho))
        return (y - model.degrade(x, gaussian_kernel(*given, 21))).square().mean().item()

    assert error(3.0, 0.6, 0.5) < 1e-20
    assert error(0.6, 3.0, 0.5) > 1e-5
    assert error(3.0, 0.6, -0.5) > 1e-5


def test_parameters_survive_the_way_to_a_kernel_and_back():
    truth = torch.tensor([(2.0, 1.0, 0.3), (4.0, 1.5, -0.7)], dtype=torch.float64)
    back = torch.stack(kernel_parameters(gaussian_kernel(*truth.T, 21)), 1)
    torch.testing.assert_close(back, truth, rtol=0.01, atol=0.01)


def gradients(model, batch, chosen):
    """Norm of the gradient of some terms of the bound, by network."""
    model.zero_grad()
    elbo = model(batch, generator=torch.Generator().manual_seed(0))
    terms = {**elbo.log_likelihood, **elbo.kl, **elbo.auxiliary}
    term = sum(terms[name].sum() for name in chosen)
    networks = model.objectives()["bound"]
    found = {}
    for name, network in networks.items():
        parts = torch.autograd.grad(
            term, list(network.parameters()), retain_graph=True, allow_unused=True
        )
        found[name] = sum(p.norm().item() for p in parts if p is not None)
    return found


def test_each_network_learns_from_its_own_terms():
    batch = pairs()
    model = tiny()
    likelihood = gradients(model, batch, ["low-resolution image"])
    assert likelihood["restorer"] > 0 and likelihood["sigma"] == likelihood["kernel"] == 0
    assert gradients(model, batch, ["kernel"])["kernel"] > 0
    assert gradients(model, batch, ["clean image"])["kernel"] == 0


def test_all_networks_may_learn_from_the_likelihood_and_through_what_is_told():
    batch = pairs()
    for name, network in (("low-resolution image", "kernel"), ("clean image", "sigma")):
        model = tiny(likelihood_trains="all", gradient="flow")
        assert gradients(model, batch, [name])[network] > 0


def test_the_bound_is_the_same_whoever_learns_from_it():
    batch, values = pairs(), []
    for teaches in ("restorer", "all"):
        model = tiny(likelihood_trains=teaches)
        values.append(model(batch, generator=torch.Generator().manual_seed(0)).total)
    torch.testing.assert_close(*values)


def test_without_noise_the_variance_has_a_floor():
    batch = dataclasses.replace(pairs(), noise_var=torch.zeros(2, 1, 1, 1))
    model = tiny()
    assert model.xi(batch).sqrt().flatten().tolist() == pytest.approx([0.5 / 255] * 2)
    assert model(batch).total.isfinite().all()


def test_no_answer_makes_the_kernel_singular():
    extreme = torch.full((64, 2), 1e-2)
    extreme[32:] = 1e2
    found = Inferred(
        mode=torch.ones(64, 1, 1, 1),
        eta=extreme.requires_grad_(),
        rho=torch.linspace(-0.999, 0.999, 64)[:, None].requires_grad_(),
        kappa=torch.full((64, 2), 50.0),
        spread=torch.full((64, 1), 1e-2),
    )
    lambda_sq, rho = found.draw(generator=torch.Generator().manual_seed(0))
    kernel = gaussian_kernel(*lambda_sq.T, rho[:, 0], 21)
    kernel.square().sum().backward()
    assert kernel.isfinite().all() and found.eta.grad.isfinite().all()


def kernel_biases(term: str) -> torch.Tensor:
    """Gradients of a term in what KNet says: two places, the correlation, three widths."""
    model = tiny_learned()
    elbo = model(pairs(), generator=torch.Generator().manual_seed(0))
    model.zero_grad()
    elbo.auxiliary[term].sum().backward()
    return model.kernel.tail.bias.grad


def test_a_learned_width_is_trained_by_the_density_of_the_truth():
    model, batch = tiny_learned(), pairs()
    elbo = model(batch)
    q = model.infer(batch.y)
    lambda_sq, rho = model.lambda_hat(batch)
    width = Gamma(q.kappa - 1, q.kappa * q.eta).log_prob(1 / lambda_sq) - 2 * lambda_sq.log()
    expected = width.sum(1) + Normal(q.rho, q.spread.sqrt()).log_prob(rho)[:, 0]
    torch.testing.assert_close(elbo.auxiliary["width of kernel"], -expected, rtol=1e-4, atol=1e-3)
    feels = kernel_biases("width of kernel") != 0
    assert feels.tolist() == [False, False, False, True, True, True]


def test_where_a_learned_posterior_lies_is_trained_as_that_of_the_prior():
    model, batch = tiny_learned(), pairs()
    elbo, q = model(batch), model.infer(batch.y)
    lambda_sq, rho = model.lambda_hat(batch)
    ratio = lambda_sq / q.mean
    widths = 49 * (ratio - 1 - ratio.log()).sum(1)
    expected = widths + (rho - q.rho)[:, 0].square() / (2 * model.config.r0_sq)
    place = elbo.auxiliary["place of kernel"]
    torch.testing.assert_close(place, expected, rtol=1e-4, atol=1e-3)
    felt = kernel_biases("place of kernel").abs()
    assert felt[:3].min() > 0 and felt[3:].max() < 1e-3 * felt[:3].min()


def test_a_learned_width_begins_as_the_priors_and_feels_every_gradient():
    model, batch = tiny_learned(), pairs()
    q = model.infer(batch.y)
    torch.testing.assert_close(q.kappa.log(), torch.full((2, 2), math.log(50)), rtol=0, atol=0.5)
    torch.testing.assert_close(q.spread.log(), torch.full((2, 1), math.log(1e-4)), rtol=0, atol=0.5)
    model(batch).loss(1).backward()
    assert (model.kernel.tail.bias.grad != 0).all()


def test_a_learned_width_that_has_left_its_range_finds_its_way_back():
    model, batch = tiny_learned(), pairs()
    with torch.no_grad():
        model.kernel.tail.bias[3:] -= 50
    q = model.infer(batch.y)
    torch.testing.assert_close(q.kappa, torch.full((2, 2), 2.05))
    torch.testing.assert_close(q.spread, torch.full((2, 1), 1e-6), rtol=1e-4, atol=0)
    elbo = model(batch)
    assert elbo.total.isfinite().all()
    elbo.loss(1).backward()
    gradient = model.kernel.tail.bias.grad[3:]
    assert (gradient != 0).all() and gradient[2] < 0  # far too sure of the correlation


def test_a_batch_without_the_parameters_of_its_kernels_is_refused():
    batch = dataclasses.replace(pairs(), truth={})
    with pytest.raises(ValueError, match="parameters of its kernels"):
        tiny()(batch)


def test_what_was_inferred_of_the_whole_serves_its_parts():
    model, y = tiny(upsampling="shuffle"), torch.rand(1, 3, 16, 20)
    q = model.posterior(y[..., :8], model.infer(y))
    assert isinstance(q, Posterior)
    torch.testing.assert_close(q.inferred.eta, model.infer(y).eta)


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("upsampling", ["nearest", "shuffle"])
def test_a_large_photograph_is_restored_in_tiles_with_one_kernel(upsampling):
    model, y = tiny(upsampling=upsampling).eval(), torch.rand(1, 3, 50, 61)
    whole = restore(model, y)
    in_tiles = restore(model, y, tile=16)
    assert whole.image.shape == (1, 3, 100, 122)
    torch.testing.assert_close(in_tiles.image, whole.image, rtol=0, atol=1e-5)
    torch.testing.assert_close(in_tiles.kernel, whole.kernel)
    assert in_tiles.noise_std.shape == (1, 1, 1, 1)


def test_the_mean_over_eight_turns_turns_with_the_image():
    model, y = tiny(upsampling="shuffle").eval(), torch.rand(1, 3, 16, 20)
    one, other = restore(model, y, ensemble=True), restore(model, y.mT, ensemble=True)
    torch.testing.assert_close(other.image, one.image.mT, rtol=0, atol=1e-5)
    torch.testing.assert_close(other.kernel, one.kernel.mT, rtol=0, atol=1e-6)
    swapped = one.kernel_parameters[:, [1, 0, 2]]
    torch.testing.assert_close(other.kernel_parameters, swapped, rtol=0, atol=1e-6)


def test_what_was_sampled_in_corners_cannot_be_turned():
    with pytest.raises(ValueError, match="cannot be turned"):
        restore(tiny(sampling="direct"), torch.rand(1, 3, 16, 20), ensemble=True)
