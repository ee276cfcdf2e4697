"""What every network has in common: its precision, and sizes that need not fit."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class Network(nn.Module):
    """A module that may compute in bfloat16 inside and returns float32, in one tensor or several.

    Attributes:
        bf16: Run under autocast. The probability outside is never affected.
        needs_noise_level: Whether it is called with a second argument, the noise's standard
            deviation (B, 1, H, W).
        in_channels: Of its first argument.
        stride: It treats its input the same way again after so many pixels, and pads it to a
            multiple of them; 1 where it never leaves full resolution.
        receptive_radius: An output pixel depends on no input farther away than so many rows or
            columns; None where nobody has said.
    """

    bf16 = False
    needs_noise_level = False
    in_channels: int
    stride: int = 1
    receptive_radius: int | None = None

    def __call__(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        if not self.bf16:
            return super().__call__(*inputs)
        with torch.autocast(inputs[0].device.type, torch.bfloat16):
            output = super().__call__(*inputs)
        return output.float() if isinstance(output, Tensor) else tuple(x.float() for x in output)


def use_bf16(model: nn.Module, bf16: bool) -> None:
    """Let every `Network` inside `model` compute in bfloat16, or not."""
    for module in model.modules():
        if isinstance(module, Network):
            module.bf16 = bf16


def pad_to_multiple(
    x: Float[Tensor, "b c h w"], multiple: int, mode: str = "reflect"
) -> Float[Tensor, "b c hh ww"]:
    """Pad at the bottom and on the right until both sides are multiples of `multiple`."""
    bottom, right = (-n % multiple for n in x.shape[-2:])
    if bottom == right == 0:
        return x
    fits = bottom < x.shape[-2] and right < x.shape[-1]
    return F.pad(x, (0, right, 0, bottom), mode if fits else "replicate")


def keep_variance(module: nn.Module) -> None:
    """He's initialisation: PyTorch's own lets a signal die on its way through many layers."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)


def fine(y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """An image without its local mean, which is over 7 x 7 pixels."""
    return y - F.avg_pool2d(y, 7, stride=1, padding=3, count_include_pad=False)


def append_constants(
    x: Float[Tensor, "b c h w"], numbers: Float[Tensor, "b n"]
) -> Float[Tensor, "b m h w"]:
    """Append N numbers per image as constant channels: (B, C + N, H, W)."""
    maps = numbers[:, :, None, None].expand(-1, -1, *x.shape[-2:])
    return torch.cat([x, maps], 1)
