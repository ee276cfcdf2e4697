"""Infer, then restore: how far a network sees, the bound term by term, lies, salt and pepper."""

import math
from collections.abc import Callable, Iterator
from functools import cache, partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vbl.degradations import awgn, local_variance
from vbl.evaluation.exercises.material import cat, seeded
from vbl.evaluation.exercises.question import Choice, Design, Question
from vbl.evaluation.metrics import psnr
from vbl.images import photo
from vbl.models import load
from vbl.probability import expected_log_normal, kl_inverse_gamma

ALPHA0 = 49 / 2
SIDES = (3, 7, 11, 15)  # of the windows


@cache
def _virnet() -> nn.Module:
    return load("virnet-denoise")


def _mode_without_accidents(colours: int, weight: float, divisor: float) -> float:
    """β/σ² of an SNet that sees the level only."""
    return (ALPHA0 - 1 + colours / 2 * weight) / divisor


@cache
def _window(p: int, shared: bool) -> Tensor:
    """ξ/σ² in white noise, with a filter of p/5 pixels."""
    noise = torch.randn(1, 3, 400, 400, generator=seeded())
    return local_variance(noise, torch.zeros_like(noise), p, p / 5, shared=shared)


def _floors(floor: Callable[[int, Tensor], Tensor], shared: bool = True) -> Tensor:
    return torch.stack([floor(p, _window(p, shared)) for p in SIDES])


def _excess(u: Tensor) -> Tensor:
    return (u - 1 - u.log()).mean()


@cache
def _loss_of_a_lie(factor: float) -> float:
    """dB lost on the cat with noise 25 if RNet is told this many times the level."""
    pair, virnet = awgn(cat(), 25 / 255, generator=seeded()), _virnet()
    with torch.inference_mode():
        std = virnet.posterior(pair.y).mode.sqrt()
        honest, lied = (
            pair.y + virnet.restorer(torch.cat([pair.y, f * std], 1)) for f in (1.0, factor)
        )
    return (psnr(honest, pair.x) - psnr(lied, pair.x)).item()


def bound(
    y: Tensor,
    x: Tensor,
    mu: Tensor,
    beta: Tensor,
    xi: Tensor,
    p: int,
    eps0_sq: float,
    *,
    kl_shape: float | None = None,
    kl_times: int = 1,
    colours: slice = slice(None),
) -> Tensor:
    """The bound of VIRNet in nats, and with a mistake if one of the last three is given."""
    alpha0 = p**2 / 2
    fit = expected_log_normal(y, mu, eps0_sq, alpha0 - 1, alpha0 * beta)[:, colours].sum()
    kl = kl_inverse_gamma(alpha0 - 1, beta, alpha0 - 1, xi).sum()
    if kl_shape is not None:
        kl = kl * (alpha0 + kl_shape) / (alpha0 - 1)
    return fit - (mu - x).square().sum() / (2 * eps0_sq) - kl_times * kl


def _pairs() -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, Tensor, int, float]]:
    generator = seeded()
    x = torch.rand(1, 3, 4, 5, generator=generator, dtype=torch.float64)
    noise = torch.randn(2, *x.shape, generator=generator, dtype=torch.float64)
    beta, xi = 0.005 + 0.02 * torch.rand(2, 1, 1, 4, 5, generator=generator, dtype=torch.float64)
    for p in (3, 7):
        yield x + 0.1 * noise[0], x, x + 3e-4 * noise[1], beta, xi, p, 1e-6


@cache
def _salted() -> list[tuple[Tensor, Tensor, float]]:
    """Pictures with salt and pepper, the truth, and VIRNet's PSNR without the salt."""
    scenes = [cat()[..., 60:188, 80:208], photo("coffee")[..., 100:228, 200:328]]
    made = []
    for share in (0.04, 0.2):
        for x in scenes:
            y = awgn(x, 15 / 255, generator=seeded(1)).y
            u = torch.rand(1, 1, *x.shape[-2:], generator=seeded(10))
            salt = torch.where(u > 1 - share / 2, 1.0, y.clamp(0, 1))
            made.append((torch.where(u < share / 2, 0.0, salt), x, _score(_restored(y), x)))
    return made


def _score(image: Tensor, x: Tensor) -> float:
    return psnr(image, x).item()


def _restored(y: Tensor) -> Tensor:
    with torch.inference_mode():
        return _virnet().restore(y).image


def _lost(rescue: Callable[[Tensor], Tensor]) -> list[float]:
    """dB below VIRNet without salt, for each picture."""
    return [best - _score(torch.as_tensor(rescue(y.clone())), x) for y, x, best in _salted()]


def _median(y: Tensor, side: int) -> Tensor:
    """Median of the neighbourhood, without its nan."""
    padded = F.pad(y, (side // 2,) * 4, mode="reflect").transpose(0, 1)
    columns = F.unfold(padded, side).view(y.shape[1], side**2, -1)
    return columns.nanmedian(1).values.view(y.shape)


def rescue(y: Tensor) -> Tensor:
    """Fill pixels that are black or white in all colours from their neighbours, then restore."""
    bad = ((y == 0) | (y == 1)).all(1, keepdim=True)
    filled = torch.where(bad, _median(torch.where(bad, torch.nan, y), 5), y)
    return _restored(filled)


QUESTIONS = {
    "ex-far": Question(
        "the relative standard deviation at eight convolutions",
        lambda: 1 / math.sqrt(2 * 3 * 17**2),
        {
            "with one colour where three share the map": lambda: 1 / math.sqrt(2 * 17**2),
            "for the variance and not its root": lambda: math.sqrt(2 / (3 * 17**2)),
            "if each convolution added three pixels, not two": lambda: 1 / math.sqrt(2 * 3 * 24**2),
            "in per cent; a fraction is asked for": lambda: 100 / math.sqrt(2 * 3 * 17**2),
        },
    ),
    "ex-floor": Question(
        "the four floors in nats per pixel, for p = 3, 7, 11, 15",
        lambda: _floors(lambda p, u: (p**2 / 2 - 1) * _excess(u)),
        {
            "with α₀ where α₀ - 1 belongs": lambda: _floors(lambda p, u: p**2 / 2 * _excess(u)),
            "with a map for each colour": lambda: _floors(
                lambda p, u: (p**2 / 2 - 1) * _excess(u), shared=False
            ),
            "with p² where p²/2 belongs": lambda: _floors(lambda p, u: (p**2 - 1) * _excess(u)),
        },
        tolerance=0.1,
    ),
    "ex-lie": Question(
        "how many dB are lost if RNet is told a third of the level",
        lambda: _loss_of_a_lie(1 / 3),
        {
            "if the variance is divided by three, and not its root": lambda: _loss_of_a_lie(
                3**-0.5
            ),
            "if RNet is told three times the level": lambda: _loss_of_a_lie(3.0),
        },
        tolerance=0.03,
    ),
    "ex-fair": Question(
        "the number of seeds at two standard errors",
        lambda: (2 * math.sqrt(2 * 0.2**2 * (1 - 0.5)) / 0.1) ** 2,
        {
            "if the correlation of the runs is left out": lambda: (
                (2 * math.sqrt(2 * 0.2**2) / 0.1) ** 2
            ),
            "at one standard error": lambda: (0.2 / 0.1) ** 2,
        },
    ),
    "ex-terms": Question(
        "a function of y, x, μ (1, 3, h, w), β, ξ (1, 1, h, w), p and eps0², which returns the "
        "bound in nats, one number",
        bound,
        {
            "with α₀ where α₀ - 1 belongs in the divergence, as the paper prints it": partial(
                bound, kl_shape=0.0
            ),
            "if the divergence of the shared map is counted for each colour": partial(
                bound, kl_times=3
            ),
            "if the divergence of the variances is added": partial(bound, kl_times=-1),
            "with the likelihood of one colour": partial(bound, colours=slice(1)),
        },
        tries=_pairs,
        tolerance=1e-4,
    ),
    "ex-votes": Question(
        "β/σ² for C = 3 if SNet sees the level and not the accidents",
        lambda: _mode_without_accidents(3, (ALPHA0 - 1) / ALPHA0, ALPHA0 - 1 + 3 / 2),
        {
            "with one colour": lambda: _mode_without_accidents(
                1, (ALPHA0 - 1) / ALPHA0, ALPHA0 - 1 / 2
            ),
            "if the residuals weigh 1 and not (α₀ - 1)/α₀": lambda: _mode_without_accidents(
                3, 1.0, ALPHA0 - 1 + 3 / 2
            ),
            "with the denominator of one colour": lambda: _mode_without_accidents(
                3, (ALPHA0 - 1) / ALPHA0, ALPHA0 - 1 / 2
            ),
        },
        tolerance=3e-4,
    ),
    "ex-told-a-sample": Choice(
        "the term that keeps its closed form",
        "KL noise variance",
        {
            "KL clean image": "The mean μ now depends on the sampled map through a network.",
            "noisy image": "Its closed form needs z and σ² to be independent under q.",
        },
    ),
    "ex-salt": Design(
        "a function of an image (1, 3, h, w) with noise, salt and pepper that restores it",
        _lost,
        lambda lost: lost < 2,
        rescue,
        {
            "with VIRNet alone": _restored,
            "with a median everywhere, which smooths good pixels as well": lambda y: _median(y, 3),
            "with a median everywhere before VIRNet": lambda y: _restored(_median(y, 3)),
        },
    ),
}
