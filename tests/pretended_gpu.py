"""A GPU that is not there: what would go wrong on one is seen on a machine without.

::

    with pretended_gpu():
        x = torch.rand(2, 3, device="cuda")      a `Cuda` tensor, x.device is cuda:0
        x + torch.rand(2, 3)                     RuntimeError: found at least two devices
        with counted() as counts:
            float(x.sum())                       counts.waits["number read", ...] == 1

Tensors on "cuda" are wrappers of values that are computed on the CPU. They refuse what CUDA
refuses: a CPU tensor beside them, a generator of another device, ``numpy()``, moments of fused Adam
in another layout. Underneath, PyTorch takes them for those of a backend written in Python, so that
autograd, optimisers, autocast and accelerate do what they do on a GPU. Samples are the CPU's: a run
ends with the numbers of a run on the CPU.

Not seen: CUDA's kernels and their numbers, memory, speed, streams, Triton, NCCL.

The backend stays registered until the process ends: pretend in a process of its own, as
``test_pretended_gpu.py`` does.
"""

import importlib
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _foreach_utils
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

import vbl

NAME = "pretended"  # of the backend
INSIDE = torch.device("cpu")  # where values are computed
BELIEVED = torch.device("privateuseone", 0)  # where PyTorch takes a tensor to be
SAID = torch.device("cuda", 0)  # what a tensor says
LIBRARY = Path(vbl.__file__).parent

PRIVATE = {  # names of PyTorch that it may change: those of the backend came with version 2.10
    "torch.utils.backend_registration": (
        "_DummyBackendModule",
        "_setup_privateuseone_for_python_backend",
    ),
    "torch.utils._foreach_utils": ("_foreach_supported_types",),
    "torch._C": (
        "_disabled_torch_function_impl",
        "_only_lift_cpu_tensors",
        "_set_only_lift_cpu_tensors",
        "_ExcludeDispatchKeyGuard",
        "DispatchKeySet",
    ),
    "torch": ("_has_compatible_shallow_copy_type",),
}


def why_not() -> str | None:
    """Why this PyTorch cannot pretend to have a GPU, in one sentence; None if it can."""
    for module, names in PRIVATE.items():
        found = importlib.import_module(module)
        if missing := [name for name in names if not hasattr(found, name)]:
            return f"a GPU is pretended with {module}.{missing[0]}, which {torch.__version__} lacks"
    return None


# What is counted


@dataclass
class Counts:
    """What the host does for the device.

    Attributes:
        waits: (what, line of the library) -> how often the host waits for the device there.
        launches: Operation -> how often it is called; views are not.
    """

    waits: Counter = field(default_factory=Counter)
    launches: Counter = field(default_factory=Counter)


_counts: list[Counts] = []


@contextmanager
def counted() -> Iterator[Counts]:
    """Count waits and launches."""
    _counts.append(Counts())
    try:
        yield _counts[-1]
    finally:
        _counts.pop()


def _waits(what: str) -> None:
    if not _counts:
        return
    frame = sys._getframe(1)
    while frame and not Path(frame.f_code.co_filename).is_relative_to(LIBRARY):
        frame = frame.f_back
    file = Path(frame.f_code.co_filename).relative_to(LIBRARY) if frame else ""
    _counts[-1].waits[what, f"{file}:{frame.f_lineno}" if frame else "?"] += 1


# Tensors and generators that say where they are


class Cuda(Tensor):
    """A tensor that says it is on cuda:0. Its values are in `elem`."""

    @staticmethod
    def __new__(cls, elem):
        layout = {"strides": elem.stride(), "storage_offset": elem.storage_offset()}
        layout |= {"dtype": elem.dtype, "layout": elem.layout, "device": BELIEVED}
        return Tensor._make_wrapper_subclass(cls, elem.size(), **layout)

    def __init__(self, elem):
        self.elem = elem

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _call(func, args, kwargs or {})

    device = property(lambda self: SAID)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)

    @property
    def data(self):
        return Tensor.data.__get__(self)

    @data.setter
    def data(self, value):
        Tensor.data.__set__(self, value)
        self.elem = value.elem

    def get_device(self):
        return 0

    def numpy(self, *, force=False):
        if force:
            return self.detach().cpu().numpy()
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def __array__(self, *_, **__):
        return self.numpy()

    def tolist(self):
        return self.detach().cpu().tolist()

    def __format__(self, spec):
        return format(self.item(), spec) if self.dim() == 0 else object.__format__(self, spec)

    def __repr__(self, **_):
        return f"{self.elem!r} on cuda:0"

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = copy = Cuda(self.elem.detach().clone())
            copy.requires_grad_(self.requires_grad)
            if getattr(self, "_is_param", False):
                copy._is_param = True
        return memo[id(self)]

    def __reduce_ex__(self, protocol):
        raise RuntimeError("a tensor on cuda:0 was pickled")


_Generator = torch.Generator
_lives: dict[int, torch.device] = {}  # by address: what operations get is a plain generator


class Generator(_Generator):
    """A generator that says where it lives."""

    def __new__(cls, device="cpu"):
        self = _Generator.__new__(cls, "cpu")
        _lives[self._cdata] = torch.device(device)
        return self

    @property
    def device(self):
        return SAID if _lives[self._cdata].type == "cuda" else INSIDE


# What is refused

aten = torch.ops.aten

# Beside pointwise operations, what takes numbers (tensors of no dimension) from the CPU
_NUMBERS_TOO = {
    aten.where.self, aten.fill_.Tensor, aten.masked_fill.Tensor, aten.masked_fill_.Tensor,
    aten._fused_adam_.default, aten._fused_adam_.tensor_lr,
}  # fmt: skip
_INDEXING = {
    aten.index.Tensor, aten.index_put.default, aten.index_put_.default,
    aten._unsafe_index.Tensor, aten._unsafe_index_put.default, aten._index_put_impl_.default,
}  # fmt: skip
_SIZES_DEPEND = {
    aten.nonzero.default, aten.masked_select.default, aten.equal.default, aten.bincount.default,
    aten.repeat_interleave.Tensor, aten._unique2.default, aten.unique_dim.default,
}  # fmt: skip
_COPIES = {aten._to_copy.default, aten.copy_.default}
_ADAM = {aten._fused_adam_.default, aten._fused_adam_.tensor_lr}
# Where values are computed, nothing reads the bits of lazy conjugates
_PLAIN = {aten._conj.default: aten.conj_physical.default, aten._neg_view.default: aten.neg.default}


def _refuse_two_devices(func, tensors) -> None:
    if len({isinstance(t, Cuda) for t in tensors}) == 2:
        found = ", ".join(f"{tuple(t.shape)} on {t.device}" for t in tensors)
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, cuda:0 "
            f"and cpu! ({func}: {found})"
        )


def _check_tensors(func, args, tensors) -> None:
    if func in _COPIES:
        return
    if func is aten.where.self and not all(isinstance(t, Cuda) for t in tensors):
        _waits("copy to the GPU")
    if func in _INDEXING:
        _check_indices(func, *args)
        return
    if torch.Tag.pointwise in func.tags or func in _NUMBERS_TOO or "_foreach" in func.name():
        tensors = [t for t in tensors if isinstance(t, Cuda) or t.dim() > 0]
    _refuse_two_devices(func, tensors)
    if func in _ADAM:
        _check_moments(*args[:4])


def _check_indices(func, base, indices, values=None, *_) -> None:
    if not isinstance(base, Cuda):
        raise RuntimeError(
            "indices should be either on cpu or on the same device as the indexed tensor (cpu)"
        )
    for index in (index for index in indices if index is not None):
        if not isinstance(index, Cuda):
            _waits("copy to the GPU")
        elif index.dtype == torch.bool and (values is None or values.numel() > 1):
            _waits("size of a mask read")
    _refuse_two_devices(func, [base, *([values] if values is not None and values.dim() else [])])


def _check_moments(weights, *others) -> None:
    for moments in others:
        for weight, other in zip(weights, moments, strict=True):
            strides = zip(weight.shape, weight.stride(), other.stride(), strict=True)
            if any(size != 1 and a != b for size, a, b in strides):
                raise RuntimeError(
                    "params, grads, exp_avgs, and exp_avg_sqs must have same dtype, device and "
                    f"layout: {other.stride()} for {weight.stride()}"
                )


def _check_generator(leaves, on: bool) -> None:
    for value in leaves:
        if isinstance(value, _Generator):
            lives = _lives.get(value._cdata, INSIDE).type
            if (lives == "cuda") != on:
                wanted = "cuda" if on else "cpu"
                raise RuntimeError(
                    f"Expected a '{wanted}' device type for generator but found '{lives}'"
                )


# How operations are called


@cache
def _written_to(func) -> tuple[list, bool]:
    """For each result the argument that it is, if that is written to; and whether it is a view."""
    arguments, returns = func._schema.arguments, func._schema.returns
    same = []
    for result in returns:
        alias = result.alias_info
        places = (
            (i, argument.name)
            for i, argument in enumerate(arguments)
            if alias and alias.is_write and argument.alias_info
            and argument.alias_info.before_set & alias.before_set
        )  # fmt: skip
        same.append(next(places, None))
    return same, any(r.alias_info and not r.alias_info.is_write for r in returns)


def _inside(value):
    return value.elem if isinstance(value, Cuda) else value


def _outside(value):
    if not isinstance(value, Tensor) or isinstance(value, Cuda):
        return value
    if torch.is_inference_mode_enabled() and not value.is_inference():
        with torch.inference_mode(False):  # a view of what was there before
            return Cuda(value)
    return Cuda(value)


def _call(func, args, kwargs):
    """Call an operation as CUDA would: check, count, compute on the CPU, wrap what it returns."""
    leaves = tree_leaves((args, kwargs))
    tensors = [t for t in leaves if isinstance(t, Tensor)]
    there = any(isinstance(t, Cuda) for t in tensors)
    if there:
        _check_tensors(func, args, tensors)
    on = there
    if kwargs.get("device") is not None:
        on = torch.device(kwargs["device"]).type in (NAME, "cuda")
        kwargs = {**kwargs, "device": INSIDE}
    if func is aten.copy_.default:
        on = isinstance(args[0], Cuda)
    _note_waits(func, args, kwargs, there, on)
    _check_generator(leaves, on)
    result = _PLAIN.get(func, func)(*tree_map(_inside, args), **tree_map(_inside, kwargs))
    if not on:
        return result
    same, view = _written_to(func)
    if _counts and not view:
        _counts[-1].launches[str(func)] += 1
    if not any(same):
        return tree_map(_outside, result)
    given = [
        where and (args[where[0]] if where[0] < len(args) else kwargs[where[1]]) for where in same
    ]
    if len(same) == 1:
        return given[0]
    pairs = zip(given, result, strict=True)
    return tuple(_outside(new) if old is None else old for old, new in pairs)


def _note_waits(func, args, kwargs, there: bool, on: bool) -> None:
    if func is aten.copy_.default:
        source, patient = args[1], len(args) > 2 and args[2]
    elif func is aten._to_copy.default:
        source, patient = args[0], kwargs.get("non_blocking", False)
    else:
        if func is aten._local_scalar_dense.default and there:
            _waits("number read")
        elif func in _SIZES_DEPEND and there:
            _waits("size read")
        return
    if on != isinstance(source, Cuda) and not (patient and getattr(source, "pinned", False)):
        _waits("copy to the GPU" if on else "copy to the CPU")


class _Dispatch(TorchDispatchMode):
    """What is called without a `Cuda` among its arguments: tensors are made with ``device=``."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if _is_compound(func):  # in inference mode nobody has decomposed it
            with self:
                return func.decompose(*args, **(kwargs or {}))
        return _call(func, args, kwargs or {})


@cache
def _is_compound(func) -> bool:
    return func._can_decompose()


class _Function(TorchFunctionMode):
    """Says "privateuseone" to PyTorch where it was told "cuda"."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.device:
            return func(*args, **(kwargs or {}))
        if func is Tensor.pin_memory:
            return _pinned(args[0])
        if func is Tensor.is_pinned:
            return getattr(args[0], "pinned", False)
        kwargs = {name: _believed(value) for name, value in (kwargs or {}).items()}
        return func(*map(_believed, args), **kwargs)


def _pinned(tensor: Tensor) -> Tensor:
    if isinstance(tensor, Cuda):
        raise RuntimeError("cannot pin a tensor on cuda:0, only dense CPU tensors can be pinned")
    pinned = tensor.clone()
    pinned.pinned = True
    return pinned


def _believed(value: Any) -> Any:
    kind = value.partition(":")[0] if isinstance(value, str) else getattr(value, "type", None)
    is_device = isinstance(value, str | torch.device)
    return BELIEVED if is_device and kind == "cuda" else value


# Autocast for CUDA: of the lists in PyTorch's documentation, what the library uses

LOWER = "conv2d conv_transpose2d.input linear mm bmm addmm matmul mv addmv einsum"
SINGLE = """rsqrt exp log pow.Tensor_Scalar pow.Tensor_Tensor softplus sum sum.dim_IntList prod
cumsum norm.Scalar norm.ScalarOpt_dim softmax.int log_softmax.int reciprocal linalg_vector_norm"""
PROMOTED = "dot vdot index_put scatter_add addcdiv addcmul atan2"


class Autocast(torch.autocast):
    """``torch.autocast`` that takes "cuda"."""

    def __init__(self, device_type, *args, **kwargs):
        super().__init__(NAME if device_type == "cuda" else device_type, *args, **kwargs)


def _casting(name: str, kind: str):
    packet, _, overload = name.partition(".")
    operation = getattr(getattr(aten, packet), overload or "default")
    below = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)

    def call(*args, **kwargs):
        dtype = torch.get_autocast_dtype(NAME) if kind == "lower" else torch.float32
        if kind == "promoted":
            leaves = tree_leaves((args, kwargs))
            single = any(isinstance(t, Cuda) and t.dtype == torch.float32 for t in leaves)
            dtype = torch.float32 if single else torch.get_autocast_dtype(NAME)

        def cast(value):
            fits = isinstance(value, Cuda) and value.is_floating_point()
            return value.to(dtype) if fits and value.dtype != torch.float64 else value

        with torch._C._ExcludeDispatchKeyGuard(below):
            return operation(*tree_map(cast, args), **tree_map(cast, kwargs))

    return call


# The device


@cache
def _register() -> list[torch.library.Library]:
    """Register the backend with its autocast, once; the libraries must not be collected."""
    import torch._dynamo  # before anything is replaced
    from torch.utils import backend_registration

    class Module(backend_registration._DummyBackendModule):
        def get_amp_supported_dtype(self):
            return [torch.bfloat16, torch.float16]

        def get_rng_state(self, *_):
            return torch.empty(0, dtype=torch.uint8)

        def set_rng_state(self, *_):
            pass

    backend_registration._setup_privateuseone_for_python_backend(NAME, Module())
    rest = torch.library.Library("_", "IMPL")
    rest.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    casts = torch.library.Library("aten", "IMPL", "AutocastPrivateUse1")
    for kind, names in (("lower", LOWER), ("single", SINGLE), ("promoted", PROMOTED)):
        for name in names.split():
            casts.impl(name, _casting(name, kind))
    return [rest, casts]


def _alike(a: Tensor, b: Tensor) -> bool:
    """Whether ``a.data = b`` will do; `Module.to` asks."""
    return type(a) is type(b) or not (isinstance(a, Cuda) or isinstance(b, Cuda))


def _replacements(bf16: bool) -> Iterator[tuple[Any, str, Any]]:
    """Owner, name and value of what is replaced while a GPU is pretended."""
    silent = ("set_device", "synchronize", "empty_cache", "_lazy_init", "manual_seed_all")
    for name in (*silent, "manual_seed", "reset_peak_memory_stats"):
        yield torch.cuda, name, lambda *_, **__: None
    yield torch.cuda, "is_available", lambda: True
    yield torch.cuda, "device_count", lambda: 1
    yield torch.cuda, "current_device", lambda: 0
    yield torch.cuda, "get_device_name", lambda *_: "a pretended GPU"
    yield torch.cuda, "max_memory_allocated", lambda *_: 0
    yield torch.cuda, "is_bf16_supported", lambda *_, **__: bf16
    yield torch, "Generator", Generator
    yield torch, "autocast", Autocast
    yield torch, "_has_compatible_shallow_copy_type", _alike
    types = [*_foreach_utils._foreach_supported_types, Cuda]
    yield _foreach_utils, "_foreach_supported_types", types


@contextmanager
def pretended_gpu(bf16: bool = False) -> Iterator[None]:
    """A GPU as long as the context lasts.

    Args:
        bf16: Whether it has instructions for bfloat16.
    """
    _register()
    with ExitStack() as stack:
        for owner, name, value in _replacements(bf16):
            stack.enter_context(mock.patch.object(owner, name, value))
        stack.enter_context(torch.autograd.set_multithreading_enabled(False))
        stack.callback(torch._C._set_only_lift_cpu_tensors, torch._C._only_lift_cpu_tensors())
        torch._C._set_only_lift_cpu_tensors(True)
        stack.enter_context(_Dispatch())
        stack.enter_context(_Function())
        yield
