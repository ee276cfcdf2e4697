"""VBDeblurNet: infer the blur kernel, with a Dirichlet posterior, then restore, conditioned on it.

Generative model (d values in an image, d' pixels in a kernel):

    y_i ~ N((h * z)_i, σ²)      z_i ~ N(x_i, eps0²)      h ~ Dir(C k̃)

with x the clean image of the training pair and k̃ its blur kernel, with a floor δ, since the mean
of a Dirichlet distribution has no zeros: k̃ = (k + δ)/(1 + δ d'). Posterior, given y alone:

    q(z, h | y) = q(h | y) q(z | y, h), kernel-dependent, or q(h | y) q(z | y), kernel-free
    q(h | y) = Dir(ζ),                   ζ = C softmax(Kernel-Net(y)), with the same floor
    q(z_i | y, h) = N(μ_i, m_i²),        μ, m² = Deblur-Net(y, h) or Deblur-Net(y)

σ², eps0² and C are constants. Wang et al., "A deep variational Bayesian framework for blind image
deblurring", Eq. (2)-(17).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Float64
from scipy.special import betaincinv
from torch import Tensor, nn
from torch.distributions import Dirichlet, Normal

from vbl.degradations import Degraded, with_floor
from vbl.degradations.operators import blur
from vbl.models.model import LOG_VARIANCE, Restoration, check_choices
from vbl.networks import (
    DeblurNet,
    KernelCode,
    KernelPlainNet,
    KernelResNet,
    Network,
    ResUNet,
    append_constants,
)
from vbl.probability import Elbo, kl_dirichlet, kl_normal, per_image, rsample_dirichlet
from vbl.utils import in_float64, randn_like

RESTORERS: dict[str, type[Network]] = {"DeblurNet": DeblurNet, "ResUNet": ResUNet}
ESTIMATORS: dict[str, type[Network]] = {
    "KernelResNet": KernelResNet,
    "KernelPlainNet": KernelPlainNet,
}
TERMS = ("blurred image", "clean image", "kernel")


@dataclass(frozen=True)
class Config:
    """Constants of the model, choices of its training, sizes of its networks.

    Attributes:
        channels: 3 for colour images, 1 for grey ones.
        sigma_sq: σ², variance of the noise.
        eps0_sq: eps0², variance of z given x.
        concentration: C, of the kernel's prior: an entry of mean k̃_i has the variance
            k̃_i (1 - k̃_i)/(C + 1).
        floor: δ, per kernel entry; see `vbl.degradations.with_floor`.
        kernel_size: Side of the kernels in pixels.
        trained: Which terms of the bound are backpropagated, of `TERMS`; all are computed. Without
            "blurred image" Deblur-Net is trained by the mean squared error alone, Kernel-Net as
            before.
        conditioning: What Deblur-Net is conditioned on beside y: a code of the "kernel"
            (kernel-dependent inference; the sample of h in training, else the mean), or "nothing".
        gradient: "flow": the terms that train Deblur-Net are backpropagated through the code into
            Kernel-Net, as in Eq. (14); "stop": the kernel is detached, as in the authors' code.
        likelihood_trains: "restorer", or "all": the likelihood is also backpropagated into
            Kernel-Net. While μ is still y, its best kernel is a Dirac; with the weight 1/σ² the
            softmax saturates there within some hundred steps, its gradient is 0 and Kernel-Net
            stops learning. Blind deconvolution by joint MAP of image and kernel fails likewise.
        kernel_counts: Weight of KL_h: "once", as in the bound, or "per value", times the number of
            values of an image, as in the authors' code. If no other term trains Kernel-Net, the
            two are equal under Adam.
        restorer: A key of `RESTORERS`; any network can be used.
        options: Sizes of the restorer.
        code: Length of the code of a kernel.
        code_width: Hidden channels of the network that computes it.
        estimator: Kernel-Net, a key of `ESTIMATORS`.
        estimator_options: Its sizes.

    Raises:
        ValueError: If a choice is unknown or a constant out of range.
    """

    channels: int = 3
    sigma_sq: float = 1e-5
    eps0_sq: float = 1e-6
    concentration: float = 2e4
    floor: float = 1e-5
    kernel_size: int = 31
    trained: tuple[str, ...] = TERMS
    conditioning: str = "kernel"
    gradient: str = "stop"
    likelihood_trains: str = "restorer"
    kernel_counts: str = "once"
    restorer: str = "DeblurNet"
    options: Mapping[str, Any] = field(default_factory=dict)
    code: int = 20
    code_width: int = 64
    estimator: str = "KernelResNet"
    estimator_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        choices = {
            "channels": (1, 3),
            "conditioning": ("kernel", "nothing"),
            "gradient": ("stop", "flow"),
            "likelihood_trains": ("restorer", "all"),
            "kernel_counts": ("once", "per value"),
            "restorer": tuple(RESTORERS),
            "estimator": tuple(ESTIMATORS),
        }
        check_choices(self, choices)
        if unknown := set(self.trained) - set(TERMS):
            raise ValueError(f"trained: expected some of {TERMS}, got {sorted(unknown)}")
        for name in ("sigma_sq", "eps0_sq", "concentration", "floor"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected a positive number, got {getattr(self, name)}")
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size: expected an odd number, got {self.kernel_size}")


@dataclass(frozen=True)
class Inferred:
    """q(h | y), one per image.

    Attributes:
        concentration: ζ, (B, 1, k, k), in float64: sums of log Γ lose a per cent in float32.
    """

    concentration: Float64[Tensor, "b 1 k k"]

    @property
    def total(self) -> Float64[Tensor, "b 1 1 1"]:
        """The total concentration Σ ζ."""
        return self.concentration.sum((2, 3), keepdim=True)

    @property
    def mean(self) -> Float64[Tensor, "b 1 k k"]:
        """The posterior mean ζ/Σζ."""
        return self.concentration / self.total

    def draw(self, *, generator: torch.Generator | None = None) -> Float64[Tensor, "b 1 k k"]:
        """Sample a kernel from q, with pathwise gradients."""
        h = rsample_dirichlet(self.concentration.flatten(1), generator=generator)
        return h.view_as(self.concentration)

    def kl(self, prior: Float64[Tensor, "b 1 k k"]) -> Float64[Tensor, " b"]:
        """KL(Dir(ζ) || Dir(prior)), Eq. (16)."""
        return kl_dirichlet(self.concentration.flatten(1), prior.flatten(1))

    def interval(
        self, level: float = 0.9
    ) -> tuple[Float64[Tensor, "b 1 k k"], Float64[Tensor, "b 1 k k"]]:
        """Credible interval of each entry of h, of probability `level`; its marginal is a Beta.

        Raises:
            ValueError: If the level is not in (0, 1).
        """
        if not 0 < level < 1:
            raise ValueError(f"level: expected a number in (0, 1), got {level}")
        a, total = (v.detach().cpu().numpy() for v in (self.concentration, self.total))
        ends = (betaincinv(a, total - a, p) for p in ((1 - level) / 2, (1 + level) / 2))
        return tuple(torch.from_numpy(end).to(self.concentration) for end in ends)

    def log_prob(self, kernel: Float64[Tensor, "b 1 k k"]) -> Float64[Tensor, " b"]:
        """log q(kernel | y), for a kernel without zeros."""
        density = Dirichlet(self.concentration.flatten(1), validate_args=False)
        return density.log_prob(kernel.flatten(1))


@dataclass(frozen=True)
class Posterior:
    """q(z, h | y).

    Attributes:
        mean: μ of q(z | y, h), (B, C, H, W).
        var: m².
        kernel: h, which μ and m² are conditioned on, (B, 1, k, k).
        inferred: q(h | y).
    """

    mean: Float[Tensor, "b c h w"]
    var: Float[Tensor, "b c h w"]
    kernel: Float64[Tensor, "b 1 k k"]
    inferred: Inferred


class VBDeblurNet(nn.Module):
    """The network of the paper, kernel-dependent, by default with the sizes of its Table 1."""

    further_numbers = 0  # outputs of Kernel-Net beside the kernel's logits

    def __init__(self, config: Config | None = None):
        super().__init__()
        self.config = c = config or Config()
        numbers = c.kernel_size**2 + self.further_numbers
        self.kernel = ESTIMATORS[c.estimator](c.channels, numbers, **c.estimator_options)
        self.restorer = _restorer(c)
        if c.conditioning == "kernel":
            self.code = KernelCode(c.code, c.code_width)

    def objectives(self) -> dict[str, dict[str, nn.Module]]:
        """Objective -> {name: network that it trains}; see `vbl.training.fit`."""
        return {"bound": {"restorer": self.restoring, "kernel": self.kernel}}

    @property
    def restoring(self) -> nn.ModuleList:
        """The networks that restore tile by tile; Kernel-Net needs the whole image."""
        names = ("restorer", "code")
        return nn.ModuleList(getattr(self, name) for name in names if hasattr(self, name))

    # 1. Generative model

    def degrade(
        self, z: Float[Tensor, "b c h w"], kernel: Float[Tensor, "n 1 k k"]
    ) -> Float[Tensor, "b c h w"]:
        """h * z, the mean of y given z and h; Eq. (1).

        A convolution: h is the point spread function, not flipped. z is padded symmetrically, as
        for the training pairs; for a photograph this is an approximation within half a kernel of
        its edges.
        """
        return blur(z, kernel, "symmetric")

    def prior(self, batch: Degraded) -> Float64[Tensor, "b 1 k k"]:
        """C k̃ of p(h), Eq. (6).

        Raises:
            ValueError: If the batch has no kernels, or kernels of another size.
        """
        size = self.config.kernel_size
        found = None if batch.kernel is None else tuple(batch.kernel.shape)
        if found is None or found[1:] != (1, size, size):
            raise ValueError(f"batch: expected kernels of {size} x {size} pixels, got {found}")
        return self.config.concentration * with_floor(batch.kernel.double(), self.config.floor)

    # 2. Posterior

    def infer(self, y: Float[Tensor, "b c h w"]) -> Inferred:
        """q(h | y), Eq. (9)."""
        return self.kernel_posterior(in_float64(self.kernel(y)))

    def kernel_posterior(self, numbers: Float64[Tensor, "b n"]) -> Inferred:
        """q(h | y) from Kernel-Net's outputs, with the prior's total concentration C."""
        side = self.config.kernel_size
        kernel = numbers.softmax(1).view(-1, 1, side, side)
        return Inferred(self.config.concentration * with_floor(kernel, self.config.floor))

    def posterior(
        self,
        y: Float[Tensor, "b c h w"],
        inferred: Inferred | None = None,
        kernel: Float64[Tensor, "b 1 k k"] | None = None,
    ) -> Posterior:
        """q(z, h | y) at one h, Eq. (9) and (11).

        Args:
            y: Blurred images.
            inferred: The result of `infer` on the images that y are tiles of; by default on y.
            kernel: h; by default the mean of q(h | y).
        """
        inferred = inferred or self.infer(y)
        kernel = inferred.mean if kernel is None else kernel
        residual, log_factor = self._restored(y, kernel).chunk(2, 1)
        # unlike the authors', the networks' outputs are relative to y and to eps0²
        log_var = (math.log(self.config.eps0_sq) + log_factor).clamp(*LOG_VARIANCE)
        return Posterior(y + residual, log_var.exp(), kernel, inferred)

    def _restored(self, y: Tensor, kernel: Tensor) -> Tensor:
        if self.config.conditioning == "nothing":
            return self.restorer(y)
        given = kernel.detach() if self.config.gradient == "stop" else kernel
        code = self.code(given.to(y))
        if self.config.restorer == "DeblurNet":
            return self.restorer(y, code)
        return self.restorer(append_constants(y, code))

    # 3. ELBO

    def bound(
        self, batch: Degraded, q: Posterior, *, generator: torch.Generator | None = None
    ) -> Elbo:
        """L = E log p(y | z, h) - E KL_z - KL_h, Eq. (13) and (14), by one sample of z.

        The expectations over h are taken at `q.kernel`, in training a sample.
        """
        c = self.config
        noise = randn_like(q.mean, generator=generator)
        z = q.mean + q.var.sqrt() * noise
        given = q.kernel if c.likelihood_trains == "all" else q.kernel.detach()
        std = z.new_full((), math.sqrt(c.sigma_sq))
        log_y = Normal(self.degrade(z, given), std, validate_args=False).log_prob(batch.y)
        exact, auxiliary = self.kernel_terms(batch, q.inferred)
        terms = {
            "blurred image": per_image(log_y),
            "clean image": per_image(kl_normal(q.mean, q.var, batch.x, c.eps0_sq)),  # Eq. (15)
            "kernel": exact,
        }
        if "kernel" not in c.trained:
            auxiliary = {}
        for name in set(TERMS) - set(c.trained):
            terms[name] = terms[name].detach()
        return Elbo({"blurred image": terms.pop("blurred image")}, terms, auxiliary)

    def kernel_terms(
        self, batch: Degraded, found: Inferred
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """KL_h, Eq. (16), and the auxiliary losses that train Kernel-Net instead, if any."""
        exact = found.kl(self.prior(batch))
        if self.config.kernel_counts == "once":
            return exact, {}
        return exact.detach(), {"place of kernel": batch.x[0].numel() * exact}

    def forward(self, batch: Degraded, *, generator: torch.Generator | None = None) -> Elbo:
        """The bound of a batch of pairs, in nats per image, at one sample of h and z."""
        inferred = self.infer(batch.y)
        q = self.posterior(batch.y, inferred, inferred.draw(generator=generator))
        return self.bound(batch, q, generator=generator)

    # 4. Restoration

    def restore(self, y: Float[Tensor, "b c h w"], inferred: Inferred | None = None) -> Restoration:
        """The posterior mean of z given the mean of h, and that kernel, as in `posterior`."""
        q = self.posterior(y, inferred)
        return Restoration(q.mean, kernel=q.kernel.to(y))


def _restorer(c: Config) -> Network:
    extra, out = c.code if c.conditioning == "kernel" else 0, 2 * c.channels
    if c.restorer == "DeblurNet":
        return DeblurNet(c.channels, out_channels=out, code=extra, **c.options)
    return RESTORERS[c.restorer](c.channels + extra, out_channels=out, **c.options)
