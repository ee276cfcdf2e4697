"""Variational Bayes for image restoration.

Images are float32 tensors ``(B, C, H, W)`` in [0, 1]; noise levels are in the same units
(25/255, not 25); randomness is an argument (``generator: torch.Generator | None``).
"""

__version__ = "0.1.0"
