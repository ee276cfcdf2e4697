"""Weights on disk: safetensors, float32 or float16, hashed; loading executes no code.

::

    load("resunet")                  a shipped checkpoint, by name
    load("runs/mine/weights.safetensors")
    load("ffdnet")                   FFDNet with its authors' weights, from the folder VBL_DATA

The metadata of a weights file hold, as JSON, the class of the model, its configuration and how it
was trained. ``index.json`` beside the shipped files holds their hashes.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from vbl.images import DataUnavailable
from vbl.models import (
    lud_vae,
    lud_vae_neighbours,
    supervised,
    vbdeblur,
    vdir,
    vdn,
    virnet,
    virnet_sr,
)
from vbl.models.vbdeblur_learned_concentration import VBDeblurNetLearnedConcentration
from vbl.models.virnet_sr_learned_width import VIRNetSRLearnedWidth
from vbl.utils import DATA, UnknownName, complete_or_absent, look_up, sha256

FOLDER = DATA / "checkpoints"

# Class name -> (class, class of its configuration)
MODELS: dict[str, tuple[type[nn.Module], type]] = {
    "Supervised": (supervised.Supervised, supervised.Config),
    "VDN": (vdn.VDN, vdn.Config),
    "VIRNet": (virnet.VIRNet, virnet.Config),
    "VIRNetSR": (virnet_sr.VIRNetSR, virnet_sr.Config),
    "VIRNetSRLearnedWidth": (VIRNetSRLearnedWidth, virnet_sr.Config),
    "VDIR": (vdir.VDIR, vdir.Config),
    "LUDVAE": (lud_vae.LUDVAE, lud_vae.Config),
    "LUDVAENeighbours": (lud_vae_neighbours.LUDVAENeighbours, lud_vae_neighbours.Config),
    "VBDeblurNet": (vbdeblur.VBDeblurNet, vbdeblur.Config),
    "VBDeblurNetLearnedConcentration": (VBDeblurNetLearnedConcentration, vbdeblur.Config),
}


class BadCheckpoint(ValueError):
    """A file that is not a checkpoint of this library, or not the one the index describes."""


def save_weights(
    path: Path, model: nn.Module, facts: Mapping[str, Any], *, half: bool = False
) -> None:
    """Write a model's weights with its class, configuration and training.

    Args:
        path: A ``.safetensors`` file, written atomically.
        model: A model of `MODELS`.
        facts: How it was trained and its scores; serialisable as JSON.
        half: Store weights as float16, half the size.

    Raises:
        OSError: When the file cannot be written.
    """
    dtype = torch.float16 if half else torch.float32
    tensors = {
        name: tensor.detach().cpu().to(dtype if tensor.is_floating_point() else tensor.dtype)
        for name, tensor in model.state_dict().items()
    }
    tensors = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    about = {"model": type(model).__name__, "config": asdict(model.config), **facts}
    with complete_or_absent(path) as file:
        file.write(save(tensors, {"vbl": json.dumps(about)}))


def load_weights(path: Path, *, device: str | torch.device | None = None) -> nn.Module:
    """Build the model a weights file describes, in evaluation mode.

    Args:
        path: A file `save_weights` wrote.
        device: By default the CPU.

    Raises:
        BadCheckpoint: When the file is damaged, or describes no model of `MODELS`.
        OSError: When it cannot be read.
    """
    about, tensors = read_weights(path)
    if about.get("model") not in MODELS:
        known = ", ".join(MODELS)
        raise BadCheckpoint(f"{path} holds the model {about.get('model')!r}; known: {known}")
    build, config = MODELS[about["model"]]
    try:
        model = build(config(**_with_tuples(about["config"])))
        model.load_state_dict({name: t.float() for name, t in tensors.items()})
    except (TypeError, ValueError, RuntimeError) as reason:
        line = " ".join(str(reason).split())[:200]
        raise BadCheckpoint(f"{path} does not fit {about['model']}: {line}") from reason
    model.about = about
    return model.eval().requires_grad_(False).to(device)


def _with_tuples(value: Any) -> Any:
    """Convert the lists of JSON back to tuples."""
    if isinstance(value, Mapping):
        return {name: _with_tuples(item) for name, item in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def read_weights(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Metadata and tensors of a weights file, without building the model.

    Raises:
        BadCheckpoint: When the file is damaged or another kind of file.
        OSError: When it cannot be read.
    """
    with path.open("rb"):  # for a missing file, raises an OSError clearer than safetensors' own
        pass
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {}).get("vbl", "{}"))
            return about, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError) as reason:
        raise BadCheckpoint(f"{path} is damaged or no safetensors file: {reason}") from reason


def index() -> dict[str, dict[str, Any]]:
    """The shipped checkpoints by name: hash, size, training and scores of each."""
    path = FOLDER / "index.json"
    return json.loads(path.read_text()) if path.exists() else {}


def training_log(name: str) -> list[dict[str, Any]]:
    """The history of a shipped checkpoint's training, as in `vbl.training.Run`.

    Raises:
        UnknownName: With the closest names when there is no such checkpoint.
    """
    look_up("checkpoint", name, index())
    return [json.loads(row) for row in (FOLDER / f"{name}.jsonl").read_text().splitlines()]


def known() -> tuple[str, ...]:
    """Names that `load` accepts."""
    return (*index(), *PUBLISHED)


def load(name: Any, *, device: str | torch.device | None = None) -> nn.Module:
    """Load a model by the name of its checkpoint, or from a weights file.

    Args:
        name: One of `known`, or the path of a ``.safetensors`` file.
        device: Where its networks compute, by default the CPU. Images may lie elsewhere, and so do
            then the results.

    Returns:
        The model in evaluation mode; its attribute ``about`` has how it was trained.

    Raises:
        UnknownName: With the closest names when it is neither.
        BadCheckpoint: When the file is damaged or has another hash than in the index.
        DataUnavailable: When an author's weights are not on this machine.
    """
    if str(name) in PUBLISHED:
        return PUBLISHED[name]().eval().requires_grad_(False).to(device)
    if str(name).endswith(".safetensors"):
        return load_weights(Path(name), device=device)
    shipped = index()
    if name not in shipped:
        raise UnknownName("model", name, known())
    path = FOLDER / f"{name}.safetensors"
    expected = shipped[name]["sha256"]
    found = sha256(path) if path.is_file() else "no such file"
    if found != expected:
        raise BadCheckpoint(f"{path}: expected sha256 {expected}, found {found}")
    return load_weights(path, device=device)


def ffdnet(path: Any = None) -> supervised.Supervised:
    """FFDNet for colour images with its authors' weights :cite:p:`zhang2018ffdnet`.

    Args:
        path: ``ffdnet_color.npz``, converted from the MatConvNet release (arrays ``conv00.weight``,
            ``conv00.bias``, ...), or the PyTorch release ``ffdnet_color.pth`` of KAIR; by default
            whichever is in ``weights`` in the folder VBL_DATA.

    Raises:
        DataUnavailable: When there is neither.
        BadCheckpoint: When the file contains other arrays.
    """
    path = Path(path) if path else _published("ffdnet_color.npz", "ffdnet_color.pth")
    read = _read_npz if path.suffix == ".npz" else _read_pth
    model = supervised.Supervised(supervised.Config("FFDNet"))
    try:
        model.restorer.convolutions.load_state_dict(read(path))
    except UnpicklingError as reason:
        raise BadCheckpoint(f"{path} holds more than numbers and is not loaded") from reason
    except (KeyError, IndexError, RuntimeError, ValueError, BadZipFile) as reason:
        line = " ".join(str(reason).split())[:200]
        raise BadCheckpoint(f"{path} does not hold FFDNet's 12 convolutions: {line}") from reason
    model.about = {"model": "Supervised", "trained": "by the authors of FFDNet", "file": path.name}
    return model


def _published(*files: str) -> Path:
    folder = Path(os.environ.get("VBL_DATA") or "") / "weights"
    for file in files:
        if os.environ.get("VBL_DATA") and (folder / file).is_file():
            return folder / file
    where = "needs the environment variable VBL_DATA to name a folder with"
    raise DataUnavailable(f"{files[0]} {where} weights/{' or weights/'.join(files)}")


def _read_npz(path: Path) -> dict[str, torch.Tensor]:
    with np.load(path, allow_pickle=False) as arrays:
        return {
            f"{int(name[4:6])}.{name[7:]}": torch.from_numpy(arrays[name])
            for name in arrays.files
            if name.startswith("conv")
        }


def _read_pth(path: Path) -> dict[str, torch.Tensor]:
    """Rename KAIR's layers, which count ReLUs: its convolution i is ``model.{2 i}``."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {
        f"{int(name.split('.')[1]) // 2}.{name.split('.')[2]}": tensor
        for name, tensor in state.items()
    }


PUBLISHED: dict[str, Callable[[], nn.Module]] = {"ffdnet": ffdnet}
