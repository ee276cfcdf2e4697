"""How far off a restored picture is: what VDN's posterior says, and predictive distributions.

The parts "picture" and "remedy" of `benchmarks/calibration.py`. All distributions are
fitted on every second picture of CBSD68, with varying noise, and judged on the others and on
pictures and degradations of other kinds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from vbl.degradations import (
    Degraded,
    awgn,
    correlated,
    jpeg,
    noniid,
    photographed,
)
from vbl.evaluation import LEVELS, conformal_quantile, summary
from vbl.figures import middles
from vbl.images import DataUnavailable, open_dataset, text_page
from vbl.models import load
from vbl.restoration import ErrorScale, fit_error_scale
from vbl.utils import seeded

SIDE = 112
EVERY = 3  # of the pixels along rows and columns are judged
MEMBERS = ("virnet-denoise", "vdn-denoise", "resunet")
LEVEL = 0.9


@dataclass(frozen=True)
class Restored:
    """Restorations of some pictures by the members of the ensemble.

    Attributes:
        pair: What was restored.
        images: Of the members, (3, B, C, H, W).
        noise_std: The noise map of the first member.
        vdn_std: Of VDN's q(z), (B, C, H, W).
    """

    pair: Degraded
    images: Tensor
    noise_std: Tensor
    vdn_std: Tensor

    def some(self, chosen: slice) -> "Restored":
        """Some of the pictures."""
        pair = Degraded(self.pair.y[chosen], self.pair.x[chosen])
        return Restored(pair, self.images[:, chosen], self.noise_std[chosen], self.vdn_std[chosen])

    @property
    def spread(self) -> Tensor:
        """Standard deviation among the members, (B, 1, H, W)."""
        return self.images.var(0).mean(1, keepdim=True).sqrt()


def restored(pair: Degraded) -> Restored:
    """Restore pictures by all members."""
    images, noise, std = [], [], []
    for name in MEMBERS:
        model, parts = load(name), []
        for y in pair.y.split(8):
            q = model.posterior(y) if name == "vdn-denoise" else None
            answer = model.restore(y) if q is None else None
            parts.append(answer.image if q is None else q.mean)
            if name == MEMBERS[0]:
                noise.append(answer.noise_std)
            if q is not None:
                std.append(q.var.sqrt())
        images.append(torch.cat(parts))
    return Restored(pair, torch.stack(images), torch.cat(noise), torch.cat(std))


def photographs(side: int = SIDE) -> Tensor:
    """Two corners of each picture of CBSD68; the even pictures first, then the odd ones."""
    wide = middles(open_dataset("cbsd68"), 320)
    wide = torch.cat([wide[0::2], wide[1::2]])
    corners = wide[..., :side, :side], wide[..., -side:, -side:]
    return torch.stack(corners, 1).flatten(0, 1)


@cache
def kinds() -> dict[str, Restored]:
    """Restorations of each kind of pictures; the first half of "to fit" is seen by the fit only."""
    generator = seeded("cpu", "predictive")
    x = photographs()
    half = len(x) // 2
    held_out = x[half::2]
    page = text_page((SIDE, SIDE), n=34, generator=generator).expand(-1, 3, -1, -1)
    both = noniid(x, generator=generator)
    pairs = {
        "to fit": Degraded(both.y[:half], both.x[:half]),
        "photographs, varying noise": Degraded(both.y[half:], both.x[half:]),
        "photographs, white noise of 50": awgn(held_out, 50 / 255, generator=generator),
        "pages, varying noise": noniid(page, generator=generator),
        "photographs, correlated noise": correlated(
            held_out, (5 / 255, 50 / 255), generator=generator
        ),
        "photographs, simulated camera": photographed(held_out, generator=generator),
        "photographs, JPEG": jpeg(held_out, (10.0, 80.0), generator=generator),
    }
    pairs |= real_pairs()
    return {name: restored(pair) for name, pair in pairs.items()}


def real_pairs() -> dict[str, Degraded]:
    """Crops of photographs whose truth is a mean of many, where they are on the machine."""
    try:
        samples = list(open_dataset("cc15"))
    except DataUnavailable:
        return {}
    cuts = [(slice(None), slice(None), slice(a, a + SIDE), slice(a, a + SIDE)) for a in (60, 330)]
    y = torch.cat([sample.degraded[cut] for sample in samples for cut in cuts])
    x = torch.cat([sample.image[cut] for sample in samples for cut in cuts])
    return {"photographs, real cameras": Degraded(y, x)}


@dataclass(frozen=True)
class Predictive:
    """A distribution of the clean picture, a location and scale for each value.

    Attributes:
        family: `scipy.stats.norm` or `scipy.stats.laplace`.
        place: Gives the locations of some restorations.
        scale: Gives the scales.
    """

    family: Any
    place: Callable[[Restored], Tensor]
    scale: Callable[[Restored], Tensor]

    def q(self, found: Restored) -> tuple[Any, Any]:
        """The distributions at some pixels, and the truth."""
        place = self.place(found)
        scale = self.scale(found).expand_as(place)
        values = [_thinned(v) for v in (place, scale, found.pair.x)]
        return self.family(values[0], values[1]), values[2]


def _thinned(values: Tensor) -> Any:
    return values[..., ::EVERY, ::EVERY].double().numpy()


def of_virnet(found: Restored) -> Tensor:
    """VIRNet's restoration."""
    return found.images[0]


def of_all(found: Restored) -> Tensor:
    """The mean of the members."""
    return found.images.mean(0)


def constant(value: float, _: Restored) -> Tensor:
    """One scale for all."""
    return torch.tensor(value)


def from_noise_and_detail(scale: ErrorScale, found: Restored) -> Tensor:
    """A scale for each pixel."""
    return scale(found.images[0], found.noise_std)


def power_of(values: Callable[[Restored], Tensor], a: float, b: float, found: Restored) -> Tensor:
    """exp(a) values^b."""
    return math.exp(a) * values(found).clamp_min(1e-4) ** b


def noise(found: Restored) -> Tensor:
    """The noise map."""
    return found.noise_std


def spread(found: Restored) -> Tensor:
    """The spread of the members, averaged over a small window, with a floor."""
    return F.avg_pool2d(found.spread, 5, 1, 2, count_include_pad=False)


def fitted_power(
    values: Callable[[Restored], Tensor], place: Callable[[Restored], Tensor], found: Restored
) -> Callable[[Restored], Tensor]:
    """`power_of` with the best log score of a Laplace density."""
    log = values(found).clamp_min(1e-4).log()
    error = (place(found) - found.pair.x).abs().mean(1, keepdim=True)
    weights = torch.zeros(2, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        log_scale = weights[0] + weights[1] * log
        value = (log_scale + error * (-log_scale).exp()).mean()
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(loss)
    return partial(power_of, values, *weights.tolist())


@cache
def error_scale() -> ErrorScale:
    """Fitted on "to fit"."""
    found = kinds()["to fit"]
    return fit_error_scale(found.images[0], found.noise_std, found.pair.x)


@cache
def predictives() -> dict[str, Predictive]:
    """All distributions that are compared."""
    found = kinds()["to fit"]
    error = (of_virnet(found) - found.pair.x).abs()
    scale = partial(from_noise_and_detail, error_scale())
    wide = (error**2 / scale(found) ** 2).mean().sqrt().item()  # of a Gaussian with this scale
    norm, laplace = stats.norm, stats.laplace
    of_vdn = Predictive(norm, lambda r: r.images[1], lambda r: r.vdn_std)
    by_noise, by_spread = (
        fitted_power(values, place, found)
        for values, place in ((noise, of_virnet), (spread, of_all))
    )
    return {
        "VDN's q(z)": of_vdn,
        "one width": Predictive(laplace, of_virnet, partial(constant, error.mean().item())),
        "noise": Predictive(laplace, of_virnet, by_noise),
        "noise and detail": Predictive(laplace, of_virnet, scale),
        "noise and detail, Gaussian": Predictive(norm, of_virnet, lambda r: wide * scale(r)),
        "ensemble": Predictive(norm, of_all, lambda r: r.spread.clamp_min(1e-4)),
        "ensemble, fitted": Predictive(laplace, of_all, by_spread),
    }


def pictures() -> list[dict[str, Any]]:
    """VDN's q(z) as it is and with one number, on held-out pictures."""
    fit, test = kinds()["to fit"], kinds()["photographs, varying noise"]
    of_vdn = predictives()["VDN's q(z)"]
    error = (fit.images[1] - fit.pair.x) / fit.vdn_std
    factor = 1 / error.square().mean().item()
    about = {"posterior": "picture", "model": "vdn-denoise", "pictures": "varying noise"}
    about |= {"unit": "1", "count": len(test.pair.x)}
    found = []
    for width, f in {"as it is": 1.0, "one number": factor}.items():
        q, truth = Predictive(stats.norm, of_vdn.place, lambda r, f=f: r.vdn_std / f**0.5).q(test)
        found.append(about | {"width": width, "factor": f} | summary(q, truth))
    return found


def remedy() -> dict[str, Any]:
    """The predictive distributions on all kinds, the conformal one too."""
    rows = []
    for kind, found in kinds().items():
        if kind == "to fit":
            continue
        about = {"pictures": kind, "count": len(found.pair.x)}
        for name, predictive in predictives().items():
            q, truth = predictive.q(found)
            row = about | {"predictive": name} | summary(q, truth)
            rows.append(row | of_each_picture(inside(q, truth)))
        rows.append(about | {"predictive": "conformal"} | conformal(found))
    scale = error_scale()
    return {
        "rows": rows,
        "scale": vars(scale),
        "factor_90": conformal_factors((LEVEL,))[0],
    }


def inside(q: Any, truth: Any) -> Tensor:
    """Which values are within the middle interval of `LEVEL`."""
    return torch.from_numpy((2 * q.cdf(truth) - 1).__abs__() <= LEVEL)


def of_each_picture(held: Tensor) -> dict[str, float]:
    """How unequal the pictures are: the least coverage of any, and how many have `LEVEL`."""
    share = held.double().flatten(1).mean(1)
    return {
        "worst": share.min().item(),
        "pictures_covered": (share >= LEVEL).double().mean().item(),
    }


def in_units(scale: ErrorScale, found: tuple[Tensor, Tensor], truth: Tensor) -> Tensor:
    """Absolute errors in units of the predicted scale, (B, values)."""
    return ((found[0] - truth).abs() / scale(*found))[..., ::EVERY, ::EVERY].flatten(1)


def scores(found: Restored) -> Tensor:
    """Absolute errors in units of the predicted scale, (B, values)."""
    return in_units(error_scale(), (found.images[0], found.noise_std), found.pair.x)


def by_picture(values: Tensor) -> Tensor:
    """Two crops are of one picture: they are one group."""
    return values.unflatten(0, (-1, 2)).flatten(1)


@cache
def conformal_factors(levels: tuple[float, ...]) -> list[float]:
    """For each level the factor of the scale that the guarantee asks for."""
    groups = by_picture(scores(kinds()["to fit"]))
    return [conformal_quantile(groups, level) for level in levels]


def conformal(found: Restored) -> dict[str, Any]:
    """Coverage of the intervals with the guarantee."""
    off = scores(found)
    factors = conformal_factors(LEVELS)
    factor = conformal_factors((LEVEL,))[0]
    held = {
        f"{p:g}": (off <= f).double().mean().item() for p, f in zip(LEVELS, factors, strict=True)
    }
    scale = from_noise_and_detail(error_scale(), found)[..., ::EVERY, ::EVERY]
    return {
        "values": off.numel(),
        "coverage": held,
        "sharpness": (2 * factor * scale).mean().item(),
        "off": max(abs(share - float(level)) for level, share in held.items()),
    } | of_each_picture(off <= factor)
