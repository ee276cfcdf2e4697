"""VBDeblurNet: gradients through a kernel, who learns from what, a learned concentration."""

import math

import pytest
import torch
from tiny_deblurring import SIDE, TINY, double, pairs, seeded, tiny
from torch.distributions import Dirichlet, Normal, kl_divergence

from equations.vbdeblur import kernel
from vbl.models.vbdeblur import Inferred
from vbl.models.vbdeblur_learned_concentration import VBDeblurNetLearnedConcentration

# The gradient through a kernel


def gradient_error(draw, n=40_000, concentration=2e4):
    """Relative error of ∇_ζ E ‖y - A h‖² from n draws of h ~ Dir(ζ), against its closed form."""
    zeta = concentration * kernel(
        9
    )  # entries of 0.1 to 8, where torch's own goes wrong, among them
    a = torch.randn(12, 81, generator=seeded(1), dtype=torch.float64)
    y = a @ zeta / zeta.sum() + 0.3 * torch.randn(12, generator=seeded(2), dtype=torch.float64)

    leaf = zeta.clone().requires_grad_()
    total = leaf.sum()
    second = (torch.outer(leaf, leaf) + torch.diag(leaf)) / (total * (total + 1))
    exact = -2 * y @ (a @ leaf) / total + (a.T @ a * second).sum()
    exact = torch.autograd.grad(exact, leaf)[0]

    leaf = zeta.clone().requires_grad_()
    h = draw(leaf.expand(n, -1))
    estimate = (y - h @ a.T).square().sum(1).mean()
    estimate = torch.autograd.grad(estimate, leaf)[0]
    return ((estimate - exact).norm() / exact.norm()).item()


def test_the_gradient_through_a_drawn_kernel_is_that_of_the_expectation_where_torchs_is_not():
    def ours(zeta):
        drawn = Inferred(zeta.view(-1, 1, 9, 9)).draw(generator=seeded())
        return drawn.flatten(1)

    torch.manual_seed(0)
    assert gradient_error(ours) < 0.02
    assert gradient_error(lambda zeta: Dirichlet(zeta).rsample()) > 0.05


def test_kernel_nets_gradient_of_the_bound_is_that_of_finite_differences():
    # On the logits, with the draw of z fixed and h at its mean: all else is a smooth function.
    model = tiny(likelihood_trains="all", gradient="flow").double()
    batch = double(pairs(side=6))

    def bound(logits):
        model.kernel.forward = lambda _: logits
        q = model.posterior(batch.y)
        return model.bound(batch, q, generator=seeded()).total.sum() * 1e-3

    logits = torch.randn(2, SIDE**2, generator=seeded(), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(bound, logits, rtol=1e-4)


# Who learns from what


def gradients(model, batch, chosen):
    """Norm of the gradient of some terms of the bound, by network."""
    elbo = model(batch, generator=seeded())
    terms = {**elbo.log_likelihood, **elbo.kl, **elbo.auxiliary}
    term, found = sum(terms[name].sum() for name in chosen), {}
    for name, network in model.named_children():
        weights = list(network.parameters())
        if not term.requires_grad:
            found[name] = 0.0
            continue
        parts = torch.autograd.grad(term, weights, retain_graph=True, allow_unused=True)
        found[name] = sum(p.norm().item() for p in parts if p is not None)
    return found


def learners(chosen, **choices):
    """The names of the networks that feel a term."""
    found = gradients(tiny(**choices), pairs(), [chosen])
    return {name for name, norm in found.items() if norm > 0}


def test_each_network_learns_from_its_own_terms():
    assert learners("blurred image") == {"restorer", "code"}
    assert learners("clean image") == {"restorer", "code"}
    assert learners("kernel") == {"kernel"}


def test_kernel_net_may_learn_from_the_likelihood_and_through_what_is_told():
    everyone = {"restorer", "code", "kernel"}
    assert learners("blurred image", likelihood_trains="all") == everyone
    assert learners("clean image", likelihood_trains="all") == {"restorer", "code"}
    assert learners("clean image", gradient="flow") == everyone
    free = {"conditioning": "nothing", "gradient": "flow"}
    assert learners("clean image", **free) == {"restorer"}
    assert learners("blurred image", **free) == {"restorer"}
    assert learners("blurred image", **free, likelihood_trains="all") == {"restorer", "kernel"}


@pytest.mark.parametrize("told", ["kernel", "nothing"])
def test_without_its_likelihood_it_is_the_squared_error_and_the_divergence_of_kernels(told):
    batch, model = pairs(), tiny(conditioning=told, trained=("clean image", "kernel"))
    elbo = model(batch, generator=seeded())
    assert not elbo.log_likelihood["blurred image"].requires_grad
    elbo.loss(batch.x[0].numel()).backward()
    kernel = model.kernel.tail.bias.grad.clone()
    model.zero_grad()
    q = model.posterior(batch.y, kernel=model.infer(batch.y).draw(generator=seeded()))
    mean = ((q.mean - batch.x).square() / (2 * model.config.eps0_sq)).mean()
    shared = torch.autograd.grad(mean, q.mean)[0]
    elbo = model.bound(batch, q, generator=seeded())
    torch.testing.assert_close(
        torch.autograd.grad(elbo.loss(batch.x[0].numel()), q.mean, retain_graph=True)[0], shared
    )
    (elbo.kl["kernel"].mean() / batch.x[0].numel()).backward()
    torch.testing.assert_close(model.kernel.tail.bias.grad, kernel)


def test_the_bound_is_the_same_whoever_learns_from_it():
    batch, values = pairs(), []
    for choices in (
        {},
        {"likelihood_trains": "all"},
        {"gradient": "flow"},
        {"kernel_counts": "per value"},
        {"trained": ()},
    ):
        values.append(tiny(**choices)(batch, generator=seeded()).total)
    for value in values[1:]:
        torch.testing.assert_close(value, values[0])


def test_counted_per_value_kernel_nets_own_term_is_as_many_times_stronger():
    batch, found = double(pairs()), []
    for counts in ("once", "per value"):
        model = tiny(kernel_counts=counts).double()
        model(batch, generator=seeded()).loss(1).backward()
        found.append([p.grad for p in model.parameters()])
    own, times = len(list(tiny().kernel.parameters())), batch.x[0].numel()
    for number, (once, often) in enumerate(zip(*found, strict=True)):
        torch.testing.assert_close(often, (times if number < own else 1) * once)


def test_as_long_as_the_image_is_blurred_a_dirac_explains_it_best_and_is_never_left():
    model, batch = tiny(sigma_sq=1e-5), pairs(side=24)
    dirac = torch.zeros(1, 1, SIDE, SIDE)
    dirac[..., 2, 2] = 1

    def explained(kernel):
        return Normal(model.degrade(batch.y, kernel), math.sqrt(1e-5)).log_prob(batch.y).sum()

    assert explained(dirac) > explained(batch.kernel) + 1e4
    model.kernel.tail.bias.data[SIDE**2 // 2] = 1e3
    model(batch, generator=seeded()).loss(1).backward()
    assert model.kernel.tail.bias.grad.abs().max() == 0


# A learned concentration


def tiny_learned() -> VBDeblurNetLearnedConcentration:
    torch.manual_seed(0)
    return VBDeblurNetLearnedConcentration(TINY)


def test_a_learned_concentration_is_trained_by_the_density_of_the_truth_alone():
    model, batch = tiny_learned().double(), double(pairs())
    elbo, q = model(batch), model.infer(batch.y)
    truth = model.prior(batch).flatten(1) / model.config.concentration
    log_prob = Dirichlet(q.concentration.flatten(1)).log_prob(truth / truth.sum(1, keepdim=True))
    torch.testing.assert_close(elbo.auxiliary["width of kernel"], -log_prob)
    place = Dirichlet(model.config.concentration * q.mean.flatten(1))
    place = kl_divergence(place, Dirichlet(model.config.concentration * truth))
    torch.testing.assert_close(elbo.auxiliary["place of kernel"], place)
    assert not elbo.kl["kernel"].requires_grad
    exact = q.kl(model.prior(batch))
    torch.testing.assert_close(elbo.kl["kernel"], exact)
    felt = {}
    for term in ("width of kernel", "place of kernel"):
        bias = model.kernel.tail.bias
        felt[term] = torch.autograd.grad(elbo.auxiliary[term].sum(), bias, retain_graph=True)[0]
    assert felt["width of kernel"][:-1].abs().max() < 1e-9 < felt["width of kernel"][-1].abs()
    assert felt["place of kernel"][:-1].abs().min() > 0
    assert felt["place of kernel"][-1].abs() < 1e-9


def test_a_learned_concentration_begins_near_the_priors_and_stays_within_a_thousandth_of_it():
    model, y = tiny_learned(), pairs().y
    factors = []
    for bias in (0.0, 1e3, -1e3):
        model.kernel.tail.bias.data[-1] = bias
        factors.append((model.infer(y).total / model.config.concentration).mean().item())
    assert factors == pytest.approx([1, 1000, 0.001], rel=0.5)
