"""What the weights in published losses are as constants of a bound.

A loss is a bound up to a factor and a constant if the likelihood's scale is chosen so.
"""

import math

from vbl.networks.autoencoder import REDUCTION


def decoder_std(kl_weight: float = 1e-4, share: float = 0.5) -> float:
    """s of LUD-VAE for which the bound is the authors' training loss, up to factor and constant.

    For B images of n values each, a share r of them degraded, their loss is the mean squared error
    of all images plus λ times the mean divergence per value of the degraded images:

        Σ ‖d - image‖²/(B n) + λ Σ KL/(r B n)

    Multiplied by B n/(2 s²), the first sum is the bound's; the second is if λ/(2 s² r) = 1, at
    s² = λ/(2 r).

    Args:
        kl_weight: λ, the code's 1e-4 after annealing.
        share: r, a half in balanced batches.

    Returns:
        s in units of the images: 0.01, or 2.55 of 255. The paper prints s = 1.
    """
    return math.sqrt(kl_weight / (2 * share))


def laplace_scales(
    beta: float = 0.01, *, channels: int = 3, scale: int = 1, code: int = 4
) -> tuple[float, float]:
    """b_x and b_y of VDIR for which the bound is its loss, Eq. (19), up to factor and constant.

    The loss is β times the mean divergence over the n_c values of the code, plus the mean absolute
    errors over n_x and n_y values. Multiplied by n_c/β it is the negative bound with
    b_x = β n_x/n_c and b_y = β n_y/n_c.

    Args:
        beta: β.
        channels: Channels of the images.
        scale: Factor of super-resolution: x has scale² as many values as y.
        code: Channels of the code, at 1/16 of the pixels of y.

    Returns:
        b_x and b_y in units of the images: 0.12 for a colour image and 0.04 for a grey one.
    """
    per_value = beta * channels * REDUCTION**2 / code
    return per_value * scale**2, per_value
