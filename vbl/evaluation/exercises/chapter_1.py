"""What a picture lost: noise in decibels, one pixel, the transpose of a blur, photons, a level."""

import math
from collections.abc import Callable, Iterator
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from vbl.degradations import awgn, motion_kernel, poisson_gaussian
from vbl.degradations.operators import blur
from vbl.evaluation.exercises.material import cat, seeded
from vbl.evaluation.exercises.question import Choice, Design, Question
from vbl.evaluation.metrics import psnr
from vbl.images import photo
from vbl.restoration.classical import non_local_means, transfer_function

PHOTONS = 20  # at white, in the gallery
SECOND_DIFFERENCES = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6  # of norm 1


def _shake() -> Tensor:
    return motion_kernel(21, generator=seeded(4))


def _pixel(weigh: Callable[[float, float], float]) -> float:
    """The MAP estimate of the pixel of fig-bayes, with a weight of the two standard deviations."""
    w = weigh(0.15, 0.12)
    return w * 0.7 + (1 - w) * 0.4


def _pictures_and_kernels() -> Iterator[tuple[Tensor, Tensor]]:
    for seed, size in enumerate((3, 5)):
        yield (
            torch.randn(1, 1, 12, 16, generator=seeded(seed)),
            torch.rand(1, 1, size, size, generator=seeded(seed)),
        )


def _transposed(*flips: int, turned: bool = False) -> Callable[[Tensor, Tensor], Tensor]:
    def transpose(y: Tensor, kernel: Tensor) -> Tensor:
        kernel = kernel.mT if turned else kernel.flip(flips)
        return blur(y.double(), kernel.double(), "circular")

    return transpose


@cache
def _gain_of_the_transform(offset: float, bias: float) -> float:
    """PSNR of the denoised square roots over that of one level, in dB."""
    scene = cat()
    y = poisson_gaussian(scene, PHOTONS, 0, generator=seeded()).y
    plain = non_local_means(y, (y - scene).std().item())
    stable = 2 * (PHOTONS * y + offset).sqrt()
    top = stable.max()
    smooth = non_local_means(stable / top, 1 / top.item()) * top
    back = ((smooth / 2) ** 2 - bias) / PHOTONS
    return (psnr(back, scene) - psnr(plain, scene)).item()


def _wiener(
    y: Tensor, kernel: Tensor, r: float, *, power: int = 2, conjugate: bool = True
) -> Tensor:
    laplacian = torch.tensor([[[[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]]]]).to(y)
    k, d = (transfer_function(v, y.shape[-2:]) for v in (kernel, laplacian))
    top = k.conj() if conjugate else k
    spectrum = top * torch.fft.rfft2(y) / (k.abs() ** 2 + r * d.abs() ** power)
    return torch.fft.irfft2(spectrum, s=y.shape[-2:])


def _blurred_pictures() -> Iterator[tuple[Tensor, Tensor, float]]:
    scene = torch.rand(1, 1, 32, 32, generator=seeded(), dtype=torch.float64)
    kernel = motion_kernel(9, generator=seeded()).double()
    for r in (0.01, 0.3):
        yield blur(scene, kernel, "circular"), kernel, r


def _variation_left(dims: tuple[int, ...], power: int) -> float:
    """Total variation of the blurred cat over that of the sharp one."""
    scene = cat()
    pair = (blur(scene, _shake()), scene)
    blurred, sharp = (sum(v.diff(dim=d).abs().pow(power).sum() for d in dims) for v in pair)
    return (blurred / sharp).item()


@cache
def _noisy_photographs() -> list[tuple[Tensor, float]]:
    scenes = [photo(name)[..., :384, :384] for name in ("china", "coffee", "chelsea")]
    levels = [4 / 255, 25 / 255]
    return [(awgn(x, s, generator=seeded(3)).y, s) for x in scenes for s in levels]


def _misjudged(estimate: Callable[[Tensor], float]) -> list[float]:
    return [float(estimate(y.clone())) / level - 1 for y, level in _noisy_photographs()]


def _detail(y: Tensor) -> Tensor:
    """Second differences, of the variance of white noise in `y`."""
    mask = SECOND_DIFFERENCES.to(y)[None, None]
    return F.conv2d(y.transpose(0, 1), mask).transpose(0, 1)


def quiet_level(y: Tensor, share: float = 0.15) -> float:
    """Root of a low quantile, over blocks of 16 pixels, of the mean squared second difference."""
    blocks = F.avg_pool2d(_detail(y).square(), 16).mean(1)
    return blocks.flatten().quantile(share).sqrt().item()


QUESTIONS = {
    "ex-psnr.1": Question(
        "the PSNR in dB",
        lambda: -20 * math.log10(25 / 255),
        {
            "with 10 log₁₀ of the standard deviation; the error is squared": lambda: (
                -10 * math.log10(25 / 255)
            ),
            "with a peak of 255 for values that lie between 0 and 1": lambda: (
                20 * math.log10(255) - 20 * math.log10(25 / 255)
            ),
            "with the sign of the logarithm": lambda: 20 * math.log10(25 / 255),
        },
        tolerance=0.005,
    ),
    "ex-psnr.3": Question(
        "the gain in dB",
        lambda: 10 * math.log10(9),
        {
            "if the standard deviation fell by 9; the variance does": lambda: 20 * math.log10(9),
            "if the variance fell by 3; the standard deviation does": lambda: 10 * math.log10(3),
        },
        tolerance=0.01,
    ),
    "ex-median": Choice(
        "the noise under which the midpoint is most likely",
        "uniform",
        {
            "Laplace": "Its most likely value is a median, however far the extremes lie.",
            "Gaussian": "Its most likely value is the mean, which every observation moves.",
            "Cauchy": "Its tails are so heavy that the extremes hardly count.",
        },
    ),
    "ex-shrinkage.1": Question(
        "the MAP estimate for the pixel of that figure",
        lambda: _pixel(lambda s, t: t**2 / (t**2 + s**2)),
        {
            "if the two weights change places": lambda: _pixel(lambda s, t: s**2 / (t**2 + s**2)),
            "with standard deviations as weights in place of variances": lambda: _pixel(
                lambda s, t: t / (t + s)
            ),
            "with equal weights": lambda: _pixel(lambda s, t: 0.5),
        },
        tolerance=0.005,
    ),
    "ex-shrinkage.2": Question(
        "the standard deviation of its posterior",
        lambda: (1 / 0.15**2 + 1 / 0.12**2) ** -0.5,
        {
            "if a variance is given for a standard deviation": lambda: (
                1 / (1 / 0.15**2 + 1 / 0.12**2)
            ),
            "if variances add; precisions do": lambda: math.hypot(0.15, 0.12),
            "if the inverse standard deviations add": lambda: 1 / (1 / 0.15 + 1 / 0.12),
        },
    ),
    "ex-adjoint": Question(
        "a function of y (1, 1, h, w) and the kernel (1, 1, k, k) that returns the transposed "
        "blur of y, on an image that repeats periodically",
        _transposed(-2, -1),
        {
            "with the kernel as it is; the transpose needs it flipped": _transposed(),
            "with a kernel flipped along one axis only": _transposed(-1),
            "with the kernel transposed in place of flipped": _transposed(turned=True),
        },
        tries=_pictures_and_kernels,
        tolerance=1e-4,
    ),
    "ex-anscombe": Question(
        "how many dB the transform gains over one level",
        lambda: _gain_of_the_transform(3 / 8, 1 / 8),
        {
            "with the algebraic inverse (f/2)² - 3/8, which is biased": lambda: (
                _gain_of_the_transform(3 / 8, 3 / 8)
            ),
            "without the 3/8, that is with 2√n": lambda: _gain_of_the_transform(0, 0),
        },
        tolerance=0.05,
    ),
    "ex-wiener": Question(
        "a function of y, the kernel and r that returns the Wiener estimate on an image that "
        "repeats periodically",
        _wiener,
        {
            "with |D| where |D|² belongs": lambda *given: _wiener(*given, power=1),
            "without the complex conjugate of K, which blurs once more": lambda *given: _wiener(
                *given, conjugate=False
            ),
            "with the prior left out": lambda y, kernel, r: _wiener(y, kernel, 0.0),
        },
        tries=_blurred_pictures,
        tolerance=1e-3,
    ),
    "ex-delta.2": Question(
        "the total variation of the blurred cat, divided by that of the sharp one",
        lambda: _variation_left((-1, -2), 1),
        {
            "if the sharp one is divided by the blurred one": lambda: (
                1 / _variation_left((-1, -2), 1)
            ),
            "with squared differences; total variation has absolute ones": lambda: _variation_left(
                (-1, -2), 2
            ),
        },
        tolerance=0.02,
    ),
    "ex-level": Design(
        "a function of a noisy image (1, 3, h, w) that returns its noise level, a standard "
        "deviation between 0 and 1",
        _misjudged,
        lambda off: off.abs() < 0.12,
        quiet_level,
        {
            "if details of the picture count as noise: look where it is flat": lambda y: (
                _detail(y).std().item()
            ),
            "if a variance is returned for a standard deviation": lambda y: quiet_level(y) ** 2,
            "with second differences that are not divided by the root of the sum of their squared "
            "weights": lambda y: 6 * quiet_level(y),
            "with the quietest block of all, which is quiet by chance, too": lambda y: quiet_level(
                y, 0.0
            ),
        },
    ),
}
