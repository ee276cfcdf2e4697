"""Your camera: split halves, how much to photograph, quiet places, the strength of a noise."""

import math
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from vbl.degradations import awgn, camera, correlated
from vbl.evaluation.exercises.material import seeded
from vbl.evaluation.exercises.question import Choice, Design, Question
from vbl.images import photo, text_page
from vbl.images.piles import quiet_noise

NAMES = ("astronaut", "coffee", "flower", "rocket")


def _middle(name: str) -> Tensor:
    return photo(name)[..., 100:356, 100:356]


def _split_psnr(distance: float, var: float, frames: int, subtract: float = 1.0) -> float:
    """PSNR in dB; distance and variance in units of 1/255²."""
    return 10 * math.log10(255**2 / (distance - subtract * var / frames))


def split_half_mse(restored: Tensor, others: Tensor) -> Tensor:
    """Mean squared error of a restored exposure, from other exposures of the same scene."""
    distance = (restored - others.mean(0, keepdim=True)).square().mean()
    return distance - others.var(0).mean() / len(others)


def _bursts() -> Iterable[tuple[Tensor, Tensor]]:
    """A blurred exposure, and others, of two scenes."""
    for seed, (name, std) in enumerate((("coffee", 0.05), ("rocket", 0.15))):
        x = _middle(name).expand(7, -1, -1, -1)
        y = awgn(x, std, generator=seeded(seed)).y
        yield torch.nn.functional.avg_pool2d(y[:1], 3, 1, 1), y[1:]


@cache
def _at_night() -> dict[str, float]:
    """Standard deviations of a camera's noise on four photographs."""
    pairs = [camera(_middle(name), 300.0, 4.0, generator=seeded(i)) for i, name in enumerate(NAMES)]
    noise = torch.cat([pair.y - pair.x for pair in pairs])
    pictures = torch.cat([pair.y for pair in pairs])
    quiet, _ = quiet_noise([pair.y for pair in pairs])
    scenes = torch.cat([_middle(name) for name in NAMES])
    found = {"true": noise, "pictures": pictures, "from the scene": pictures - scenes}
    return {"quiet": quiet} | {name: values.std().item() for name, values in found.items()}


def _cases() -> Iterable[tuple[Tensor, Tensor, Tensor, float]]:
    """Noisy pictures, clean ones of other scenes, a noise for these, and the factor it lacks."""
    noisy = torch.cat([_middle(name) for name in NAMES[:2]])
    clean = torch.cat([_middle(name) for name in NAMES[2:]])
    page = text_page((256, 256), generator=seeded()).expand(-1, 3, -1, -1)
    printed = torch.cat([page, noisy[:1]])
    lawn = photo("grass").expand(-1, 3, -1, -1)
    piles = [(noisy, clean)] * 3 + [
        (printed, clean),
        (lawn[..., :256, :256], lawn[..., 256:, 256:]),
    ]
    kinds = [
        (awgn, 12, 2.0),
        (correlated, 25, 1.5),
        (awgn, 30, 0.7),
        (awgn, 12, 1.5),
        (awgn, 15, 2.0),
    ]
    for i, ((y, x), (make, std, factor)) in enumerate(zip(piles, kinds, strict=True)):
        noise = make(x, std / 255 / factor, generator=seeded(10 + i)).y - x
        yield make(y, std / 255, generator=seeded(i)).y, x, noise, factor


def _off(strength: Callable[[Tensor, Tensor, Tensor], float]) -> list[float]:
    """-1, 0, 1 for each case if the factor is too small, right to within a quarter, too large."""
    ratios = [float(strength(y, x, n)) / truth for y, x, n, truth in _cases()]
    return [float(ratio > 1.25) - (ratio < 0.8) for ratio in ratios]


def _median(differences: Tensor) -> Tensor:
    return differences.abs().median()


def fine(images: Tensor, middle: Callable[[Tensor], Tensor] = _median) -> Tensor:
    """Median of the absolute differences along both diagonals of 2 x 2 pixels."""
    a, b, c, d = (images[..., i::2, j::2] for i in (0, 1) for j in (0, 1))
    return middle(a - b - c + d)


def strength(noisy: Tensor, clean: Tensor, noise: Tensor, **options: Any) -> float:
    """The factor at which noise on clean pictures is as strong as that of noisy ones."""
    wanted = fine(noisy, **options).square() - fine(clean, **options).square()
    return (wanted.clamp_min(0) / fine(noise, **options).square()).sqrt().item()


QUESTIONS = {
    "ex-split.1": Question(
        "the PSNR in dB",
        lambda: _split_psnr(40, 100, 8),
        {
            "if the noise of the mean is not subtracted": lambda: _split_psnr(40, 100, 8, 0),
            "if it is added": lambda: _split_psnr(40, 100, 8, -1),
            "with sixteen exposures in the mean": lambda: _split_psnr(40, 100, 16),
            "if 255² is left out": lambda: _split_psnr(40, 100, 8) - 20 * math.log10(255),
        },
    ),
    "ex-split.2": Choice(
        "what a moving branch does to it",
        "it makes the denoiser look worse than it is",
        {
            "it makes the denoiser look better than it is": "What has moved adds to the distance, "
            "and only a little to the variance that is subtracted.",
            "nothing, on average": "The branch is another picture in each half, and the distance "
            "has its square.",
        },
    ),
    "ex-piles": Question(
        "the pictures that are needed",
        lambda: math.ceil(2 * 0.5 / 0.02**2 / 0.01 / 10_000),
        {
            "if neighbours are taken for independent": lambda: math.ceil(
                0.5 / 0.02**2 / 0.01 / 10_000
            ),
            "if the 2 of 1/√(2n) is forgotten, or if one value in four counts": lambda: math.ceil(
                2 / 0.02**2 / 0.01 / 10_000
            ),
            "for an error of 2 % of the variance": lambda: math.ceil(
                2 * 2 / 0.02**2 / 0.01 / 10_000
            ),
        },
        tolerance=0.001,
    ),
    "ex-quiet": Question(
        "the standard deviation at quiet places over that of the noise",
        lambda: _at_night()["quiet"] / _at_night()["true"],
        {
            "with the two exchanged": lambda: _at_night()["true"] / _at_night()["quiet"],
            "if the noise is measured from the scene, not from the camera's `pair.x`": lambda: (
                _at_night()["quiet"] / _at_night()["from the scene"]
            ),
            "if the pictures are taken for the noise": lambda: (
                _at_night()["quiet"] / _at_night()["pictures"]
            ),
        },
        tolerance=0.03,
    ),
    "ex-half-code": Question(
        "a function of a restored exposure (1, c, h, w) and other exposures (n, c, h, w), which "
        "returns the mean squared error of the first",
        split_half_mse,
        {
            "if the noise of the mean is not subtracted": lambda r, o: (
                (r - o.mean(0, keepdim=True)).square().mean()
            ),
            "with `correction=0`, by which few exposures vary too little": lambda r, o: (
                (r - o.mean(0, keepdim=True)).square().mean()
                - o.var(0, correction=0).mean() / len(o)
            ),
            "if the variance of an exposure is subtracted, not that of their mean": lambda r, o: (
                (r - o.mean(0, keepdim=True)).square().mean() - o.var(0).mean()
            ),
        },
        tries=_bursts,
        tolerance=0.001,
    ),
    "ex-as-strong": Design(
        "a function of noisy pictures, clean ones and a noise for these, which returns the factor "
        "that the noise lacks",
        _off,
        lambda off: off == 0,
        strength,
        {
            "with the standard deviations of whole pictures": lambda noisy, clean, noise: (
                noisy.std() / (clean + noise).std()
            ).item(),
            "if it is turned round; the noise is multiplied by it": lambda noisy, clean, noise: (
                1 / strength(noisy, clean, noise)
            ),
            "if the fine detail of the clean pictures is not subtracted": lambda noisy, _, noise: (
                fine(noisy) / fine(noise)
            ).item(),
            "with means of squares, in which edges count, and not medians": lambda *given: strength(
                *given, middle=lambda d: d.square().mean().sqrt()
            ),
            "if variances are compared, and not their roots": lambda noisy, clean, noise: (
                strength(noisy, clean, noise) ** 2
            ),
        },
    ),
}
