"""LUD-VAE: its bound against evidence and draws, where it splits, who feels what, what it makes."""

import dataclasses
import math

import pytest
import torch
from probability import F64, seeded
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from vbl.degradations import Degraded
from vbl.models import LUDVAENeighbours, lud_vae_neighbours
from vbl.models.loss_weights import decoder_std
from vbl.models.lud_vae import LUDVAE, PAIRS, Config
from vbl.networks import Neighbours
from vbl.probability import per_image
from vbl.restoration import receptive_radius, restore

TINY = Config(width=6, latent=3, factors=(4, 2, 1), std_x=0.1, std_y=0.05)


def tiny(**choices) -> LUDVAE:
    torch.manual_seed(0)
    return LUDVAE(dataclasses.replace(TINY, **choices))


def scenes(n=2, side=8, dtype=torch.float32, channels=3) -> Degraded:
    """Clean images and degraded ones, of different scenes."""
    generator = seeded(1)
    x, other = torch.rand(2, n, channels, side, side, generator=generator, dtype=dtype)
    return Degraded(other + 0.1 * torch.randn(x.shape, generator=generator, dtype=dtype), x)


def within_five_errors(draws: torch.Tensor, exact: float) -> bool:
    return abs(draws.mean() - exact) < 5 * draws.std() / math.sqrt(len(draws))


def test_the_papers_network_has_the_papers_parameters():
    assert sum(p.numel() for p in LUDVAE().parameters()) == 5_709_827


@pytest.mark.parametrize("factors", [(1,), (1, 1), (4, 2, 1), (2, 2, 1, 1), (8, 4, 2, 1, 1)])
def test_any_number_of_levels_fits_images_of_any_size(factors):
    model, y = tiny(factors=factors), torch.rand(2, 3, 9, 13)
    q, elbo = model.posterior(y), model(Degraded(y, y))
    sizes = [(-(-9 // f), -(-13 // f)) for f in factors]
    for maps in (q.z, q.z_n, [level.mean for level in q.p], [level.var for level in q.q]):
        assert [tuple(level.shape[-2:]) for level in maps] == sizes
    assert q.mean.shape == model.restore(y).image.shape == y.shape
    assert list(elbo.kl) == [f"level {n}" for n in range(1, len(factors) + 1)]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"std": 0.0}, "std: expected a positive number, got 0"),
        ({"std_x": -0.1}, "std_x: expected a number >= 0, got -0.1"),
        ({"annealed": -1}, "annealed"),
        ({"prior": "flat"}, "prior: expected one of 'content', 'scale', 'standard'; got 'flat'"),
        ({"hiding": "pink"}, "hiding: expected one of 'white', 'correlated'; got 'pink'"),
        ({"factors": ()}, "factors: expected multiples of each other that end with 1"),
        ({"factors": (4, 2)}, "factors"),
        ({"factors": (3, 2, 1)}, "factors"),
        ({"factors": (0, 1)}, "factors"),
    ],
)
def test_a_wrong_choice_is_refused(choice, message):
    with pytest.raises(ValueError, match=message):
        Config(**choice)


# The bound


def test_every_term_is_that_of_the_named_distributions():
    model, batch = tiny().double(), scenes(dtype=F64)
    q = model.posterior(batch.y, generator=seeded())
    elbo = model.elbo_y(batch.y, q)
    assert torch.equal(q.p[0].mean, torch.zeros(2, 3, 2, 2, dtype=F64))
    assert torch.equal(q.p[0].var, torch.ones(2, 3, 2, 2, dtype=F64))
    for level, (a, b) in enumerate(zip(q.q, q.p, strict=True), start=1):
        kl = kl_divergence(Normal(a.mean, a.var.sqrt()), Normal(b.mean, b.var.sqrt()))
        torch.testing.assert_close(elbo.kl[f"level {level}"], kl.sum((1, 2, 3)))
    expected = Normal(q.mean, 0.01).log_prob(batch.y).sum((1, 2, 3))
    torch.testing.assert_close(elbo.log_likelihood["degraded image"], expected)
    z = model.content(batch.x)
    expected = Normal(model.decode(z), 0.01).log_prob(batch.x).sum((1, 2, 3))
    torch.testing.assert_close(model.elbo_x(batch.x, z).total, expected)


def test_where_the_decoder_is_linear_the_bound_misses_the_evidence_by_a_known_divergence():
    # One level, and biases that keep every ReLU open: y is linear in z_n, p(y | z) a Gaussian.
    model = tiny(channels=1, width=2, latent=1, factors=(1,), std=0.3).double()
    torch.nn.init.constant_(model.decoder.steps[0].layers[0].bias, 100.0)
    for layer in list(model.decoder.steps[0].layers)[1::2]:
        torch.nn.init.eye_(layer.weight[..., 1, 1].data)
        torch.nn.init.constant_(layer.bias, 100.0)
    y = scenes(1, 2, F64, 1).y
    with torch.no_grad():
        z = model.content(y)
        middle = model.decode(z)[0].flatten()
        y = middle.view(y.shape) + y
        units = torch.eye(4, dtype=F64).view(4, 1, 1, 2, 2)
        slopes = [model.decode(z, lambda level, state, u=u: u)[0].flatten() for u in units]
        slope = torch.stack(slopes, 1) - middle[:, None]
        noise = 0.09 * torch.eye(4, dtype=F64)
        evidence = MultivariateNormal(middle, slope @ slope.mT + noise).log_prob(y.flatten())
        precision = torch.eye(4, dtype=F64) + slope.mT @ slope / 0.09
        mean = torch.linalg.solve(precision, slope.mT @ (y.flatten() - middle) / 0.09)
        many = y.expand(4000, -1, -1, -1)
        q = model.posterior(
            many, z=tuple(m.expand(4000, -1, -1, -1) for m in z), generator=seeded()
        )
        bound = model.elbo_y(many, q).total
    gaussian = MultivariateNormal(q.q[0].mean[0].flatten(), q.q[0].var[0].flatten().diag())
    gap = kl_divergence(gaussian, MultivariateNormal(mean, precision_matrix=precision))
    assert gap > 1
    assert within_five_errors(bound, evidence - gap)


def log_ratio(model: LUDVAE, x, y, z) -> torch.Tensor:
    """log p(x, y, z, z_n) - log q(z, z_n | x, y) for a draw of z_n and of one z for both."""
    side, generator = 1e-6, seeded(3)  # of q's box in p's, which has the volume 1
    z = tuple(m + side * (torch.rand(m.shape, generator=generator, dtype=F64) - 0.5) for m in z)
    q = model.posterior(y, z=z, generator=seeded(4))
    total = per_image(Normal(model.decode(z), model.config.std).log_prob(x))
    total = total + per_image(Normal(q.mean, model.config.std).log_prob(y))
    for a, b, z_n in zip(q.q, q.p, q.z_n, strict=True):
        total = total + per_image(Normal(b.mean, b.var.sqrt()).log_prob(z_n))
        total = total - per_image(Normal(a.mean, a.var.sqrt()).log_prob(z_n))
    return total + sum(m[0].numel() for m in z) * math.log(side)


@pytest.mark.parametrize("invariant", [True, False])
def test_where_a_pair_says_the_same_of_its_content_the_halves_sum_to_its_bound(invariant):
    model = tiny(std=0.1).double()
    x = scenes(1, 4, F64).x
    noise = 0.3 * torch.randn(x.shape, generator=seeded(2), dtype=F64)
    y = x + noise - noise.mean(1, keepdim=True)  # no grey noise
    with torch.no_grad():
        if invariant:  # an encoder of the content that sees grey alone
            model.content.head.weight.copy_(model.content.head.weight.mean(1, keepdim=True))
        x, y = x.expand(3000, -1, -1, -1), y.expand(3000, -1, -1, -1)
        z, z_y = model.content(x), model.content(y)
        paired = log_ratio(model, x, y, z)
        q = model.posterior(y, z=z_y, generator=seeded(4))
        halves = model.elbo_x(x, z).total + model.elbo_y(y, q).total
    dropped = sum(m[0].numel() for m in z) * math.log(1e-6)  # a half in each
    difference = paired - (halves + dropped)
    assert within_five_errors(difference, 0.0) == invariant


def test_a_single_picture_is_bounded_with_the_whole_divergence_of_its_content_not_with_half():
    """The numbers of chapter 7: two contents under which y has the probabilities 0.2 and 0.5."""
    likelihood = torch.tensor([0.2, 0.5], dtype=F64)
    q = torch.linspace(1e-6, 1 - 1e-6, 100_001, dtype=F64)
    q = torch.stack([q, 1 - q], -1)
    fit, kl = (q * likelihood.log()).sum(-1), (q * (2 * q).log()).sum(-1)
    evidence = math.log(0.35)
    assert (fit - kl).max() == pytest.approx(evidence, abs=1e-6)
    assert (fit - kl / 2).max() == pytest.approx(math.log((0.2**2 + 0.5**2) / 2) / 2, abs=1e-6)
    assert (fit - kl / 2).max() > evidence + 0.08


def neighbours(channels=2, radius=1) -> Neighbours:
    layer = Neighbours(channels, radius).double()
    torch.nn.init.normal_(layer.weight, std=0.1, generator=seeded(3))
    return layer


def as_matrix(layer, channels, height, width) -> torch.Tensor:
    """L for numbers in their order: rows, places, channels."""
    shape = channels, height * width
    order = torch.arange(math.prod(shape)).view(shape).T.flatten()
    units = torch.eye(math.prod(shape), dtype=torch.float64).view(-1, channels, height, width)
    columns = layer(units).flatten(1).T
    return columns[order][:, order]


def test_neighbours_in_noise_are_those_before_it():
    matrix = as_matrix(neighbours(3, 2), 3, 5, 4)
    assert torch.equal(matrix, matrix.tril()) and torch.equal(
        matrix.diag(), torch.ones(60).double()
    )
    assert (matrix[59, 57:59] != 0).all() and matrix[20, 19] != 0
    gain = neighbours(3, 2).gain(torch.zeros(7, 3, 5, 4).double())
    torch.testing.assert_close(gain[0].permute(1, 2, 0).flatten(), matrix.square().sum(1))


def test_a_negative_reach_is_refused():
    with pytest.raises(ValueError, match="neighbours: expected a number >= 0, got -1"):
        lud_vae_neighbours.Config(neighbours=-1)


def test_a_posterior_may_have_neighbours_that_vary_together():
    torch.manual_seed(0)
    config = lud_vae_neighbours.Config(**vars(TINY) | {"factors": (2, 1)}, neighbours=1)
    model = LUDVAENeighbours(config)
    y = torch.rand(2, 3, 8, 8)
    for n in model.noise.cholesky:
        torch.nn.init.normal_(n.weight, std=0.05)
    q, alone = model.posterior(y, generator=seeded()), tiny(factors=(2, 1))
    alone.load_state_dict(model.state_dict(), strict=False)
    without = alone.posterior(y, generator=seeded())
    torch.testing.assert_close(q.q[0].mean, without.q[0].mean)
    assert not torch.equal(q.z_n[0], without.z_n[0])
    assert (model.elbo_y(y, q).kl["level 1"] > alone.elbo_y(y, without).kl["level 1"]).all()


def test_correlated_noise_hides_where_it_is_asked_for():
    image = torch.zeros(1, 3, 128, 128)
    for hiding, lag in (("white", 0.0), ("correlated", 2 / 3)):
        seen = tiny(hiding=hiding).hide(image, 0.1, generator=seeded())
        product = (seen[..., 1:] * seen[..., :-1]).mean() / seen.square().mean()
        assert product == pytest.approx(lag, abs=0.02)
        assert seen.std() == pytest.approx(0.1, rel=0.03)


def test_no_term_needs_a_pair():
    model, batch = tiny(), scenes()
    elbo = model(batch, generator=seeded())
    elsewhere = model(dataclasses.replace(batch, x=1 - batch.x), generator=seeded())
    for name in ("level 1", "level 2", "level 3"):
        assert torch.equal(elbo.kl[name], elsewhere.kl[name])
    for name, same in (("degraded image", True), ("clean image", False)):
        terms = elbo.log_likelihood[name], elsewhere.log_likelihood[name]
        assert torch.equal(*terms) == same
    other = model(dataclasses.replace(batch, y=1 - batch.y), generator=seeded())
    assert torch.equal(other.log_likelihood["clean image"], elbo.log_likelihood["clean image"])


def test_h_hides_what_the_content_is_taken_from_and_nothing_else():
    model, batch, seen = tiny(), scenes(2, 64), {}
    for name, network in (("content", model.content), ("noise", model.noise.features)):
        network.register_forward_pre_hook(
            lambda _, images, name=name: seen.setdefault(name, []).append(images[0])
        )
    model(batch, generator=seeded())
    model.translate(batch.x, generator=seeded())
    model.translate(batch.x, std_x=0.3, generator=seeded())
    model.restore(batch.y)
    truth = (batch.x, batch.y, batch.x, batch.x, batch.y)
    stds = [(a - b).std().item() for a, b in zip(seen["content"], truth, strict=True)]
    assert stds == pytest.approx([0.1, 0.05, 0.1, 0.3, 0.0], rel=0.03)
    assert len(seen["noise"]) == 1 and torch.equal(seen["noise"][0], batch.y)


def test_a_clean_image_feels_neither_the_latents_nor_who_infers_them():
    model, batch = tiny(), scenes()
    elbo = model.elbo_x(batch.x, model.content(batch.x))
    parts = [*model.noise.parameters(), *model.decoder.priors.parameters()]
    found = torch.autograd.grad(elbo.total.sum(), parts, retain_graph=True, allow_unused=True)
    assert all(gradient is None for gradient in found)
    for step in model.decoder.steps:
        (gradient,) = torch.autograd.grad(
            elbo.total.sum(), step.layers[0].weight, retain_graph=True
        )
        assert (gradient[:, 6:] == 0).all() and (gradient[:, :6] != 0).any()


def test_gradients_are_those_of_finite_differences():
    model, batch = tiny(factors=(2, 1)).double(), scenes(1, 4, F64)
    names = ("noise.heads.1.layers.1.bias", "decoder.priors.0.layers.0.bias", "content.head.bias")
    parameters = dict(model.named_parameters())

    def bound(*values):
        replaced = dict(zip(names, values, strict=True))
        options = {"generator": seeded()}
        return torch.func.functional_call(model, replaced, batch, options).total / 1e3

    assert torch.autograd.gradcheck(bound, [parameters[name] for name in names], rtol=1e-5)


@pytest.mark.parametrize(("degraded", "share"), [(2, 0.5), (1, 0.25)])
def test_the_authors_weight_is_a_standard_deviation_of_the_decoder(degraded, share):
    # their loss times B n/(2 s²), and a constant, is minus the bound
    std = decoder_std(1e-4, share)
    assert std == pytest.approx({0.5: 2.55 / 255, 0.25: math.sqrt(2e-4)}[share])
    model = tiny(std=std).double()
    x, y = (
        scenes(round(degraded / share) - degraded, dtype=F64).x,
        scenes(2, dtype=F64).y[:degraded],
    )
    z, q = model.content(x), model.posterior(y, generator=seeded())
    clean, noisy = model.elbo_x(x, z), model.elbo_y(y, q)
    n, whole = x[0].numel(), len(x) + len(y)
    errors = (model.decode(z) - x).square().sum() + (q.mean - y).square().sum()
    divergence = sum(noisy.kl.values()).sum()
    theirs = errors / (whole * n) + 1e-4 * divergence / (len(y) * n)
    constant = whole * n * math.log(std * math.sqrt(2 * math.pi))
    ours = -(clean.total.sum() + noisy.total.sum())
    torch.testing.assert_close(theirs * whole * n / (2 * std**2) + constant, ours)


def test_annealing_scales_the_gradient_of_the_divergences_and_not_their_value():
    batch, biases = scenes(), []
    for annealed, seen in ((0, 0), (4, 0), (4, 2), (4, 9)):
        model = tiny(annealed=annealed)
        model.batches.fill_(seen)
        elbo = model(batch, generator=seeded())
        assert model.batches == seen + 1
        (gradient,) = torch.autograd.grad(
            elbo.kl["level 2"].sum(), model.decoder.priors[0].layers[0].bias
        )
        biases.append((elbo.total, gradient))
    full = biases[0]
    for (total, gradient), share in zip(biases[1:], (0.25, 0.75, 1.0), strict=True):
        torch.testing.assert_close(total, full[0])
        torch.testing.assert_close(gradient, share * full[1])
    model.eval()(batch)
    assert model.batches == 10


# What it makes


def test_generation_and_restoration_leave_the_noise_encoder_alone():
    model, x = tiny(), scenes().x
    for part in model.noise.modules():
        part.register_forward_hook(lambda *_: pytest.fail("the noise encoder was run"))
    model.translate(x)
    model.restore(x)
    inside = {id(part) for part in model.restoring.modules()}
    assert not inside & {id(part) for part in model.noise.modules()}


def test_temperature_multiplies_the_latents_with_their_means():
    model, x = tiny(), scenes().x
    made = {
        t: model.translate(x, temperature=t, pair="L2CN", generator=seeded()) for t in (0, 1, 2)
    }
    assert torch.equal(made[0].y, made[0].x)
    strength = [(made[t].y - made[t].x).std() for t in (1, 2)]
    assert 0 < strength[0] < strength[1]
    state = torch.rand(1, 6, 4, 4)
    p = model.prior(1, state)
    drawn = model.from_prior(temperature=3.0, generator=seeded())(1, state)
    torch.testing.assert_close(drawn, 3 * p.draw(generator=seeded()))
    with pytest.raises(ValueError, match=r"temperature: expected a number >= 0, got -1"):
        model.translate(x, temperature=-1.0)


def test_a_standard_prior_knows_nothing_of_the_content():
    model, batch = tiny(prior="standard"), scenes()
    q = model.posterior(batch.y, generator=seeded())
    for level in q.p:
        assert torch.equal(level.mean, torch.zeros_like(level.mean))
        assert torch.equal(level.var, torch.ones_like(level.var))
    assert list(model(batch).kl) == ["level 1", "level 2", "level 3"]
    assert not hasattr(model.decoder, "priors")


def test_a_prior_of_scales_tells_no_noise_but_how_much_of_it():
    told, scaled = tiny(), tiny(prior="scale")
    state = torch.rand(1, 6, 4, 4)
    a, b = told.prior(1, state), scaled.prior(1, state)
    assert torch.equal(b.var, a.var) and b.var.std() > 0
    assert not b.mean.any() and a.mean.any()


def test_draws_of_a_level_have_its_mean_and_variance():
    model, state = tiny().double(), torch.rand(1, 6, 2, 2, dtype=F64)
    with torch.no_grad():
        p = model.prior(1, state)
        many = model.from_prior(generator=seeded())(1, state.expand(10_000, -1, -1, -1))
    z = (many.mean(0) - p.mean[0]) / (p.var[0] / 10_000).sqrt()
    assert z.abs().max() < 5
    torch.testing.assert_close(many.var(0), p.var[0], rtol=0.1, atol=0)


def test_seeds_repeat_and_a_restoration_needs_none():
    model, x = tiny(), scenes().x
    first, again, other = (model.translate(x, generator=seeded(s)).y for s in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(model.restore(x).image, model.restore(x).image)
    drawn = model.restore(x, generator=seeded()).image
    assert torch.equal(drawn, model.restore(x, generator=seeded()).image)
    assert not torch.equal(drawn, model.restore(x).image)


def test_a_trained_model_is_a_degradation():
    model, x = tiny(), scenes().x
    for options in ({}, {"temperature": 2.0, "std_x": (0.1, 0.3)}, {"pair": "L2CN"}):
        made = model.translate(x, **options, generator=seeded())
        assert made.y.shape == x.shape and not made.y.requires_grad
        assert torch.equal(made.x, x) == ("pair" not in options)
    with pytest.raises(ValueError, match=r"expected images in \[0, 1\]"):
        model.translate(x + 1)


def test_pairs_differ_by_the_same_noise_where_the_decoders_blur_is_left_out():
    model, x = tiny(), scenes().x
    c2n, l2cn, added = (model.translate(x, pair=p, generator=seeded()) for p in PAIRS)
    assert torch.equal(c2n.y, l2cn.y) and torch.equal(added.x, x)
    noise = l2cn.y - l2cn.x
    torch.testing.assert_close(added.y - added.x, noise - noise.mean((2, 3), keepdim=True))
    assert not torch.allclose(c2n.y - c2n.x, l2cn.y - l2cn.x, atol=1e-2)
    with pytest.raises(ValueError, match="pair: expected one of C2N, L2CN, added, got 'N2C'"):
        model.translate(x, pair="N2C")


def test_a_large_photograph_is_restored_in_tiles():
    model, y = tiny(factors=(2, 1)).eval(), torch.rand(1, 3, 50, 131)
    whole, in_tiles = restore(model, y), restore(model, y, tile=16)
    torch.testing.assert_close(in_tiles.image, whole.image, rtol=0, atol=1e-5)


def test_no_pixel_farther_than_it_says_matters():
    model, y = tiny().eval(), torch.rand(1, 3, 1, 201, requires_grad=True)
    reach = receptive_radius(model.restoring)
    for column in range(96, 104):  # every place in the coarsest grid
        (gradient,) = torch.autograd.grad(model.restore(y).image[..., column].sum(), y)
        seen = gradient.abs().sum((0, 1, 2)).nonzero().flatten()
        assert max(column - seen.min(), seen.max() - column) <= reach
