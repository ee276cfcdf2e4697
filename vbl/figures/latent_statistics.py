"""Statistics of latent codes: the information in them, and their effect on a restoration.

::

    pooled(model.posterior(y).mean)                 one feature vector for each picture
    linear_r2(rows, levels)                         R² of a linear prediction of the noise level
    neighbours(rows)                                t-SNE, to plot
    middles(open_dataset("kodak24"), 256)           pictures of one size, to exchange codes between
    squares(images, 64)                             and their patches
    mmd(rows, others)                               distance of two samples' distributions
"""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vbl.images import Sample, middle


def pooled(code: Float[Tensor, "b n h w"]) -> Float[Tensor, "b n"]:
    """The mean of each channel of a code, as in VDIR's Fig. 7."""
    return code.mean((2, 3))


def linear_r2(features: Float[Tensor, "b n"], target: Float[Tensor, " b"]) -> float:
    """R² on held-out rows of a linear regression: 1 is perfect, 0 as good as the mean.

    Args:
        features: One row per picture; the first half is for the fit, the second for R², so the two
            halves should be of different pictures.
        target: The values to predict.

    Raises:
        ValueError: With fewer than four rows.
    """
    if len(features) < 4:
        raise ValueError(f"features: expected at least four rows, got {len(features)}")
    from sklearn.linear_model import LinearRegression  # takes seconds, and few pages need it

    half = len(features) // 2
    rows, values = features.double().cpu().numpy(), target.double().cpu().numpy()
    line = LinearRegression().fit(rows[:half], values[:half])
    return float(line.score(rows[half:], values[half:]))


def neighbours(features: Float[Tensor, "b n"], *, perplexity: float = 30.0) -> Float[Tensor, "b 2"]:
    """t-SNE in two dimensions (van der Maaten and Hinton, 2008).

    It preserves neighbourhoods, not distances. The optimisation starts from a PCA.

    Args:
        features: One row per picture; columns are standardised.
        perplexity: About the number of neighbours of a row; less than the number of rows.

    Raises:
        ValueError: When there are too few rows for the perplexity.
    """
    from sklearn.manifold import TSNE  # likewise

    rows = features.double().cpu().numpy()
    if len(rows) <= perplexity:
        raise ValueError(f"perplexity: expected less than {len(rows)} rows, got {perplexity:g}")
    rows = (rows - rows.mean(0)) / rows.std(0).clip(1e-12)
    places = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(rows)
    return torch.from_numpy(np.ascontiguousarray(places))


def mmd(a: Float[Tensor, "n d"], b: Float[Tensor, "m d"]) -> float:
    """Unbiased squared maximum mean discrepancy of two samples (Gretton et al., 2012).

    Its mean is 0 for samples of one distribution; it may be negative. The kernel is Gaussian,
    exp(-d²/(2 w²)), with w the median distance between rows of both samples.

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
    """Images divided into squares of `side` pixels, without overlap, in raster order."""
    cut = images.unfold(2, side, side).unfold(3, side, side)
    return cut.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)


def middles(pictures: Iterable[Sample], side: int) -> Float[Tensor, "b c side side"]:
    """Central crops of `side` pixels, so that pictures of one size can exchange codes.

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
        found.append(middle(sample.image, side))
    return torch.cat(found)
