"""How far off a restored picture is, pixel by pixel: a scale predicted from what was inferred.

The error of a denoiser grows with the noise and with the detail that the noise may have hidden.
So the absolute error of a pixel is modelled as

    x_i - μ_i ~ Laplace(0, s_i)      s_i = c σ_i^a d_i^b

with μ the restored picture, σ its inferred noise map, and d its local detail, the standard
deviation around a local mean. The three numbers are fitted by the log score on pictures that no
training saw. An extension of the book, chapter 10.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vbl.degradations import gaussian_kernel, local_variance
from vbl.degradations.operators import blur

LEAST = 0.25 / 255  # of σ and d: a quarter of a grey level
MEAN_WIDTH = 2.0  # in pixels, of the local mean
MEAN_SIDE = 13
WINDOW, WINDOW_STD = 7, 1.4  # of the local square
REACH = MEAN_SIDE // 2 + WINDOW // 2  # how far in pixels the detail looks


@dataclass(frozen=True)
class ErrorScale:
    """The scale of the error as a function of noise and detail, :eq:`eq-error-scale`.

    Attributes:
        factor: c.
        noise: a, the exponent of the noise's standard deviation.
        detail: b, the exponent of the local detail.
    """

    factor: float
    noise: float
    detail: float

    def __call__(
        self, image: Float[Tensor, "b c h w"], noise_std: Float[Tensor, "#b n #h #w"]
    ) -> Float[Tensor, "b 1 h w"]:
        """s, the mean absolute error to expect at each pixel, for all its colours.

        Args:
            image: Restored images.
            noise_std: The standard deviation of the noise, inferred: maps, or (B, 1, 1, 1).
        """
        one, log_noise, log_detail = _features(image, noise_std)
        return (
            math.log(self.factor) * one + self.noise * log_noise + self.detail * log_detail
        ).exp()


def local_detail(image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
    """d, the standard deviation of an image around its local mean, over all colours."""
    var = image.new_tensor([MEAN_WIDTH**2])
    kernel = gaussian_kernel(var, var, torch.zeros_like(var), MEAN_SIDE)
    smooth = blur(image, kernel, "symmetric")
    return local_variance(image, smooth, WINDOW, WINDOW_STD, shared=True).sqrt()


def fit_error_scale(
    image: Float[Tensor, "b c h w"],
    noise_std: Float[Tensor, "#b n #h #w"],
    truth: Float[Tensor, "b c h w"],
) -> ErrorScale:
    """The three numbers under which the errors of some restored images are most probable.

    Args:
        image: Restored images.
        noise_std: As in `ErrorScale`.
        truth: The clean images.
    """
    features = torch.stack(_features(image, noise_std)).double()
    error = (image - truth).abs().mean(1, keepdim=True).double()
    weights = features.new_zeros(len(features)).requires_grad_()
    optimiser = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        log_scale = torch.einsum("f,fbchw->bchw", weights, features)
        value = (log_scale + error * (-log_scale).exp()).mean()  # of Laplace's density, up to log 2
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(loss)
    log_factor, noise, detail = weights.tolist()
    return ErrorScale(math.exp(log_factor), noise, detail)


def _features(image: Tensor, noise_std: Tensor) -> list[Tensor]:
    """1, log σ and log d at each pixel, (B, 1, H, W)."""
    log_detail = local_detail(image).clamp_min(LEAST).log()
    noise = noise_std.mean(1, keepdim=True).clamp_min(LEAST).log()
    return [torch.ones_like(log_detail), noise.expand_as(log_detail), log_detail]
