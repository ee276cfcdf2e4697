"""Infer what has no name: scales, gaps, what absolute errors see, draws, whether a code is used."""

import math
from collections.abc import Callable, Iterator
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from vbl.degradations import awgn
from vbl.evaluation.exercises.material import seeded
from vbl.evaluation.exercises.question import Choice, Design, Question, UnusableAnswer
from vbl.evaluation.metrics import psnr
from vbl.images import photo
from vbl.models import load
from vbl.models.loss_weights import laplace_scales

NAMES = ("astronaut", "coffee", "rocket", "chelsea", "china", "flower")


@cache
def _photos() -> Tensor:
    """The middle 64 by 64 pixels of the six photographs of the chapter."""
    return torch.cat([photo(name)[..., 96:160, 160:224] for name in NAMES])


def _noisy(level: float) -> Tensor:
    return awgn(_photos(), level / 255, generator=seeded()).y


def _gain(levels: Callable[[float], float], means: tuple[float, float]) -> float:
    """Nats per value that two scales win over one, of a function of the two mean errors."""
    a, b = (levels(m) for m in means)
    return math.log((a + b) / 2) - (math.log(a) + math.log(b)) / 2


@cache
def _draws() -> tuple[Tensor, Tensor]:
    """Errors of the restoration with the mean code, and eight with drawn ones."""
    vdir, y, generator = load("vdir-denoise"), _noisy(30), seeded()
    with torch.inference_mode():
        image = vdir.restore(y).image
        drawn = [vdir.restore(y, generator=generator).image for _ in range(8)]
    return image - _photos(), torch.stack(drawn)


@cache
def _told(level: float) -> float:
    """The noise level, of 255, that the network infers."""
    with torch.inference_mode():
        return 255 * load("vdir-denoise").restore(_noisy(level)).noise_std.mean().item()


def _densities() -> Iterator[tuple[Tensor, Tensor]]:
    generator = seeded()
    yield torch.rand(2, 6, generator=generator).unbind()


# Three systems without a network, each an encoder and a restorer. The code holds the noise level
# and the mean brightness.


def _encode(y: Tensor) -> Tensor:
    detail = y[..., 1:, 1:] - y[..., 1:, :-1] - y[..., :-1, 1:] + y[..., :-1, :-1]
    level = detail.square().mean((1, 2, 3)).sqrt() / 2
    return torch.stack([level, y.mean((1, 2, 3))], 1)


def _smooth(y: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(y, (2, 2, 2, 2), mode="reflect"), 5, 1)


def _listens(y: Tensor, code: Tensor) -> Tensor:
    weight = (12 * code[:, 0]).clamp(0, 1).view(-1, 1, 1, 1)
    return (1 - weight) * y + weight * _smooth(y)


def _ignores(y: Tensor, code: Tensor) -> Tensor:
    return (y + _smooth(y)) / 2


def _copies_brightness(y: Tensor, code: Tensor) -> Tensor:
    image = _ignores(y, code)
    return image + (code[:, 1] - image.mean((1, 2, 3))).view(-1, 1, 1, 1)


def _is_told(probe: Callable[..., bool]) -> list[float]:
    """1 for each of the three systems of which the probe says that it listens to the level."""
    said = []
    for restore in (_listens, _ignores, _copies_brightness):
        answer = torch.as_tensor(probe(_encode, restore, _photos().clone()))
        if answer.dtype != torch.bool or answer.numel() > 1:
            raise UnusableAnswer(f"expected true or false, got {answer.tolist()}")
        said.append(float(answer))
    return said


def _added(x: Tensor, level: float) -> Tensor:
    return awgn(x, level / 255, generator=seeded(1)).y


def _loss(
    restore: Callable[..., Tensor], x: Tensor, y: Tensor, code: Tensor, other: Tensor
) -> float:
    told, misled = (psnr(restore(y, c).clamp(0, 1), x).mean() for c in (code, other))
    return (told - misled).item()


def exchange_levels(
    encode: Callable[[Tensor], Tensor], restore: Callable[..., Tensor], x: Tensor
) -> bool:
    """Whether the code of the same pictures with a third of the noise costs 0.1 dB."""
    y = _added(x, 30)
    return _loss(restore, x, y, encode(y), encode(_added(x, 10))) > 0.1


def _exchange_pictures(encode: Callable, restore: Callable, x: Tensor) -> bool:
    y = _added(x, 30)
    return _loss(restore, x, y, encode(y), encode(y).roll(1, 0)) > 0.1


def _holds_the_level(encode: Callable, restore: Callable, x: Tensor) -> bool:
    levels = torch.tensor([5.0, 10, 20, 30, 50])
    codes = torch.stack([encode(_added(x, s.item())).mean(0) for s in levels])
    rows = torch.cat([codes, torch.ones(len(levels), 1)], 1)
    fitted = rows @ torch.linalg.lstsq(rows, levels[:, None]).solution
    return bool((fitted.flatten() - levels).square().mean() < 0.1 * levels.var())


QUESTIONS = {
    "ex-scales": Question(
        "b_x for super-resolution by three in colour",
        lambda: laplace_scales(0.01, channels=3, scale=3)[0],
        {
            "with the three of the scale where its square belongs": lambda: (
                3 * laplace_scales(0.01, channels=3, scale=1)[0]
            ),
            "for b_y, which does not know the scale": lambda: laplace_scales(
                0.01, channels=3, scale=3
            )[1],
        },
    ),
    "ex-beyond": Question(
        "the level that is told for noise of 2, of 255",
        lambda: _told(2),
        {
            "if it is given between 0 and 1": lambda: _told(2) / 255,
            "for noise of 5": lambda: _told(5),
        },
        tolerance=0.03,
    ),
    "ex-gap.2": Question(
        "the least average gap in nats, for a standard deviation of 0.3 of m and v = 0.04",
        lambda: 0.3**2 / (2 * 0.04),
        {
            "without the half": lambda: 0.3**2 / 0.04,
            "with the standard deviation where the variance belongs": lambda: 0.3 / (2 * 0.04),
            "for two draws of m; one of the two is the mean": lambda: 2 * 0.3**2 / 0.04,
        },
    ),
    "ex-draws": Question(
        "the standard deviation over the draws over the mean absolute error",
        lambda: _draws()[1].std(0).mean() / _draws()[0].abs().mean(),
        {
            "with the variance over the draws": lambda: (
                _draws()[1].var(0).mean() / _draws()[0].abs().mean()
            ),
            "with the mean squared error": lambda: (
                _draws()[1].std(0).mean() / _draws()[0].square().mean()
            ),
            "if the scatter over pixels is taken for that over the draws": lambda: (
                _draws()[1][0].std() / _draws()[0].abs().mean()
            ),
        },
        tolerance=0.1,
    ),
    "ex-collapse": Choice(
        "what the code says once it has collapsed",
        "nothing",
        {
            "content": "That is what a reconstruction puts in it.",
            "the noise level": "A restorer that does not listen pays nothing for it, and it costs "
            "a divergence.",
        },
    ),
    "ex-spread.2": Question(
        "the nats per value that are won with b for each level",
        lambda: _gain(lambda s: s, (5, 70)),
        {
            "with variances in place of mean errors": lambda: _gain(lambda s: s**2, (5, 70)),
            "for the sum of both levels": lambda: 2 * _gain(lambda s: s, (5, 70)),
            "with the logarithm of one level only": lambda: math.log(37.5) - math.log(70),
        },
    ),
    "ex-spread.3": Question(
        "the nats per value for the decoder that cannot draw edges",
        lambda: _gain(lambda s: s, (0.05, 0.22)),
        {
            "for a perfect decoder": lambda: _gain(lambda s: s, (0.03, 0.22)),
            "with squared errors": lambda: _gain(lambda s: s**2, (0.05, 0.22)),
        },
        tolerance=0.03,
    ),
    "ex-discriminator": Question(
        "a function of the densities p and p̂ that returns the best D",
        lambda p, fake: p / (p + fake),
        {
            "with real and generated exchanged": lambda p, fake: fake / (p + fake),
            "with the ratio of the densities, which is not a probability": lambda p, fake: p / fake,
            "with squared densities": lambda p, fake: p**2 / (p**2 + fake**2),
        },
        tries=_densities,
        tolerance=1e-3,
    ),
    "ex-probe": Design(
        "a function of an encoder, a restorer and clean images (b, 3, h, w) that says whether the "
        "restorer listens to what its code says of the noise level",
        _is_told,
        lambda said: said == torch.tensor([1.0, 0, 0]).to(said),
        exchange_levels,
        {
            "if it is asked whether the code holds the level": _holds_the_level,
            "with the code of another picture, whose content differs as well": _exchange_pictures,
        },
    ),
}
