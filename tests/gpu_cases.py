"""What a GPU is needed for, tried on the machine's or on a pretended one.

The cases are called by ``test_pretended_gpu.py``, in a process of their own.
"""

import ast
import json
import multiprocessing
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from pretended_gpu import Counts, Cuda, counted, pretended_gpu
from torch import Tensor
from torch.nn.functional import interpolate

import vbl
from vbl import degradations
from vbl.cli.photos import job_for, restore_file
from vbl.degradations import DEGRADATIONS
from vbl.evaluation import evaluate
from vbl.figures.widgets import LiveTerms
from vbl.images import open_folder, pack, photo, write
from vbl.recipes import RECIPES, Preset, Recipe
from vbl.recipes.deblurring import learn_to_deblur
from vbl.recipes.lud_vae import learn_noise_of
from vbl.restoration import is_told
from vbl.restoration.tiling import networks_in
from vbl.training import Learner, fit, scores_beside, train_here
from vbl.training.batches import Batches
from vbl.training.fit import _accelerator

REAL = torch.cuda.is_available()
PAIRS_RECIPE = "vbdeblur-pairs"  # of `learn_to_deblur`, for a reader's own photographs


def a_gpu(bf16: bool = False) -> AbstractContextManager:
    """The GPU of this machine, or a pretended one."""
    return nullcontext() if REAL else pretended_gpu(bf16)


class GpuProcess:
    """A process that calls functions, and in which a GPU may be pretended."""

    def __init__(self):
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=_prepare)

    def __call__(self, case: Callable, *arguments: Any) -> Any:
        return self._pool.submit(case, *arguments).result()

    def close(self) -> None:
        self._pool.shutdown()


def _prepare() -> None:
    os.environ |= {"VBL_STATIC": "1", "MPLBACKEND": "Agg"}
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)


@cache
def pictures(pairs: bool = False, side: int = 72) -> Path:
    """A folder of four smooth pictures, or of four pairs."""
    folder = Path(tempfile.mkdtemp())
    generator = torch.Generator().manual_seed(0)
    for number in range(4):
        coarse = torch.rand(1, 3, 9, 9, generator=generator)
        image = interpolate(coarse, (side, side + 8), mode="bilinear")
        write(folder / f"{number}{'_clean' if pairs else ''}.png", image)
        if pairs:
            noise = 0.02 * torch.rand(image.shape, generator=generator)
            write(folder / f"{number}_noisy.png", (image + noise).clamp(0, 1))
    return folder


def recipe_of(name: str) -> Recipe:
    """A recipe whose data are on every machine."""
    if name == PAIRS_RECIPE:
        return learn_to_deblur(pictures(pairs=True), 9)
    if name == "lud-vae-real":  # from PolyU's photographs, or a reader's own
        return replace(RECIPES[name], degrade=learn_noise_of(pictures()).degrade)
    return RECIPES[name]


def few(recipe: Recipe, name: str) -> Preset:
    """A preset with two steps of two small crops; its networks are as they are."""
    preset = recipe.presets[name]
    scale = getattr(preset.config, "scale", 4 if recipe.name == "lud-vae-small" else 1)
    size = 16 * max(scale, 2)
    return replace(preset, steps=2, batch=2, size=size, restarts=(), compile=False)


# Training


def _train(recipe: Recipe, preset: Preset) -> Any:
    """One step, stopped; resumed for another; validated, and written."""
    with tempfile.TemporaryDirectory() as place:
        options = {"preset": preset, "folder": f"{place}/run", "data": pictures()}
        fit(recipe, **options, minutes=0)
        return fit(recipe, **options, resume=True)


def trains(name: str, label: str, bf16: bool = False) -> None:
    """A recipe is trained on the device, to the loss of a CPU; its model ends on the CPU."""
    recipe = recipe_of(name)
    preset, places = few(recipe, label), set()
    draw = Batches.__getitem__

    def noted(self, i):
        batch = draw(self, i)
        places.add(batch.y.device.type)
        return batch

    with a_gpu(bf16), mock.patch.object(Batches, "__getitem__", noted):
        run = _train(recipe, preset)
        run.model.restore(torch.rand(1, _channels(run.model), 32, 32))
    assert places == {"cuda"}, f"batches were drawn on {places}"
    if not (bf16 or REAL):  # a real GPU draws other numbers
        with mock.patch("vbl.training.fit.bf16_pays", lambda _: False):
            expected = _train(recipe, preset).history[-1]["loss"]
        found = run.history[-1]["loss"]
        assert abs(found - expected) <= 1e-5 * abs(expected), f"{found}, on a CPU {expected}"


def trains_here(name: str) -> None:
    """The section "Train it yourself": the preset of a GPU, stopped, resumed, kept, and loaded."""
    recipe, here = recipe_of(name), sys.modules["vbl.training.here"]
    recipe = replace(recipe, presets={**recipe.presets, "gpu": few(recipe, "gpu")})
    with ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(mock.patch.dict(os.environ, VBL_STATIC=""))
        for function, stand_in in (
            ("find_recipe", lambda _: recipe),
            ("fit", partial(fit, data=pictures())),
            ("measure", lambda *_: []),
        ):
            stack.enter_context(mock.patch.object(here, function, stand_in))
        stack.enter_context(a_gpu())
        train_here(name, folder=place, minutes=0)
        run = train_here(name, folder=place, watch=LiveTerms())
        assert run.finished and scores_beside(run, name)
        mine = vbl.load(f"{place}/{name}-gpu/weights.safetensors", device="cuda")
        mine.restore(torch.rand(1, 3, 32, 32))


def costs(name: str) -> Counts:
    """What the host does in one training step: draw the batch, and update."""
    recipe = recipe_of(name)
    preset = few(recipe, "quick")
    with pretended_gpu():
        accelerator = _accelerator("cuda")
        learner = Learner(recipe, preset, {"seed": 0, "bf16": False}, accelerator)
        pixels = pack(open_folder(pictures()), preset.size).to(accelerator.device)
        batches = Batches(pixels, recipe.degrade, size=preset.size, batch=preset.batch, seed=0)
        learner.update(0, batches[0])  # what is computed once
        with counted() as counts:
            learner.update(1, batches[1])
    return counts


def _channels(model: torch.nn.Module) -> int:
    return min(network.in_channels for network in networks_in(model))


def is_obeyed(first: str, then: str) -> None:
    """Calls of fit compute on the device that each was asked for."""
    preset, learner = replace(few(RECIPES["resunet"], "quick"), steps=1), Learner.update

    def noted(self, step, batch):
        places.append(next(self.model.parameters()).device.type)
        return learner(self, step, batch)

    with a_gpu(), tempfile.TemporaryDirectory() as place:
        for device in (first, then):
            places: list[str] = []
            folder = Path(place) / device
            with mock.patch.object(Learner, "update", noted):
                fit("resunet", preset=preset, data=pictures(), folder=folder, device=device)
            assert places == [device], f"asked for {device}, computed on {places}"


# Restoration


def restores(name: str) -> None:
    """A checkpoint restores on the device as on the CPU, in all ways to call it."""
    on_cpu = vbl.load(name)
    y = photo("chelsea")[..., 60:108, 150:206][:, : _channels(on_cpu)]
    level = {"noise_std": torch.full((1, 1, 1, 1), 25 / 255)} if is_told(on_cpu) else {}
    with torch.inference_mode():
        expected = on_cpu.restore(y, **level).image
    with a_gpu():
        model = vbl.load(name, device="cuda")
        with torch.inference_mode():
            found = model.restore(y.to("cuda"), **{k: v.to("cuda") for k, v in level.items()})
        places = {value.device.type for value in vars(found).values() if value is not None}
        assert places == {"cuda"}, f"a restoration on {places}"
        atol = 2e-3 if REAL else 1e-5  # convolutions of CUDA round to TF32
        torch.testing.assert_close(found.image.cpu(), expected, rtol=0, atol=atol)
        with torch.inference_mode():
            found = model.restore(y, **level)
        places = {value.device.type for value in vars(found).values() if value is not None}
        assert places == {"cpu"}, f"a restoration of a picture on the CPU on {places}"
        torch.testing.assert_close(found.image, expected, rtol=0, atol=atol)
        _restores_in_tiles(name, y, level)
        _restores_a_file(model, y)
        if hasattr(model, "translate"):
            for pair in ("C2N", "L2CN", "added"):
                generator = torch.Generator("cuda").manual_seed(0)
                made = model.translate(y.to("cuda"), pair=pair, generator=generator)
                assert made.y.is_cuda


def _restores_in_tiles(name: str, y: Tensor, level: dict[str, Tensor]) -> None:
    std = {"noise_std": 25 / 255} if level else {}
    for image, options in ((y, {"tile": 32}), (y.to("cuda"), {"ensemble": True})):
        try:
            restored = vbl.restore(name, image, **options, **std).image
        except ValueError as reason:
            assert "cannot be turned" in str(reason), reason
            continue
        assert restored.device == image.device


def _restores_a_file(model: torch.nn.Module, y: Tensor) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.png"
        write(path, y)
        sigma = 25.0 if is_told(model) else None
        restore_file(model, job_for(path, Path(folder), "photo"), sigma=sigma, max_pixels=10**6)


def stays(call: str) -> None:
    """A model that a function was given is afterwards where it was, and so is what it made."""
    y = torch.rand(1, 3, 32, 32)
    with a_gpu():
        model = vbl.load("resunet")
        if call == "restore":
            assert vbl.restore(model, y).image.device.type == "cpu"
        else:
            evaluate(model, pictures(pairs=True), progress=False)
        model.restore(y)
        with torch.inference_mode():
            there = vbl.restore(model.to("cuda"), y).image.device.type
        assert there == "cpu" and next(model.parameters()).is_cuda


# Degradations and evaluation

OTHERS = {f"noniid case {n}": partial(degradations.noniid, case=n) for n in (1, 2, 3)}


def degrades(name: str) -> None:
    """Everything a degradation returns is on the device of its images."""
    function = (DEGRADATIONS | OTHERS)[name]
    with a_gpu():
        generator = torch.Generator("cuda").manual_seed(0)
        x = torch.rand(2, 3, 48, 48, device="cuda", generator=generator)
        for options in ({"generator": generator}, {}):
            made = function(x, **options)
            tensors = {k: v for k, v in {**vars(made), **made.truth}.items() if torch.is_tensor(v)}
            left = [name for name, value in tensors.items() if not value.is_cuda]
            assert not left, f"on the CPU, {'with' if options else 'without'} generator: {left}"


SR = {"scale": 2, "kernel": 0, "sigma": 2.55}
EVALUATIONS = [
    ("input", {}), ("nlm", {"sigma": 25}), ("tv", {"sigma": 25}), ("wavelets", {"case": 1}),
    ("bicubic", SR), ("bicubic-aligned", SR), ("mean-kernel", SR), ("least-squares", SR),
    ("least-squares+virnet-sr-x2", SR), ("nlm+virnet-denoise", {"case": 2}),
    ("virnet-denoise", {"case": 3}), ("virnet-sr-x2", SR | {"kernel": "all"}),
    ("vdir-jpeg", {"quality": 20}), ("vbdeblur-natural", {"protocol": "shaken"}),
    ("least-squares+vbdeblur-natural", {"protocol": "shaken"}),
    ("lud-vae-correlated-denoiser", {"protocol": "grain"}),
    ("resunet", {"protocol": "registered-pairs"}),
]  # fmt: skip


def evaluates(method: str, options: dict[str, Any]) -> None:
    """A method is evaluated with a GPU there."""
    pairs = not options or options.get("protocol") == "registered-pairs"
    with a_gpu():
        evaluate(method, pictures(pairs=pairs), progress=False, **options)


# The pretence itself, and faults that it must find


def refuses(fault: str) -> None:
    """Run a line that is an error on a GPU."""
    with pretended_gpu():
        x = torch.rand(2, 2, device="cuda")
        LINES[fault](x)


LINES: dict[str, Callable[[Tensor], Any]] = {
    "two devices": lambda x: x + torch.ones(2, 2),
    "a generator of the CPU": lambda x: torch.rand(
        2, device="cuda", generator=torch.Generator("cpu")
    ),
    "a generator of the GPU": lambda x: torch.rand(2, generator=torch.Generator("cuda")),
    "numpy": lambda x: x.numpy(),
    "an index": lambda x: torch.ones(2)[x[0].long()],
    "stacked numbers": lambda x: torch.stack([x[0, 0], torch.tensor(1.0)]),
}


def waits_of_lines() -> list[int]:
    """How often the host waits in some lines that are known to wait, or not to."""
    found = []
    with pretended_gpu():
        x, small = torch.rand(2, 2, device="cuda"), torch.rand(2, 2)
        for line in (
            lambda: (x + 1.0).sum(),
            lambda: float(x.sum()),
            lambda: x + torch.tensor(1.0),  # a number of the CPU is an argument of the kernel
            lambda: small.to("cuda"),
            lambda: small.to("cuda", non_blocking=True),  # pageable memory is copied at once
            lambda: small.pin_memory().to("cuda", non_blocking=True),
            lambda: x[x > 0.5],
            lambda: torch.as_tensor(1.0, device=x.device),
            lambda: torch.full((), 1.0, device=x.device),
        ):
            with counted() as counts:
                line()
            found.append(sum(counts.waits.values()))
    return found


def waits_of_copies() -> list[int]:
    """How often the host waits for the copy of a batch from plain, and from pinned memory."""
    batch, found = degradations.blind_sr(torch.rand(2, 3, 16, 16)), []
    with pretended_gpu():
        for copied in (batch, batch.pin_memory()):
            with counted() as counts:
                moved = copied.to(torch.device("cuda"))
            assert isinstance(moved.truth["rho"], Cuda) and isinstance(moved.y, Cuda)
            found.append(sum(counts.waits.values()))
    return found


def finds(fault: str) -> None:
    """Train, with one line of the library forgetting the device."""
    where, wrong, name = FAULTS[fault]
    with mock.patch(where, wrong), pretended_gpu():
        _train(RECIPES[name], few(RECIPES[name], "quick"))


def _forgetful_noise(like: Tensor, *, generator=None, shape=None) -> Tensor:
    return torch.randn(like.shape if shape is None else shape)


def _forgetful_xi(y: Tensor, x: Tensor, *_, **__) -> Tensor:
    return torch.ones(len(y), 1, *y.shape[-2:])


def _forgetful_moments(self, tensors: dict[str, Tensor]) -> None:
    for optimiser in self.optimisers.values():
        for parameter in (p for group in optimiser.param_groups for p in group["params"]):
            state = {name: torch.zeros_like(parameter.cpu()) for name in ("exp_avg", "exp_avg_sq")}
            optimiser.state[parameter] = state | {"step": torch.zeros(())}


# What is patched, with what, and in which recipe it shows
FAULTS = {
    "noise": ("vbl.degradations.noise.randn_like", _forgetful_noise, "resunet"),
    "xi": ("vbl.models.virnet.local_variance", _forgetful_xi, "virnet-denoise"),
    "moments": ("vbl.training.learner.Learner.load", _forgetful_moments, "resunet"),
}


# The book


def runs_cells(path: Path) -> None:
    """Run a chapter; models and tensors of one cell are those of the next, as for a reader."""
    import matplotlib.pyplot as plt

    names: dict[str, Any] = {"__name__": "__main__"}
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with a_gpu():
            for number, cell in enumerate(json.loads(path.read_text("utf-8"))["cells"]):
                if cell["cell_type"] == "code":
                    _run_cell("".join(cell["source"]), f"{path.stem}[{number}]", names)
                plt.close("all")
    finally:
        os.chdir(here)


def _run_cell(source: str, label: str, names: dict[str, Any]) -> None:
    import matplotlib.pyplot as plt

    from vbl.figures.widgets import Explore

    *lines, last = ast.parse(source, label).body
    if not isinstance(last, ast.Expr):
        exec(compile(ast.Module([*lines, last], []), label, "exec"), names)
        return
    exec(compile(ast.Module(lines, []), label, "exec"), names)
    value = eval(compile(ast.Expression(last.value), label, "eval"), names)
    if isinstance(value, Explore):
        for pick in (0, -1):
            chosen = {name: values[pick] for name, values in value.axes.items()}
            value.draw(**chosen), value.alt(**chosen)
    for figure in map(plt.figure, plt.get_fignums()):
        figure.canvas.draw()
