"""VDIR: sizes, its bound term by term and against the evidence, who learns from what, steering."""

import dataclasses
import math

import pytest
import torch
from moments import kernel_parameters
from torch.distributions import Laplace, Normal, kl_divergence

from vbl.degradations import (
    awgn,
    blind_sr,
    gaussian_kernel,
    jpeg,
    jpeg_luma,
    turned_sr,
)
from vbl.models import load_weights, save_weights
from vbl.models.gaussian import Gaussian
from vbl.models.loss_weights import laplace_scales
from vbl.models.vdir import TERMS, VDIR, Config
from vbl.recipes.vdir import QUALITIES, noisy
from vbl.restoration import receptive_radius, restore, stride, tiles

SMALL = {
    "RIRNet": {"width": 6, "groups": 2, "blocks": 1},
    "ResUNet": {"widths": (4, 6), "blocks": 1},
    "FFDNet": {"width": 6, "depth": 3},
}


def tiny(restorer="RIRNet", **choices) -> VDIR:
    torch.manual_seed(0)
    sizes = {"width": 4, "adversary_width": 2, "options": SMALL[restorer]}
    return VDIR(Config(restorer=restorer, **sizes, **choices))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def images(channels=3, side=16, count=2):
    return torch.rand(count, channels, side, side, generator=seeded(1))


def pairs(known="noise", scale=1, channels=3):
    x = images(channels)
    if known == "quality":
        return jpeg(x, (10.0, 80.0), generator=seeded())
    if known == "kernel":
        two = torch.full((2,), 2.0)
        return blind_sr(x, scale, gaussian_kernel(two, two, 0 * two, 15), 0.0, generator=seeded())
    return awgn(x, (0.05, 0.2), generator=seeded())


def gradients(model, loss):
    """Norm of the gradient in each network."""
    model.zero_grad()
    loss.backward()
    norms = {}
    for name, network in model.named_children():
        found = [p.grad.norm() for p in network.parameters() if p.grad is not None]
        norms[name] = torch.stack(found).norm().item() if found else 0.0
    return norms


# Sizes


def test_the_papers_networks_have_the_papers_parameters():
    model = VDIR(Config(adversarial=1e-3))
    count = {
        name: sum(p.numel() for p in network.parameters())
        for name, network in model.named_children()
    }
    assert count["restorer"] + count["encoder"] == 2_227_915
    assert (count["encoder"], count["decoder"]) == (154_120, 114_883)
    assert (count["estimator"], count["discriminator"]) == (4_099, 9_409_601)


@pytest.mark.parametrize(
    ("choices", "size"),
    [
        ({"known": "noise"}, (1, 3, 13, 18)),
        ({"known": "noise", "restorer": "ResUNet"}, (1, 3, 13, 18)),
        ({"known": "noise", "restorer": "FFDNet"}, (1, 3, 13, 18)),
        ({"known": "nothing", "conditioning": "nothing"}, (1, 3, 13, 18)),
        ({"known": "noise", "conditioning": "estimate"}, (1, 3, 13, 18)),
        ({"known": "quality", "channels": 1}, (1, 1, 3, 9)),
        ({"known": "quality", "conditioning": "estimate", "restorer": "FFDNet"}, (1, 3, 1, 1)),
        ({"known": "kernel", "scale": 2}, (1, 3, 13, 18)),
        ({"known": "kernel", "scale": 4, "restorer": "ResUNet"}, (1, 3, 13, 18)),
    ],
)
def test_every_task_restores_to_the_size_of_the_original(choices, size):
    model, y = tiny(**choices), torch.rand(size)
    restored, scale = model.restore(y), choices.get("scale", 1)
    assert restored.image.shape == (*size[:2], scale * size[2], scale * size[3])
    if choices["known"] == "noise":
        assert restored.noise_std.shape == y.shape and (restored.noise_std >= 0).all()
    if choices["known"] == "kernel":
        assert restored.kernel.shape == (1, 1, 15, 15)
        torch.testing.assert_close(restored.kernel.sum(), torch.tensor(1.0))
    if choices["known"] == "quality":
        assert restored.quality.shape == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"conditioning": "everything"}, "conditioning: expected one of 'code'"),
        ({"restorer": "UNet"}, "restorer: expected one of 'RIRNet'"),
        ({"trained": ("clean image", "noise")}, r"trained: expected some of .* got \['noise'\]"),
        (
            {"conditioning": "estimate", "known": "kernel"},
            "conditioning: an 'estimate' is of noise or quality",
        ),
        ({"restorer": "FFDNet", "scale": 2}, "FFDNet has a conditioning and does not enlarge"),
    ],
)
def test_choices_that_do_not_fit_are_refused(choices, said):
    with pytest.raises(ValueError, match=said):
        Config(**choices)


# The bound


@pytest.mark.parametrize(
    ("channels", "scale", "expected"),
    [(3, 1, (0.12, 0.12)), (1, 1, (0.04, 0.04)), (3, 2, (0.48, 0.12)), (3, 4, (1.92, 0.12))],
)
def test_the_papers_beta_is_a_scale_of_laplace_densities(channels, scale, expected):
    assert laplace_scales(0.01, channels=channels, scale=scale) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("known", "channels", "scale"),
    [("noise", 3, 1), ("quality", 1, 1), ("kernel", 3, 2)],
    ids=["colour", "grey", "super-resolution"],
)
def test_the_loss_is_the_papers_up_to_a_factor_and_a_constant(known, channels, scale):
    model = tiny(known=known, channels=channels, scale=scale, adversarial=1e-3).eval()
    batch, c = pairs(known, scale, channels), model.config

    def printed(code, q):
        """Eq. (19) of means, as the authors' code takes them."""
        y_hat = model.degraded(code, batch.y.shape[-2:]).mean
        guess = model.estimate(code)
        if known == "noise":
            guess = torch.nn.functional.interpolate(guess, scale_factor=4, mode="bilinear")
            missed = (guess - batch.noise_var.sqrt()).abs().mean()
        elif known == "quality":
            missed = (guess.flatten() - batch.truth["quality"] / 100).abs().mean()
        else:
            missed = (guess - batch.kernel).abs().sum((1, 2, 3)).mean()
        divergence = 0.5 * (q.var + q.mean**2 - 1 - q.var.log()).mean()
        fooled = -model.discriminator(y_hat).sigmoid().log().mean()
        restoration = (batch.x - model.restored(batch.y, code)).abs().mean()
        reconstruction = (batch.y - y_hat).abs().mean()
        return restoration + 0.01 * divergence + reconstruction + 1e-3 * fooled + missed

    with torch.no_grad():
        differences = []
        for seed in range(3):
            shape = model.posterior(batch.y).mean.shape
            mean, var = torch.randn(shape, generator=seeded(seed)), torch.full(shape, 0.3)
            q = Gaussian(mean, var)
            ours = model.bound(batch, q, generator=seeded()).loss(batch.x[0].numel())
            b_x, _ = c.laplace_scales
            differences.append(b_x * ours - printed(q.draw(generator=seeded()), q))
    assert max(differences) - min(differences) < 1e-5


def test_the_terms_are_those_of_the_named_densities():
    model, batch = tiny().double(), dataclasses.replace(
        pairs(), y=pairs().y.double(), x=pairs().x.double(), noise_var=pairs().noise_var.double()
    )  # fmt: skip
    q = model.posterior(batch.y)
    elbo = model.bound(batch, q, generator=seeded())
    code = q.draw(generator=seeded())
    expected = {
        "clean image": Laplace(model.restored(batch.y, code), 0.12).log_prob(batch.x),
        "degraded image": Laplace(model.degraded(code, (16, 16)).mean, 0.12).log_prob(batch.y),
    }
    for name, values in expected.items():
        torch.testing.assert_close(elbo.log_likelihood[name], values.sum((1, 2, 3)))
    kl = kl_divergence(Normal(q.mean, q.var.sqrt()), Normal(0.0, 1.0)).sum((1, 2, 3))
    torch.testing.assert_close(elbo.kl["code"], kl)


def test_a_learned_spread_is_of_the_density_of_the_degraded_image_alone():
    model, batch = tiny(spread="learned").double(), dataclasses.replace(
        pairs(), y=pairs().y.double(), x=pairs().x.double(), noise_var=pairs().noise_var.double()
    )  # fmt: skip
    q = model.posterior(batch.y)
    drawn = model.decoder(q.draw(generator=seeded()))
    scale = 0.12 * drawn[:, 3:].exp()
    log_y = -(batch.y - drawn[:, :3]).abs() / scale - (2 * scale).log()
    elbo = model.bound(batch, q, generator=seeded())
    torch.testing.assert_close(elbo.log_likelihood["degraded image"], log_y.sum((1, 2, 3)))
    assert gradients(model, elbo.loss(768))["decoder"] > 0


def test_the_reconstruction_is_cropped_where_the_size_is_no_multiple_of_four():
    model = tiny()
    y = torch.rand(1, 3, 6, 9)
    code = model.posterior(y).mean
    assert code.shape == (1, 4, 2, 3) and model.degraded(code, (6, 9)).mean.shape == y.shape


# Who learns from what


def test_what_is_not_trained_is_computed_and_teaches_nobody():
    batch = pairs()
    whole, part = (tiny(trained=names, known="nothing") for names in (TERMS, TERMS[:1]))
    elbos = [model(batch, generator=seeded()) for model in (whole, part)]
    torch.testing.assert_close(elbos[0].total, elbos[1].total)
    assert all(norm > 0 for norm in gradients(whole, elbos[0].loss(768)).values())
    norms = gradients(part, elbos[1].loss(768))
    assert norms["decoder"] == 0 and norms["encoder"] > 0 and norms["restorer"] > 0


@pytest.mark.parametrize("restorer", SMALL)
def test_the_restoration_teaches_the_encoder_unless_it_is_told_an_estimate(restorer):
    only = {"trained": ("clean image",), "estimation": 0.0}
    for told, teaches in (("code", True), ("estimate", False)):
        model = tiny(restorer, conditioning=told, **only)
        norms = gradients(model, model(pairs(), generator=seeded()).loss(768))
        assert norms["restorer"] > 0
        assert (norms["encoder"] > 0) == teaches
        assert norms["estimator"] == 0


def test_the_adversary_learns_from_its_own_objective_and_teaches_by_the_bound():
    model, batch = tiny(adversarial=1.0, known="nothing"), pairs()
    assert list(model.objectives()["adversary"]) == ["discriminator"]
    assert "discriminator" not in model.objectives()["bound"]
    judged = model(batch, objective="adversary", generator=seeded()).loss(768)
    norms = gradients(model, judged)
    assert norms["discriminator"] > 0 and norms["encoder"] == norms["decoder"] == 0
    model.eval()
    y_hat = model.degraded(model.posterior(batch.y).draw(generator=seeded()), (16, 16)).mean
    real, made = (model.discriminator(image).sigmoid() for image in (batch.y, y_hat))
    expected = -(real.log().mean() + (1 - made).log().mean())
    judged = model(batch, objective="adversary", generator=seeded()).loss(768)
    torch.testing.assert_close(judged, expected)
    fooled = model(batch, generator=seeded()).auxiliary["adversary"]
    torch.testing.assert_close(fooled, 768 / 0.12 * -made.log().mean((1, 2, 3)))


# Restoration


def test_a_restoration_is_told_the_mean_of_the_code_unless_it_is_told_another():
    model, y = tiny(), images()
    q = model.posterior(y)
    own = model.restore(y).image
    assert torch.equal(own, model.restore(y, code=q.mean).image)
    drawn = [model.restore(y, generator=seeded(seed)).image for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(own, model.restore(y, code=q.mean.flip(0)).image)


def test_draws_of_the_code_have_the_moments_of_q():
    q = Gaussian(torch.full((1, 1, 1, 1), 0.7), torch.full((1, 1, 1, 1), 0.09))
    generator = seeded()
    draws = torch.cat([q.draw(generator=generator) for _ in range(4000)])
    assert abs(draws.mean() - 0.7) < 5 * 0.3 / math.sqrt(4000)
    assert abs(draws.var() / 0.09 - 1) < 5 * math.sqrt(2 / 4000)


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("known", ["kernel", "quality"])
def test_what_the_code_says_of_a_whole_image_is_the_mean_over_its_tiles(known):
    model, y = tiny(known=known), images(side=200, count=1)
    y[..., 100:, :] *= 10
    whole, cut = (restore(model, y, tile=tile, device="cpu") for tile in (200, 150))
    assert (cut.image - whole.image).abs().max() < 1e-4
    reach, step = receptive_radius(model.restoring), stride(model.restoring)
    grid = tiles(200, 200, size=150, overlap=reach, stride=step)
    with torch.no_grad():
        answers = [getattr(model.restore(y[..., *tile.seen]), known) for tile in grid]
    assert (answers[0] - answers[-1]).abs().max() > 1e-5
    shares = [y[0, 0][tile.kept].numel() / 200**2 for tile in grid]
    mean = sum(share * answer for share, answer in zip(shares, answers, strict=True))
    torch.testing.assert_close(getattr(cut, known), mean)


def test_a_model_with_its_adversary_is_saved_and_loaded(tmp_path):
    model = tiny(adversarial=1e-3).eval()
    save_weights(tmp_path / "a.safetensors", model, {})
    loaded, y = load_weights(tmp_path / "a.safetensors"), images()
    assert loaded.config == model.config
    assert torch.equal(loaded.restore(y).image, model.restore(y).image)
    assert torch.equal(loaded.discriminator(y), model.discriminator(y))


# What it is trained on


def test_the_training_degradations_stay_in_the_papers_ranges():
    x = images(count=64)
    std = 255 * noisy(x, generator=seeded()).noise_var.sqrt()
    assert 5 <= std.min() < 10 and 65 < std.max() <= 70
    quality = jpeg(x, QUALITIES, generator=seeded()).truth["quality"]
    assert 10 <= quality.min() < 15 and 75 < quality.max() <= 80
    luma = jpeg_luma(x, QUALITIES, generator=seeded())
    assert luma.y.shape == luma.x.shape == (64, 1, 16, 16)
    assert torch.equal((255 * luma.x).round() / 255, luma.x)


@pytest.mark.parametrize("scale", [2, 4])
def test_the_training_kernels_hold_those_of_the_papers_tables(scale):
    batch = turned_sr(images(count=64, side=32), scale, generator=seeded())
    assert batch.kernel.shape == (64, 1, 15, 15) and batch.noise_var.max() == 0
    lambda1_sq, lambda2_sq, rho = kernel_parameters(batch.kernel)
    mean, spread = (lambda1_sq + lambda2_sq) / 2, (lambda1_sq - lambda2_sq) / 2
    radius = (spread**2 + rho**2 * lambda1_sq * lambda2_sq).sqrt()
    longer, shorter = mean + radius, mean - radius
    assert longer.max() > 0.9 * 2.5 * scale * (1 if scale == 2 else 0.8)
    assert longer.max() <= 2.5 * scale and 0.45 < shorter.min() < 1.0


def test_an_encoder_of_fine_detail_sees_what_another_cannot_and_starts_sure():
    # A picture and one with a ripple of 1/255: what JPEG leaves is no stronger.
    smooth = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    ripple = smooth + (torch.arange(64) % 2 - 0.5) / 255

    def change(detail):
        model = tiny(channels=1, known="quality", detail=detail)
        a, b = (model.posterior(y) for y in (smooth, ripple))
        return ((a.mean - b.mean).norm() / a.mean.std()).item(), a.var.sqrt().max().item()

    (plain, wide), (fine, narrow) = change(0.0), change(60.0)
    assert fine > 10 * plain
    assert wide > 0.5 and narrow == pytest.approx(math.exp(-3), rel=1e-5)
    with torch.no_grad():  # it is one convolution wider, and the rest as it was
        sizes = [sum(p.numel() for p in tiny(detail=d).parameters()) for d in (0.0, 60.0)]
    assert sizes[1] - sizes[0] == 3 * 4 * 9
