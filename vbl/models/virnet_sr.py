"""VIRNet's blind super-resolution: infer noise and blur, then restore, conditioned on both.

Generative model (y of h x w pixels, z of sh x sw; one noise variance and one kernel per image):

    y_i ~ N([(z * k)↓s]_i, σ²)      z_i ~ N(x_i, eps0²)      k = g(λ1², λ2², ρ)
    σ² ~ IG(alpha0 - 1, alpha0 ξ)   λ_l² ~ IG(kappa0 - 1, kappa0 λ̂_l²)   ρ ~ N(ρ̂, r0²)

with x the clean image of the training pair, and ξ, λ̂_l² and ρ̂ the true parameters of its
degradation, the modes of the priors. Posterior, given y alone, with Λ = (λ1², λ2², ρ):

    q(σ², Λ, z | y) = q(σ² | y) q(Λ | y) q(z | y, σ², Λ)
    q(σ² | y) = IG(alpha0 - 1, alpha0 β),        β = SNet(y), averaged over the image
    q(λ_l² | y) = IG(kappa0 - 1, kappa0 η_l)     q(ρ | y) = N(m, r0²),    η, m = KNet(y)
    q(z_i | y, σ², Λ) = N(μ_i, eps0²),           μ = RNet(y, √β, η, m)

Yue et al., "Deep variational network toward blind image restoration", Eq. (6)-(14), (18)-(24).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vbl.degradations import Degraded, gaussian_kernel
from vbl.degradations.operators import SAMPLINGS, bicubic_upsample, blur
from vbl.models.model import FIRST_STD, LOG_VARIANCE, Restoration, check_choices
from vbl.models.noise_and_blur import LARGEST_RHO, Inferred
from vbl.networks import KernelNet, ResUNet, SigmaNet, append_constants
from vbl.probability import Elbo, expected_log_normal, kl_inverse_gamma, kl_normal, per_image
from vbl.utils import randn_like

LOG_WIDTH = (math.log(1e-2), math.log(1e2))  # clamp of log λ², λ² in pixels²


@dataclass(frozen=True)
class Config:
    """Constants of the model, choices of its training, sizes of its networks.

    Attributes:
        scale: s.
        sampling: Downsampling: "bicubic" (antialiased, as in the public code and the paper's
            tables) or "direct" (as in the paper's text); see `vbl.degradations.blind_sr`.
        kernel_size: Side of k in pixels of z.
        p: alpha0 = p²/2.
        floor_std: Smallest noise level of ξ, which must be positive as the mode of σ²'s prior.
        kappa0: The prior of λ_l² has the shape kappa0 - 1.
        r0_sq: r0², variance of ρ. With the paper's 1e-4, ρ has some hundred times the weight of λ²
            in KL_Λ.
        eps0_sq: eps0², variance of z given x.
        conditioning: What RNet is conditioned on beside y: "both", "noise", "kernel" or "nothing"
            (Table 11).
        gradient: "stop" detaches these inputs; with "flow", KL_z is backpropagated through them
            into SNet and KNet.
        likelihood_trains: "restorer", or "all": the likelihood is also backpropagated into SNet and
            KNet. It sums over all pixels and dominates KL_σ and KL_Λ, a few nats per image.
        sigma_width: Hidden channels of SNet.
        sigma_depth: Convolutions of SNet.
        sigma_slope: Negative slope of its leaky ReLUs.
        kernel_width: Hidden channels of KNet.
        kernel_blocks: Residual blocks of KNet.
        kernel_step: Stride of KNet's first convolution.
        whiten: Remove local mean and contrast from the input of KNet.
        upsampling: "nearest" enlarges the input of RNet, as in the paper; "shuffle" enlarges its
            output by a pixel-shuffle: s² times faster.
        widths: Channels of RNet at each scale.
        blocks: Residual blocks of RNet, one number or one per scale.

    Raises:
        ValueError: If a choice is unknown.
    """

    scale: int = 4
    sampling: str = "bicubic"
    kernel_size: int = 21
    p: int = 11
    floor_std: float = 0.5 / 255
    kappa0: float = 50.0
    r0_sq: float = 1e-4
    eps0_sq: float = 1e-5
    conditioning: str = "both"
    gradient: str = "stop"
    likelihood_trains: str = "restorer"
    sigma_width: int = 64
    sigma_depth: int = 5
    sigma_slope: float = 0.25
    kernel_width: int = 64
    kernel_blocks: int = 8
    kernel_step: int = 4
    whiten: bool = False
    upsampling: str = "nearest"
    widths: tuple[int, ...] = (96, 160, 224)
    blocks: int | tuple[int, ...] = 2

    def __post_init__(self):
        choices = {
            "scale": (2, 3, 4),
            "sampling": tuple(SAMPLINGS),
            "conditioning": ("both", "noise", "kernel", "nothing"),
            "gradient": ("stop", "flow"),
            "likelihood_trains": ("restorer", "all"),
            "upsampling": ("nearest", "shuffle"),
        }
        check_choices(self, choices)

    @property
    def alpha0(self) -> float:
        """p²/2, the noise prior's shape plus 1."""
        return self.p**2 / 2


@dataclass(frozen=True)
class Posterior:
    """q(σ², Λ, z | y).

    Attributes:
        mean: μ of q(z | y, σ², Λ), (B, C, sh, sw).
        inferred: q(σ² | y) and q(Λ | y).
    """

    mean: Float[Tensor, "b c sh sw"]
    inferred: Inferred


class VIRNetSR(nn.Module):
    """The super-resolution network of the paper, by default with its sizes."""

    kernel_numbers = 3  # outputs of KNet: two logarithms of η, and m before the tanh

    def __init__(self, config: Config | None = None):
        super().__init__()
        self.config = c = config or Config()
        first = 2 * math.log(FIRST_STD)
        sizes = c.sigma_width, c.sigma_depth
        self.sigma = SigmaNet(3, *sizes, first=first, slope=c.sigma_slope)
        self.kernel = KernelNet(
            3, c.kernel_width, c.kernel_blocks, self.kernel_numbers, c.whiten, c.kernel_step
        )
        extra = {"both": 4, "noise": 1, "kernel": 3, "nothing": 0}[c.conditioning]
        out = 3 if c.upsampling == "nearest" else 3 * c.scale**2
        self.restorer = ResUNet(3 + extra, c.widths, c.blocks, out)

    def objectives(self) -> dict[str, dict[str, nn.Module]]:
        """Objective -> {name: network that it trains}; see `vbl.training.fit`."""
        networks = {"restorer": self.restorer, "sigma": self.sigma, "kernel": self.kernel}
        return {"bound": networks}

    @property
    def restoring(self) -> nn.Module:
        """The network that restores tile by tile; the others need the whole image."""
        return self.restorer

    # 1. Generative model

    def degrade(
        self, z: Float[Tensor, "b c sh sw"], kernel: Float[Tensor, "n 1 k k"]
    ) -> Float[Tensor, "b c h w"]:
        """(z * k)↓s, the mean of y given z and k; Eq. (7)."""
        return SAMPLINGS[self.config.sampling](blur(z, kernel, "symmetric"), self.config.scale)

    def xi(self, batch: Degraded) -> Float[Tensor, "b 1 1 1"]:
        """ξ, the mode of the prior of σ²: the true noise variance, at least floor_std²."""
        return batch.noise_var.clamp_min(self.config.floor_std**2)

    def lambda_hat(self, batch: Degraded) -> tuple[Float[Tensor, "b 2"], Float[Tensor, "b 1"]]:
        """λ̂² and ρ̂, the true parameters of the kernels; Eq. (9).

        Raises:
            ValueError: If `batch.truth` does not have them.
        """
        if "rho" not in batch.truth:
            raise ValueError("batch: expected the parameters of its kernels in truth, got none")
        truth = batch.truth
        lambda_sq = torch.stack([truth["lambda1_sq"], truth["lambda2_sq"]], 1)
        return lambda_sq, truth["rho"][:, None]

    # 2. Posterior

    def infer(self, y: Float[Tensor, "b c h w"]) -> Inferred:
        """q(σ² | y) and q(Λ | y), Eq. (13) and (14)."""
        log_var = self.sigma(y).mean((2, 3), keepdim=True)
        return self.kernel_posterior(log_var.clamp(*LOG_VARIANCE).exp(), self.kernel(y))

    def kernel_posterior(
        self, mode: Float[Tensor, "b 1 1 1"], numbers: Float[Tensor, "b n"]
    ) -> Inferred:
        """q(Λ | y) from KNet's outputs, as wide as the prior, Eq. (14); with the noise's mode."""
        eta = numbers[:, :2].clamp(*LOG_WIDTH).exp()
        rho = LARGEST_RHO * numbers[:, 2:3].tanh()
        kappa = torch.full_like(eta, self.config.kappa0)
        spread = torch.full_like(rho, self.config.r0_sq)
        return Inferred(mode, eta, rho, kappa, spread)

    def posterior(self, y: Float[Tensor, "b c h w"], inferred: Inferred | None = None) -> Posterior:
        """q(σ², Λ, z | y) of low-resolution images.

        Args:
            y: Images (B, 3, h, w).
            inferred: The result of `infer` on the images that y are tiles of; by default on y.
        """
        inferred = inferred or self.infer(y)
        given = inferred.detach() if self.config.gradient == "stop" else inferred
        numbers = self.conditioning(given)
        if self.config.upsampling == "nearest":
            base = F.interpolate(y, scale_factor=self.config.scale, mode="nearest")
            residual = self.restorer(append_constants(base, numbers))
        else:
            base = bicubic_upsample(y, self.config.scale, self._grid)
            shown = append_constants(y, numbers)
            residual = F.pixel_shuffle(self.restorer(shown), self.config.scale)
        return Posterior(base + residual, inferred)

    @property
    def _grid(self) -> str:
        return "direct" if self.config.sampling == "direct" else "centred"

    def conditioning(self, given: Inferred) -> Tensor:
        """The extra inputs of RNet, (B, 0, 1, 3 or 4)."""
        which = self.config.conditioning
        eta = given.eta / self.config.scale**2  # of the order of 1, as the pixels
        kernel = [eta, given.rho] if which in ("both", "kernel") else []
        noise = [given.mode.sqrt().flatten(1)] if which in ("both", "noise") else []
        return torch.cat([*kernel, *noise], 1) if kernel or noise else eta[:, :0]

    # 3. ELBO

    def bound(
        self, batch: Degraded, q: Posterior, *, generator: torch.Generator | None = None
    ) -> Elbo:
        """L = E log p(y | z, Λ, σ²) - KL_z - KL_σ - KL_Λ, Eq. (18)-(23).

        By one sample of z and Λ; given them, σ² is integrated out.
        """
        alpha0, eps0_sq, found = self.config.alpha0, self.config.eps0_sq, q.inferred
        given = found if self.config.likelihood_trains == "all" else found.detach()
        noise = randn_like(q.mean, generator=generator)
        z = q.mean + math.sqrt(eps0_sq) * noise
        lambda_sq, rho = given.draw(generator=generator)
        kernel = gaussian_kernel(*lambda_sq.T, rho[:, 0], self.config.kernel_size)
        mean, scale = self.degrade(z, kernel), alpha0 * given.mode
        log_likelihood = expected_log_normal(batch.y, mean, 0.0, alpha0 - 1, scale)
        kl_z = (q.mean - batch.x).square() / (2 * eps0_sq)  # Eq. (21): equal variances
        # Eq. (22) and (23) with the factors alpha0 - 1 and kappa0 - 1: see the errata
        kl_sigma = kl_inverse_gamma(
            alpha0 - 1, alpha0 * found.mode, alpha0 - 1, alpha0 * self.xi(batch)
        )
        kl_kernel, auxiliary = self.kernel_terms(batch, found)
        return Elbo(
            {"low-resolution image": per_image(log_likelihood)},
            {
                "clean image": per_image(kl_z),
                "noise variance": per_image(kl_sigma),
                "kernel": kl_kernel,
            },
            auxiliary,
        )

    def kernel_terms(
        self, batch: Degraded, found: Inferred
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """KL_Λ, and no auxiliary losses."""
        return self.kl_kernel(batch, found), {}

    def kl_kernel(self, batch: Degraded, found: Inferred) -> Float[Tensor, " b"]:
        """KL_Λ, Eq. (23), for a q(Λ | y) of any width."""
        lambda_sq, rho = self.lambda_hat(batch)
        kappa0 = self.config.kappa0
        widths = kl_inverse_gamma(
            found.kappa - 1, found.kappa * found.eta, kappa0 - 1, kappa0 * lambda_sq
        )
        correlation = kl_normal(found.rho, found.spread, rho, self.config.r0_sq)
        return widths.sum(1) + correlation[:, 0]

    def forward(self, batch: Degraded, *, generator: torch.Generator | None = None) -> Elbo:
        """The bound of a batch of pairs, in nats per image."""
        return self.bound(batch, self.posterior(batch.y), generator=generator)

    # 4. Restoration

    def restore(self, y: Float[Tensor, "b c h w"], inferred: Inferred | None = None) -> Restoration:
        """The posterior mean of z, the mode of σ² as a standard deviation, the kernel at Λ's mode.

        The arguments are those of `posterior`.
        """
        q = self.posterior(y, inferred)
        found = q.inferred
        kernel = gaussian_kernel(*found.eta.T, found.rho[:, 0], self.config.kernel_size)
        parameters = torch.cat([found.eta, found.rho], 1)
        return Restoration(q.mean, found.mode.sqrt(), kernel, parameters)
