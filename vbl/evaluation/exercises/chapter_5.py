"""Infer the blur, then enlarge: kernels of three numbers, compromises, a judge of blur."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial

import torch
from torch import Tensor

from vbl.degradations import awgn, blind_sr, gaussian_kernel, random_gaussian_parameters
from vbl.degradations.operators import blur
from vbl.evaluation.exercises.material import cat, seeded
from vbl.evaluation.exercises.question import Choice, Design, Question
from vbl.evaluation.metrics import psnr
from vbl.images import photo
from vbl.models import load

SCALE = 4


def _kernel(width1: float, width2: float, rho: float = 0.0) -> Tensor:
    values = (torch.tensor([v]) for v in (width1**2, width2**2, rho))
    return gaussian_kernel(*values, 21)


def _unseen(total: float) -> float:
    """λ of which blocks of `SCALE` pixels make this many times their own variance."""
    return math.sqrt((total - 1) * SCALE**2 / 12)


def _compromise(mean: Callable[[Tensor], Tensor]) -> Tensor:
    """From the squared widths of many training kernels."""
    return mean(random_gaussian_parameters(100_000, SCALE, generator=seeded())[0])


@cache
def _cost_of_a_wrong_width(factor: float) -> float:
    """dB between the inferred kernel and one with the widths' squares times a factor."""
    scene = cat()
    kernel, options = _kernel(2.9, 1.6, 0.55), {"sampling": "bicubic", "generator": seeded()}
    y, virnet = blind_sr(scene, SCALE, kernel, 2.55 / 255, **options).y, load("virnet-sr-x4")
    with torch.inference_mode():
        q = virnet.infer(y)
        found, told = (virnet.restore(y, replace(q, eta=f * q.eta)).image for f in (1.0, factor))
    return (psnr(told, scene) - psnr(found, scene)).item()


def kernel_of_three(
    lambda1_sq: float,
    lambda2_sq: float,
    rho: float,
    size: int,
    *,
    exchanged: bool = False,
    correlation: bool = True,
    inverse: bool = True,
    normalised: bool = True,
    lean: int = 1,
    half: float = 0.5,
) -> Tensor:
    """The Gaussian kernel (size, size), and with a mistake if one of the last six is changed."""
    covariance = lean * rho * (math.sqrt(lambda1_sq * lambda2_sq) if correlation else 1)
    sigma = torch.tensor([[lambda1_sq, covariance], [covariance, lambda2_sq]]).double()
    t = torch.arange(size).double() - size // 2
    down, right = torch.meshgrid(t, t, indexing="ij")
    r = torch.stack([down, right] if exchanged else [right, down], -1)
    form = torch.einsum("hwi,ij,hwj->hw", r, sigma.inverse() if inverse else sigma, r)
    kernel = torch.exp(-half * form)
    return kernel / kernel.sum() if normalised else kernel


def _three_numbers() -> Iterator[tuple[float, float, float, int]]:
    yield 4.0, 2.0, 0.5, 15
    yield 1.5, 3.0, -0.3, 11


@cache
def _blurred() -> list[tuple[Tensor, float]]:
    scenes = [photo(name)[..., :256, :256] for name in ("chelsea", "flower")]
    cases = [(x, w) for x in scenes for w in (1.5, 2.5, 3.5)]
    return [(awgn(blur(x, _kernel(w, w)), 0.5 / 255, generator=seeded()).y, w) for x, w in cases]


def _misjudged(estimate: Callable[[Tensor], float]) -> list[float]:
    return [float(estimate(y.clone())) / width - 1 for y, width in _blurred()]


def edge_width(y: Tensor, share: float = 0.0005, more: float = 2.0, power: float = 0.5) -> float:
    """Width of a round blur by blurring the steepest places again."""
    slopes = [_slope(y), _slope(blur(y, _kernel(more, more)))]
    steep = slopes[0] >= slopes[0].quantile(1 - share)
    ratio = (slopes[0][steep] / slopes[1][steep]).median()
    return more / (ratio - 1).clamp_min(1e-3).pow(power).item()


def _slope(y: Tensor) -> Tensor:
    """Squared gradient of the mean of the colours, flat."""
    grey = y.mean(1)
    along_x = grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2]
    along_y = grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1]
    return (along_x.square() + along_y.square()).flatten()


QUESTIONS = {
    "ex-pixels": Question(
        "the number of edges",
        lambda: 0.5**2 * 4 * 50,
        {
            "with the accuracy of λ² for that of λ": lambda: 0.5**2 * 50,
            "with 1/κ for the scatter of λ²; it is the root of that": lambda: 0.5**2 * 50**2,
            "if the scatter fell with n and not with its root": lambda: 0.5 * 2 * math.sqrt(50),
        },
        tolerance=0.06,
    ),
    "ex-sampling-blur": Question(
        "the largest such λ at a factor of four, in fine pixels",
        lambda: _unseen(1.05**2),
        {
            "if widths add under convolution; variances do": lambda: 0.05 * SCALE / math.sqrt(12),
            "with 5 % of the variance": lambda: _unseen(1.05),
            "in sides of a block, not in pixels": lambda: _unseen(1.05**2) / SCALE,
            "of the block's own standard deviation": lambda: SCALE / math.sqrt(12),
            "if the variance is given for the width": lambda: _unseen(1.05**2) ** 2,
        },
        tolerance=0.05,
    ),
    "ex-compromise": Question(
        "the width in pixels that a KNet answers which sees nothing, at a factor of four",
        lambda: _compromise(lambda v: v.mean().sqrt()),
        {
            "with the mean of the widths": lambda: _compromise(lambda v: v.sqrt().mean()),
            "with the geometric mean": lambda: _compromise(lambda v: v.log().mean().div(2).exp()),
            "if the variance is given for the width": lambda: _compromise(lambda v: v.mean()),
            "with the harmonic mean, which the squared error of λ⁻² has": lambda: _compromise(
                lambda v: v.reciprocal().mean().rsqrt()
            ),
        },
        tolerance=0.02,
    ),
    "ex-orientation": Choice(
        "the kernels for which the exchange does no harm",
        "equal widths",
        {
            "no correlation": "A kernel 3 pixels wide and 1 high has none, and turns into one "
            "that is 1 wide and 3 high.",
            "round kernels only": "Round ones are among them, but more are.",
        },
    ),
    "ex-integrate-z": Question(
        "the sum of the squared entries of a round kernel with a width of two pixels",
        lambda: _kernel(2.0, 2.0).square().sum(),
        {
            "with the kernel's largest entry, 1/(2πλ²)": lambda: 1 / (2 * math.pi * 2**2),
            "along one axis only": lambda: 1 / (2 * math.sqrt(math.pi) * 2),
            "if the entries are not squared": lambda: 1.0,
            "with ε₀² before it": lambda: 1e-5 * _kernel(2.0, 2.0).square().sum(),
        },
        tolerance=0.02,
    ),
    "ex-wrong-kernel": Question(
        "the PSNR at a quarter of the variance, minus that at the inferred one, in dB",
        lambda: _cost_of_a_wrong_width(1 / 4),
        {
            "if the width is multiplied and not its square": lambda: _cost_of_a_wrong_width(1 / 16),
            "at four times the variance": lambda: _cost_of_a_wrong_width(4.0),
            "with the difference the other way round": lambda: -_cost_of_a_wrong_width(1 / 4),
        },
        tolerance=0.05,
    ),
    "ex-three-numbers": Question(
        "a function of λ₁², λ₂², ρ and an odd size that returns the kernel (size, size)",
        kernel_of_three,
        {
            "if rows and columns are exchanged: λ₁ runs to the right": partial(
                kernel_of_three, exchanged=True
            ),
            "with ρ where the covariance λ₁λ₂ρ belongs": partial(
                kernel_of_three, correlation=False
            ),
            "with Σ where its inverse belongs": partial(kernel_of_three, inverse=False),
            "if the entries do not sum to one": partial(kernel_of_three, normalised=False),
            "if a positive ρ leans to the upper right": partial(kernel_of_three, lean=-1),
            "without the ½ in the exponent": partial(kernel_of_three, half=1.0),
        },
        tries=_three_numbers,
        tolerance=1e-3,
    ),
    "ex-judge": Design(
        "a function of a blurred image (1, 3, h, w) that returns the width of its round Gaussian "
        "blur in pixels",
        _misjudged,
        lambda off: off.abs() < 0.2,
        edge_width,
        {
            "if flat places are asked as well, where there is nothing to see": partial(
                edge_width, share=1.0
            ),
            "if the variance is returned for the width": lambda y: edge_width(y) ** 2,
            "without the square root": partial(edge_width, power=1.0),
        },
    ),
}
