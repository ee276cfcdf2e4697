"""A model as a script that the book's pages run without a server: `vbl export NAME --page FILE`.

Each of its `stages` is traced to a table of operations, a line each, which
``book/_ext/assets/lab/engine.js`` executes. Weights of large layers have 8 bits, with a float32
scale for each output channel, and those of small layers, whose errors show most, are float16.
"""

import base64
import json
import math
import operator
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vbl.models.checkpoints import load
from vbl.models.stages import SIDE, Stage, stages
from vbl.networks import Network
from vbl.utils import complete_or_absent

SMALL = 20_000  # weights of a layer that is stored as float16

aten = torch.ops.aten


def export_page(name: Any, path: Path) -> int:
    """Write a model as a script for the pages.

    Args:
        name: A checkpoint's name or file, as for `vbl.load`.
        path: The ``.js`` file.

    Returns:
        Its size in bytes.

    Raises:
        ValueError: If no page runs such a model, or a network has an operation that it cannot.
        OSError: If the file cannot be written.
    """
    text = page_script(str(Path(name).stem if str(name).endswith(".safetensors") else name),
                       load(name))  # fmt: skip
    with complete_or_absent(path) as file:
        file.write(text.encode())
    return len(text.encode())


def page_script(name: str, model: nn.Module) -> str:
    """The script: a call of ``vblLab.add`` with tables and weights."""
    weights = Weights()
    tables = {key: table(stage, weights) for key, stage in stages(model).items()}
    text = base64.b64encode(b"".join(weights.parts)).decode()
    about = {
        "name": name,
        "model": type(model).__name__,
        "parameters": sum(p.numel() for p in model.parameters()),
        "config": {k: v for k, v in vars(model.config).items() if isinstance(v, int | float)},
        "stages": tables,
        "layers": weights.layers,
    }
    return f"vblLab.add({json.dumps(about, separators=(',', ':'))}, '{text}');\n"


class Weights:
    """Biases, scales and weights (O, I, K, K) of each layer, from multiples of 4 bytes.

    Scales are 1 for weights in float16.
    """

    def __init__(self):
        self.parts: list[bytes] = []
        self.layers: list[dict[str, int]] = []
        self._known: dict[int, tuple[int, Tensor]] = {}
        self._size = 0

    def add(self, weight: Tensor, bias: Tensor | None, *, up: bool = False) -> int:
        """The number of a layer with these weights (O, I, K, K); shared ones are stored once.

        Those of a transposed convolution, (I, O, 2, 2), become a 1 x 1 convolution to the four
        pixels, row by row.
        """
        key = weight.data_ptr()
        if key not in self._known:
            self._known[key] = len(self.layers), weight  # kept, so that the address stays its own
            if up:
                weight = weight.permute(2, 3, 1, 0).reshape(-1, len(weight), 1, 1)
                bias = bias.repeat(4)
            out, into, side = weight.shape[:3]
            bits = 16 if weight.numel() < SMALL else 8
            place = {"at": self._size, "bits": bits, "co": out, "ci": into, "k": side}
            self.layers.append(place)
            bias = torch.zeros(out) if bias is None else bias
            self._append(weight.detach().numpy(), bias.detach().numpy(), bits)
        return self._known[key][0]

    def _append(self, weight: np.ndarray, bias: np.ndarray, bits: int) -> None:
        scale = np.maximum(np.abs(weight).max((1, 2, 3)) / 127, 1e-12)
        steps = np.round(weight / scale[:, None, None, None]).astype(np.int8)
        if bits == 16:
            scale, steps = np.ones_like(scale), weight.astype("<f2")
        raw = bias.astype("<f4").tobytes() + scale.astype("<f4").tobytes() + steps.tobytes()
        raw += bytes(-len(raw) % 4)
        self.parts.append(raw)
        self._size += len(raw)


@dataclass(frozen=True)
class Value:
    """What the page computes: its number in the table, and its shape at `SIDE` pixels."""

    id: int
    shape: tuple[int, ...]


def table(stage: Stage, weights: Weights) -> dict[str, Any]:
    """Trace a stage.

    Returns:
        ``ops``; ``inputs`` and ``output``, each with its side relative to the image's (0 if it is
        not a map of the image's pixels); ``stride``, and ``radius`` or null.
    """
    examples = tuple(torch.rand(1, *shape) for shape in stage.inputs.values())
    traced = torch.export.export(_AsModule(stage), examples, strict=False)
    tracer = Tracer(traced)
    given = [tracer.new(example.shape) for example in examples]
    result = tracer.trace(given)
    ops = fused(tracer.ops, result.id)
    for op in ops:
        if "layer" in op:
            op["layer"] = weights.add(*op["layer"], up=op["op"] == "up")
    networks = [n for part in stage.networks for n in _outermost(part)]
    radii = [network.receptive_radius for network in networks]
    inputs = [
        {"name": name, "id": value.id, "channels": value.shape[1], "side": _relative(value)}
        for name, value in zip(stage.inputs, given, strict=True)
    ]
    return {
        "inputs": inputs,
        "output": {"id": result.id, "channels": result.shape[1], "side": _relative(result)},
        "stride": math.lcm(*(network.stride for network in networks)),
        "radius": None if None in radii else sum(radii),
        "ops": ops,
    }


class _AsModule(nn.Module):
    def __init__(self, stage: Stage):
        super().__init__()
        self.run, self.networks = stage.run, nn.ModuleList(stage.networks)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.run(*inputs)


def _outermost(part: nn.Module) -> list[Network]:
    """The networks inside a module that are inside no other network."""
    if isinstance(part, Network):
        return [part]
    return [network for child in part.children() for network in _outermost(child)]


def _relative(value: Value) -> float:
    side = value.shape[-1] / SIDE if len(value.shape) == 4 else 0
    return side if side in (0.25, 0.5, 1, 2, 4) else 0


class Tracer:
    """Translates a traced graph, operation by operation.

    What depends on no input is computed here; tensors of zeros or ones become numbers.
    """

    def __init__(self, traced: Any):
        self.ops: list[dict[str, Any]] = []
        self.count = 0
        self.graph, signature = traced.graph_module, traced.graph_signature
        held = {**traced.state_dict, **traced.constants}
        sources = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        self.constants = {name: held[source] for name, source in sources.items()}

    def new(self, shape: Sequence[int]) -> Value:
        """The next value."""
        self.count += 1
        return Value(self.count - 1, tuple(shape))

    def emit(self, op: str, inputs: Sequence[Value], shape: Sequence[int], **more: Any) -> Value:
        """Append an operation and return its value."""
        value = self.new(shape)
        self.ops.append({"op": op, "in": [i.id for i in inputs], "out": value.id, **more})
        return value

    def trace(self, given: Sequence[Value]) -> Value:
        """Translate the whole graph for these inputs and return the output."""
        names = [n.name for n in self.graph.graph.nodes if n.op == "placeholder"]
        free = [name for name in names if name not in self.constants]
        (result,) = self._run(self.graph, {**self.constants, **dict(zip(free, given, strict=True))})
        return result

    def _run(self, module: nn.Module, env: dict[str, Any]) -> Sequence[Any]:
        for node in module.graph.nodes:
            if node.op == "get_attr":
                env[node.name] = getattr(module, node.target)
            elif node.op == "call_function":
                args = torch.fx.node.map_arg((node.args, node.kwargs), lambda n: env[n.name])
                env[node.name] = self._call(node, *args)
            elif node.op == "output":
                return torch.fx.node.map_arg(node.args[0], lambda n: env[n.name])
        raise AssertionError("a graph without output")

    def _call(self, node: torch.fx.Node, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if node.target is torch.ops.higher_order.wrap_with_autocast:
            module, *given = args[4:]
            names = [n.name for n in module.graph.nodes if n.op == "placeholder"]
            return self._run(module, dict(zip(names, given, strict=True)))
        flat = torch.utils._pytree.tree_leaves((args, kwargs))
        if not any(isinstance(leaf, Value) for leaf in flat):
            return node.target(*args, **kwargs)
        if node.target in FILLED:
            return torch.tensor(FILLED[node.target](*args))
        if node.target not in OPERATIONS:
            raise ValueError(f"no page has the operation {node.target}")
        shape = getattr(node.meta.get("val"), "shape", ())
        return OPERATIONS[node.target](self, shape, *args, **kwargs)


def fused(ops: list[dict[str, Any]], result: int) -> list[dict[str, Any]]:
    """Leave out what nobody needs; let convolutions add and activate.

    A sum with a convolution becomes its ``add``, a leaky ReLU after it its ``slope``, one before
    it its ``pre``.
    """
    ops = _used(ops, result)
    users = Counter(i for op in ops for i in op["in"]) + Counter([result])
    made = {op["out"]: op for op in ops}
    for op in list(ops):
        if op["op"] == "add" and len(op["in"]) == 2 and op["same"]:
            for i, other in (op["in"], op["in"][::-1]):
                conv = made.get(i, {})
                if conv.get("op") in ("conv", "up") and users[i] == 1 and "add" not in conv:
                    ops.remove(conv)
                    op.update({**conv, "in": [*conv["in"], other], "out": op["out"], "add": other})
                    del op["same"]
                    break
        conv = made.get(op["in"][0], {})
        if op["op"] == "leaky" and conv.get("op") == "conv" and users[conv["out"]] == 1:
            ops.remove(op)
            made[op["out"]] = conv
            conv.update(slope=op["slope"], out=op["out"])
    for op in list(ops):
        if op["op"] != "leaky":
            continue
        readers = [o for o in ops if op["out"] in o["in"]]
        if op["out"] != result and all(
            o["op"] == "conv" and o.get("add") != op["out"] and "pre" not in o for o in readers
        ):
            for reader in readers:
                rest = reader["in"][1:]
                reader.update({"in": [op["in"][0], *rest], "pre": op["slope"]})
            ops.remove(op)
    return [{k: v for k, v in op.items() if k != "same"} for op in ops]


def _used(ops: list[dict[str, Any]], result: int) -> list[dict[str, Any]]:
    needed, kept = {result}, []
    for op in reversed(ops):
        if op["out"] in needed:
            needed.update(op["in"])
            kept.append(op)
    return kept[::-1]


# What each operation becomes: functions of tracer, shape of the result, and its arguments


def _conv(t: Tracer, shape: Any, x: Value, weight: Tensor, bias: Any = None, stride: Any = (1, 1),
          padding: Any = (0, 0), dilation: Any = (1, 1), groups: int = 1) -> Value:  # fmt: skip
    side = weight.shape[-1]
    if list(padding) != [side // 2] * 2 or side % 2 == 0 or groups != 1 or list(dilation) != [1, 1]:
        raise ValueError("no page has such a convolution: expected odd sides and equal padding")
    return t.emit("conv", [x], shape, layer=(weight, bias), stride=stride[0])


def _up(t: Tracer, shape: Any, x: Value, weight: Tensor, bias: Tensor, stride: Any,
        *more: Any) -> Value:  # fmt: skip
    if tuple(weight.shape[-2:]) != (2, 2) or list(stride) != [2, 2]:
        raise ValueError("no page has such a transposed convolution: expected 2 x 2 with stride 2")
    return t.emit("up", [x], shape, layer=(weight, bias))


def _linear(t: Tracer, shape: Any, x: Value, weight: Tensor, bias: Any = None) -> Value:
    return t.emit("conv", [x], shape, layer=(weight[..., None, None], bias), stride=1)


def _alias(t: Tracer, shape: Any, x: Value, *_: Any, **__: Any) -> Value:
    return Value(x.id, tuple(shape))


def _shaped(t: Tracer, shape: Any, x: Value, *_: Any, **__: Any) -> Value:
    """A view: pixels are rows of channels in the page, so only these two need no more."""
    if len(shape) == 4 and math.prod(x.shape[2:]) == 1 and math.prod(shape[2:]) > 1:
        return t.emit("reshape", [x], shape, to=[shape[2], shape[3], shape[1]])
    if x.shape[1] != shape[1] and math.prod(shape[1:]) != math.prod(x.shape[1:2]):
        raise ValueError(f"no page makes a tensor {tuple(shape)} from one {x.shape}")
    return _alias(t, shape, x)


def _slice(t: Tracer, shape: Any, x: Value, dim: int = 0, start: Any = 0, end: Any = None,
           step: int = 1) -> Value:  # fmt: skip
    if tuple(shape) == x.shape:
        return x
    if dim != 1 or step != 1:
        raise ValueError("no page takes a part of an image inside a network")
    return t.emit("slice", [x], shape, start=start or 0, channels=shape[1])


def _chunk(t: Tracer, shape: Any, x: Value, chunks: int, dim: int = 0) -> list[Value]:
    each = -(-x.shape[dim] // chunks)
    return _split(t, shape, x, each, dim)


def _split(t: Tracer, shape: Any, x: Value, each: int, dim: int = 0) -> list[Value]:
    return [
        _slice(t, (x.shape[0], min(each, x.shape[1] - i), *x.shape[2:]), x, dim, i)
        for i in range(0, x.shape[dim], each)
    ]


def _cat(t: Tracer, shape: Any, tensors: list[Value], dim: int = 0) -> Value:
    return tensors[0] if len(tensors) == 1 else t.emit(
        "cat", tensors, shape, channels=[x.shape[1] for x in tensors])  # fmt: skip


def _binary(name: str) -> Callable[..., Any]:
    def operation(t: Tracer, shape: Any, a: Any, b: Any) -> Any:
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
        return t.emit(
            {"sub": "add", "div": "mul"}.get(name, name), [x], shape, number=number, same=False
        )

    return operation


def _unary(name: str, **fixed: Any) -> Callable[..., Value]:
    return lambda t, shape, x: t.emit(name, [x], shape, **fixed)


def _leaky(t: Tracer, shape: Any, x: Value, slope: float = 0.01) -> Value:
    return t.emit("leaky", [x], shape, slope=slope)


def _clamp(t: Tracer, shape: Any, x: Value, low: Any = None, high: Any = None) -> Value:
    return t.emit("clamp", [x], shape, low=low, high=high)


def _power(t: Tracer, shape: Any, x: Value, exponent: float) -> Value:
    if exponent != 2:
        raise ValueError(f"no page has the power {exponent}")
    return t.emit("mul", [x, x], shape, same=True)


def _mean(
    t: Tracer, shape: Any, x: Value, dims: Sequence[int], *_: Any, total: bool = False
) -> Any:
    channels = len(dims) % 2 == 1 and 1 in dims and len(x.shape) == 4 and dims != [1, 2]
    if channels:
        x = t.emit("grey", [x], (1, 1, *x.shape[2:]), channels=x.shape[1])
    return x if list(dims) == [1] else t.emit("sum" if total else "mean", [x], shape)


def _sum(t: Tracer, shape: Any, x: Value, dims: Sequence[int], *_: Any) -> Any:
    return _mean(t, shape, x, dims, total=True)


def _var_mean(t: Tracer, shape: Any, x: Value, dims: Any, correction: int = 1, **_: Any) -> Any:
    if list(dims) != [2, 3] or correction != 0:
        raise ValueError("no page has such a variance: expected that of all pixels, uncorrected")
    shape = (1, x.shape[1], 1, 1)
    mean = t.emit("mean", [x], shape)
    apart = t.emit("sub", [x, mean], x.shape, same=False)
    return t.emit("mean", [t.emit("mul", [apart, apart], x.shape, same=True)], shape), mean


def _pool(maximum: bool) -> Callable[..., Value]:
    def operation(t: Tracer, shape: Any, x: Value, side: Any, stride: Any = (), padding: Any = (0,),
                  *more: Any) -> Value:  # fmt: skip
        if side[0] == 1:
            return x
        step = (stride or side)[0]
        return t.emit("pool", [x], shape, side=side[0], stride=step, pad=padding[0], max=maximum)

    return operation


def _windows(maximum: bool) -> Callable[..., Any]:
    def operation(t: Tracer, shape: Any, x: Value, size: Any) -> Any:
        out = (*x.shape[:2], *size)
        value = t.emit("windows", [x], out, side=x.shape[2] // size[0], max=maximum)
        return (value, None) if maximum else value

    return operation


def _enlarge(smooth: bool) -> Callable[..., Value]:
    def operation(t: Tracer, shape: Any, x: Value, *_: Any) -> Value:
        return t.emit("enlarge", [x], shape, factor=shape[2] // x.shape[2], smooth=smooth)

    return operation


def _shuffle(back: bool) -> Callable[..., Value]:
    def operation(t: Tracer, shape: Any, x: Value, factor: int) -> Value:
        few = shape[1] if not back else x.shape[1]
        return t.emit("shuffle", [x], shape, factor=factor, back=back, channels=few)

    return operation


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
    aten.add.Tensor: _binary("add"),
    aten.sub.Tensor: _binary("sub"),
    aten.mul.Tensor: _binary("mul"),
    aten.div.Tensor: _binary("div"),
    aten.pow.Tensor_Scalar: _power,
    aten.square.default: lambda t, shape, x: _power(t, shape, x, 2),
    aten.exp.default: _unary("exp"),
    aten.sqrt.default: _unary("sqrt"),
    aten.rsqrt.default: _unary("rsqrt"),
    aten.sigmoid.default: _unary("sigmoid"),
    aten.tanh.default: _unary("tanh"),
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
    aten.avg_pool2d.default: _pool(False),
    aten.max_pool2d.default: _pool(True),
    aten.adaptive_avg_pool2d.default: _windows(False),
    aten.adaptive_max_pool2d.default: _windows(True),
    aten.upsample_nearest2d.vec: _enlarge(False),
    aten.upsample_bilinear2d.vec: _enlarge(True),
    aten.pixel_shuffle.default: _shuffle(False),
    aten.pixel_unshuffle.default: _shuffle(True),
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
