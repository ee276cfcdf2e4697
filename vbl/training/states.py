"""States of a training run, from which it can be resumed, with hashes to detect damage.

A state is one safetensors file (weights and moments of the optimisers; the rest as JSON in its
metadata) and beside it its hash, in the format of ``sha256sum``. Both are written under temporary
names, synced and renamed; the hash second, so a state without a hash is incomplete.
"""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from vbl.utils import complete_or_absent, sha256

KEPT = 2


def save_state(folder: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping) -> Path:
    """Write the state after `step` steps and delete all but the last two.

    Args:
        folder: Folder of the run.
        step: Steps done.
        tensors: Of any type and device, by name.
        facts: Serialisable as JSON.

    Raises:
        OSError: When it cannot be written; earlier states are untouched.
    """
    path = folder / f"state-{step:09d}.safetensors"
    data = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with complete_or_absent(path) as file:
        file.write(save(data, {"facts": json.dumps({"step": step, **facts})}))
    with complete_or_absent(_hash_file(path)) as file:
        file.write(f"{sha256(path)}  {path.name}\n".encode())
    for old in _states(folder)[:-KEPT]:
        _hash_file(old).unlink(missing_ok=True)
        old.unlink()
    return path


def load_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors (on the CPU) and facts (with ``step``) of the newest intact state, or None.

    A damaged state (truncated, altered, without its hash) is skipped with a warning.
    """
    for path in reversed(_states(folder)):
        if reason := _damage(path):
            warnings.warn(f"{path} {reason}: trying the state before it", stacklevel=2)
            continue
        with safe_open(path, "pt") as file:
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}, json.loads(
                file.metadata()["facts"]
            )
    return None


def _states(folder: Path) -> list[Path]:
    return sorted(folder.glob("state-*.safetensors"))


def _hash_file(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _damage(path: Path) -> str | None:
    if not _hash_file(path).is_file():
        return "has no hash (it was not finished)"
    expected = _hash_file(path).read_text().split()[:1]
    return None if expected == [sha256(path)] else "does not have its hash (it is damaged)"
