"""What predicted errors are good for: intervals that ship, and which parts to give away.

The parts "intervals" and "decision" of `benchmarks/calibration.py`.
"""

from typing import Any

import torch
from predictive import (
    LEVEL,
    SIDE,
    by_picture,
    error_scale,
    from_noise_and_detail,
    in_units,
    of_each_picture,
    photographs,
    real_pairs,
    restored,
)
from torch import Tensor
from torch.nn import functional as F

from vbl.degradations import Degrade, Degraded, everyday, noniid
from vbl.evaluation import conformal_quantile
from vbl.images import text_page
from vbl.models import load
from vbl.restoration import fit_error_scale, local_detail
from vbl.utils import seeded

BLOCK = 16
SHARES = [round(0.05 * i, 2) for i in range(21)]

# Intervals that ship

OWN: dict[str, Degrade] = {
    "virnet-photo": everyday,
    "virnet-denoise": noniid,
    "vdn-denoise": noniid,
}


def intervals() -> dict[str, Any]:
    """For each denoiser scale and factor, and what they cover on its own kind and on others."""
    models, rows = {}, []
    for name, degrade in OWN.items():
        generator, x = seeded("cpu", "intervals", name), photographs()
        half = len(x) // 2
        both = degrade(x, generator=generator)
        fit, test = (
            Degraded(both.y[part], both.x[part]) for part in (slice(half), slice(half, None))
        )
        page = text_page((SIDE, SIDE), n=34, generator=generator).expand(-1, 3, -1, -1)
        pairs = {"own kind": test, "pages": degrade(page, generator=generator)} | real_pairs()
        found = _answers(name, fit)
        scale = fit_error_scale(*found, fit.x)
        factor = conformal_quantile(by_picture(in_units(scale, found, fit.x)), LEVEL)
        models[name] = vars(scale) | {"interval": factor}
        for kind, pair in pairs.items():
            found = _answers(name, pair)
            held = in_units(scale, found, pair.x) <= factor
            width = 2 * factor * scale(*found).mean().item()
            row = {"model": name, "pictures": kind, "count": len(pair.x), "sharpness": width}
            rows.append(row | {"covered": held.double().mean().item()} | of_each_picture(held))
    return {"models": models, "rows": rows}


def _answers(name: str, pair: Degraded) -> tuple[Tensor, Tensor]:
    """Restored images and noise maps."""
    parts = [load(name).restore(y) for y in pair.y.split(8)]
    return torch.cat([p.image for p in parts]), torch.cat([p.noise_std for p in parts])


# Which parts to give away


def decision() -> dict[str, Any]:
    """The share of the squared error that is left, by the share of blocks that are given away."""
    generator, side = seeded("cpu", "decision"), 224
    x = photographs(side)[68::2]
    page = text_page((side, side), n=24, generator=generator).expand(-1, 3, -1, -1)
    found = {}
    for kind, clean in {"photographs": x, "pages": page}.items():
        answer = restored(noniid(clean, generator=generator))
        error = (answer.images[0] - answer.pair.x).square()
        orders = {
            "oracle": error,
            "noise and detail": from_noise_and_detail(error_scale(), answer).square(),
            "noise": answer.noise_std.square(),
            "detail": local_detail(answer.images[0]).square(),
            "ensemble": answer.spread.square(),
            "random": torch.rand(answer.noise_std.shape, generator=generator),
        }
        curves = {name: left(_blocks(error), _blocks(order)) for name, order in orders.items()}
        found[kind] = {"count": len(clean), "curves": curves}
    return {"shares": SHARES, "kinds": found}


def _blocks(values: Tensor) -> Tensor:
    """Means over blocks, (B, blocks)."""
    return F.avg_pool2d(values.mean(1, keepdim=True), BLOCK).flatten(1)


def left(error: Tensor, order: Tensor) -> list[float]:
    """What is left of each picture's error if the blocks with the largest `order` are perfect."""
    sorted_error = error.gather(1, order.argsort(1, descending=True))
    total = sorted_error.sum(1, keepdim=True)
    rest = 1 - F.pad(sorted_error.cumsum(1), (1, 0)) / total
    places = [round(share * error.shape[1]) for share in SHARES]
    return rest[:, places].clamp_min(0).mean(0).tolist()
