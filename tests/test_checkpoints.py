"""Weights on disk: what is saved is loaded, what is damaged is refused, nothing is executed."""

import json
import pickle

import numpy as np
import pytest
import torch

import vbl
from vbl.images import DataUnavailable
from vbl.models import BadCheckpoint, checkpoints, load, load_weights, save_weights, virnet
from vbl.models.checkpoints import ffdnet, read_weights
from vbl.models.supervised import Config, Supervised
from vbl.recipes import RECIPES
from vbl.utils import UnknownName

TINY = Config("DnCNN", {"width": 4, "depth": 3})


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Supervised(TINY).eval()


@pytest.fixture
def shipped(tmp_path, monkeypatch, model):
    """A folder of checkpoints with one called "tiny"."""
    path = tmp_path / "tiny.safetensors"
    save_weights(path, model, {"seed": 3})
    index = {"tiny": {"sha256": checkpoints.sha256(path)}}
    (tmp_path / "index.json").write_text(json.dumps(index))
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path)
    return path


def test_what_is_saved_is_loaded(tmp_path, model):
    save_weights(tmp_path / "a.safetensors", model, {"seed": 3})
    loaded, y = load_weights(tmp_path / "a.safetensors"), torch.rand(1, 3, 9, 9)
    assert torch.equal(loaded.restore(y).image, model.restore(y).image)
    assert loaded.config == model.config and loaded.about["seed"] == 3
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())


def test_a_configuration_with_tuples_survives_json(tmp_path):
    config = virnet.Config(widths=(4, 4, 8), blocks=(1, 1, 2), sigma_width=4)
    save_weights(tmp_path / "a.safetensors", virnet.VIRNet(config), {})
    assert load_weights(tmp_path / "a.safetensors").config == config


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_what_any_recipe_trains_can_be_loaded(tmp_path, recipe):
    config = recipe.presets["quick"].config
    save_weights(tmp_path / "a.safetensors", recipe.model(config), {})
    assert load_weights(tmp_path / "a.safetensors").config == config


def test_half_precision_halves_the_file_and_barely_changes_the_result(tmp_path, model):
    big, small = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_weights(big, model, {})
    save_weights(small, model, {}, half=True)
    values = sum(p.numel() for p in model.parameters())
    assert big.stat().st_size - small.stat().st_size > 1.9 * values
    y = torch.rand(1, 3, 9, 9)
    restored = load_weights(small).restore(y).image
    assert restored.dtype == torch.float32
    torch.testing.assert_close(restored, model.restore(y).image, atol=2e-3, rtol=0)


def test_a_name_loads_the_shipped_file_once_its_hash_is_right(shipped, model):
    assert vbl.load("tiny").config == TINY
    assert "tiny" in checkpoints.known()
    content = bytearray(shipped.read_bytes())
    content[-1] ^= 1  # one bit of one weight: safetensors itself would not notice
    shipped.write_bytes(content)
    with pytest.raises(BadCheckpoint, match=r"tiny.safetensors: expected sha256 \w{64}, found \w+"):
        load("tiny")
    shipped.unlink()
    with pytest.raises(BadCheckpoint, match="no such file"):
        load("tiny")


def test_an_unknown_name_suggests_the_nearest(shipped):
    with pytest.raises(UnknownName, match="did you mean tiny"):
        load("tinny")


def test_the_log_of_a_training_is_read_by_name(shipped):
    shipped.with_suffix(".jsonl").write_text('{"step": 1}\n{"step": 2}\n')
    assert checkpoints.training_log("tiny") == [{"step": 1}, {"step": 2}]
    with pytest.raises(UnknownName, match="did you mean tiny"):
        checkpoints.training_log("tinny")


@pytest.mark.parametrize("content", [b"", b"garbage" * 10, pickle.dumps({"a": 1})])
def test_a_file_of_another_kind_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(BadCheckpoint, match="damaged or no safetensors file") as caught:
        load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "os.system"}, "holds the model .os.system.; known: Supervised"),
        ({"config": {"network": "DnCNN", "options": {"width": 5, "depth": 3}}}, "does not fit"),
        ({"config": {"network": "Worm"}}, "does not fit"),
        ({"config": {"colour": 1}}, "does not fit"),
    ],
)
def test_metadata_can_only_choose_among_our_models(tmp_path, model, monkeypatch, change, message):
    path = tmp_path / "a.safetensors"
    save_weights(path, model, {})
    about, tensors = read_weights(path)
    save = checkpoints.save(tensors, {"vbl": json.dumps(about | change)})
    path.write_bytes(save)
    with pytest.raises(BadCheckpoint, match=message):
        load_weights(path)


def test_a_missing_file_is_an_error_of_the_operating_system(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors"):
        load(tmp_path / "none.safetensors")


# FFDNet, as its authors released it


@pytest.fixture(scope="module")
def arrays():
    torch.manual_seed(0)
    state = Supervised(Config("FFDNet")).restorer.convolutions.state_dict()
    return {name: tensor.numpy() for name, tensor in state.items()}


def test_both_forms_of_the_release_give_the_same_network(tmp_path, arrays, monkeypatch):
    (tmp_path / "weights").mkdir()
    monkeypatch.setenv("VBL_DATA", str(tmp_path))
    with pytest.raises(DataUnavailable, match=r"weights/ffdnet_color\.npz"):
        load("ffdnet")
    pth = {f"model.{2 * int(k.split('.')[0])}.{k.split('.')[1]}": v for k, v in arrays.items()}
    torch.save(
        {k: torch.from_numpy(v) for k, v in pth.items()}, tmp_path / "weights/ffdnet_color.pth"
    )
    y, std = torch.rand(1, 3, 7, 9), torch.tensor(0.1)
    from_pth = load("ffdnet").restore(y, noise_std=std).image
    npz = {f"conv{int(k.split('.')[0]):02d}.{k.split('.')[1]}": v for k, v in arrays.items()}
    np.savez(tmp_path / "weights/ffdnet_color.npz", **npz)
    assert torch.equal(load("ffdnet").restore(y, noise_std=std).image, from_pth)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return (exec, ("raise SystemExit('executed')",))

    torch.save({"model.0.weight": Trap()}, tmp_path / "ffdnet_color.pth")
    with pytest.raises(BadCheckpoint, match="holds more than numbers"):
        ffdnet(tmp_path / "ffdnet_color.pth")


def test_other_arrays_are_not_ffdnet(tmp_path):
    np.savez(tmp_path / "a.npz", **{"conv00.weight": np.zeros((2, 2), np.float32)})
    with pytest.raises(BadCheckpoint, match="FFDNet's 12 convolutions"):
        ffdnet(tmp_path / "a.npz")
