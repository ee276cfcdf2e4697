"""What the exercises of several chapters start from: random numbers by a seed, and the cat."""

import torch
from jaxtyping import Float
from torch import Tensor

from vbl.images import photo


def seeded(seed: int = 0) -> torch.Generator:
    """A generator on the CPU, as the chapters make theirs."""
    return torch.Generator().manual_seed(seed)


def cat() -> Float[Tensor, "1 3 256 256"]:
    """The middle of the chapters' photograph of a cat."""
    return photo("chelsea")[..., 20:276, 100:356]
