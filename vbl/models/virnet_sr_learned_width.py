"""VIRNet's blind super-resolution that also infers the width of the blur's posterior.

The model is `vbl.models.virnet_sr`'s; in the posterior the widths are outputs of KNet:

    q(λ_l² | y) = IG(κ_l - 1, κ_l η_l)      q(ρ | y) = N(m, r²),      η, m, κ, r² = KNet(y)

The bound is largest at the prior's widths for every image, so it cannot train them. They are
trained by the log score -log q(Λ̂ | y) of the true parameters, with the location detached; the
location is trained by KL_Λ at the prior's widths, as before. An extension of the book.
"""

import math

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal

from vbl.degradations import Degraded
from vbl.models.noise_and_blur import Inferred
from vbl.models.virnet_sr import VIRNetSR
from vbl.probability import inverse_gamma_log_prob

LOG_STRENGTH = (math.log(0.05), math.log(1e4))  # of κ - 2
LOG_SPREAD = (math.log(1e-6), math.log(1.0))  # of r²


class VIRNetSRLearnedWidth(VIRNetSR):
    """VIRNet-SR whose KNet has three more outputs: the widths of q(Λ | y)."""

    kernel_numbers = 6

    # 2. Posterior

    def kernel_posterior(
        self, mode: Float[Tensor, "b 1 1 1"], numbers: Float[Tensor, "b n"]
    ) -> Inferred:
        """q(Λ | y) from KNet's outputs; before training it is about as wide as the prior."""
        prior = super().kernel_posterior(mode, numbers[:, :3])
        log_strength = (prior.kappa - 2).log() + numbers[:, 3:5]
        kappa = 2 + clamp_straight_through(log_strength, *LOG_STRENGTH).exp()
        eta = prior.eta * (kappa - 2) / kappa  # KL_Λ trains the mean of λ², not its mode
        spread = clamp_straight_through(prior.spread.log() + numbers[:, 5:6], *LOG_SPREAD).exp()
        return Inferred(mode, eta, prior.rho, kappa, spread)

    # 3. ELBO

    def kernel_terms(
        self, batch: Degraded, found: Inferred
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """KL_Λ, detached, and the two auxiliary losses that train KNet instead."""
        prior_width = found.with_prior_width(self.config.kappa0, self.config.r0_sq)
        auxiliary = {
            "place of kernel": self.kl_kernel(batch, prior_width),
            "width of kernel": -self.kernel_log_prob(batch, found.detach_location()),
        }
        return self.kl_kernel(batch, found).detach(), auxiliary

    def kernel_log_prob(self, batch: Degraded, found: Inferred) -> Float[Tensor, " b"]:
        """log q(Λ̂ | y) of the true parameters, in nats."""
        lambda_sq, rho = self.lambda_hat(batch)
        widths = inverse_gamma_log_prob(lambda_sq, found.kappa - 1, found.kappa * found.eta)
        correlation = Normal(found.rho, found.spread.sqrt(), validate_args=False).log_prob(rho)
        return widths.sum(1) + correlation[:, 0]


def clamp_straight_through(x: Tensor, low: float, high: float) -> Tensor:
    """Clamp with the gradient of the identity, so that values outside can still be trained."""
    return x + (x.clamp(low, high) - x).detach()
