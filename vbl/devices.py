"""Where to compute, and in which precision."""

from typing import Any

import torch


def find_device(device: Any = None) -> torch.device:
    """The device a user names, or a GPU where there is one.

    Args:
        device: "cpu", "cuda" or None.

    Raises:
        ValueError: When it is none of them, or there is no GPU.
    """
    if device not in (None, "cpu", "cuda"):
        raise ValueError(f"device: expected 'cpu' or 'cuda', got {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: 'cuda' was asked for, but PyTorch sees no CUDA GPU here")
    return torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def bf16_pays(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 there.

    On a CPU its own instructions decide: with them a step takes half the time, without them ten
    times as long.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    has = torch.cpu.get_capabilities()
    return device.type == "cpu" and bool(has.get("avx512_bf16") or has.get("amx_bf16"))
