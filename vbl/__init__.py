"""Variational Bayes for image restoration.

Images are float32 tensors ``(B, C, H, W)`` in [0, 1]; noise levels are in the same units
(25/255, not 25). Functions that draw random numbers take them from an argument ``generator:
torch.Generator | None`` on the device of the images; None is PyTorch's global generator.

Operations that PyTorch lacks on Apple's GPUs run on the CPU, with a warning of PyTorch's, unless
the environment sets ``PYTORCH_ENABLE_MPS_FALLBACK=0``.
"""

import os

os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # read when PyTorch is loaded

__version__ = "0.2.0"

__all__ = ["__version__", "load", "restore"]


def __getattr__(name: str):
    """Import `load` and `restore` on first use only: importing PyTorch takes seconds."""
    if name == "load":
        from vbl.models import load

        return load
    if name == "restore":
        from vbl.restoration import restore

        return restore
    raise AttributeError(f"module 'vbl' has no attribute {name!r}")
