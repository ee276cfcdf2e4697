"""VBDeblurNet that also infers how sure it is of the kernel.

The model is `vbl.models.vbdeblur`'s; what differs is the posterior, whose concentration Kernel-Net
estimates by one more number:

    q(h | y) = Dir(ζ),      ζ = C e^t softmax(Kernel-Net(y)), with the same floor

The divergence from the prior is least at C, whatever the image, so the bound cannot train t. It is
trained by the log score -log q(k̃ | y) of the true kernel, with the mean of q detached; the mean is
trained by the divergence at the concentration C, as before. An extension of the book.
"""

import math

from jaxtyping import Float, Float64
from torch import Tensor

from vbl.degradations import Degraded
from vbl.models.vbdeblur import Inferred, VBDeblurNet

LARGEST_FACTOR = math.log(1000)  # by which the concentration may differ from C


class VBDeblurNetLearnedConcentration(VBDeblurNet):
    """VBDeblurNet whose Kernel-Net has one more output: the concentration of q(h | y)."""

    further_numbers = 1

    # 2. Posterior

    def kernel_posterior(self, numbers: Float64[Tensor, "b n"]) -> Inferred:
        """q(h | y) of Kernel-Net's numbers; before training its concentration is near C."""
        prior = super().kernel_posterior(numbers[:, :-1])
        factor = LARGEST_FACTOR * (numbers[:, -1] / LARGEST_FACTOR).tanh()
        return Inferred(factor.exp().view(-1, 1, 1, 1) * prior.concentration)

    # 3. ELBO

    def kernel_terms(
        self, batch: Degraded, found: Inferred
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """KL_h without its gradient, and the two terms that train Kernel-Net in its place."""
        c, prior = self.config, self.prior(batch)
        width = Inferred(found.total * found.mean.detach())
        auxiliary = {
            "place of kernel": Inferred(c.concentration * found.mean).kl(prior),
            "width of kernel": -width.log_prob(prior / c.concentration),
        }
        times = 1 if c.kernel_counts == "once" else batch.x[0].numel()
        return found.kl(prior).detach(), {name: times * term for name, term in auxiliary.items()}
