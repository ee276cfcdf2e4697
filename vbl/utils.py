"""Helpers for all folders: data location, atomic file writing, devices, seeds, names looked up.

``DATA`` is the folder of shipped data: checkpoints, results, the papers' values, the catalogue. It
lies beside ``vbl`` in a checkout and inside ``vbl`` after ``pip install`` (``INSTALLED`` is true).
"""

import ctypes
import difflib
import hashlib
import os
import re
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor
from tqdm.auto import tqdm

_PACKAGE = Path(__file__).parent
INSTALLED = (_PACKAGE / "data").is_dir()
DATA = (_PACKAGE if INSTALLED else _PACKAGE.parent) / "data"


@contextmanager
def complete_or_absent(path: Path) -> Iterator[BinaryIO]:
    """Write to a temporary file in the same folder, renamed to `path` once it is on disk."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as reason:
        if reason.filename in (None, str(part)):  # a full disk does not say which file
            reason.filename = str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


def randn_like(
    like: Tensor, *, generator: torch.Generator | None, shape: Sequence[int] | None = None
) -> Tensor:
    """Standard normal samples with the device and type of `like`, and its shape or `shape`."""
    shape = like.shape if shape is None else shape
    return torch.randn(shape, generator=generator, device=like.device, dtype=like.dtype)


def constant(values: Any, like: Tensor) -> Tensor:
    """A tensor of fixed numbers, with the device and type of `like`; copied to a device once.

    Args:
        values: A number, or tuples of numbers.
        like: Any tensor.
    """
    return _constant(values, like.dtype, like.device)


@cache
@torch.inference_mode(False)  # else it could not take part in a backward pass
def _constant(values: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=dtype, device=device)


def in_float64(x: Tensor) -> Tensor:
    """In float64: on the same device, or on the CPU for an Apple GPU, which has none."""
    return (x.cpu() if x.device.type == "mps" else x).double()


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    """Flush a renaming to disk, where folders can be opened (not on Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def check_device_name(device: Any) -> None:
    """Check that it is a name for `find_device`, on whatever machine.

    Raises:
        ValueError: When it is not.
    """
    if device is not None and not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", str(device)):
        expected = "expected 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'"
        raise ValueError(f"device: {expected}, got {device!r}")


def find_device(device: Any = None) -> torch.device:
    """The device "cpu", "cuda", "cuda:1" or "mps"; "auto" or None takes a GPU if there is one.

    Raises:
        ValueError: For any other name, or for a device that is not on this machine.
    """
    check_device_name(device)
    gpus, apple = torch.cuda.device_count(), torch.backends.mps.is_available()
    if device in (None, "auto"):
        return torch.device("cuda" if gpus else "mps" if apple else "cpu")
    found = torch.device(str(device))
    if found.type == "cuda" and (found.index or 0) >= gpus:
        there = f"has {gpus} CUDA GPUs" if gpus else "sees no CUDA GPU here"
        raise ValueError(f"device: '{device}' was asked for, but PyTorch {there}")
    if found.type == "mps" and not apple:
        raise ValueError("device: 'mps' was asked for, but PyTorch sees no Apple GPU here")
    return found


@cache
def keep_freed_memory() -> bool:
    """Tell the C library to keep freed memory for the next tensor; False if it is not glibc's.

    Otherwise every large tensor is returned to the system and requested again, which takes half the
    time of a network on a CPU. Up to 2 GiB stay with the process.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None:
        return False
    trim_threshold, mmap_max = -1, -4  # malloc.h
    return bool(mallopt(mmap_max, 0) and mallopt(trim_threshold, 2**31 - 1))


def bf16_pays(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 on this device.

    On a CPU a training step takes half the time with bfloat16 instructions, ten times as long
    without.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    has = torch.cpu.get_capabilities()
    return device.type == "cpu" and bool(has.get("avx512_bf16") or has.get("amx_bf16"))


def seeded(device: torch.device | str, *parts: object) -> torch.Generator:
    """A generator seeded by `parts`: the same stream on every machine with this kind of device."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "big") >> 1)


class UnknownName(KeyError):
    """A name that is not in a list; the message suggests the closest known names."""

    def __init__(self, what: str, name: object, known: Iterable[str]):
        close = difflib.get_close_matches(str(name).lower(), known)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"
        super().__init__(f"unknown {what} {name!r}; {hint}")

    def __str__(self) -> str:  # KeyError alone would print the quoted form
        return self.args[0]


def look_up(what: str, name: Any, known: Mapping[str, Any]) -> Any:
    """What is known by a name.

    Raises:
        UnknownName: With the closest names.
    """
    if not isinstance(name, str) or name not in known:
        raise UnknownName(what, name, known)
    return known[name]


def is_static() -> bool:
    """True while pages are rendered (VBL_STATIC=1): no live widgets, no progress bars."""
    return os.environ.get("VBL_STATIC") == "1"


class _Lines:
    """A text stream in which what replaces a line becomes a line of its own."""

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> None:
        if line := text.strip("\r\n "):
            self._stream.write(line + "\n")

    def flush(self) -> None:
        self._stream.flush()


def progress_bar(*args: Any, hidden: bool = False, **options: Any) -> Any:
    """tqdm's bar on a terminal and in a notebook; a line a minute in a log.

    Args:
        *args: As for tqdm.
        hidden: Show nothing; so it is while pages are rendered.
        **options: As for tqdm.
    """
    if not (sys.stderr.isatty() or "ipykernel" in sys.modules):
        options |= {"file": _Lines(sys.stderr), "mininterval": 60, "maxinterval": 60, "ncols": 100}
    return tqdm(*args, **options, disable=hidden or is_static())
