"""What small networks answer while they learn: the films of chapters 4 and 8.

    python benchmarks/films.py [NAME ...]

Writes ``data/results/film-NAME.json``. VIRNet's noise maps are bytes in hexadecimal, 48 x 48 of
them, a standard deviation in 255ths each; VBDeblurNet's kernels are lists of rows.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vbl.degradations import noniid
from vbl.evaluation import psnr, save_result
from vbl.evaluation.protocols import degraded
from vbl.images import open_dataset, photo
from vbl.recipes import find_recipe
from vbl.training import fit
from vbl.training.learner import Learner
from vbl.utils import seeded

FRAMES = (0, 10, 20, 40, 70, 100, 150, 200, 300, 450, 600, 800, 1000)
PAGES = (1, 11, 17, 23)  # test pages whose kernels are looked at


@contextmanager
def filmed(look: Callable[[nn.Module], dict[str, Any]], frames: list[dict[str, Any]]) -> Iterator:
    """Within, training appends what `look` returns of the model before each step of `FRAMES`."""
    update = Learner.update

    def updated(learner: Learner, step: int, batch: Any) -> Any:
        outcome = update(learner, step, batch)
        if step in FRAMES:
            learner.model.eval()
            with torch.inference_mode():
                frames.append({"step": step, **look(learner.model)})
        return outcome

    with mock.patch.object(Learner, "update", updated):
        yield


def map_and_psnr() -> Callable[[nn.Module], dict[str, Any]]:
    """VIRNet's map of the second case of varying noise, and how well it restores the picture."""
    pair = noniid(photo("chelsea")[..., 20:276, 100:356], case=2, generator=seeded("cpu", "film"))

    def look(model: nn.Module) -> dict[str, Any]:
        restored = model.restore(pair.y)
        return {"psnr": rounded(psnr(restored.image, pair.x)), "map": as_bytes(restored.noise_std)}

    look.truth = as_bytes(pair.noise_var.sqrt())
    return look


def as_bytes(std: Tensor) -> str:
    """The mean over blocks of 4 x 4, of the middle."""
    small = F.avg_pool2d(std[..., 32:224, 32:224].mean(1, keepdim=True), 4)
    return bytes((255 * small).round().clamp(0, 255).byte().flatten().tolist()).hex()


def kernels() -> Callable[[nn.Module], dict[str, Any]]:
    """Of some pages: the mean of q(k | y), a draw, and the cosine of the mean with the truth."""
    pairs = [pair for _, pair in degraded(open_dataset("text_page"), "printed", {})]
    pairs = [pairs[number] for number in PAGES]

    def look(model: nn.Module) -> dict[str, Any]:
        inferred = [model.infer(pair.y) for pair in pairs]
        means = torch.cat([q.mean for q in inferred])
        draws = torch.cat([q.draw(generator=seeded("cpu", "film")) for q in inferred])
        truth = torch.cat([pair.kernel for pair in pairs])
        cosine = torch.cosine_similarity(means.flatten(1), truth.flatten(1)).mean()
        return {"cosine": rounded(cosine), "mean": rows(means), "draw": rows(draws)}

    look.truth = rows(torch.cat([pair.kernel for pair in pairs]))
    return look


def rounded(value: Tensor) -> float:
    """Four decimals."""
    return round(value.item(), 4)


def rows(images: Tensor) -> list:
    """Images (B, 1, H, W) as rows of four decimals each, a string a row."""
    return [[" ".join(f"{v:.4f}" for v in row) for row in image[0].tolist()] for image in images]


# Film -> recipe, what is changed in its configuration, and what is looked at
FILMS: dict[str, tuple[str, dict[str, Any], Callable[[], Callable]]] = {
    "virnet-denoise": ("virnet-denoise", {}, map_and_psnr),
    "virnet-denoise-flow": ("virnet-denoise", {"gradient": "flow"}, map_and_psnr),
    "vbdeblur-text": ("vbdeblur-text", {}, kernels),
}


def main() -> None:
    """Train each for a thousand steps and keep what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", default=list(FILMS))
    for name in parser.parse_args().names:
        recipe, changes, film = FILMS[name]
        look, frames, preset = film(), [], find_recipe(recipe).presets["quick"]
        config = replace(preset.config, **changes)
        preset = replace(preset, steps=FRAMES[-1] + 1, config=config)
        with tempfile.TemporaryDirectory() as folder, filmed(look, frames):
            fit(recipe, preset=preset, folder=Path(folder) / "run", device="cpu")
        result = {"truth": look.truth, "frames": frames}
        save_result(f"film-{name}", result, command=f"python benchmarks/films.py {name}")


if __name__ == "__main__":
    main()
