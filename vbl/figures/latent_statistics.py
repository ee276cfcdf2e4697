"""What a code has learned: what can be read off it, and whether a restoration listens to it.

::

    pooled(model.posterior(y).mean)                 one row of numbers for each picture
    linear_r2(rows, levels)                         how much of the level a straight line explains
    neighbours(rows)                                the map of t-SNE, to look at
    middles(open_dataset("kodak24"), 256)           pictures of one size, to exchange codes between
    squares(images, 64)                             and their patches
    mmd(rows, others)                               whether two samples come from one distribution
"""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float
from sklearn.linear_model import LinearRegression
from sklearn.manifold import TSNE
from torch import Tensor

from vbl.images import Sample


def pooled(code: Float[Tensor, "b n h w"]) -> Float[Tensor, "b n"]:
    """The mean of each channel of a code over its places, as the paper pools it (Fig. 7)."""
    return code.mean((2, 3))


def linear_r2(features: Float[Tensor, "b n"], target: Float[Tensor, " b"]) -> float:
    """How much of a number a linear function of some features explains, on rows it has not seen.

    Args:
        features: One row for each picture; the first half is fitted, the other half is judged, so
            that the two should be of different pictures.
        target: What is to be explained.

    Returns:
        R²: 1 is all, 0 what the mean explains; below 0 it is worse than the mean.

    Raises:
        ValueError: With fewer than four rows.
    """
    if len(features) < 4:
        raise ValueError(f"features: expected at least four rows, got {len(features)}")
    half = len(features) // 2
    rows, values = features.double().cpu().numpy(), target.double().cpu().numpy()
    line = LinearRegression().fit(rows[:half], values[:half])
    return float(line.score(rows[half:], values[half:]))


def neighbours(
    features: Float[Tensor, "b n"], *, perplexity: float = 30.0, seed: int = 0
) -> Float[Tensor, "b 2"]:
    """A flat map on which similar rows lie together: t-SNE (van der Maaten and Hinton, 2008).

    Distances on the map mean little; who is whose neighbour means something.

    Args:
        features: One row for each picture; each column is divided by its standard deviation.
        perplexity: About how many neighbours a row has; fewer than there are rows.
        seed: Of the map's optimisation. It begins with the two main axes.

    Raises:
        ValueError: When there are too few rows for the perplexity.
    """
    rows = features.double().cpu().numpy()
    if len(rows) <= perplexity:
        raise ValueError(f"perplexity: expected less than {len(rows)} rows, got {perplexity:g}")
    rows = (rows - rows.mean(0)) / rows.std(0).clip(1e-12)
    places = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(rows)
    return torch.from_numpy(np.ascontiguousarray(places))


def mmd(a: Float[Tensor, "n d"], b: Float[Tensor, "m d"]) -> float:
    """Squared maximum mean discrepancy of two samples, without bias (Gretton et al., 2012).

    0 on average where both come from one distribution; it may then be negative. The kernel is
    Gaussian, exp(-d²/(2 w²)), with w the median distance between two rows of all.

    Args:
        a: Rows of the one sample, two or more.
        b: Rows of the other.

    Raises:
        ValueError: With fewer than two rows in either.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"a, b: expected at least two rows each, got {len(a)} and {len(b)}")
    rows = torch.cat([a, b]).double()
    squared = torch.cdist(rows, rows).square()
    apart = squared[torch.ones_like(squared).triu(1) > 0]
    kernel = (-squared / (2 * apart.median().clamp_min(1e-300))).exp()
    within = [
        (part.sum() - len(part)) / (len(part) * (len(part) - 1))
        for part in (kernel[: len(a), : len(a)], kernel[len(a) :, len(a) :])
    ]
    return float(sum(within) - 2 * kernel[: len(a), len(a) :].mean())


def squares(images: Float[Tensor, "b c h w"], side: int) -> Float[Tensor, "n c side side"]:
    """All whole squares of images, cut side by side, image after image and row after row.

    Args:
        images: Of at least `side` pixels along both sides.
        side: In pixels.
    """
    cut = images.unfold(2, side, side).unfold(3, side, side)
    return cut.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)


def middles(pictures: Iterable[Sample], side: int) -> Float[Tensor, "b c side side"]:
    """The middle of each picture: of one size, their codes can be exchanged.

    Args:
        pictures: Of at least `side` pixels along both sides.
        side: In pixels.

    Raises:
        ValueError: Naming a picture that is too small.
    """
    found = []
    for sample in pictures:
        height, width = sample.image.shape[-2:]
        if min(height, width) < side:
            raise ValueError(
                f"{sample.name}: expected at least {side} pixels, got {height} x {width}"
            )
        top, left = (height - side) // 2, (width - side) // 2
        found.append(sample.image[..., top : top + side, left : left + side])
    return torch.cat(found)
