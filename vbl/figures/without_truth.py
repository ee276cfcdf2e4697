"""What can be measured of a denoiser on noisy pictures, without their truth."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vbl.degradations import Degrade
from vbl.figures.noise_statistics import autocorrelation
from vbl.images import ImageSet, middle
from vbl.images.piles import some_of
from vbl.restoration import restore
from vbl.utils import seeded

SIDE = 256  # of what is measured, in pixels
FEWEST = 4  # exposures of a burst


def cut_alike(pile: ImageSet, side: int = SIDE, count: int = 8) -> Float[Tensor, "n c h w"]:
    """The middles of some pictures of a pile, squares of one size.

    Args:
        pile: Pictures of one number of channels.
        side: Largest side in pixels; a multiple of four that fits into all of them is taken.
        count: Pictures, at most.
    """
    images = list(some_of(pile, count))
    side = min(side, *(size for v in images for size in v.shape[-2:])) // 4 * 4
    return torch.cat([middle(image, side) for image in images])


def taken_and_made(
    denoiser: nn.Module, make: Degrade, y: Float[Tensor, "n c h w"]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Two pairs (noisy, clean): what a denoiser takes out, and what was made, on the result.

    Args:
        denoiser: A model that restores pictures.
        make: The degradation that it was trained on.
        y: Noisy pictures.
    """
    x = torch.cat([restore(denoiser, picture).image for picture in y.split(1)]).clamp(0, 1)
    made = make(x, generator=seeded("cpu", "made"))
    return {"taken out": (y, x), "made": (made.y, made.x)}


def noise_numbers(noisy: Tensor, clean: Tensor) -> dict[str, float]:
    """Standard deviation of the noise of pairs, of 255, and correlations with its neighbours.

    Args:
        noisy: (B, C, H, W).
        clean: Of the same shape.
    """
    noise = (noisy - clean).clamp(-0.5, 0.5)
    table = autocorrelation(noise, 2)
    return {
        "std (of 255)": 255 * noise.std().item(),
        "correlation, next pixel": table[2, 3].item(),
        "correlation, pixel below": table[3, 2].item(),
        "correlation, two pixels apart": table[2, 4].item(),
    }


@dataclass(frozen=True)
class SplitHalf:
    """Errors that a burst shows without a truth.

    Attributes:
        noisy: PSNR of an exposure in dB.
        restored: PSNR of a restored exposure in dB.
        drift: Squared distance of the means of both halves over what the noise explains; 1 if
            nothing moved, and not much more where both PSNR are to be believed.
    """

    noisy: float
    restored: float
    drift: float


def split_half(denoiser: nn.Module, burst: Float[Tensor, "n c h w"]) -> SplitHalf:
    """PSNR of a denoiser on exposures of one scene that does not move, without a truth.

    A restored exposure of one half is compared with the mean of the other half, whose noise it
    cannot know. The variance of that mean is known from its exposures, and is subtracted:
    E ‖r(a) - mean(B)‖² = E ‖r(a) - x‖² + Var mean(B), for noise of mean zero that is independent
    from exposure to exposure.

    Args:
        denoiser: A model that restores pictures.
        burst: Four exposures or more.

    Raises:
        ValueError: When there are fewer.
    """
    if len(burst) < FEWEST:
        raise ValueError(f"burst: expected {FEWEST} exposures or more, found {len(burst)}")
    halves = burst[0::2], burst[1::2]
    errors = {"noisy": [], "restored": []}
    for one, other in (halves, halves[::-1]):
        mean, var = other.mean(0, keepdim=True), (other.var(0) / len(other)).mean()
        restored = torch.cat([restore(denoiser, y).image for y in one.split(1)])
        for name, images in (("noisy", one), ("restored", restored)):
            errors[name].append((images - mean).square().mean() - var)
    psnr = {name: -10 * math.log10(max(1e-10, sum(e).item() / 2)) for name, e in errors.items()}
    early, late = burst.split([len(burst) // 2, len(burst) - len(burst) // 2])
    apart = (early.mean(0) - late.mean(0)).square().mean()
    explained = sum((half.var(0) / len(half)).mean() for half in (early, late))
    return SplitHalf(**psnr, drift=(apart / explained).item())
