"""The mean of the weights of several trainings.

Trainings that begin at the same weights end in the same valley; their mean lies deeper in it, and
does better on pictures unlike those of the training :cite:p:`wortsman2022soups`.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import torch

from vbl.models import checkpoints


def average(shares: Mapping[Path, float], folder: Path) -> Path:
    """Write the weighted mean of finished trainings as one, which can be shipped.

    Args:
        shares: Folders of runs with their shares; those are divided by their sum. The mean is
            described as the first, and its log is that of the first.
        folder: A new folder.

    Returns:
        The weights file, whose facts name every training with its share.

    Raises:
        ValueError: When there is no run, a share is not positive, or configurations differ.
        FileExistsError: When `folder` exists.
    """
    if not shares or min(shares.values()) <= 0:
        raise ValueError(f"shares: expected positive shares of one run or more, got {shares}")
    models = [checkpoints.load_weights(run / "weights.safetensors") for run in shares]
    for run, model in zip(shares, models, strict=True):
        if (type(model), model.config) != (type(models[0]), models[0].config):
            raise ValueError(f"{run}: another model than {next(iter(shares))}")
    parts = [share / sum(shares.values()) for share in shares.values()]
    with torch.no_grad():
        for tensors in zip(*(model.state_dict().values() for model in models), strict=True):
            mean = sum(part * tensor.double() for part, tensor in zip(parts, tensors, strict=True))
            tensors[0].copy_(mean)  # of the first model
    told = ("preset", "data", "seed", "steps", "seconds", "settings")
    averaged = [
        {"share": round(part, 4), **{key: model.about.get(key) for key in told}}
        for part, model in zip(parts, models, strict=True)
    ]
    facts = {k: v for k, v in models[0].about.items() if k not in ("model", "config")}
    folder.mkdir(parents=True)
    shutil.copyfile(next(iter(shares)) / "log.jsonl", folder / "log.jsonl")
    path = folder / "weights.safetensors"
    checkpoints.save_weights(path, models[0], facts | {"averaged": averaged})
    return path
