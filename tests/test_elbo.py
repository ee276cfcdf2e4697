"""The bound as named terms: what it adds up, what it leaves out, what it refuses."""

from dataclasses import FrozenInstanceError

import pytest
import torch

from vbl.probability import Elbo, per_image

NUMEL = 3 * 8 * 8


def terms(*names, b=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(b, dtype=torch.float64, generator=generator) for name in names}


def test_the_bound_is_the_likelihoods_minus_the_divergences():
    likelihood, kl = terms("x", "y"), terms("z", "noise", seed=1)
    bound = Elbo(likelihood, kl)
    expected = likelihood["x"] + likelihood["y"] - kl["z"] - kl["noise"]
    torch.testing.assert_close(bound.total, expected)
    torch.testing.assert_close(bound.loss(NUMEL), -expected.mean() / NUMEL)


def test_auxiliary_terms_are_trained_but_stand_outside_the_bound():
    likelihood, kl, auxiliary = (
        terms("y"),
        terms("z", seed=1),
        terms("adversary", "estimate", seed=2),
    )
    plain, full = Elbo(likelihood, kl), Elbo(likelihood, kl, auxiliary)
    assert torch.equal(plain.total, full.total)
    extra = (auxiliary["adversary"] + auxiliary["estimate"]).mean() / NUMEL
    torch.testing.assert_close(full.loss(NUMEL), plain.loss(NUMEL) + extra)


def test_a_bound_may_have_no_divergence():
    likelihood = terms("y")
    assert torch.equal(Elbo(likelihood, {}).total, likelihood["y"])


def test_the_gradient_of_the_loss_is_minus_that_of_the_bound_per_value_and_image():
    w = torch.linspace(0.5, 2, 4, dtype=torch.float64, requires_grad=True)
    bound = Elbo({"y": w.log() * w}, {"z": w**2, "noise": w.exp()})
    (of_bound,) = torch.autograd.grad(bound.total.sum(), w, retain_graph=True)
    (of_loss,) = torch.autograd.grad(bound.loss(NUMEL), w)
    torch.testing.assert_close(of_loss, -of_bound / (NUMEL * len(w)))


def test_printing_a_bound_shows_every_term_and_its_mean():
    likelihood = {"pixels": torch.tensor([1.0, 2.0])}
    kl, auxiliary = {"variance": torch.tensor([0.25, 0.5])}, {"adversary": torch.tensor([7.0, 8.0])}
    rows = [row.rsplit(maxsplit=1) for row in str(Elbo(likelihood, kl, auxiliary)).splitlines()]
    assert rows == [
        ["log-likelihood pixels", "1.500"],
        ["KL variance", "0.375"],
        ["auxiliary adversary", "7.500"],
        ["bound (nats per image)", "1.125"],
    ]


def test_a_bound_in_training_can_be_printed():
    w = torch.ones(2, requires_grad=True)
    assert "2.000" in str(Elbo({"y": 2 * w}, {}))


def test_a_bound_without_a_likelihood_is_refused_in_one_line():
    with pytest.raises(ValueError, match="at least one log-likelihood") as refusal:
        Elbo({}, terms("z"))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("kl", "found"),
    [
        ({"z": torch.zeros(4, 1)}, r"z \(4, 1\)"),
        ({"z": torch.zeros(3)}, r"z \(3,\)"),
        ({"z": torch.tensor(0.0)}, r"z \(\)"),
        ({"y": torch.zeros(3)}, r"y \(4,\), y \(3,\)"),  # the same name in both groups
    ],
)
def test_a_term_that_is_not_one_value_per_image_is_refused_in_one_line(kl, found):
    with pytest.raises(ValueError, match=rf"expected every term to be \(B,\).*{found}") as refusal:
        Elbo(terms("y"), kl)
    assert "\n" not in str(refusal.value)


def test_terms_that_agree_on_a_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 2\)"):
        Elbo({"y": torch.zeros(4, 2)}, {"z": torch.zeros(4, 2)})


def test_auxiliary_terms_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"adversary \(\)"):
        Elbo(terms("y"), {}, {"adversary": torch.tensor(1.0)})


def test_groups_may_share_a_name():
    likelihood, kl = terms("x"), terms("x", seed=1)
    torch.testing.assert_close(Elbo(likelihood, kl).total, likelihood["x"] - kl["x"])


def test_a_bound_cannot_be_changed():
    bound = Elbo(terms("y"), {})
    with pytest.raises(FrozenInstanceError):
        bound.kl = terms("z")


def test_per_image_sums_what_belongs_to_one_image():
    x = torch.arange(24.0).view(2, 3, 2, 2)
    assert per_image(x).tolist() == [66, 210]
    assert per_image(x[:, 0, 0, 0]).tolist() == [0, 12]
