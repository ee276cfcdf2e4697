"""What the benchmarks share: fresh processes, a clock, counts of operations and of memory."""

import argparse
import os
import resource
import sys
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from vbl.evaluation import load_result, save_result

LEAST_ROUNDS = 3


def in_fresh_process(function: Callable, *arguments: Any) -> Any:
    """The result of a function, called where nothing else has taken memory yet."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        return processes.submit(function, *arguments).result()


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """Where the rows are written."""
    parser.add_argument("--folder", type=Path, help="of the result; default: data/results")
    parser.add_argument("--add", action="store_true", help="keep the other rows of the file")


def save_rows(name: str, rows: list[dict], key: tuple[str, ...], options: Any) -> None:
    """Write data/results/NAME.json, on a GPU NAME-cuda.json.

    Args:
        name: Name of the result.
        rows: What was measured.
        key: Columns that tell rows apart: with ``--add`` a new row replaces the old one.
        options: ``device``, and those of `add_file_options`.
    """
    name += "" if options.device == "cpu" else "-cuda"
    new = {tuple(row[column] for column in key): row for row in rows}
    if options.add:
        try:
            old = load_result(name, folder=options.folder)["rows"]
        except FileNotFoundError:
            old = []
        new = {tuple(row[column] for column in key): row for row in old} | new
    save_result(name, {"rows": [*new.values()]}, device=options.device, folder=options.folder)


def clock(device: torch.device) -> float:
    """Seconds since some moment, with all that was asked of the device done.

    On a CPU with one thread these are seconds of computing, which other programs on the machine
    disturb little: what the clock on the wall would show if there were none.
    """
    if device.type == "cuda":
        torch.cuda.synchronize()
    elif torch.get_num_threads() == 1:
        return time.process_time()
    return time.perf_counter()


def clock_name(device: torch.device) -> str:
    """Which seconds `clock` counts."""
    one = device.type == "cpu" and torch.get_num_threads() == 1
    return "CPU seconds of one thread" if one else "wall"


def interleaved(
    parts: dict[str, Callable[[], Any]],
    device: torch.device,
    rounds: int,
    limit: float,
    calls: int = 1,
) -> dict[str, float]:
    """Median seconds that one call of each part takes, measured in turns.

    In turns, because the speed of a shared machine drifts: then all parts drift together.

    Args:
        parts: What to measure, by name.
        device: Where it computes.
        rounds: Turns, after one that is not counted.
        limit: Seconds after which no new turn begins (but three are made).
        calls: Calls of a part in a turn; more than one lets a GPU run ahead, as in training.
    """
    taken: dict[str, list[float]] = {name: [] for name in parts}
    began = time.perf_counter()
    for turn in range(rounds + 1):
        if turn > LEAST_ROUNDS and time.perf_counter() - began > limit:
            break
        for name, part in parts.items():
            start = clock(device)
            for _ in range(calls):
                part()
            taken[name].append((clock(device) - start) / calls)
    return {name: median(seconds[1:]) for name, seconds in taken.items()}


def peak_mb(device: torch.device) -> int:
    """The most memory taken so far: by this process, or of the GPU."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated() / 1e6)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)


def gflop(work: Callable[[], Any]) -> float:
    """Billions of floating-point operations, of convolutions and matrix products alone."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e9


class PeakTensors(TorchDispatchMode):
    """The most bytes that the tensors made in this context take at a time.

    Attributes:
        peak: The bytes.
    """

    def __init__(self):
        super().__init__()
        self.peak = self._now = 0
        self._living: dict[int, weakref.ref] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._note(tensor.untyped_storage())
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        place, size = storage._cdata, storage.nbytes()
        if place in self._living:  # a view
            return
        self._living[place] = weakref.ref(storage, lambda _: self._free(place, size))
        self._now += size
        self.peak = max(self.peak, self._now)

    def _free(self, place: int, size: int) -> None:
        del self._living[place]
        self._now -= size


def matrix_product(device: torch.device, dtype: torch.dtype) -> tuple[Callable[[], Any], float]:
    """The product of two square matrices of a size that suits the device, and its GFLOP."""
    side = 8192 if device.type == "cuda" else 1024
    a, b = torch.randn(2, side, side, device=device).to(dtype)
    return lambda: a @ b, 2 * side**3 / 1e9


def machine(device: torch.device) -> dict[str, Any]:
    """What the speed depends on beside the program."""
    load = [round(value, 1) for value in os.getloadavg()]
    return {"device": device.type, "clock": clock_name(device), "load_average": load}
