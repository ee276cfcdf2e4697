"""`Degraded`, the result of every degradation, and the checks of their arguments."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

Degrade = Callable[..., "Degraded"]  # degrade(x, generator=...)

# A level is one number, one per image, or a range (low, high) to draw one per image from.
Level = float | tuple[float, float] | Float[Tensor, " levels"]


@dataclass(frozen=True)
class Degraded:
    """Degraded images, their clean images and the true parameters of the degradation.

    Attributes:
        y: Degraded images (B, C, h, w).
        x: Clean images (B, C, H, W).
        noise_var: Variance of the noise at each value of y, broadcastable to it; None where the
            degradation is not additive noise (`jpeg`) or its variance has no formula (`camera`).
        kernel: Blur kernels (B, 1, k, k), or None.
        scale: Factor s between the sizes of x and y.
        truth: Further parameters by name, each with one row per image.
    """

    y: Float[Tensor, "b c h w"]
    x: Float[Tensor, "b c sh sw"]
    noise_var: Tensor | None = None
    kernel: Tensor | None = None
    scale: int = 1
    truth: dict[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> "Degraded":
        """A copy on another device. The host does not wait for one from pinned memory."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=tensor.is_pinned()))

    def pin_memory(self) -> "Degraded":
        """A copy in memory from which a GPU copies by itself; `DataLoader` calls this."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Degraded":
        values = vars(self) | {"truth": {name: change(v) for name, v in self.truth.items()}}
        return Degraded(
            **{name: change(v) if isinstance(v, Tensor) else v for name, v in values.items()}
        )


_UNCHECKED: ContextVar[bool] = ContextVar("unchecked", default=False)


@contextmanager
def unchecked(off: bool = True) -> Iterator[None]:
    """Do not check the values of tensors in this context, if `off`; shapes and numbers always are.

    To read one value, the host waits until a GPU has done all that was asked of it before.
    """
    token = _UNCHECKED.set(off)
    try:
        yield
    finally:
        _UNCHECKED.reset(token)


def holds(condition: Tensor) -> bool:
    """Whether a condition holds for all values; not read where they are `unchecked`."""
    return _UNCHECKED.get() or bool(condition.all())


def check_images(x: Tensor) -> None:
    """Raise a TypeError or ValueError unless x are images (B, 1 or 3, H, W) in [0, 1]."""
    if not isinstance(x, Tensor):
        raise TypeError(f"expected a torch tensor of images, got {type(x).__name__}")
    full_precision = x.dtype in (torch.float32, torch.float64)
    if x.ndim != 4 or x.shape[1] not in (1, 3) or not full_precision or x.numel() == 0:
        raise ValueError(
            "expected float32 or float64 images (B, 1 or 3, H, W) in [0, 1], "
            f"got {tuple(x.shape)} of {x.dtype}"
        )
    low, high = x.aminmax()
    if not holds((low >= 0) & (high <= 1)):  # also refuses NaN
        raise ValueError(f"expected images in [0, 1], got values from {low:.4g} to {high:.4g}")


def one_per_image(level: Level, x: Tensor, generator: torch.Generator | None) -> Tensor:
    """A level as one value per image, (B,), of the images' type.

    Raises:
        ValueError: If a value is negative or NaN, or their number does not fit.
    """
    b = len(x)
    if isinstance(level, tuple):
        low, high = level
        if not 0 <= low <= high:
            raise ValueError(f"expected a range (low, high) with 0 <= low <= high, got {level}")
        u = torch.rand(b, generator=generator, device=x.device, dtype=x.dtype)
        return low + (high - low) * u
    if not isinstance(level, Tensor):
        if not level >= 0:  # also refuses NaN
            raise ValueError(f"expected levels >= 0, got {level}")
        return x.new_full((b,), level)
    values = level.to(x)
    if values.shape not in ((), (b,)):
        shape = tuple(values.shape)
        raise ValueError(f"expected one level, or one for each of {b} images, got shape {shape}")
    if not holds(values >= 0):
        raise ValueError(f"expected levels >= 0, got {values.tolist()}")
    return values.expand(b)
