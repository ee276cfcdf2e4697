"""Sure of what?: coverage of a wrong width, promises, log scores, a map of expected errors."""

import math
from collections.abc import Callable, Iterator
from functools import cache, partial

import torch
from torch import Tensor
from torch.nn import functional as F

from vbl.degradations import awgn, noniid
from vbl.evaluation.exercises.material import seeded
from vbl.evaluation.exercises.question import Choice, Design, Question
from vbl.images import photo, text_page
from vbl.models import load

Z = (0.6744898, 1.6448536)  # half widths of the intervals of 50 and 90 % of a normal density


def _covered(ratio: float, half_widths: tuple[float, ...] = Z) -> list[float]:
    """Coverage of the intervals of 50 and 90 % whose width is off by a ratio."""
    return [math.erf(ratio * z / math.sqrt(2)) for z in half_widths]


def bound_of_scores(
    scores: Tensor,
    level: float,
    *,
    further: int = 1,
    rounded: Callable[[float], int] = math.ceil,
    first: int = 1,
) -> Tensor:
    """The ⌈(n + further) level⌉-th smallest score, and with a mistake if an option is changed."""
    rank = rounded((len(scores) + further) * level - 1e-9)
    return scores.sort().values[min(rank - first, len(scores) - 1)]


def _interpolated(scores: Tensor, level: float) -> Tensor:
    return scores.quantile(level)


def _upside_down(scores: Tensor, level: float) -> Tensor:
    return bound_of_scores(scores, 1 - level)


def _scores() -> Iterator[tuple[Tensor, float]]:
    yield torch.rand(30, generator=seeded(1)), 0.9
    yield torch.randn(99, generator=seeded(2)).abs(), 0.8
    yield torch.arange(1.0, 20.0), 0.95
    yield torch.rand(38, generator=seeded(3)), 0.9
    yield torch.rand(13, generator=seeded(4)), 0.85
    yield torch.rand(27, generator=seeded(5)), 0.9


@cache
def _errors() -> Tensor:
    """Of VIRNet on a page with noise of 25."""
    clean = text_page((256, 256), generator=seeded(3)).expand(-1, 3, -1, -1)
    y = awgn(clean, 25 / 255, generator=seeded()).y
    with torch.inference_mode():
        return (load("virnet-denoise").restore(y).image - clean).flatten()


def _gain(laplace: float, gaussian: float) -> float:
    """Of the log score, with the scale and the standard deviation that are given."""
    r = _errors()
    of_laplace = -math.log(2 * laplace) - r.abs().mean().item() / laplace
    square = r.square().mean().item() / gaussian**2
    return of_laplace + 0.5 * math.log(2 * math.pi * gaussian**2) + square / 2


def _best_gain() -> float:
    r = _errors()
    return _gain(r.abs().mean().item(), r.square().mean().sqrt().item())


@cache
def _restored() -> list[tuple[Tensor, Tensor, Tensor]]:
    """Restoration, noise map and truth of two photographs and a page, with varying noise."""
    page = text_page((192, 192), generator=seeded(3)).expand(-1, 3, -1, -1)
    scenes = [photo("chelsea")[..., 40:232, 120:312], photo("flower")[..., :192, :192], page]
    pairs = [noniid(x, case=case, generator=seeded(case)) for case, x in enumerate(scenes, 1)]
    model = load("virnet-denoise")
    with torch.inference_mode():
        found = [model.restore(pair.y) for pair in pairs]
    return [(r.image, r.noise_std, pair.x) for r, pair in zip(found, pairs, strict=True)]


def _map_scores(predict: Callable[[Tensor, Tensor], Tensor]) -> list[float]:
    """The gain over one scale for all, in nats, and the coverage of 90 % of each picture."""
    own, covered, errors = [], [], []
    for image, noise_std, truth in _restored():
        scale = torch.as_tensor(predict(image.clone(), noise_std.clone())).expand_as(image)
        error = (image - truth).abs()
        errors.append(error.mean())
        own.append((scale.log() + error / scale).mean())
        covered.append((error <= math.log(10) * scale).double().mean().item())
    gain = 1 + torch.stack(errors).mean().log() - torch.stack(own).mean()
    return [gain.item(), *covered]


def _map_demands(scores: Tensor) -> Tensor:
    return torch.cat([scores[:1] > 0.15, (scores[1:] - 0.9).abs() < 0.08])


def expected_error(
    image: Tensor, noise_std: Tensor, factor: float = 0.23, noise: float = 0.55, edges: float = 0.35
) -> Tensor:
    """A power of the noise times a power of the mean difference between neighbours."""
    grey = F.pad(image.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    along = (grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2]).abs()
    down = (grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1]).abs()
    steep = F.avg_pool2d((along + down) / 2, 7, 1, 3, count_include_pad=False)
    return factor * noise_std**noise * steep.clamp_min(0.001) ** edges


QUESTIONS = {
    "ex-twice": Question(
        "the coverage of the intervals of 50 % and of 90 %, for a width that is twice too large",
        partial(_covered, 2.0),
        {
            "for a width that is twice too small": partial(_covered, 0.5),
            "if the variance is twice too large, not the width": partial(_covered, math.sqrt(2)),
            "if the width is right": partial(_covered, 1.0),
            "if only the upper tail is cut off; the interval has two ends": lambda: [
                (1 + covered) / 2 for covered in _covered(2.0)
            ],
            "with the one-sided quantiles of 50 and 90 %": partial(_covered, 2.0, (0.0, 1.2815516)),
        },
    ),
    "ex-promise.1": Question(
        "the smallest number of pictures with which 95 % can be promised",
        lambda: 19.0,
        {
            "if the new picture is not counted among the n + 1": lambda: 20.0,
            "if n is taken for n + 1; then any number would do": lambda: 1.0,
            "for 90 %": lambda: 9.0,
            "for 99 %": lambda: 99.0,
        },
    ),
    "ex-promise.2": Choice(
        "the property that the promise needs",
        "exchangeable pictures",
        {
            "Gaussian errors": "The rank of a score among others does not depend on their shape.",
            "a calibrated scale": "A bad scale makes the intervals wider, and the promise is kept.",
            "independent pixels": "Pixels of a picture never are; the pictures are the groups.",
        },
    ),
    "ex-bound": Question(
        "a function of n scores and a level that returns the bound for a new score",
        bound_of_scores,
        {
            "if n is taken for n + 1": partial(bound_of_scores, further=0),
            "if the rank is rounded down; the promise needs the next one up": partial(
                bound_of_scores, rounded=math.floor
            ),
            "if the rank is rounded to the nearest; the promise needs the next one up": partial(
                bound_of_scores, rounded=round
            ),
            "if the rank is taken for an index, which counts from zero": partial(
                bound_of_scores, first=0
            ),
            "of a quantile that interpolates between scores": _interpolated,
            "if the smallest scores are counted from above": _upside_down,
        },
        tries=_scores,
        tolerance=1e-6,
    ),
    "ex-laplace": Question(
        "the best Laplace density's log score minus the best Gaussian's, in nats per value",
        _best_gain,
        {
            "with the difference the other way round": lambda: -_best_gain(),
            "with a Laplace density of the same variance": lambda: _gain(
                _errors().square().mean().div(2).sqrt().item(),
                _errors().square().mean().sqrt().item(),
            ),
            "with the standard deviation for Laplace's scale": lambda: _gain(
                _errors().square().mean().sqrt().item(), _errors().square().mean().sqrt().item()
            ),
            "with Laplace's scale for the standard deviation": lambda: _gain(
                _errors().abs().mean().item(), _errors().abs().mean().item()
            ),
        },
        tolerance=0.02,
    ),
    "ex-map-of-errors": Design(
        "a function of a restored image (1, 3, h, w) and its noise map (1, 1, h, w) that returns "
        "the expected absolute error of each pixel (1, 1, h, w)",
        _map_scores,
        _map_demands,
        expected_error,
        {
            "if the noise itself is returned": lambda image, noise_std: noise_std,
            "if all pixels get the same": lambda image, noise_std: torch.full_like(
                noise_std, 0.025
            ),
            "without the restored picture": partial(expected_error, factor=0.08, edges=0.0),
        },
    ),
}
