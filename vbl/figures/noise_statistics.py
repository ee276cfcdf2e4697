"""Statistics of the noise y - x of image pairs."""

import torch
from jaxtyping import Float
from torch import Tensor


def noise_level_function(
    noise: Float[Tensor, "b c h w"], clean: Float[Tensor, "b c h w"], bins: int = 16
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Standard deviation of the noise as a function of the clean value.

    Args:
        noise: Residuals y - x (B, C, H, W).
        clean: Clean images of the same shape, in [0, 1].
        bins: Equal intervals of [0, 1]; those with fewer than 100 values are dropped.

    Returns:
        Mean clean value and standard deviation of the noise per interval, both (n,), n <= bins.
    """
    index = (clean * bins).long().clamp(0, bins - 1).flatten()
    noise, clean = noise.flatten().double(), clean.flatten().double()
    count = torch.bincount(index, minlength=bins)

    def mean(v: Tensor) -> Tensor:
        return torch.bincount(index, weights=v, minlength=bins) / count.clamp_min(1)

    std = (mean(noise**2) - mean(noise) ** 2).clamp_min(0).sqrt()
    enough = count >= 100
    return mean(clean)[enough], std[enough]


def autocorrelation(noise: Float[Tensor, "b c h w"], reach: int = 4) -> Float[Tensor, "side side"]:
    """Correlation of the residual at one pixel with that at its neighbours.

    Args:
        noise: Residuals (B, C, H, W), H and W larger than `reach`.
        reach: Largest shift in pixels.

    Returns:
        (2 reach + 1, 2 reach + 1), 1 in the middle; rows are vertical shifts, columns
        horizontal ones. White noise gives 0 elsewhere, constant noise NaN.

    Raises:
        ValueError: If a side is not larger than `reach`.
    """
    h, w = noise.shape[-2:]
    if min(h, w) <= reach:
        raise ValueError(f"expected more than {reach} pixels along each side, got {h} x {w}")
    n = noise - noise.mean((-2, -1), keepdim=True)
    result = n.new_ones(2 * reach + 1, 2 * reach + 1)
    for dy in range(reach + 1):
        for dx in range(-reach, reach + 1):
            a = n[..., dy:, max(dx, 0) : w + min(dx, 0)]
            b = n[..., : h - dy, max(-dx, 0) : w - max(dx, 0)]
            value = (a * b).sum() / (a.square().sum() * b.square().sum()).sqrt()
            result[reach + dy, reach + dx] = result[reach - dy, reach - dx] = value
    return result


def histogram_kl(noise: Float[Tensor, "b c h w"], truth: Float[Tensor, "b c h w"]) -> float:
    """Divergence KL(truth || noise) of the histograms of two residuals, in nats.

    They have 101 equal intervals over six standard deviations of `truth`, outside of which values
    are clamped. One count is added to each, so that none is empty.
    """
    reach = 3 * truth.std().item()

    def shares(values: Tensor) -> Tensor:
        counts = torch.histc(values.flatten().clamp(-reach, reach).double(), 101, -reach, reach)
        return (counts + 1) / (counts + 1).sum()

    p, q = shares(truth), shares(noise)
    return float((p * (p / q).log()).sum())
