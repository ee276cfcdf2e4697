"""Calibration of every posterior of the book by one protocol.

    python benchmarks/calibration.py [--only PART ...]      writes data/results/calibration.json

Each posterior has a width by decree or a learned one. It is judged as it is, and with its strength
times one number, fitted by the log score on every second picture; always on the other pictures.
Each part is kept as soon as it is complete; one that is there is computed only if it is named.
The pictures are CBSD68's (`VBL_DATA`) and pages of print.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from predicted_errors import decision, intervals
from predictive import pictures, remedy
from scipy import stats
from scipy.optimize import minimize_scalar
from torch import Tensor

from vbl.degradations import (
    Degraded,
    awgn,
    blind_sr,
    correlated,
    jpeg,
    jpeg_luma,
    noniid,
    printed,
    shaken,
    with_floor,
)
from vbl.evaluation import load_result, log_score, save_result, summary
from vbl.figures import middles
from vbl.images import luma, open_dataset, text_page
from vbl.models import load
from vbl.utils import seeded

RESULT = "calibration"
PIXELS = 40  # of each crop, at random


@dataclass(frozen=True)
class Claims:
    """What a posterior says about many unknowns, and the truth.

    Attributes:
        about: The row's ``posterior``, ``model``, ``pictures`` (which kind) and ``unit``.
        family: Makes the distribution from the parameters and a factor of its strength.
        parameters: Of the distributions, an entry for each value.
        truth: The true values.
        picture: The number of the picture that each value is from.
    """

    about: Mapping[str, str]
    family: Callable[..., Any]
    parameters: tuple[np.ndarray, ...]
    truth: np.ndarray
    picture: np.ndarray

    def where(self, chosen: np.ndarray) -> "Claims":
        """Some of the values."""
        parameters = tuple(p[chosen] for p in self.parameters)
        return Claims(self.about, self.family, parameters, self.truth[chosen], self.picture[chosen])

    def q(self, factor: float = 1.0) -> Any:
        """The distributions."""
        return self.family(*self.parameters, factor)


def rows(claims: Claims, factor: float | None = None) -> list[dict[str, Any]]:
    """The posterior as it is and with its strength changed, on every second picture.

    Args:
        claims: Of at least two pictures.
        factor: Of the strength; fitted on the other pictures if it is None.
    """
    factor = fitted(claims.where(claims.picture % 2 == 0)) if factor is None else factor
    held_out = claims.where(claims.picture % 2 == 1)
    count = {"count": len(np.unique(held_out.picture))}
    widths = {"as it is": 1.0, "one number": factor}
    return [
        dict(claims.about) | count | {"width": width, "factor": f} | judged(held_out.q(f), held_out)
        for width, f in widths.items()
    ]


def judged(q: Any, claims: Claims) -> dict[str, Any]:
    """`summary`, to four digits."""
    return rounded(summary(q, claims.truth))


def rounded(value: Any) -> Any:
    """Floating-point numbers with four digits."""
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def fitted(claims: Claims) -> float:
    """The factor of the strength with the best log score."""

    def loss(log_factor: float) -> float:
        return -log_score(claims.q(float(np.exp(log_factor))), claims.truth)

    return float(np.exp(minimize_scalar(loss, bounds=(-14, 7), method="bounded").x))


def inverse_gamma(shape: np.ndarray, mode: np.ndarray, factor: float) -> Any:
    """Inverse Gammas whose shape plus one is multiplied, with the same modes."""
    strength = np.maximum(factor * (shape + 1), 1.05)
    return stats.invgamma(strength - 1, scale=strength * mode)


def normal(mean: np.ndarray, std: np.ndarray, factor: float) -> Any:
    """Gaussians whose precision is multiplied."""
    return stats.norm(mean, std / factor**0.5)


def beta(mean: np.ndarray, concentration: np.ndarray, factor: float) -> Any:
    """The marginals of Dirichlets whose total is multiplied."""
    total = factor * concentration
    return stats.beta(mean * total, (1 - mean) * total)


def array(values: Tensor) -> np.ndarray:
    """Flat, in float64."""
    return values.detach().double().flatten().numpy()


def numbers(count: int, each: int) -> np.ndarray:
    """The picture of each value; crop i of `count` is from picture i modulo 68."""
    return np.repeat(np.arange(count) % 68, each)


# The noise variance


@cache
def crops(side: int = 96, parts: int = 2) -> Tensor:
    """Corners of the middles of CBSD68's pictures, the first of all pictures first."""
    wide = middles(open_dataset("cbsd68"), 320)
    corners = [wide[..., :side, :side], wide[..., -side:, -side:]]
    corners += [wide[..., :side, -side:], wide[..., -side:, :side]]
    return torch.cat(corners[:parts])


def pages(count: int = 68, side: int = 96) -> Tensor:
    """Pages of print in grey."""
    return text_page((side, side), n=count, generator=seeded("cpu", "pages"))


def noisy() -> dict[str, Degraded]:
    """Kinds of noise; the first is what the networks were trained for."""
    generator = seeded("cpu", "noise")
    x, page = crops(), pages().expand(-1, 3, -1, -1)
    return {
        "varying noise": noniid(x, generator=generator),
        "white noise": awgn(x, (5 / 255, 70 / 255), generator=generator),
        "pages, varying noise": noniid(page, generator=generator),
        "correlated noise": correlated(x, (5 / 255, 50 / 255), generator=generator),
    }


def noise_claims(name: str, kind: str, pair: Degraded) -> Claims:
    """q(σ² | y) at some pixels."""
    model, found = load(name), []
    for y in pair.y.split(16):
        q = model.posterior(y)
        shape = getattr(q, "shape", torch.full_like(y, getattr(model.config, "alpha0", 0) - 1))
        mode = q.scale / (q.shape + 1) if hasattr(q, "scale") else q.mode
        found.append(torch.stack([shape[:, :1], mode[:, :1]], 1).flatten(2))
    truth = pair.noise_var.expand_as(pair.y)[:, :1].flatten(1)
    chosen = torch.randint(truth.shape[1], (len(truth), PIXELS), generator=seeded("cpu", "pixels"))
    shape, mode = torch.cat(found).unbind(1)
    values = [array(v.squeeze(1).gather(1, chosen)) for v in (shape, mode, truth)]
    about = {"posterior": "noise variance", "model": name, "pictures": kind, "unit": "1"}
    return Claims(about, inverse_gamma, tuple(values[:2]), values[2], numbers(len(truth), PIXELS))


def noise_variance() -> list[dict[str, Any]]:
    """Of VIRNet and VDN; the number that is fitted is that of the first kind."""
    found = []
    for name in ("virnet-denoise", "vdn-denoise"):
        factor = None
        for kind, pair in noisy().items():
            found += rows(noise_claims(name, kind, pair), factor)
            factor = found[-1]["factor"]
    return found


# Kernel parameters


@cache
def blurred() -> Degraded:
    """Four crops of each picture, each with two random Gaussian blurs, reduced by four."""
    generator = seeded("cpu", "blur")
    pairs = [blind_sr(crops(256, 4), 4, sampling="bicubic", generator=generator) for _ in range(2)]
    truth = {key: torch.cat([pair.truth[key] for pair in pairs]) for key in pairs[0].truth}
    return Degraded(torch.cat([pair.y for pair in pairs]), crops(256, 4), truth=truth)


def kernel_parameters() -> list[dict[str, Any]]:
    """Of VIRNet's super-resolution, with fixed and with learned widths."""
    pair, found = blurred(), []
    truth, count = pair.truth, len(pair.y)
    widths = torch.stack([truth["lambda1_sq"], truth["lambda2_sq"]], 1)
    for name in ("virnet-sr-x4", "virnet-sr-x4-learned-width"):
        parts = [load(name).infer(y) for y in pair.y.split(34)]
        kappa, eta, rho, spread = (
            torch.cat([getattr(part, key) for part in parts])
            for key in ("kappa", "eta", "rho", "spread")
        )
        about = {"model": name, "pictures": "random Gaussian blur"}
        lambda_sq = about | {"posterior": "kernel width", "unit": "pixels²"}
        of_widths = array(kappa - 1), array(eta)
        found += rows(Claims(lambda_sq, inverse_gamma, of_widths, array(widths), numbers(count, 2)))
        correlation = about | {"posterior": "kernel correlation", "unit": "1"}
        of_rho = array(rho), array(spread.sqrt())
        found += rows(Claims(correlation, normal, of_rho, array(truth["rho"]), numbers(count, 1)))
    return found


# Kernel pixels


def kernel_pixels() -> list[dict[str, Any]]:
    """Of VBDeblurNet; the one number is fitted on all entries, and judged on the large ones too."""
    generator, found = seeded("cpu", "shake"), []
    blurry = {
        "vbdeblur-text": printed(pages(204, 128).expand(-1, 3, -1, -1), generator=generator),
        "vbdeblur-natural": shaken(crops(128, 3), generator=generator),
    }
    for name, pair in blurry.items():
        model = load(name)
        parts = [model.infer(y) for y in pair.y.split(17)]
        mean = torch.cat([part.mean for part in parts])
        total = torch.cat([part.total.expand_as(part.mean) for part in parts])
        truth = with_floor(pair.kernel.double(), model.config.floor)
        about = {"posterior": "kernel pixels", "model": name, "unit": "1"}
        picture = numbers(len(truth), truth[0].numel())
        parameters = array(mean), array(total)
        claims = Claims(about | {"pictures": "all"}, beta, parameters, array(truth), picture)
        found += rows(claims)
        about |= {"pictures": "entries above 0.005"}
        large = Claims(about, beta, parameters, array(truth), picture).where(claims.truth > 0.005)
        found += rows(large, found[-1]["factor"])
    return found


# The quality of JPEG


def quality() -> list[dict[str, Any]]:
    """VDIR's: Gaussians with the mean and spread of what EST says of draws of the code."""
    generator, found = seeded("cpu", "quality"), []
    compressed = {
        "vdir-jpeg": jpeg_luma(luma(crops(128, 4)), (10.0, 80.0), generator=generator),
        "vdir-jpeg-rgb": jpeg(crops(128, 4), (10.0, 80.0), generator=generator),
    }
    for name, pair in compressed.items():
        model, parts = load(name), []
        for y in pair.y.split(34):
            q = model.posterior(y)
            codes = (q.draw(generator=generator) for _ in range(20))
            drawn = torch.stack([100 * model.estimate(code).flatten() for code in codes])
            parts.append(torch.stack([drawn.mean(0), drawn.std(0)]))
        mean, std = torch.cat(parts, 1)
        about = {"posterior": "JPEG quality", "model": name, "pictures": "10 to 80", "unit": "1"}
        truth = array(pair.truth["quality"])
        claims = Claims(about, normal, (array(mean), array(std)), truth, numbers(len(mean), 1))
        found += rows(claims)
    return found


PARTS: dict[str, Callable[[], Any]] = {
    "noise variance": noise_variance,
    "kernel parameters": kernel_parameters,
    "kernel pixels": kernel_pixels,
    "JPEG quality": quality,
    "picture": pictures,
    "remedy": remedy,
    "intervals": intervals,
    "decision": decision,
}


def parts_so_far() -> dict[str, Any]:
    """What has been computed."""
    try:
        return load_result(RESULT)["parts"]
    except FileNotFoundError:
        return {}


@torch.no_grad()
def main() -> None:
    """Compute what is missing, or what is named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="PART", choices=PARTS, default=[])
    chosen = parser.parse_args().only
    torch.set_num_threads(1)
    for name in chosen or [part for part in PARTS if part not in parts_so_far()]:
        found = rounded(PARTS[name]())
        parts = parts_so_far() | {name: found}
        parts = {key: parts[key] for key in PARTS if key in parts}
        save_result(RESULT, {"parts": parts}, command="python benchmarks/calibration.py")
        print(name, flush=True)


if __name__ == "__main__":
    main()
