"""What denoisers do with files as people have them: in colour, grey, through JPEG.

    python benchmarks/photographs.py                    writes data/results/photographs.json
    python benchmarks/photographs.py --models resunet   measures that row anew, the others stay

White noise of 25 of 255 on pictures of CBSD68, as it is read from a file: 8 bits ("PNG"), JPEG of
quality 95 with its chroma at half the resolution ("4:2:0") or not ("4:4:4"), and the same noise for
the three channels of a grey picture ("grey PNG").
"""

import argparse
from collections.abc import Iterator

import torch
from torch import Tensor
from tqdm.auto import tqdm

from vbl.degradations import awgn
from vbl.degradations.jpeg import through_jpeg
from vbl.evaluation import load_result, psnr, save_result
from vbl.images import ImageSet, grey, open_dataset
from vbl.models import load
from vbl.restoration import restore
from vbl.utils import seeded

NAME, STD = "photographs", 25 / 255
MODELS = ("resunet", "vdn-denoise", "virnet-denoise", "virnet-denoise-real", "virnet-photo")


def files(x: Tensor, number: int) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Kind of file, what is read from it, and the clean picture."""
    x_grey = grey(x)
    y, y_grey = (awgn(v, STD, generator=seeded("cpu", number)).y.clamp(0, 1) for v in (x, x_grey))
    yield "PNG", (255 * y).round() / 255, x
    for subsampling in ("4:4:4", "4:2:0"):
        yield f"JPEG 95 {subsampling}", through_jpeg(y[0], 95, subsampling)[None], x
    yield "grey PNG", ((255 * y_grey).round() / 255).repeat(1, 3, 1, 1), x_grey.repeat(1, 3, 1, 1)


def row(name: str, pictures: ImageSet) -> dict[str, dict[str, float]]:
    """Mean PSNR of input and restoration in dB, and the inferred noise level of 255, by kind."""
    model, sums = load(name), {}
    for number, sample in enumerate(tqdm(pictures, name)):
        for kind, y, x in files(sample.image, number):
            restored = restore(model, y)
            std = restored.noise_std
            found = {"input": psnr(y, x).item(), "psnr": psnr(restored.image, x).item()}
            found |= {} if std is None else {"noise_std": 255 * std.mean().item()}
            sums.setdefault(kind, []).append(found)
    mean = {
        kind: {k: sum(r[k] for r in rows) / len(rows) for k in rows[0]}
        for kind, rows in sums.items()
    }
    return {kind: {k: round(v, 3) for k, v in values.items()} for kind, values in mean.items()}


def main() -> None:
    """Measure the models that are asked for; keep the rows of the others."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=MODELS)
    parser.add_argument("--every", type=int, default=4, help="take each so many-th picture")
    options = parser.parse_args()
    pictures = open_dataset("cbsd68")
    pictures = pictures.only(pictures.names[:: options.every])
    try:
        rows = load_result(NAME)["rows"]
    except FileNotFoundError:
        rows = {}
    torch.set_grad_enabled(False)
    for name in options.models:
        rows[name] = row(name, pictures)
        print(name, rows[name])
        save_result(NAME, {"pictures": list(pictures.names), "rows": rows})


if __name__ == "__main__":
    main()
