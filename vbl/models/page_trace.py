"""From a traced PyTorch graph to the table of operations that a page executes."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from vbl.models.page_operations import FILLED, OPERATIONS, Recorder, Value


class Tracer(Recorder):
    """Translates a traced graph, operation by operation.

    What depends on no input is computed here; tensors of zeros or ones become numbers.
    """

    def __init__(self, traced: Any):
        super().__init__()
        self.graph, signature = traced.graph_module, traced.graph_signature
        held = {**traced.state_dict, **traced.constants}
        sources = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        self.constants = {name: held[source] for name, source in sources.items()}

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
