"""VBDeblurNet: sizes, its bound term by term, orientation, restoration."""

import dataclasses
import math

import pytest
import torch
from tiny_deblurring import SIDE, double, pairs, parameters, seeded, tiny
from torch.distributions import Dirichlet, Normal, kl_divergence

from vbl.degradations import blurred, motion_kernel, shaken
from vbl.degradations.operators import pad
from vbl.models.vbdeblur import Config, Inferred, VBDeblurNet
from vbl.restoration import restore

RESUNET = {"restorer": "ResUNet", "options": {"widths": (4, 6)}}
ASYMMETRIC = 2  # seed of a motion kernel that differs from its mirror image


# Sizes and choices


@pytest.mark.parametrize(
    ("blocks", "free", "dependent"),
    [(2, 2_689_654, 3_459_210), (4, 3_871_350, 4_640_906), (6, 5_053_046, 5_822_602)],
)
def test_the_papers_networks_have_the_authors_parameters(blocks, free, dependent):
    for told, expected in (("nothing", free), ("kernel", dependent)):
        model = VBDeblurNet(Config(conditioning=told, options={"blocks": blocks}))
        networks = model.objectives()["bound"]
        assert parameters(networks["restorer"]) == expected
        assert parameters(networks["kernel"]) == 12_635_601


@pytest.mark.parametrize("network", [{}, RESUNET], ids=["DeblurNet", "ResUNet"])
@pytest.mark.parametrize("told", ["kernel", "nothing"])
@pytest.mark.parametrize(("channels", "size"), [(3, (7, 10)), (1, (12, 5)), (3, (1, 1))])
def test_every_factorisation_trains_and_restores_images_of_any_size(channels, size, told, network):
    model = tiny(channels=channels, conditioning=told, **network)
    x = torch.rand(2, channels, *size, generator=seeded())
    batch = blurred(x, motion_kernel(SIDE, generator=seeded()), generator=seeded())
    model(batch).loss(1).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    restored = model.restore(batch.y)
    assert restored.image.shape == x.shape and restored.image.dtype == torch.float32
    assert restored.kernel.shape == (2, 1, SIDE, SIDE) and (restored.kernel > 0).all()
    torch.testing.assert_close(restored.kernel.sum((2, 3)), torch.ones(2, 1))


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"conditioning": "code"}, "conditioning: expected one of 'kernel', 'nothing'; got 'code'"),
        ({"restorer": "UNet"}, "restorer: expected one of 'DeblurNet', 'ResUNet'; got 'UNet'"),
        ({"likelihood_trains": "kernel"}, "likelihood_trains: expected one of 'restorer', 'all'"),
        ({"trained": ("kernel", "all")}, r"trained: expected some of .*, got \['all'\]"),
        ({"floor": 0.0}, "floor: expected a positive number, got 0.0"),
        ({"sigma_sq": -1.0}, "sigma_sq: expected a positive number, got -1.0"),
        ({"kernel_size": 8}, "kernel_size: expected an odd number, got 8"),
    ],
)
def test_a_choice_that_there_is_not_is_refused_by_name(choice, said):
    with pytest.raises(ValueError, match=said):
        Config(**choice)


def test_a_batch_without_kernels_or_with_others_is_refused():
    batch = pairs()
    with pytest.raises(ValueError, match="batch: expected kernels of 5 x 5 pixels, got None"):
        tiny()(dataclasses.replace(batch, kernel=None))
    with pytest.raises(ValueError, match=r"of 7 x 7 pixels, got \(2, 1, 5, 5\)"):
        tiny(kernel_size=7)(batch)


# The bound, term by term


def test_the_divergences_are_those_of_the_named_distributions():
    model, batch = tiny(concentration=2e4, floor=1e-5).double(), double(pairs())
    q = model.posterior(batch.y)
    elbo = model.bound(batch, q)
    truth = (batch.kernel + 1e-5) / (1 + 25e-5)
    prior = Dirichlet(2e4 * truth.flatten(1))
    kernel = kl_divergence(Dirichlet(q.inferred.concentration.flatten(1)), prior)
    torch.testing.assert_close(elbo.kl["kernel"], kernel)
    image = kl_divergence(Normal(q.mean, q.var.sqrt()), Normal(batch.x, 0.1))
    torch.testing.assert_close(elbo.kl["clean image"], image.sum((1, 2, 3)))
    torch.testing.assert_close(q.inferred.total.flatten(), torch.tensor([2e4, 2e4]).double())


def test_the_bound_of_one_kernel_knows_no_divergence():
    model, batch = tiny(), pairs()
    inferred = Inferred(model.prior(batch))
    q = dataclasses.replace(model.posterior(batch.y), mean=batch.x, inferred=inferred)
    q = dataclasses.replace(q, var=torch.full_like(batch.x, model.config.eps0_sq))
    for term in model.bound(batch, q).kl.values():
        torch.testing.assert_close(term, torch.zeros_like(term), rtol=0, atol=1e-3)


def squared_error(batch, q, degrade):
    """E ‖y - h * z‖² in closed form, for h and z independent: a sum over two shifts j and k.

    With S_j the matrix of a Dirac at j, E [z' S_j' S_k z] = μ' S_j' S_k μ + tr(S_j' S_k diag m²).
    """
    n = SIDE**2
    height, width = batch.y.shape[-2:]
    diracs = torch.eye(n, dtype=torch.float64).view(n, 1, SIDE, SIDE)
    points = torch.eye(height * width, dtype=torch.float64).view(1, -1, height, width)
    shifts = torch.stack([degrade(points, dirac[None])[0].flatten(1).T for dirac in diracs])
    zeta = q.inferred.concentration.flatten(1)
    total = zeta.sum(1)[:, None, None]
    mean = zeta / zeta.sum(1, keepdim=True)
    second = (zeta[:, :, None] * zeta[:, None] + torch.diag_embed(zeta)) / (total * (total + 1))
    y, mu, m_sq = (v.flatten(2) for v in (batch.y, q.mean, q.var))
    moved = torch.einsum("jpi,bci->bcjp", shifts, mu)
    crossed = torch.einsum("bcp,bcjp,bj->b", y, moved, mean)
    squares = torch.einsum("bcjp,bckp->bjk", moved, moved)
    squares = squares + torch.einsum("jpi,kpi,bci->bjk", shifts, shifts, m_sq)
    return y.square().sum((1, 2)) - 2 * crossed + (squares * second).sum((1, 2))


def likelihoods(model, batch, n=500, times=8):
    """The model's estimate of E log p(y | z, h), as often as asked for, for one pair."""
    names, generator = ("x", "y", "kernel"), seeded()
    copies = {name: getattr(batch, name).expand(n, -1, -1, -1) for name in names}
    batch = dataclasses.replace(batch, **copies)
    with torch.no_grad():
        elbos = [model(batch, generator=generator) for _ in range(times)]
    return torch.cat([elbo.log_likelihood["blurred image"] for elbo in elbos])


def test_the_likelihood_is_a_fair_draw_of_its_closed_form():
    model, batch = tiny(conditioning="nothing").double(), double(pairs(n=1, side=6))
    sigma_sq, values, draws = model.config.sigma_sq, batch.y[0].numel(), likelihoods(model, batch)
    q = model.posterior(batch.y)

    def off(q):
        """Standard errors between the draws' mean and the closed form."""
        exact = -squared_error(batch, q, model.degrade) / (2 * sigma_sq)
        exact = exact - values / 2 * math.log(2 * math.pi * sigma_sq)
        return (draws.mean() - exact).abs() / draws.std() * math.sqrt(len(draws))

    assert off(q) < 5
    assert off(dataclasses.replace(q, var=0 * q.var)) > 10  # had z not been drawn
    sure = Inferred(1e6 * q.inferred.concentration)
    assert off(dataclasses.replace(q, inferred=sure)) > 10  # had h not been


def convolved(z, kernel):
    """h * z, the sum over the kernel."""
    r, (height, width) = SIDE // 2, z.shape[-2:]
    wide = pad(z, r, "symmetric")
    return sum(
        kernel[..., i : i + 1, j : j + 1]
        * wide[..., 2 * r - i :, 2 * r - j :][..., :height, :width]
        for i in range(SIDE)
        for j in range(SIDE)
    )


def test_the_kernel_dependent_likelihood_is_the_mean_over_torchs_own_draws_of_everything():
    model, batch = tiny(conditioning="kernel").double(), double(pairs(n=1, side=6))
    ours, n = likelihoods(model, batch), 4000
    torch.manual_seed(0)
    with torch.no_grad():
        inferred = model.infer(batch.y)
        h = Dirichlet(inferred.concentration.flatten()).sample((n,)).view(n, 1, SIDE, SIDE)
        y = batch.y.expand(n, -1, -1, -1)
        q = model.posterior(y, inferred, h)
        z = Normal(q.mean, q.var.sqrt()).sample()
        blurred_image = Normal(convolved(z, h), math.sqrt(model.config.sigma_sq))
        theirs = blurred_image.log_prob(y).sum((1, 2, 3))
    error = (ours.var() / len(ours) + theirs.var() / n).sqrt()
    assert (ours.mean() - theirs.mean()).abs() < 5 * error


def test_the_kernel_that_deblur_net_is_told_is_the_one_that_the_likelihood_sees():
    model, batch, seen = tiny().double(), double(pairs()), {}
    code, degrade = model.code.forward, model.degrade
    model.code.forward = lambda kernel: code(seen.setdefault("told", kernel))
    model.degrade = lambda z, kernel: degrade(z, seen.setdefault("likelihood", kernel))
    model(batch, generator=seeded())
    assert torch.equal(seen["told"], seen["likelihood"])
    assert not torch.equal(seen["told"], model.infer(batch.y).mean)


def test_an_interval_of_an_entry_holds_as_many_draws_as_it_says():
    inferred = Inferred(tiny().prior(pairs(n=1)))
    low, high = inferred.interval(0.8)
    draws = Inferred(inferred.concentration.expand(20_000, -1, -1, -1)).draw(generator=seeded())
    inside = ((low <= draws) & (draws <= high)).double().mean(0)
    assert (inside - 0.8).abs().max() < 5 * (0.8 * 0.2 / 20_000) ** 0.5
    for level in (0.0, 1.0):
        with pytest.raises(ValueError, match=r"level: expected a number in \(0, 1\), got"):
            inferred.interval(level)


# Orientation


def test_a_point_of_light_becomes_the_kernel_the_right_way_up():
    kernel = motion_kernel(SIDE, generator=seeded(ASYMMETRIC)).double()
    assert (kernel - kernel.flip(-1, -2)).abs().max() > 0.05
    point = torch.zeros(1, 1, 15, 15, dtype=torch.float64)
    point[..., 7, 7] = 1
    around = tiny().degrade(point, kernel)[..., 5:10, 5:10]
    torch.testing.assert_close(around, kernel)


def test_the_training_pairs_have_their_kernels_in_the_orientation_of_the_model():
    x = torch.rand(2, 3, 20, 24, generator=seeded(), dtype=torch.float64)
    batch = shaken(x, SIDE, 0.0, generator=seeded(ASYMMETRIC))
    model = tiny(floor=1e-9)
    kernel = model.prior(batch) / model.config.concentration

    def error(k):
        return (batch.y - model.degrade(x, k)).square().mean((1, 2, 3)).max()

    assert error(kernel) < 1e-10
    assert error(kernel.flip(-1, -2)) > 1e-5


# Numbers at the edge, and repetition


@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_no_answer_and_no_kernel_with_zeros_makes_the_bound_infinite(logit):
    model, batch = tiny(concentration=2e4, floor=1e-5, likelihood_trains="all"), pairs()
    kernel = torch.zeros_like(batch.kernel)
    kernel[..., 0, 1] = 1
    model.kernel.tail.bias.data[3] = logit
    elbo = model(dataclasses.replace(batch, kernel=kernel), generator=seeded())
    elbo.loss(1).backward()
    assert elbo.total.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_a_seed_repeats_the_bound_and_another_does_not():
    model, batch = tiny(), pairs()
    one, again, other = (model(batch, generator=seeded(seed)).total for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)


# Restoration


@pytest.mark.usefixtures("float32")
def test_a_photograph_is_restored_in_tiles_with_one_kernel_inferred_once():
    model, y = tiny().eval(), torch.rand(1, 3, 50, 61, generator=seeded())
    calls, infer = [], model.infer
    model.infer = lambda image: calls.append(image.shape) or infer(image)
    whole = restore(model, y)
    in_tiles = restore(model, y, tile=16)
    assert calls == [y.shape, y.shape]
    torch.testing.assert_close(in_tiles.image, whole.image, rtol=0, atol=1e-5)
    torch.testing.assert_close(in_tiles.kernel, whole.kernel)
    torch.testing.assert_close(whole.kernel, infer(y).mean.float())


def test_a_part_is_restored_for_the_kernel_of_the_whole():
    model, y = tiny().eval(), torch.rand(1, 3, 16, 20, generator=seeded())
    part = y[..., :8]
    as_part = model.restore(part, model.infer(y))
    assert not torch.equal(as_part.image, model.restore(part).image)
    assert torch.equal(as_part.kernel, model.restore(y).kernel)


def test_the_mean_over_eight_turns_turns_with_the_image_and_its_kernel():
    model, y = tiny().eval(), torch.rand(1, 3, 16, 20, generator=seeded())
    one, other = restore(model, y, ensemble=True), restore(model, y.mT, ensemble=True)
    torch.testing.assert_close(other.image, one.image.mT, rtol=0, atol=1e-5)
    torch.testing.assert_close(other.kernel, one.kernel.mT, rtol=0, atol=1e-6)
