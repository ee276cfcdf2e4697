"""VBDeblurNet that also infers the concentration of the kernel's posterior.

The model is `vbl.models.vbdeblur`'s; in the posterior the concentration is a further output t of
Kernel-Net:

    q(h | y) = Dir(ζ),      ζ = C e^t softmax(Kernel-Net(y)), with the same floor

The KL from the prior is smallest at C for every image, so the bound cannot train t. It is trained
by the log score -log q(k̃ | y) of the true kernel, with the mean of q detached; the mean is trained
by the KL at the concentration C, as before. An extension of the book.
"""

import math

from jaxtyping import Float, Float64
from torch import Tensor

from vbl.degradations import Degraded
from vbl.models.vbdeblur import Inferred, VBDeblurNet

LARGEST_FACTOR = math.log(1000)  # bound of |t|


class VBDeblurNetLearnedConcentration(VBDeblurNet):
    """VBDeblurNet whose Kernel-Net has one more output: the concentration of q(h | y)."""

    further_numbers = 1

    # 2. Posterior

    def kernel_posterior(self, numbers: Float64[Tensor, "b n"]) -> Inferred:
        """q(h | y) from Kernel-Net's outputs; before training its concentration is near C."""
        prior = super().kernel_posterior(numbers[:, :-1])
        factor = LARGEST_FACTOR * (numbers[:, -1] / LARGEST_FACTOR).tanh()
        return Inferred(factor.exp().view(-1, 1, 1, 1) * prior.concentration)

    # 3. ELBO

    def kernel_terms(
        self, batch: Degraded, found: Inferred
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """KL_h, detached, and the two auxiliary losses that train Kernel-Net instead."""
        c, prior = self.config, self.prior(batch)
        width = Inferred(found.total * found.mean.detach())
        auxiliary = {
            "place of kernel": Inferred(c.concentration * found.mean).kl(prior),
            "width of kernel": -width.log_prob(prior / c.concentration),
        }
        times = 1 if c.kernel_counts == "once" else batch.x[0].numel()
        return found.kl(prior).detach(), {name: times * term for name, term in auxiliary.items()}
