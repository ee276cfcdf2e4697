"""The evidence lower bound as named terms, in nats per image."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor


def per_image(x: Float[Tensor, "b *rest"]) -> Float[Tensor, " b"]:
    """Sum over all dimensions but the first: (B, ...) to (B,)."""
    return x.flatten(1).sum(1) if x.ndim > 1 else x


@dataclass(frozen=True)
class Elbo:
    """L = Σ log-likelihoods - Σ KL divergences <= log p(y), :eq:`eq-elbo`.

    Attributes:
        log_likelihood: Name to E_q log p, each (B,) in nats per image.
        kl: Name to KL(q || p), each (B,) in nats per image.
        auxiliary: Name to a loss that is minimised but is not part of the bound (an adversarial
            or an estimation loss), each (B,).

    Raises:
        ValueError: If there is no log-likelihood, or the terms are not all (B,).
    """

    log_likelihood: Mapping[str, Tensor]
    kl: Mapping[str, Tensor]
    auxiliary: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self):
        if not self.log_likelihood:
            raise ValueError("a bound needs at least one log-likelihood term, got none")
        groups = (self.log_likelihood, self.kl, self.auxiliary)
        shapes = [(name, tuple(t.shape)) for terms in groups for name, t in terms.items()]
        if len({shape for _, shape in shapes}) > 1 or len(shapes[0][1]) != 1:
            found = ", ".join(f"{name} {shape}" for name, shape in shapes)
            raise ValueError(f"expected every term to be (B,), one value per image, got {found}")

    @property
    def total(self) -> Float[Tensor, " b"]:
        """The bound itself, (B,); auxiliary terms are not part of it."""
        return sum(self.log_likelihood.values()) - sum(self.kl.values())

    def loss(self, numel: int) -> Float[Tensor, ""]:
        """The training loss, a scalar: the mean over images of (auxiliary - bound)/numel.

        Args:
            numel: Values per clean image, C·H·W, so that losses at different image sizes compare.
                Only here is a mean over pixels taken.
        """
        return (sum(self.auxiliary.values()) - self.total).mean() / numel

    def __str__(self) -> str:
        groups = {"log-likelihood": self.log_likelihood, "KL": self.kl, "auxiliary": self.auxiliary}
        rows = [
            f"{f'{kind} {name}':32} {_mean(term):14.3f}"
            for kind, terms in groups.items()
            for name, term in terms.items()
        ]
        return "\n".join([*rows, f"{'bound (nats per image)':32} {_mean(self.total):14.3f}"])


def _mean(term: Tensor) -> float:
    return torch.mean(term.detach()).item()
