"""A kernel on the simplex: histories, photons, softmax, kernels told and inferred, the evidence."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vbl.degradations import Degraded, blurred, motion_kernel, with_floor
from vbl.degradations.operators import blur
from vbl.evaluation.exercises.material import seeded
from vbl.evaluation.exercises.question import Design, Question, UnusableAnswer
from vbl.evaluation.metrics import psnr
from vbl.evaluation.protocols import degraded
from vbl.images import open_dataset, photo
from vbl.models import load
from vbl.restoration.classical import transfer_function, wiener

CONCENTRATION, ENTRY = 2e4, 0.1
NOISE = 2 / 255
TRUTH, POINT = 0, 3  # among the candidates, in the order in which they are made


def _entry_std() -> float:
    return math.sqrt(ENTRY * (1 - ENTRY) / (CONCENTRATION + 1))


def _softmaxes() -> Iterator[tuple[Tensor]]:
    yield (torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64),)
    yield (torch.tensor([0.97, 0.01, 0.01, 0.01], dtype=torch.float64),)


@cache
def _pages() -> list[Degraded]:
    return [pair for _, pair in degraded(open_dataset("text_page"), "printed", {})]


@cache
def _model() -> nn.Module:
    return load("vbdeblur-text")


@cache
def _cosines() -> dict[str, float]:
    """Mean cosines of true kernels, their half turns, their mirror images and inferred ones."""
    known = torch.cat([pair.kernel for pair in _pages()]).double()
    with torch.inference_mode():
        found = torch.cat([_model().infer(pair.y).mean for pair in _pages()]).double()
    turned = known.flip(2, 3)
    pairs = {"true": (found, known), "turned": (found, turned), "both": (known, turned)}
    return {
        name: F.cosine_similarity(a.flatten(1), b.flatten(1)).mean().item()
        for name, (a, b) in pairs.items()
    }


@cache
def _score_told(what: str) -> float:
    """PSNR of page 11, restored with a kernel."""
    page, kernels = _pages()[11], torch.cat([pair.kernel for pair in _pages()]).double()
    point = torch.zeros_like(kernels[:1])
    point[..., 4, 4] = 1
    true, other = (with_floor(kernels[n : n + 1], _model().config.floor) for n in (11, 5))
    even = torch.full_like(point, 1 / point.numel())
    told = {"true": true, "point": point, "even": even, "other": other}[what]
    with torch.inference_mode():
        return psnr(_model().posterior(page.y, kernel=told).mean, page.x).item()


@cache
def _halves() -> dict[str, float]:
    """PSNR of a page with two kernels: as it is, restored as a whole, and by halves."""
    x = _pages()[11].x
    sides = [blur(x, _pages()[n].kernel) for n in (23, 5)]
    y = torch.cat([sides[0][..., :128], sides[1][..., 128:]], -1)
    y = y + 2 / 255 * torch.randn(y.shape, generator=seeded())
    with torch.inference_mode():
        whole = _model().restore(y).image
        apart = torch.cat([_model().restore(part).image for part in y.split(128, -1)], -1)
    return {name: psnr(v, x).item() for name, v in zip("ywa", (y, whole, apart), strict=True)}


@cache
def _histories() -> list[tuple[Tensor, list[Tensor]]]:
    """Blurred pictures, each with four kernels: the true one, its two shakes, a point."""
    made = []
    for name, seed in (("chelsea", 4), ("coffee", 7), ("flower", 2), ("rocket", 5)):
        first, second = motion_kernel(5, n=2, generator=seeded(seed)).split(1)
        true = F.conv2d(F.pad(first, 4 * [4]), second.flip(2, 3))
        point = torch.zeros_like(true)
        point[..., 4, 4] = 1
        kernels = [true, F.pad(first, 4 * [2]), F.pad(second, 4 * [2]), point]
        x = photo(name)[..., 60:252, 120:312]
        made.append((blurred(x, true, NOISE, generator=seeded(seed)).y, kernels))
    return made


def _chosen(choose: Callable[[Tensor, list[Tensor], float], int]) -> list[float]:
    """Which of the kernels is chosen for each picture; their order differs."""
    found = []
    for first, (y, kernels) in enumerate(_histories(), 1):
        order = [(first + n) % 4 for n in range(4)]
        index = float(choose(y.clone(), [kernels[n].clone() for n in order], NOISE))
        if index not in range(4):
            raise UnusableAnswer(f"expected an index from 0 to 3, got {index}")
        found.append(float(order[int(index)]))
    return found


def _best(score: Callable[[Tensor, Tensor, float], float]) -> Callable[..., int]:
    """Choose the kernel with the largest score."""

    def choose(y: Tensor, kernels: Sequence[Tensor], std: float) -> int:
        scores = [score(y, kernel, std) for kernel in kernels]
        return max(range(len(scores)), key=scores.__getitem__)

    return choose


def log_evidence(y: Tensor, kernel: Tensor, std: float) -> float:
    """log p(y | k) up to a constant if scenes are Gaussian with a power of A/f², for the best A."""
    h, w = y.shape[-2:]
    window = torch.outer(torch.hann_window(h), torch.hann_window(w))
    seen = torch.fft.rfft2((y - y.mean((-2, -1), keepdim=True)) * window).abs().square().mean(1)
    f_sq = torch.fft.fftfreq(h)[:, None] ** 2 + torch.fft.rfftfreq(w) ** 2
    passed = transfer_function(kernel, (h, w)).abs().square()[0] / f_sq.clamp_min(1e-9)
    totals = []
    for power in torch.logspace(-5, -1, 41):
        expected = window.square().sum() * (std**2 + power * passed)
        terms = seen / expected + expected.log()
        totals.append(-terms[..., 1:, 1:].sum().item())
    return max(totals)


def _residual(y: Tensor, kernel: Tensor, std: float) -> float:
    rest = y - blur(wiener(y, kernel, 0.02), kernel)
    return -rest[..., 10:-10, 10:-10].std().item()


def _edges(y: Tensor, kernel: Tensor, std: float) -> float:
    scene = wiener(y, kernel, 0.02)
    return -sum(scene.diff(dim=d).abs().sum().item() for d in (-1, -2))


QUESTIONS = {
    "ex-histories": Question(
        "the number of histories of three different shakes",
        lambda: 2**3,
        {
            "if the order of the shakes mattered, 3!": lambda: math.factorial(3),
            "if only how many are in the kernel is counted": lambda: 3 + 1,
        },
    ),
    "ex-simplex": Question(
        "the light that 65 entries of zero hold together",
        lambda: 65 * 0.01 * math.sqrt(2 / math.pi),
        {
            "with the standard deviation for the mean absolute value": lambda: 65 * 0.01,
            "if the entries' variances are added": lambda: math.sqrt(65) * 0.01,
            "if the negative entries are left out": lambda: 65 * 0.01 / math.sqrt(2 * math.pi),
            "for one entry alone": lambda: 0.01 * math.sqrt(2 / math.pi),
        },
    ),
    "ex-photons": Question(
        "the relative standard deviation of an entry of 0.1",
        lambda: _entry_std() / ENTRY,
        {
            "if it is not divided by the entry": _entry_std,
            "for a Poisson count, whose total is not fixed": lambda: (
                1 / math.sqrt(CONCENTRATION * ENTRY)
            ),
            "if the variance is given": lambda: _entry_std() ** 2 / ENTRY,
        },
    ),
    "ex-softmax": Question(
        "a function of s (n,) that returns the matrix ∂s_i/∂a_j (n, n)",
        lambda s: s.diag() - torch.outer(s, s),
        {
            "with the diagonal only": lambda s: (s * (1 - s)).diag(),
            "with s_i(1 - s_j) everywhere": lambda s: torch.outer(s, 1 - s),
            "with the wrong sign beside the diagonal": lambda s: (
                (s - 2 * s**2).diag() + torch.outer(s, s)
            ),
        },
        tries=_softmaxes,
        tolerance=1e-3,
    ),
    "ex-half-turn": Question(
        "the mean cosine of the inferred kernels with the half turns of the true ones",
        lambda: _cosines()["turned"],
        {
            "with the true kernels themselves": lambda: _cosines()["true"],
            "if true kernels are compared with their own half turns": lambda: _cosines()["both"],
        },
        tolerance=0.01,
    ),
    "ex-other-kernel": Question(
        "the PSNR told the true kernel minus that told a point, in dB",
        lambda: _score_told("true") - _score_told("point"),
        {
            "told an even kernel": lambda: _score_told("true") - _score_told("even"),
            "told the kernel of page 5": lambda: _score_told("true") - _score_told("other"),
        },
        tolerance=0.03,
    ),
    "ex-regions": Question(
        "the PSNR with a kernel for each half minus that with one, in dB",
        lambda: _halves()["a"] - _halves()["w"],
        {
            "compared with the blurred page": lambda: _halves()["a"] - _halves()["y"],
            "for one kernel, compared with the blurred page": lambda: (
                _halves()["w"] - _halves()["y"]
            ),
        },
        tolerance=0.03,
    ),
    "ex-evidence": Design(
        "a function of y (1, 3, h, w), a list of kernels (1, 1, 9, 9) and the noise's standard "
        "deviation, which returns the index of the true kernel",
        _chosen,
        lambda chosen: chosen == TRUTH,
        _best(log_evidence),
        {
            "if the kernel is chosen that explains the picture with the smallest residual": _best(
                _residual
            ),
            "if the picture with the fewest edges is chosen": _best(_edges),
        },
    ),
}
