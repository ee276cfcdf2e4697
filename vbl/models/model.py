"""What a model must have; `Restoration`, the result of every model; checks of configurations.

A model is an ``nn.Module`` with

- a constructor whose only argument is a dataclass, kept as ``config``: loading weights needs it;
- ``forward(batch, generator=...)``, which returns the `vbl.probability.Elbo` of a
  `vbl.degradations.Degraded`;
- ``objectives()``: objective -> {name: network that it trains}. Most models have one objective,
  "bound". A model with a discriminator has a second one, for which ``forward`` is called with
  ``objective=`` the name. A parameter outside these networks is not trained;
- ``restore(y)``, which returns a `Restoration`; ``restore(y, noise_std)`` if a network of it needs
  the noise level. Images are restored in tiles if its networks have a ``receptive_radius``
  (`vbl.networks.Network`).

Its networks compute where their weights are, and what they return lies where their input does: so
images need not be on the device of the model.

It may have ``infer(y)``, whose result for the whole image is passed to ``restore(y, inferred=...)``
with each tile; ``restoring``, the networks applied to tiles, if others are not; and
``config.scale``, the factor of super-resolution.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Restoration:
    """A restored image and what the model inferred about its degradation.

    Attributes:
        image: Restored images (B, C, H, W), not clipped.
        noise_std: Inferred standard deviation of the noise, a map (B, 1 or C, h, w) or one value
            per image (B, 1, 1, 1); or None.
        kernel: Inferred blur kernels (B, 1, k, k), or None.
        kernel_parameters: Their λ1², λ2² in pixels² and ρ, (B, 3), where they are Gaussian.
        quality: Inferred quality of JPEG, 0 to 100, (B, 1, 1, 1), or None.
        uncertainty: Half the width of an interval around each value that holds the clean one with
            probability 0.9, a map (B, 1, H, W) of `vbl.restoration.WithUncertainty`; or None.
    """

    image: Float[Tensor, "b c h w"]
    noise_std: Tensor | None = None
    kernel: Tensor | None = None
    kernel_parameters: Tensor | None = None
    quality: Tensor | None = None
    uncertainty: Tensor | None = None

    @property
    def parts(self) -> dict[str, Tensor]:
        """The fields that are not None, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


LOG_VARIANCE = (math.log(1e-10), math.log(1e2))  # of pixels; keeps 1/β and log β finite
FIRST_STD = 25 / 255  # noise level that an untrained SNet estimates


def check_choices(config: Any, choices: Mapping[str, Sequence[Any]]) -> None:
    """Raise a ValueError if an attribute of a config is not one of its choices."""
    for name, known in choices.items():
        if getattr(config, name) not in known:
            expected = ", ".join(map(repr, known))
            raise ValueError(f"{name}: expected one of {expected}; got {getattr(config, name)!r}")
