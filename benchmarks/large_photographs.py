"""What ``vbl restore`` takes for large photographs: time and memory, from file to files.

    python benchmarks/large_photographs.py [--megapixels 12 24 48 100] [--threads 1] [--others]

Each row is a process of its own. Memory is its peak, counted from what its imports take; CPU
seconds are those of the process, which other processes on the machine change less than the time
that passes. The first row is a small photograph: what does not depend on the size. ``--others``
adds, on 4 megapixels in memory, the non-local means of scikit-image and OpenCV and DRUNet
(`deepinv`), as far as they are installed; DRUNet has no weights here, which its time needs not.

Writes data/results/benchmark-large-photographs.json.
"""

import argparse
import math
import resource
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import measuring
import numpy as np
import pyvips
import torch

from vbl.cli.photos import job_for, restore_file
from vbl.evaluation import save_result
from vbl.images import photo
from vbl.models import load
from vbl.restoration import restore
from vbl.utils import keep_freed_memory

CPU = torch.device("cpu")
ENLARGED = ("virnet-sr-x4", 12.0)


def make_photograph(path: Path, megapixels: float) -> None:
    """A photograph of 2 x 3 proportions with noise, as JPEG: an embedded one, side by side."""
    height = round(math.sqrt(megapixels * 1e6 / 6)) * 2
    generator = torch.Generator().manual_seed(0)
    x = photo("chelsea")
    x = (x + 0.05 * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    tile = pyvips.Image.new_from_array((255 * x[0]).round().byte().permute(1, 2, 0).numpy())
    width = 3 * height // 2
    across, down = (math.ceil(n / m) for n, m in ((width, tile.width), (height, tile.height)))
    tile.replicate(across, down).crop(0, 0, width, height).jpegsave(str(path), Q=95)


def measured(work: Callable[[], Any]) -> dict[str, float]:
    """Seconds that passed, CPU seconds of the program and of the system."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": round(time.perf_counter() - began, 1),
        "user_seconds": round(after.ru_utime - before.ru_utime, 1),
        "system_seconds": round(after.ru_stime - before.ru_stime, 1),
    }


def from_file_to_files(name: str, path: Path, threads: int) -> dict[str, Any]:
    """A row: a model restores a photograph."""
    torch.set_num_threads(threads)
    model = load(name)
    imported = measuring.peak_mb(CPU)
    with tempfile.TemporaryDirectory() as folder:
        job = job_for(path, Path(folder), path.stem)
        limit = 10**9
        row = measured(lambda: restore_file(model, job, device="cpu", max_pixels=limit))
    above = {"peak_mb_above_imports": measuring.peak_mb(CPU) - imported}
    return row | above | measuring.machine(CPU) | {"clock": "those that pass"}


def in_memory(name: str, megapixels: float) -> dict[str, Any] | None:
    """A row: one method on the same pixels, after a first call on a few; None if not installed."""
    torch.set_num_threads(1)
    packages = {"OpenCV, non-local means": "cv2", "DRUNet": "deepinv"}
    if name in packages and find_spec(packages[name]) is None:
        return None
    side = round(math.sqrt(megapixels * 1e6))
    y = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    work = METHODS[name]()
    work(y[..., :64, :64])
    imported = measuring.peak_mb(CPU)
    return measured(lambda: work(y)) | {"peak_mb_above_imports": measuring.peak_mb(CPU) - imported}


def virnet(bf16: bool) -> Callable[[torch.Tensor], Any]:
    model = load("virnet-photo")
    return lambda y: restore(model, y, device="cpu", bf16=bf16)


def scikit_image() -> Callable[[torch.Tensor], Any]:
    from skimage.restoration import denoise_nl_means

    def work(y: torch.Tensor) -> Any:
        image = y[0].permute(1, 2, 0).numpy()
        return denoise_nl_means(image, 5, 6, h=0.08, sigma=0.1, channel_axis=-1)

    return work


def opencv() -> Callable[[torch.Tensor], Any]:
    import cv2

    cv2.setNumThreads(1)

    def work(y: torch.Tensor) -> Any:
        image = (255 * y[0]).byte().permute(1, 2, 0).numpy()
        return cv2.fastNlMeansDenoisingColored(np.ascontiguousarray(image), None, 10, 10, 7, 21)

    return work


def drunet() -> Callable[[torch.Tensor], Any]:
    from deepinv.models import DRUNet

    keep_freed_memory()
    model = DRUNet(pretrained=None).eval()

    @torch.no_grad()
    def work(y: torch.Tensor) -> None:
        for part in y.split(512, -1):
            for tile in part.split(512, -2):
                rows, columns = (n - n % 8 for n in tile.shape[-2:])
                model(tile[..., :rows, :columns], 0.1)

    return work


METHODS = {
    "virnet-photo, bf16": lambda: virnet(True),
    "virnet-photo, float32": lambda: virnet(False),
    "scikit-image, non-local means": scikit_image,
    "OpenCV, non-local means": opencv,
    "DRUNet": drunet,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="virnet-photo")
    parser.add_argument("--megapixels", type=float, nargs="*", default=[12, 24, 48, 100])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--others", action="store_true")
    options = parser.parse_args()
    rows, others = [], []
    work = [(options.model, size) for size in (0.2, *options.megapixels)] + [ENLARGED]
    with tempfile.TemporaryDirectory() as folder:
        for name, megapixels in work:
            path = Path(folder) / "large.jpg"
            measuring.in_fresh_process(make_photograph, path, megapixels)
            row = measuring.in_fresh_process(from_file_to_files, name, path, options.threads)
            rows.append({"model": name, "megapixels": megapixels, **row})
            print(rows[-1], flush=True)
    for name in METHODS if options.others else ():
        row = measuring.in_fresh_process(in_memory, name, 4.0)
        if row:
            others.append({"method": name, "megapixels": 4, **row})
            print(others[-1], flush=True)
    payload = {"rows": rows, "others": others, "threads": options.threads}
    save_result("benchmark-large-photographs", payload)


if __name__ == "__main__":
    main()
