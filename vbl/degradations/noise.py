"""Additive noise: white, spatially varying, Poisson-Gaussian, correlated, signal-dependent."""

import torch
from jaxtyping import Float
from torch import Tensor

from vbl.degradations.degraded import Degraded, Level, check_images, holds, one_per_image
from vbl.degradations.noise_maps import case_noise_map, training_noise_map
from vbl.degradations.operators import blur
from vbl.utils import constant, randn_like

BINOMIAL = (1.0, 2.0, 1.0)


def add_white_noise(
    clean: Tensor, std: Level, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Noisy images and the variance (B, 1, 1, 1) of their noise."""
    level = one_per_image(std, clean, generator).view(-1, 1, 1, 1)
    return clean + level * randn_like(clean, generator=generator), level**2


def awgn(
    x: Float[Tensor, "b c h w"], std: Level = 25 / 255, *, generator: torch.Generator | None = None
) -> Degraded:
    """Additive white Gaussian noise: y = x + std · n, the same level at every pixel.

    See :eq:`eq-degradation` with H the identity.

    Args:
        std: Noise level: one for all images, one for each, or a range to draw from.
    """
    check_images(x)
    y, var = add_white_noise(x, std, generator)
    return Degraded(y, x, noise_var=var)


def noniid(
    x: Float[Tensor, "b c h w"],
    std_map: Float[Tensor, "n 1 h w"] | None = None,
    *,
    case: int | None = None,
    generator: torch.Generator | None = None,
) -> Degraded:
    """Gaussian noise whose level varies over the image: y = x + σ(pixel) · n.

    Args:
        std_map: Standard deviations (B or 1, 1, H, W); None draws a map.
        case: 1, 2 or 3 for a test map (`noise_maps.case_noise_map`); None for a random training
            map (`noise_maps.training_noise_map`).

    Raises:
        ValueError: If both `std_map` and `case` are given, or the map is negative.
    """
    check_images(x)
    b, _, h, w = x.shape
    if std_map is not None and case is not None:
        raise ValueError("give std_map or case, not both")
    if case is not None:
        std_map = case_noise_map(case, h, w, generator=generator)
    elif std_map is None:
        std_map = training_noise_map(b, h, w, generator=generator)
    if not holds(std_map >= 0):  # also refuses NaN
        raise ValueError(f"std_map: expected values >= 0, got a minimum of {std_map.min():.4g}")
    std = std_map.to(x).expand(b, 1, h, w)
    return Degraded(x + std * randn_like(x, generator=generator), x, noise_var=std**2)


def poisson_gaussian(
    x: Float[Tensor, "b c h w"],
    photons: Level = 100.0,
    read_std: Level = 2 / 255,
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """Photon and read noise: y = Poisson(photons · x)/photons + read_std · n.

    The variance x/photons + read_std² grows with the signal :cite:p:`foi2008practical`.

    Args:
        x: Images (B, C, H, W), taken as linear light.
        photons: Expected count at x = 1.
        read_std: Standard deviation of the read noise.

    Raises:
        ValueError: If `photons` is zero for some image.
    """
    check_images(x)
    peak = one_per_image(photons, x, generator).view(-1, 1, 1, 1)
    if not holds(peak > 0):
        raise ValueError("photons: expected positive counts, got 0")
    read = one_per_image(read_std, x, generator).view(-1, 1, 1, 1)
    counts = torch.poisson(peak * x, generator=generator)
    truth = {"photons": peak.flatten(), "read_std": read.flatten()}
    y = counts / peak + read * randn_like(x, generator=generator)
    return Degraded(y, x, noise_var=x / peak + read**2, truth=truth)


def correlated(
    x: Float[Tensor, "b c h w"], std: Level = 25 / 255, *, generator: torch.Generator | None = None
) -> Degraded:
    """Correlated Gaussian noise: white noise through a 3 x 3 binomial filter.

    The filter is scaled so that every pixel has the variance std². Along rows and columns the
    correlation is 2/3 at a distance of one pixel, 1/6 at two, and 0 further away.

    Args:
        std: Noise level, as in `awgn`.
    """
    check_images(x)
    level = one_per_image(std, x, generator).view(-1, 1, 1, 1)
    binomial = constant(BINOMIAL, x)
    binomial = torch.outer(binomial, binomial)
    binomial = (binomial / binomial.norm())[None, None]
    # White noise with one more pixel on every side, so that the variance is std² at the border too.
    b, c, h, w = x.shape
    white = randn_like(x, generator=generator, shape=(b, c, h + 2, w + 2))
    noise = blur(white, binomial)[..., 1:-1, 1:-1]
    return Degraded(x + level * noise, x, noise_var=level**2)


def grain(
    x: Float[Tensor, "b c h w"], std: float = 20 / 255, *, generator: torch.Generator | None = None
) -> Degraded:
    """Signal-dependent correlated noise, as film grain, of standard deviation std (½ + x).

    Correlated as in `correlated`. LUD-VAE learns it from unpaired images in chapter 7.

    Args:
        std: Level at x = ½.
    """
    check_images(x)
    noise = correlated(torch.zeros_like(x), 1.0, generator=generator).y
    level = std * (0.5 + x)
    return Degraded(x + level * noise, x, noise_var=level**2)
