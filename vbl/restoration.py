"""What a model says about a photograph."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Restoration:
    """A restored image and whatever the model inferred about its degradation.

    Attributes:
        image: Restored images (B, C, H, W), not clipped.
        noise_std: Inferred standard deviation of the noise (B, 1 or C, h, w), or None.
        kernel: Inferred blur kernels (B, 1, k, k), or None.
    """

    image: Float[Tensor, "b c h w"]
    noise_std: Tensor | None = None
    kernel: Tensor | None = None
