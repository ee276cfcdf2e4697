"""What bfloat16 changes in a restoration: PSNR and time beside float32.

    VBL_DATA=... python benchmarks/precision.py [--pictures 6]

Each row is a model on the first pictures of a set, restored twice, on one thread. Writes
data/results/benchmark-precision.json.
"""

import argparse
import importlib
from unittest import mock

import measuring
import torch

from vbl.evaluation import evaluate, save_result
from vbl.images import open_dataset

CASES = (
    ("virnet-denoise", "cbsd68", {"sigma": 5}),
    ("virnet-denoise", "cbsd68", {"sigma": 25}),
    ("virnet-photo", "cbsd68", {"sigma": 25}),
    ("virnet-photo", "cc15", {}),
    ("vdn-denoise", "cbsd68", {"sigma": 15}),
    ("vdir-denoise", "cbsd68", {"sigma": 10}),
    ("vdir-jpeg", "classic5", {"quality": 80}),
    ("virnet-sr-x4", "set5", {"scale": 4, "kernel": "0", "sigma": 0}),
    ("vdir-sr-x2", "set5", {"scale": 2, "kernel": "0"}),
    ("lud-vae-real-denoiser", "cc15", {}),
)
methods = importlib.import_module("vbl.restoration.methods")


def score(name: str, dataset: str, options: dict, pictures: int, bf16: bool) -> tuple[float, float]:
    """PSNR, and seconds per megapixel."""
    found = open_dataset(dataset)
    found = found.only(list(found.names)[:pictures])
    with mock.patch.object(methods, "bf16_pays", lambda _: bf16):
        report = evaluate(name, found, device="cpu", **options)
    return report.psnr, report.seconds_per_megapixel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=6)
    count = parser.parse_args().pictures
    torch.set_num_threads(1)
    rows = []
    for name, dataset, options in CASES:
        (exact, slow), (rounded, fast) = (
            score(name, dataset, options, count, bf16) for bf16 in (False, True)
        )
        row = {"model": name, "dataset": dataset, "options": options, "psnr_float32": exact}
        row |= {"psnr_bf16": rounded, "seconds_float32": slow, "seconds_bf16": fast}
        rows.append(row)
        print(row, flush=True)
    about = measuring.machine(torch.device("cpu"))
    save_result("benchmark-precision", {"rows": rows, "pictures": count, **about})


if __name__ == "__main__":
    main()
