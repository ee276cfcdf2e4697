"""Training LUD-VAE: unpaired batches, annealing that survives an interruption, weights on disk."""

import pytest
import torch
from probability import seeded

from vbl import training
from vbl.checkpoints import load_weights, save_weights
from vbl.degradations import grain
from vbl.models.lud_vae import LUDVAE, Config
from vbl.recipes import Preset, find_recipe
from vbl.recipes.lud_vae import grainy_unpaired, unpaired

TINY = Config(width=6, latent=3, factors=(2, 1), annealed=4)


def test_weights_survive_the_way_to_a_file_and_back(tmp_path):
    model, x = LUDVAE(TINY), torch.rand(4, 3, 8, 8)
    model(grainy_unpaired(x))
    save_weights(tmp_path / "a.safetensors", model, {})
    loaded = load_weights(tmp_path / "a.safetensors")
    assert loaded.config == model.config and loaded.batches == 1
    assert torch.equal(*(m.translate(x, generator=seeded()).y for m in (model, loaded)))


def test_a_run_in_two_parts_is_annealed_as_the_run_in_one():
    recipe = find_recipe("lud-vae-correlated")
    preset = Preset(config=TINY, steps=4, batch=4, size=8, ema=0.9)

    def learner():
        plan, accelerator = {"seed": 0, "bf16": False}, training._accelerator("cpu")
        return training.Learner(recipe, preset, plan, accelerator)

    batches = [grainy_unpaired(torch.rand(4, 3, 8, 8), generator=seeded(n)) for n in range(4)]
    one, first, second = learner(), learner(), learner()
    for step, batch in enumerate(batches):
        one.update(step, batch)
        if step == 2:
            second.load({name: t.clone() for name, t in first.tensors().items()})
        (first if step < 2 else second).update(step, batch)
    ours, theirs = one.tensors(), second.tensors()
    assert ours["model.batches"] == 4
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_half_of_the_crops_are_degraded_and_the_other_half_is_clean():
    x = torch.rand(6, 3, 8, 8)
    batch = unpaired(x, grain, generator=seeded())
    paired = grain(x[3:], generator=seeded())
    assert torch.equal(batch.x, x[:3]) and torch.equal(batch.y, paired.y)
    assert torch.equal(batch.noise_var, paired.noise_var)
    with pytest.raises(ValueError, match="batch: expected an even number of crops"):
        unpaired(x[:5], grain)


def test_grain_has_the_variance_it_says_and_the_correlation_it_should():
    x = torch.linspace(0, 1, 4)[:, None, None, None].expand(4, 3, 256, 256)
    made = grain(x, generator=seeded())
    noise = (made.y - x) / made.noise_var.sqrt()
    torch.testing.assert_close(noise.var((1, 2, 3)), torch.ones(4), rtol=0.02, atol=0)
    for lag, expected in ((1, 2 / 3), (2, 1 / 6), (3, 0.0)):
        assert (noise[..., lag:] * noise[..., :-lag]).mean() == pytest.approx(expected, abs=0.01)
    std = 255 * made.noise_var.sqrt()[:, 0, 0, 0]
    torch.testing.assert_close(std, torch.tensor([10.0, 50 / 3, 70 / 3, 30.0]))
