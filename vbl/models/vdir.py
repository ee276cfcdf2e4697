"""VDIR: infer a latent code of the degradation, then restore, conditioned on it.

Generative model of a pair (x and y may differ in size; n_x, n_y values each):

    c ~ N(0, I)      y | c ~ Laplace(ŷ(c), b_y)      x | y, c ~ Laplace(f(y, c), b_x)

with the code c at a quarter of the height and width of y. Posterior, given y alone:

    q(c | y) = N(μ, diag σ²),      μ, log σ² = Encoder(y)

The bound is one of the joint density of both images, those of VDN and VIRNet of the degraded
image's alone:

    log p(x, y) >= E_q log p(x | y, c) + E_q log p(y | c) - KL(q(c | y) || p(c))

Soh and Cho, "Variational deep image restoration", Eq. (8)-(19).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Laplace
from torch.nn import functional as F

from vbl.degradations import Degraded
from vbl.degradations.operators import bicubic_upsample
from vbl.models.gaussian import Gaussian, gaussian
from vbl.models.loss_weights import laplace_scales
from vbl.models.model import Restoration, check_choices
from vbl.networks import (
    Decoder,
    Discriminator,
    Encoder,
    Estimator,
    FFDNet,
    Network,
    ResUNet,
    RIRNet,
)
from vbl.networks.autoencoder import REDUCTION
from vbl.networks.network import keep_variance
from vbl.probability import Elbo, kl_normal, per_image

RESTORERS: dict[str, type[Network]] = {"RIRNet": RIRNet, "FFDNet": FFDNet, "ResUNet": ResUNet}
TERMS = ("clean image", "degraded image", "code")
LOG_SPREAD = (-5.0, 3.0)  # log ratio of the learned b_y to the fixed one


@dataclass(frozen=True)
class Config:
    """Constants of the model, choices of its training, sizes of its networks.

    Attributes:
        channels: 3 for colour images, 1 for grey ones.
        scale: Factor of super-resolution; 1 for a restoration of the same size.
        beta: β of the paper's loss; sets b_x and b_y, see `vbl.models.loss_weights`.
        trained: Which terms of the bound are backpropagated, of `TERMS`; all are computed. The
            paper's "L_res only" is ("clean image",).
        spread: b_y is "fixed" by β, as in the paper, or "learned", an output of the decoder.
        conditioning: What the restorer is conditioned on beside y: the "code"; only the "estimate"
            of noise or quality, detached (two stages); or "nothing".
        known: The parameter of the degradation that is known for training pairs and estimated from
            the code: standard deviation of the "noise", "kernel", JPEG "quality", or "nothing".
        estimation: λ2, weight of the estimation error relative to the restoration's mean absolute
            error.
        adversarial: λ1, weight of the adversarial loss, likewise; the authors' code has 1e-3.
        kernel_size: Side of the estimated kernels.
        code: Channels of the code.
        width: Hidden channels of encoder, decoder and estimator.
        detail: Factor of the encoder's further input, the image minus its local mean; 0 is the
            paper's. See `vbl.networks.Encoder`.
        adversary_width: Channels of the discriminator's first convolutions.
        restorer: A key of `RESTORERS`; any network can be conditioned on the code.
        options: Sizes of the restorer.

    Raises:
        ValueError: If a choice is unknown, or two choices are incompatible.
    """

    channels: int = 3
    scale: int = 1
    beta: float = 0.01
    trained: tuple[str, ...] = TERMS
    spread: str = "fixed"
    conditioning: str = "code"
    known: str = "noise"
    estimation: float = 1.0
    adversarial: float = 0.0
    kernel_size: int = 15
    code: int = 4
    width: int = 64
    detail: float = 0.0
    adversary_width: int = 64
    restorer: str = "RIRNet"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        choices = {
            "channels": (1, 3),
            "scale": (1, 2, 3, 4),
            "spread": ("fixed", "learned"),
            "conditioning": ("code", "estimate", "nothing"),
            "known": ("noise", "kernel", "quality", "nothing"),
            "restorer": tuple(RESTORERS),
        }
        check_choices(self, choices)
        if unknown := set(self.trained) - set(TERMS):
            raise ValueError(f"trained: expected some of {TERMS}, got {sorted(unknown)}")
        if self.conditioning == "estimate" and self.known not in ("noise", "quality"):
            raise ValueError(
                f"conditioning: an 'estimate' is of noise or quality, got {self.known!r}"
            )
        if self.restorer == "FFDNet" and (self.scale > 1 or self.conditioning == "nothing"):
            raise ValueError("restorer: FFDNet has a conditioning and does not enlarge")

    @property
    def laplace_scales(self) -> tuple[float, float]:
        """b_x and b_y."""
        sizes = {"channels": self.channels, "scale": self.scale, "code": self.code}
        return laplace_scales(self.beta, **sizes)

    @property
    def numbers(self) -> int:
        """Output channels of the estimator."""
        sizes = {"noise": self.channels, "kernel": self.kernel_size**2, "quality": 1, "nothing": 0}
        return sizes[self.known]


class VDIR(nn.Module):
    """The network of the paper; restorer and encoder have 2,227,915 parameters by default."""

    def __init__(self, config: Config | None = None):
        super().__init__()
        self.config = c = config or Config()
        self.encoder = Encoder(c.channels, c.width, c.code, c.detail)
        self.decoder = Decoder(c.channels + (c.spread == "learned"), c.width, c.code)
        self.restorer = _restorer(c)
        if c.known != "nothing":
            self.estimator = Estimator(c.code, c.width, c.numbers)
            if c.detail:
                self.estimator.apply(keep_variance)
        if c.adversarial > 0:
            self.discriminator = Discriminator(c.channels, c.adversary_width)

    def objectives(self) -> dict[str, dict[str, nn.Module]]:
        """Objective -> {name: network that it trains}; see `vbl.training.fit`."""
        parts = dict(self.named_children())
        adversary = {name: parts.pop(name) for name in ("discriminator",) if name in parts}
        return {"bound": parts} | ({"adversary": adversary} if adversary else {})

    @property
    def restoring(self) -> nn.ModuleList:
        """The networks used in restoration; the others are used in training only."""
        names = ("encoder", "restorer", "estimator")
        return nn.ModuleList(getattr(self, name) for name in names if hasattr(self, name))

    # 1. Generative model

    def degraded(self, code: Float[Tensor, "b n h4 w4"], size: tuple[int, int]) -> Laplace:
        """p(y | c) of images of `size` pixels; its mean is ŷ(c)."""
        drawn, b_y = self.decoder(code)[..., : size[0], : size[1]], self.config.laplace_scales[1]
        y_hat, log_spread = drawn.tensor_split([self.config.channels], 1)
        if self.config.spread == "learned":
            return _laplace(y_hat, b_y * log_spread.clamp(*LOG_SPREAD).exp())
        return _laplace(y_hat, b_y)

    def restored(
        self, y: Float[Tensor, "b c h w"], code: Float[Tensor, "b n h4 w4"]
    ) -> Float[Tensor, "b c sh sw"]:
        """f(y, c), the mode of p(x | y, c).

        For super-resolution the restorer has scale² outputs for each pixel of y, arranged by a
        pixel-shuffle. Unlike the paper's they are a residual, too: of bicubic interpolation.
        """
        scale, residual = self.config.scale, self._residual(y, code)
        if scale == 1:
            return y + residual
        return bicubic_upsample(y, scale, "direct") + F.pixel_shuffle(residual, scale)

    def _residual(self, y: Tensor, code: Tensor) -> Tensor:
        which = self.config.conditioning
        if which == "nothing":
            return self.restorer(y)
        extra = _enlarged(code if which == "code" else self.estimate(code).detach(), y)
        if self.config.restorer == "FFDNet":
            return self.restorer(y, extra)
        return self.restorer(torch.cat([y, extra], 1))

    # 2. Posterior

    def posterior(self, y: Float[Tensor, "b c h w"]) -> Gaussian:
        """q(c | y) of degraded images, (B, n, ⌈h/4⌉, ⌈w/4⌉)."""
        return gaussian(self.encoder(y))

    def estimate(self, code: Float[Tensor, "b n h4 w4"]) -> Tensor:
        """EST(c), the degradation's parameter estimated from a code.

        Standard deviations of the noise (B, C, ⌈h/4⌉, ⌈w/4⌉); kernels (B, 1, k, k) that sum to
        one; or the JPEG quality over 100, (B, 1, 1, 1).
        """
        found, c = self.estimator(code), self.config
        if c.known == "noise":
            return found
        found = found.mean((2, 3))
        if c.known == "kernel":
            return found.softmax(1).view(-1, 1, c.kernel_size, c.kernel_size)
        return found[..., None, None]

    # 3. ELBO

    def bound(
        self, batch: Degraded, q: Gaussian, *, generator: torch.Generator | None = None
    ) -> Elbo:
        """L = E log p(x | y, c) + E log p(y | c) - KL(q || p), :eq:`eq-vdir-bound`, one sample.

        The auxiliary losses are weighted relative to the mean absolute error of the restoration, as
        in the paper, Eq. (18): one unit of that is n_x/b_x nats.
        """
        c, b_x = self.config, self.config.laplace_scales[0]
        code = q.draw(generator=generator)
        degraded = self.degraded(code, batch.y.shape[-2:])
        restored = _laplace(self.restored(batch.y, code), b_x)
        terms = {
            "clean image": per_image(restored.log_prob(batch.x)),
            "degraded image": per_image(degraded.log_prob(batch.y)),
            "code": per_image(kl_normal(q.mean, q.var, 0.0, 1.0)),  # Eq. (15)
        }
        for name in set(TERMS) - set(c.trained):
            terms[name] = terms[name].detach()
        kl = {"code": terms.pop("code")}
        auxiliary, unit = {}, batch.x[0].numel() / b_x
        if c.known != "nothing" and c.estimation > 0:
            auxiliary["estimation"] = c.estimation * unit * self._estimation_error(batch, code)
        if c.adversarial > 0:  # Eq. (17)
            fooled = F.softplus(-self.discriminator(degraded.mean)).mean((1, 2, 3))
            auxiliary["adversary"] = c.adversarial * unit * fooled
        return Elbo(terms, kl, auxiliary)

    def _estimation_error(self, batch: Degraded, code: Tensor) -> Float[Tensor, " b"]:
        """‖f(T) - EST(c)‖₁: the mean over a noise map, the sum over a kernel."""
        guess = self.estimate(code)
        if self.config.known == "noise":
            error = _enlarged(guess, batch.y) - batch.noise_var.sqrt()
            return error.abs().mean((1, 2, 3))
        truth = batch.kernel
        if self.config.known == "quality":
            truth = batch.truth["quality"].view(-1, 1, 1, 1) / 100
        return (guess - truth).abs().sum((1, 2, 3))

    def judge(
        self, y: Float[Tensor, "b c h w"], y_hat: Float[Tensor, "b c h w"], numel: int
    ) -> Elbo:
        """The discriminator's log-likelihood of which image is real, Eq. (16).

        Means over patches, times `numel`, since `Elbo.loss` divides by it. `y_hat` is detached.
        """
        real = F.logsigmoid(self.discriminator(y)).mean((1, 2, 3))
        generated = F.logsigmoid(-self.discriminator(y_hat.detach())).mean((1, 2, 3))
        return Elbo({"real": numel * real, "generated": numel * generated}, {})

    def forward(
        self, batch: Degraded, *, objective: str = "bound", generator: torch.Generator | None = None
    ) -> Elbo:
        """The bound of a batch of pairs, in nats per image, or the discriminator's objective."""
        q = self.posterior(batch.y)
        if objective == "bound":
            return self.bound(batch, q, generator=generator)
        generated = self.degraded(q.draw(generator=generator), batch.y.shape[-2:]).mean
        return self.judge(batch.y, generated, batch.x[0].numel())

    # 4. Restoration

    def restore(
        self,
        y: Float[Tensor, "b c h w"],
        *,
        code: Float[Tensor, "b n h4 w4"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Restoration:
        """f(y, c) at the mean of q(c | y), with the parameter estimated from the code.

        Args:
            y: Degraded images.
            code: Replaces the code of y; this controls the restoration.
            generator: If given, sample the code from q(c | y) instead of taking its mean.
        """
        if code is None:
            q = self.posterior(y)
            code = q.mean if generator is None else q.draw(generator=generator)
        image = self.restored(y, code)
        if self.config.known == "nothing":
            return Restoration(image)
        found = self.estimate(code)
        if self.config.known == "noise":
            return Restoration(image, noise_std=_enlarged(found, y).clamp_min(0))
        if self.config.known == "kernel":
            return Restoration(image, kernel=found)
        return Restoration(image, quality=100 * found)


def _laplace(mean: Tensor, scale: float | Tensor) -> Laplace:
    scale = scale if isinstance(scale, Tensor) else mean.new_full((), scale)
    return Laplace(mean, scale, validate_args=False)


def _restorer(c: Config) -> Network:
    extra = {"code": c.code, "estimate": c.numbers, "nothing": 0}[c.conditioning]
    if c.restorer == "FFDNet":
        return FFDNet(c.channels, conditioning=extra, **c.options)
    out = c.channels * c.scale**2
    return RESTORERS[c.restorer](c.channels + extra, out_channels=out, **c.options)


def _enlarged(code: Tensor, y: Tensor) -> Tensor:
    """Bilinear interpolation of a code to the pixels of y; a single value is repeated."""
    if code.shape[-2:] == (1, 1) and min(y.shape[-2:]) > REDUCTION:
        return code.expand(-1, -1, *y.shape[-2:])
    enlarged = F.interpolate(code, scale_factor=REDUCTION, mode="bilinear")
    return enlarged[..., : y.shape[-2], : y.shape[-1]]
