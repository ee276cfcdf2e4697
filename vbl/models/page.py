"""A model as a script that the book's pages run without a server: `vbl export NAME --page FILE`.

Each of its `stages` is traced to a table of operations, a line each, which
``book/_ext/assets/lab/engine.js`` executes. Weights of large layers have 8 bits, with a float32
scale for each output channel, and those of small layers, whose errors show most, are float16.
"""

import base64
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vbl.models.checkpoints import load
from vbl.models.page_operations import Value
from vbl.models.page_trace import Tracer, fused
from vbl.models.stages import SIDE, Stage, stages
from vbl.networks import Network
from vbl.utils import complete_or_absent

SMALL = 20_000  # weights of a layer that is stored as float16


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
