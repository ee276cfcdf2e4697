"""What each operation of PyTorch becomes in the table that a page executes."""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten


@dataclass(frozen=True)
class Value:
    """What the page computes: its number in the table, and its shape at `SIDE` pixels."""

    id: int
    shape: tuple[int, ...]


class Recorder:
    """The table of operations as it grows."""

    def __init__(self):
        self.ops: list[dict[str, Any]] = []
        self.count = 0

    def new(self, shape: Sequence[int]) -> Value:
        """The next value."""
        self.count += 1
        return Value(self.count - 1, tuple(shape))

    def emit(self, op: str, inputs: Sequence[Value], shape: Sequence[int], **more: Any) -> Value:
        """Append an operation and return its value."""
        value = self.new(shape)
        self.ops.append({"op": op, "in": [i.id for i in inputs], "out": value.id, **more})
        return value


# What each operation becomes: functions of recorder, shape of the result, and its arguments


def _conv(t: Recorder, shape: Any, x: Value, weight: Tensor, bias: Any = None, stride: Any = (1, 1),
          padding: Any = (0, 0), dilation: Any = (1, 1), groups: int = 1) -> Value:  # fmt: skip
    side = weight.shape[-1]
    if list(padding) != [side // 2] * 2 or side % 2 == 0 or groups != 1 or list(dilation) != [1, 1]:
        raise ValueError("no page has such a convolution: expected odd sides and equal padding")
    return t.emit("conv", [x], shape, layer=(weight, bias), stride=stride[0])


def _up(t: Recorder, shape: Any, x: Value, weight: Tensor, bias: Tensor, stride: Any,
        *more: Any) -> Value:  # fmt: skip
    if tuple(weight.shape[-2:]) != (2, 2) or list(stride) != [2, 2]:
        raise ValueError("no page has such a transposed convolution: expected 2 x 2 with stride 2")
    return t.emit("up", [x], shape, layer=(weight, bias))


def _linear(t: Recorder, shape: Any, x: Value, weight: Tensor, bias: Any = None) -> Value:
    return t.emit("conv", [x], shape, layer=(weight[..., None, None], bias), stride=1)


def _alias(t: Recorder, shape: Any, x: Value, *_: Any, **__: Any) -> Value:
    return Value(x.id, tuple(shape))


def _shaped(t: Recorder, shape: Any, x: Value, *_: Any, **__: Any) -> Value:
    """A view: pixels are rows of channels in the page, so only these two need no more."""
    if len(shape) == 4 and math.prod(x.shape[2:]) == 1 and math.prod(shape[2:]) > 1:
        return t.emit("reshape", [x], shape, to=[shape[2], shape[3], shape[1]])
    if x.shape[1] != shape[1] and math.prod(shape[1:]) != math.prod(x.shape[1:2]):
        raise ValueError(f"no page makes a tensor {tuple(shape)} from one {x.shape}")
    return _alias(t, shape, x)


def _slice(t: Recorder, shape: Any, x: Value, dim: int = 0, start: Any = 0, end: Any = None,
           step: int = 1) -> Value:  # fmt: skip
    if tuple(shape) == x.shape:
        return x
    if dim != 1 or step != 1:
        raise ValueError("no page takes a part of an image inside a network")
    return t.emit("slice", [x], shape, start=start or 0, channels=shape[1])


def _chunk(t: Recorder, shape: Any, x: Value, chunks: int, dim: int = 0) -> list[Value]:
    each = -(-x.shape[dim] // chunks)
    return _split(t, shape, x, each, dim)


def _split(t: Recorder, shape: Any, x: Value, each: int, dim: int = 0) -> list[Value]:
    return [
        _slice(t, (x.shape[0], min(each, x.shape[1] - i), *x.shape[2:]), x, dim, i)
        for i in range(0, x.shape[dim], each)
    ]


def _cat(t: Recorder, shape: Any, tensors: list[Value], dim: int = 0) -> Value:
    return tensors[0] if len(tensors) == 1 else t.emit(
        "cat", tensors, shape, channels=[x.shape[1] for x in tensors])  # fmt: skip


def _binary(name: str, t: Recorder, shape: Any, a: Any, b: Any) -> Any:
    if isinstance(a, Value) and isinstance(b, Value):
        return t.emit(name, [a, b], shape, same=a.shape == b.shape)
    x, number, left = (a, b, False) if isinstance(a, Value) else (b, a, True)
    number = float(number)
    if (name, number) in {("add", 0.0), ("mul", 1.0)}:
        return x
    if (name, number) == ("mul", 0.0):
        return torch.tensor(0.0)
    if left and name in ("sub", "div"):
        raise ValueError(f"no page has {name} of a number and an image")
    number = {"sub": -number, "div": 1 / number if number else math.inf}.get(name, number)
    name = {"sub": "add", "div": "mul"}.get(name, name)
    return t.emit(name, [x], shape, number=number, same=False)


def _unary(name: str, t: Recorder, shape: Any, x: Value) -> Value:
    return t.emit(name, [x], shape)


def _leaky(t: Recorder, shape: Any, x: Value, slope: float = 0.01) -> Value:
    return t.emit("leaky", [x], shape, slope=slope)


def _clamp(t: Recorder, shape: Any, x: Value, low: Any = None, high: Any = None) -> Value:
    return t.emit("clamp", [x], shape, low=low, high=high)


def _power(t: Recorder, shape: Any, x: Value, exponent: float) -> Value:
    if exponent != 2:
        raise ValueError(f"no page has the power {exponent}")
    return t.emit("mul", [x, x], shape, same=True)


def _mean(
    t: Recorder, shape: Any, x: Value, dims: Sequence[int], *_: Any, total: bool = False
) -> Any:
    channels = len(dims) % 2 == 1 and 1 in dims and len(x.shape) == 4 and dims != [1, 2]
    if channels:
        x = t.emit("grey", [x], (1, 1, *x.shape[2:]), channels=x.shape[1])
    return x if list(dims) == [1] else t.emit("sum" if total else "mean", [x], shape)


def _sum(t: Recorder, shape: Any, x: Value, dims: Sequence[int], *_: Any) -> Any:
    return _mean(t, shape, x, dims, total=True)


def _var_mean(t: Recorder, shape: Any, x: Value, dims: Any, correction: int = 1, **_: Any) -> Any:
    if list(dims) != [2, 3] or correction != 0:
        raise ValueError("no page has such a variance: expected that of all pixels, uncorrected")
    shape = (1, x.shape[1], 1, 1)
    mean = t.emit("mean", [x], shape)
    apart = t.emit("sub", [x, mean], x.shape, same=False)
    return t.emit("mean", [t.emit("mul", [apart, apart], x.shape, same=True)], shape), mean


def _pool(maximum: bool, t: Recorder, shape: Any, x: Value, side: Any, stride: Any = (),
          padding: Any = (0,), *more: Any) -> Value:  # fmt: skip
    if side[0] == 1:
        return x
    step = (stride or side)[0]
    return t.emit("pool", [x], shape, side=side[0], stride=step, pad=padding[0], max=maximum)


def _windows(maximum: bool, t: Recorder, shape: Any, x: Value, size: Any) -> Any:
    out = (*x.shape[:2], *size)
    value = t.emit("windows", [x], out, side=x.shape[2] // size[0], max=maximum)
    return (value, None) if maximum else value


def _enlarge(smooth: bool, t: Recorder, shape: Any, x: Value, *_: Any) -> Value:
    return t.emit("enlarge", [x], shape, factor=shape[2] // x.shape[2], smooth=smooth)


def _shuffle(back: bool, t: Recorder, shape: Any, x: Value, factor: int) -> Value:
    few = shape[1] if not back else x.shape[1]
    return t.emit("shuffle", [x], shape, factor=factor, back=back, channels=few)


FILLED: dict[Any, Callable[..., float]] = {
    aten.new_zeros.default: lambda *_: 0.0,
    aten.zeros_like.default: lambda *_: 0.0,
    aten.ones_like.default: lambda *_: 1.0,
    aten.full_like.default: lambda x, number: float(number),
}

OPERATIONS: dict[Any, Callable[..., Any]] = {
    operator.getitem: lambda t, shape, x, i: x[i],
    aten.conv2d.default: _conv,
    aten.conv_transpose2d.input: _up,
    aten.linear.default: _linear,
    aten.leaky_relu.default: _leaky,
    aten.relu.default: lambda t, shape, x: _leaky(t, shape, x, 0.0),
    aten.add.Tensor: partial(_binary, "add"),
    aten.sub.Tensor: partial(_binary, "sub"),
    aten.mul.Tensor: partial(_binary, "mul"),
    aten.div.Tensor: partial(_binary, "div"),
    aten.pow.Tensor_Scalar: _power,
    aten.square.default: lambda t, shape, x: _power(t, shape, x, 2),
    aten.exp.default: partial(_unary, "exp"),
    aten.sqrt.default: partial(_unary, "sqrt"),
    aten.rsqrt.default: partial(_unary, "rsqrt"),
    aten.sigmoid.default: partial(_unary, "sigmoid"),
    aten.tanh.default: partial(_unary, "tanh"),
    aten.neg.default: lambda t, shape, x: t.emit("mul", [x], shape, number=-1.0, same=False),
    aten.softmax.int: lambda t, shape, x, dim: t.emit("softmax", [x], shape),
    aten.clamp.default: _clamp,
    aten.cat.default: _cat,
    aten.slice.Tensor: _slice,
    aten.chunk.default: _chunk,
    aten.split.Tensor: _split,
    aten.mean.dim: _mean,
    aten.sum.dim_IntList: _sum,
    aten.var_mean.correction: _var_mean,
    aten.avg_pool2d.default: partial(_pool, False),
    aten.max_pool2d.default: partial(_pool, True),
    aten.adaptive_avg_pool2d.default: partial(_windows, False),
    aten.adaptive_max_pool2d.default: partial(_windows, True),
    aten.upsample_nearest2d.vec: partial(_enlarge, False),
    aten.upsample_bilinear2d.vec: partial(_enlarge, True),
    aten.pixel_shuffle.default: partial(_shuffle, False),
    aten.pixel_unshuffle.default: partial(_shuffle, True),
    aten.expand.default: lambda t, shape, x, *_: x,  # operations repeat single pixels themselves
    aten.permute.default: _alias,  # channels are last in the page anyway
    aten.flatten.using_ints: _shaped,
    aten.view.default: _shaped,
    aten.reshape.default: _shaped,
    aten.select.int: lambda *_: None,  # of a size
    aten.unsqueeze.default: _alias,
    aten.squeeze.dims: _alias,
    aten.alias.default: _alias,
    aten.detach.default: _alias,
    aten.clone.default: _alias,
    aten.contiguous.default: _alias,
    aten.to.dtype: _alias,
    aten.to.device: _alias,
    aten._assert_tensor_metadata.default: lambda *_, **__: None,
}
