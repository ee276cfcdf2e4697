"""No function of the library makes a tensor without saying on which device."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import vbl

LIBRARY = Path(vbl.__file__).parent

_NAMES = """arange as_tensor bartlett_window blackman_window empty eye full hamming_window
hann_window linspace logspace ones rand randint randn randperm range scalar_tensor tensor
tril_indices triu_indices zeros"""
MAKERS = {f"torch.{name}" for name in _NAMES.split()}

# Function -> why its tensors belong on the CPU. Those of `__init__` move with their module.
ON_THE_CPU = {
    "degradations/kernels.py:vdir_test_kernels": "seven fixed kernels, moved to the images'",
    "degradations/kernels.py:virnet_test_kernels": "likewise",
    "degradations/noise_maps.py:_peaks": "a fixed map, moved to the images'",
    "degradations/noise_maps.py:_waves": "likewise",
    "evaluation/calibration.py:_flat": "NumPy's numbers are there",
    "evaluation/calibration.py:conformal_quantile": "a tensor stays where it is",
    "evaluation/protocols.py:_level": "protocols draw their noise on the CPU, for every device",
    "images/crops.py:pack": "pictures are read there",
    "models/page_trace.py:Tracer._call": "a model is exported from the CPU",
    "models/page.py:Weights.add": "likewise",
    "models/page_operations.py:_binary": "likewise",
    "models/page.py:table": "likewise",
    "models/on_off.py:OnOffModel._gammas": "a toy of two numbers",
    "models/on_off.py:OnOffModel.em": "likewise",
    "models/on_off.py:OnOffModel.log_joint": "likewise",
    "models/on_off.py:OnOffModel.start": "likewise",
    "networks/network.py:placed": "stands for the place of a module without parameters",
    "probability/distributions.py:_promote": "numbers, which operations take from the CPU",
    "restoration/regions.py:_tent": "moved to the image's",
    "restoration/restore.py:_noise_level": "each tile of it is moved",
}

EXERCISES = "evaluation/exercises/"  # compare answers, which are moved to the CPU first


def forgetful(source: str) -> Iterator[tuple[str, int]]:
    """Function and line of each tensor that is made without ``device=``."""

    def visit(node: ast.AST, name: str) -> Iterator[tuple[str, int]]:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            name = f"{name}.{node.name}".lstrip(".")
        given = [keyword.arg for keyword in getattr(node, "keywords", [])]
        makes = isinstance(node, ast.Call) and ast.unparse(node.func) in MAKERS
        if makes and "device" not in given and not name.endswith("__init__"):
            yield name, node.lineno
        for child in ast.iter_child_nodes(node):
            yield from visit(child, name)

    yield from visit(ast.parse(source), "")


def found() -> Iterator[tuple[str, str]]:
    for path in sorted(LIBRARY.rglob("*.py")):
        file = path.relative_to(LIBRARY).as_posix()
        if file.startswith(EXERCISES):
            continue
        for name, line in forgetful(path.read_text("utf-8")):
            yield f"{file}:{name}", f"vbl/{file}:{line}"


def test_tensors_are_made_on_a_device_that_is_named():
    left = [line for function, line in found() if function not in ON_THE_CPU]
    assert not left, f"without device=, and not among the exceptions: {', '.join(left)}"


def test_every_exception_is_still_there():
    assert set(ON_THE_CPU) <= {function for function, _ in found()}


@pytest.mark.parametrize(
    "line", ["torch.zeros(3)", "torch.zeros(3, dtype=x.dtype)", "f(torch.tensor([1.0]))"]
)
def test_a_forgotten_device_is_found(line):
    assert list(forgetful(f"def g(x):\n    return {line}\n")) == [("g", 2)]


@pytest.mark.parametrize(
    "line", ["torch.zeros(3, device=x.device)", "torch.zeros_like(x)", "x.new_zeros(3)"]
)
def test_a_named_device_is_right(line):
    assert not list(forgetful(f"def g(x):\n    return {line}\n"))
