"""Training LUD-VAE: unpaired batches, annealing that survives an interruption, weights on disk."""

import numpy as np
import pytest
import torch
from PIL import Image
from probability import seeded

from vbl import recipes
from vbl.degradations import grain, rough_sr
from vbl.degradations.operators import bicubic_downsample
from vbl.images import ImageSet, Sample
from vbl.models import load_weights, save_weights
from vbl.models.lud_vae import LUDVAE, Config
from vbl.recipes import Preset, find_recipe
from vbl.recipes.lud_vae import (
    beside_pile,
    held_out_photographs,
    learn_noise_of,
    noisy_photographs,
    packed,
    small_pairs,
    small_unpaired,
    translated,
    unpaired,
)
from vbl.training import Learner
from vbl.training.fit import _accelerator

TINY = Config(width=6, latent=3, factors=(2, 1), annealed=4)


def test_weights_survive_the_way_to_a_file_and_back(tmp_path):
    model, x = LUDVAE(TINY), torch.rand(4, 3, 8, 8)
    model(unpaired(x, grain))
    save_weights(tmp_path / "a.safetensors", model, {})
    loaded = load_weights(tmp_path / "a.safetensors")
    assert loaded.config == model.config and loaded.batches == 1
    assert torch.equal(*(m.translate(x, generator=seeded()).y for m in (model, loaded)))


def test_a_run_in_two_parts_is_annealed_as_the_run_in_one():
    recipe = find_recipe("lud-vae-real")
    preset = Preset(config=TINY, steps=4, batch=4, size=8)

    def learner():
        plan, accelerator = {"seed": 0, "bf16": False}, _accelerator("cpu")
        return Learner(recipe, preset, plan, accelerator)

    batches = [unpaired(torch.rand(4, 3, 8, 8), grain, generator=seeded(n)) for n in range(4)]
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


def test_small_images_are_reduced_in_two_ways():
    x = torch.rand(4, 3, 32, 32, generator=seeded())
    batch, pair = small_unpaired(x, generator=seeded()), small_pairs(x, generator=seeded())
    clean = bicubic_downsample(x, 4).clamp(0, 1)
    assert torch.equal(batch.x, clean[:2]) and torch.equal(pair.x, clean)
    assert batch.y.shape == (2, 3, 8, 8)
    torch.testing.assert_close(batch.y, rough_sr(x[2:], generator=seeded()).y, rtol=0, atol=1e-6)
    flat = torch.full((1, 1, 512, 512), 0.5)
    noise = rough_sr(flat, generator=seeded()).y - 0.5
    assert 255 * noise.std() == pytest.approx(12, rel=0.1)


def test_a_translation_trains_others(monkeypatch):
    model, x = LUDVAE(TINY), torch.rand(2, 3, 32, 32, generator=seeded())
    monkeypatch.setattr(recipes.lud_vae, "translator", lambda name, device: model)
    made = translated(x, by="any", pair="added", generator=seeded())
    assert torch.equal(made.x, x)
    assert torch.equal(made.y, model.translate(x, pair="added", generator=seeded()).y)


def test_no_scene_of_photographs_is_trained_on_and_tested_on(monkeypatch):
    names = [f"camera_{scene}_{crop}" for scene in range(9) for crop in range(3)]
    pictures = {name: torch.full((1, 3, 40, 40), i / 40) for i, name in enumerate(names)}
    pairs = ImageSet(
        "pairs", {n: lambda n=n, x=x: Sample(n, 0 * x, x) for n, x in pictures.items()}
    )
    monkeypatch.setattr(recipes.lud_vae, "open_dataset", lambda name: pairs)
    noisy, held_out = noisy_photographs(), held_out_photographs()
    assert sorted((*noisy.names, *held_out.names)) == sorted(names)
    scenes = [{name.rpartition("_")[0] for name in part.names} for part in (noisy, held_out)]
    assert not scenes[0] & scenes[1] and len(scenes[1]) == 3
    assert all(torch.equal(s.image, pictures[s.name]) and s.degraded is None for s in noisy)
    packed.cache_clear()
    x = torch.rand(4, 3, 16, 16)
    batch = beside_pile(x, pile=noisy_photographs, generator=seeded())
    packed.cache_clear()
    assert batch.x.shape == batch.y.shape == (2, 3, 16, 16)
    values = {round(v * 40) for crop in batch.y for v in crop.unique().tolist()}
    assert values <= {i for i, name in enumerate(names) if name in noisy}


def test_a_camera_can_be_left_out(monkeypatch):
    names = [f"{camera}_{scene}_0" for camera in ("a", "b") for scene in range(8)]
    pairs = ImageSet("pairs", {name: lambda name=name: Sample(name, None) for name in names})
    monkeypatch.setattr(recipes.lud_vae, "open_dataset", lambda name: pairs)
    seen, rest = noisy_photographs(), noisy_photographs(without="b")
    assert {name[0] for name in seen.names} == {"a", "b"}
    assert set(rest.names) == {name for name in seen.names if name[0] == "a"}


def test_the_noise_of_ones_own_photographs_can_be_learned(tmp_path):
    for i in range(3):
        image = Image.fromarray(np.full((40, 40, 3), 80 + i, np.uint8))
        image.save(tmp_path / f"night_{i}.png")
    recipe = learn_noise_of(tmp_path)
    x = torch.rand(4, 3, 32, 32, generator=seeded())
    batch = recipe.degrade(x, generator=seeded())
    assert torch.equal(batch.x, x[:2])
    assert {round(255 * v) for v in batch.y.unique().tolist()} <= {80, 81, 82}
    assert recipe.presets == find_recipe("lud-vae-real").presets
