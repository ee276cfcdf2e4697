"""Base classes of networks, devices and precision; padding, initialisation, shared operations."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class Anywhere(nn.Module):
    """A module that computes where its weights are; results lie where its first input does."""

    def __call__(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        here, there = inputs[0].device, next(self.parameters(), inputs[0]).device
        if here == there:
            return super().__call__(*inputs)
        output = super().__call__(*(x.to(there) for x in inputs))
        return output.to(here) if isinstance(output, Tensor) else tuple(x.to(here) for x in output)


class Network(Anywhere):
    """A module that can compute in bfloat16 and returns float32, one tensor or several.

    Attributes:
        bf16: Run under autocast. Densities outside the network are never affected.
        carries_image: Whether the image itself passes through its features, where rounding shows;
            other networks' outputs are added to it in float32.
        needs_noise_level: Whether it has a second argument, the noise's standard deviation
            (B, 1, H, W).
        in_channels: Channels of its first argument.
        stride: It is equivariant to shifts by multiples of `stride` pixels and pads its input to
            such a multiple; 1 if it has no downsampling.
        receptive_radius: Largest distance in rows or columns between an output pixel and an input
            pixel that it depends on; None if unknown.
    """

    bf16 = False
    carries_image = False
    needs_noise_level = False
    in_channels: int
    stride: int = 1
    receptive_radius: int | None = None

    def __call__(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        if not self.bf16:
            return super().__call__(*inputs)
        with torch.autocast(next(self.parameters(), inputs[0]).device.type, torch.bfloat16):
            output = super().__call__(*inputs)
        return output.float() if isinstance(output, Tensor) else tuple(x.float() for x in output)


def use_bf16(model: nn.Module, bf16: bool, *, exact: bool = False) -> None:
    """Set whether every `Network` inside `model` computes in bfloat16.

    Args:
        model: Any module.
        bf16: Whether they do.
        exact: Not those through whose features the image passes.
    """
    for module in model.modules():
        if isinstance(module, Network):
            module.bf16 = bf16 and not (exact and module.carries_image)


@contextmanager
def placed(model: nn.Module, device: torch.device, *, bf16: bool) -> Iterator[nn.Module]:
    """A model on a device, in evaluation mode and in a precision; afterwards as it was before.

    Args:
        model: Any module.
        device: Where to put it.
        bf16: Whether its networks compute in bfloat16, but for those that carry the image.
    """
    modules = list(model.modules())
    training = [module.training for module in modules]
    precision = [getattr(module, "bf16", None) for module in modules]
    home = next(model.parameters(), torch.empty(0)).device
    with torch.inference_mode(False):  # weights that are moved in it cannot be trained any more
        model.eval().to(device, memory_format=torch.channels_last)
    use_bf16(model, bf16, exact=True)
    try:
        yield model
    finally:
        with torch.inference_mode(False):
            model.to(home)
        for module, trains, low in zip(modules, training, precision, strict=True):
            module.training = trains
            if low is not None:
                module.bf16 = low


def pad_to_multiple(
    x: Float[Tensor, "b c h w"], multiple: int, mode: str = "reflect"
) -> Float[Tensor, "b c hh ww"]:
    """Pad at the bottom and on the right until both sides are multiples of `multiple`."""
    bottom, right = (-n % multiple for n in x.shape[-2:])
    if bottom == right == 0:
        return x
    fits = bottom < x.shape[-2] and right < x.shape[-1]
    return F.pad(x, (0, right, 0, bottom), mode if fits else "replicate")


def convolution(a: int, b: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution from `a` to `b` channels that pads its input with zeros."""
    return nn.Conv2d(a, b, size, stride, padding=size // 2)


def outside_autocast(layer: nn.Module, x: Tensor) -> Tensor:
    """A layer outside autocast: a network's first, where bfloat16 would add noise to the image.

    Eight bits of mantissa round a bright value by up to 1/512; of that, 0.03 dB are lost at 40 dB.
    """
    with torch.autocast(x.device.type, enabled=False):
        return layer(x)


def keep_variance(module: nn.Module) -> None:
    """He's initialisation; with PyTorch's default the signal vanishes through many layers."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)


def fine(y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """An image minus its local mean over 7 x 7 pixels."""
    return y - F.avg_pool2d(y, 7, stride=1, padding=3, count_include_pad=False)


def append_constants(
    x: Float[Tensor, "b c h w"], numbers: Float[Tensor, "b n"]
) -> Float[Tensor, "b m h w"]:
    """Append N numbers per image as constant input channels: (B, C + N, H, W)."""
    maps = numbers[:, :, None, None].expand(-1, -1, *x.shape[-2:])
    return torch.cat([x, maps], 1)
