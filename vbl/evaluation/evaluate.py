"""Evaluation of a method on a set of pictures under a protocol.

::

    evaluate("ffdnet", "cbsd68", sigma=25).psnr
    evaluate(model, "holiday", case=2)                  a model of yours, a folder of yours
    evaluate("bicubic", "set14", scale=4, kernel="all", sigma=2.55)
    evaluate("input", "cc15")                           pairs: the scores of the noisy pictures

Here, as on the command line and in the papers, noise levels are on the scale of 0 to 255.
"""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vbl.degradations import Degraded
from vbl.evaluation.metrics import psnr, registered, ssim
from vbl.evaluation.protocols import PROTOCOLS, choose_protocol, degraded, variants
from vbl.images import ImageSet, find_pictures
from vbl.images.datasets import readable
from vbl.models import Restoration
from vbl.networks import placed
from vbl.restoration import Method, find_method
from vbl.utils import bf16_pays, find_device, keep_freed_memory, progress_bar

INFERRED = ("noise_correlation", "noise_level_ratio", "kernel_mse", "kernel_cosine")


@dataclass(frozen=True)
class Report:
    """Scores of a method on a set.

    Attributes:
        model: Name of the method.
        dataset: Name of the set.
        options: Options of the degradation.
        protocol: A key of `vbl.evaluation.PROTOCOLS`.
        convention: A key of `vbl.evaluation.CONVENTIONS`.
        psnr: Mean over the pictures (and kernels), in dB.
        ssim: Likewise.
        images: Number of pictures.
        seconds_per_megapixel: Wall time of the restoration alone, per 10⁶ pixels of clean picture.
        inferred: Accuracy of the inferred degradation, means over the pictures. noise_correlation:
            between the inferred and the true map of standard deviations, if that varies;
            noise_level_ratio: inferred over true mean level; kernel_mse and kernel_cosine: between
            inferred and true kernels, if of one size.
        skipped: Names of pictures that could not be read.
        per_image: Rows of name, psnr, ssim and what `inferred` has; means over the kernels.
        per_kernel: Likewise by kernel, means over the pictures; empty without kernels.
    """

    model: str
    dataset: str
    options: dict[str, Any]
    protocol: str
    convention: str
    psnr: float
    ssim: float
    images: int
    seconds_per_megapixel: float
    inferred: dict[str, float]
    skipped: list[str]
    per_image: list[dict[str, Any]] = field(repr=False)
    per_kernel: list[dict[str, Any]] = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Serialisable as JSON: None for numbers that are not finite (PSNR of equal pictures)."""
        return _finite(asdict(self))


def evaluate(
    model: Any,
    dataset: Any,
    *,
    sigma: float | None = None,
    case: int | None = None,
    scale: int | None = None,
    kernel: int | str | None = None,
    quality: int | None = None,
    protocol: str | None = None,
    device: Any = None,
    progress: bool = True,
) -> Report:
    """Degrade the pictures of a set, restore them, compare with the clean pictures.

    Args:
        model: A model, the name or file of a checkpoint, a key of `vbl.restoration.CLASSICAL`, or
            A+B (`vbl.restoration.find_method`). A method that needs the noise level has the true
            one.
        dataset: A name of the catalogue, or a folder of pictures or of pairs ``NAME_noisy`` and
            ``NAME_clean``; pairs take no option.
        sigma: Standard deviation of white noise, 0 to 255.
        case: 1, 2 or 3: noise with one of VIRNet's test maps.
        scale: Super-resolution by 2, 3 or 4.
        kernel: Number of its blur kernel, from 0, or "all".
        quality: Quality factor of JPEG.
        protocol: A key of `vbl.evaluation.PROTOCOLS`; by default that of `choose_protocol`.
        device: "cpu", "cuda", "cuda:1" or "mps"; by default a GPU if there is one. A model is
            afterwards where and as it was before.
        progress: Show a bar with the mean PSNR so far.

    Raises:
        ValueError: When options are incompatible or do not fit the model or the pictures.
        UnknownName: With the closest names of models, sets or protocols.
        DataUnavailable: When a set is not on this machine.
        UnreadableImage: When 1 % of the pictures or more cannot be read.
    """
    asked = {"sigma": sigma, "case": case, "scale": scale, "kernel": kernel, "quality": quality}
    options = {name: value for name, value in asked.items() if value is not None}
    chosen = choose_protocol(options, protocol)
    runs = variants(chosen, options)
    pictures = find_pictures(dataset)
    target = find_device(device)
    method = find_method(model, target)
    if method.scale not in (None, scale or 1):
        raise ValueError(f"scale: {method.name} was made for {method.scale}, got {scale or 1}")
    rows: list[dict[str, Any]] = []
    total = len(runs) * len(pictures)
    keep_freed_memory()
    bf16, of_caller = bf16_pays(target), isinstance(model, nn.Module)
    with (
        placed(model, target, bf16=bf16) if of_caller else nullcontext(),
        progress_bar(desc=method.name, total=total, unit="image", hidden=not progress) as bar,
    ):
        for row in _scores(method, pictures, chosen, runs, target):
            rows.append(row)
            bar.set_postfix_str(f"PSNR {_mean(rows, 'psnr'):.2f} dB", refresh=False)
            bar.update()
    about = {"model": method.name, "dataset": pictures.name, "options": options}
    return _report(rows, pictures, protocol=chosen, **about)


def _scores(
    method: Method,
    pictures: ImageSet,
    protocol: str,
    runs: Iterable[dict[str, Any]],
    device: torch.device,
) -> Iterator[dict[str, Any]]:
    for run in runs:
        for name, pair in degraded(readable(pictures), protocol, run):
            try:
                score = _measure(method, pair.to(device), protocol)
            except ValueError as reason:
                raise ValueError(f"{method.name} on {name}: {reason}") from reason
            yield {"name": name, **run, **score}


def _measure(method: Method, pair: Degraded, protocol: str) -> dict[str, Any]:
    """Scores of one picture; the time includes the copy of the restoration to the CPU."""
    rules = PROTOCOLS[protocol]
    began = time.perf_counter()
    with torch.inference_mode():
        parts = method.restore(pair, rules.sampling).parts
        restored = Restoration(**{name: part.cpu() for name, part in parts.items()})
    seconds = time.perf_counter() - began
    pair = pair.to(torch.device("cpu"))
    _check(restored.image, pair.x)
    image = registered(restored.image, pair.x) if rules.registers else restored.image
    compared = (image, pair.x, rules.convention)
    return {
        "psnr": psnr(*compared, scale=pair.scale).item(),
        "ssim": ssim(*compared, scale=pair.scale).item(),
        "seconds": seconds,
        "megapixels": pair.x[0, 0].numel() / 1e6,
        **inferred(restored, pair),
    }


def _check(image: Tensor, truth: Tensor) -> None:
    if image.shape != truth.shape:
        sizes = f"{tuple(image.shape)} where {tuple(truth.shape)} was expected"
        raise ValueError(f"restored to {sizes}")
    if not image.isfinite().all():
        raise ValueError("restored values are not finite")


def inferred(restored: Restoration, pair: Degraded) -> dict[str, float]:
    """Compare inferred and true parameters of a degradation, as far as both are known.

    Args:
        restored: Restoration of one picture; noise maps are averaged over channels.
        pair: The same picture, with the true parameters.

    Returns:
        Entries of `Report.inferred`.
    """
    found = {}
    if restored.noise_std is not None and pair.noise_var is not None:
        maps = restored.noise_std.mean(1, keepdim=True), pair.noise_var.sqrt()
        guess, truth = (v.double().flatten() for v in torch.broadcast_tensors(*maps))
        if truth.min() < truth.max():
            r = torch.corrcoef(torch.stack([guess, truth]))[0, 1]
            found["noise_correlation"] = r.nan_to_num(0.0).item()  # 0 for a constant map
        if truth.max() > 0:
            found["noise_level_ratio"] = (guess.mean() / truth.mean()).item()
    sizes = [None if kernel is None else kernel.shape for kernel in (restored.kernel, pair.kernel)]
    if sizes[0] == sizes[1] is not None:
        kernels = (restored.kernel, pair.kernel)
        found["kernel_mse"] = F.mse_loss(*kernels).item()
        found["kernel_cosine"] = F.cosine_similarity(*(k.flatten() for k in kernels), 0).item()
    return found


def _report(rows: Sequence[dict[str, Any]], pictures: ImageSet, **about: Any) -> Report:
    read = {row["name"] for row in rows}
    kernels = sorted({row["kernel"] for row in rows if "kernel" in row})
    extras = [key for key in INFERRED if key in rows[0]]
    keys = ("psnr", "ssim", *extras)

    def means(name: str, value: Any, keys: Iterable[str]) -> dict[str, Any]:
        chosen = [row for row in rows if row[name] == value]
        return {name: value} | {key: _mean(chosen, key) for key in keys}

    return Report(
        **about,
        convention=PROTOCOLS[about["protocol"]].convention,
        psnr=_mean(rows, "psnr"),
        ssim=_mean(rows, "ssim"),
        images=len(read),
        seconds_per_megapixel=_mean(rows, "seconds") / _mean(rows, "megapixels"),
        inferred={key: _mean(rows, key) for key in extras},
        skipped=[name for name in pictures.names if name not in read],
        per_image=[means("name", name, keys) for name in pictures.names if name in read],
        per_kernel=[means("kernel", number, keys) for number in kernels],
    )


def _mean(rows: Sequence[dict[str, Any]], key: str) -> float:
    return sum(row[key] for row in rows) / len(rows)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
