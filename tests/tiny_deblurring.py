"""A VBDeblurNet small enough to test, and pairs for it."""

import dataclasses

import torch

from vbl.degradations import blurred, motion_kernel
from vbl.models.vbdeblur import Config, VBDeblurNet

SIDE = 5
TINY = Config(
    kernel_size=SIDE,
    sigma_sq=1e-3,
    eps0_sq=1e-2,
    concentration=50.0,
    floor=1e-3,
    code=3,
    code_width=2,
    options={"width": 4, "blocks": 1, "scales": 1, "middle": 1},
    estimator="KernelPlainNet",
    estimator_options={"width": 3, "blocks": 1, "hidden": 6, "shrink": 1},
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def tiny(**choices) -> VBDeblurNet:
    torch.manual_seed(0)
    return VBDeblurNet(dataclasses.replace(TINY, **choices))


def pairs(n=2, side=12, channels=3):
    x = torch.rand(n, channels, side, side, generator=seeded(1))
    kernel = motion_kernel(SIDE, n=n, generator=seeded(2))
    return blurred(x, kernel, (0.0, 0.02), generator=seeded(3))


def double(batch):
    parts = {name: getattr(batch, name).double() for name in ("y", "x", "noise_var", "kernel")}
    return dataclasses.replace(batch, **parts)


def parameters(module) -> int:
    return sum(p.numel() for p in module.parameters())
