"""LUD-VAE: learn a degradation from unpaired clean and degraded images.

Generative model of a clean image x and a degraded image y, with the same or different contents z:

    x | z ~ N(d(z, 0), s² I)      y | z, z_n ~ N(d(z, z_n), s² I)
    z_n¹ ~ N(0, I)                z_n^l | z_n^{<l}, z ~ N(μ_p^l, diag ς_p^l)  for l > 1

z and z_n have a feature map at each of N levels. In the paper's text z_n is independent of z; in
the authors' code p(z_n | z) depends on it, as noise depends on the signal. Both are implemented.
(The paper prints p(z_n^l) = N(0, I) for every l; in the code only the first level has it.)
Posterior, given x alone and given y alone:

    q(z | x): z = e(h(x)),  h(x) = x + n_x,  n_x ~ N(0, σ_x² I);   q(z | y) likewise with σ_y
    q(z_n^l | z_n^{<l}, z, y) = N(μ_q^l, diag ς_q^l)

If both images of a pair give the same posterior of their content, q(z | x) = q(z | y), Eq. (8), the
bound of the pair splits into a part of x and a part of y, and no term depends on both:

    log p(x, y) >= ELBO_x + ELBO_y
    ELBO_x = E log p(x | z) - ½ KL(q(z | x) || p(z))
    ELBO_y = E log p(y | z, z_n) - KL(q(z_n | y, z) || p(z_n | z)) - ½ KL(q(z | y) || p(z))

For two unpaired images, each part bounds the log-density of its image up to the other half of
KL(q(z) || p(z)). This KL is a constant and is dropped: p(z) is uniform on a box, q(z | h(x)) on a
box around e(h(x)) so small that d is constant in it, and their divergence is the log ratio of the
volumes for all weights. With the paper's box of volume 0 it is infinite (see the errata). With the
noise of h it is still a bound, because the KL divergence is convex: that of the mean over n_x is at
most the mean of those for each n_x.

Zheng et al., "Learn from unpaired data for image restoration: a variational Bayes approach",
Eq. (2)-(22).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Normal

from vbl.degradations import Degraded, Level, awgn, correlated
from vbl.models.gaussian import Gaussian, gaussian
from vbl.models.model import Restoration, check_choices
from vbl.networks import Features, LevelDecoder, NoiseEncoder
from vbl.probability import Elbo, per_image

PAIRS = ("C2N", "L2CN", "added")
PRIORS = ("content", "scale", "standard")
HIDING = {"white": awgn, "correlated": correlated}

Content = tuple[Tensor, ...]  # z, a map (B, width, ⌈h/f⌉, ⌈w/f⌉) for each level
Latent = Callable[[int, Tensor], Tensor]  # z_n^l as a function of level and decoder state


@dataclass(frozen=True)
class Config:
    """Constants of the model, choices of its training, sizes of its networks.

    Attributes:
        channels: 3 for colour images, 1 for grey ones.
        std: s, the standard deviation of both images about their decoded means; see
            `vbl.models.loss_weights`.
            The larger, the more of the noise is modelled by s instead of the latents.
        std_x: σ_x, of the noise that h adds to a clean image, to hide that it is clean.
        std_y: σ_y, of the noise that h adds to a degraded image. The more alike the noise of both
            after h, the better q(z | x) = q(z | y) holds: Eq. (22).
        hiding: The noise of h: "white" as in the paper, or "correlated"
            (`vbl.degradations.correlated`). White noise has little power at low frequencies, and
            hides correlated noise badly.
        annealed: Batches over which the gradient of z_n's KL is scaled up linearly from 0 to 1; its
            value is not scaled. 0 for none, 10,000 in the paper.
        width: Channels of the content, and of the networks.
        latent: Channels of z_n.
        prior: Of z_n^l for l > 1: "content", N(μ_p, ς_p) as in the authors' code, both from z and
            z_n^{<l}; "scale", N(0, ς_p); or "standard", N(0, I), independent of z as in the paper's
            text. If some of y's noise is left in h(y), and so in z, μ_p learns to copy the noise
            from z; for z of a clean image, it then generates too little. Without ς_p the noise
            cannot depend on the signal.
        factors: Downsampling factors of z and z_n, level 1 first.

    Raises:
        ValueError: If a number is out of range, or the factors do not fit each other.
    """

    channels: int = 3
    std: float = 2.55 / 255
    std_x: float = 40 / 255
    std_y: float = 20 / 255
    hiding: str = "white"
    annealed: int = 0
    width: int = 128
    latent: int = 128
    prior: str = "content"
    factors: tuple[int, ...] = (1, 1, 1)

    def __post_init__(self):
        for name in ("channels", "std", "width", "latent"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected a positive number, got {getattr(self, name)}")
        for name in ("std_x", "std_y", "annealed"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}: expected a number >= 0, got {getattr(self, name)}")
        check_choices(self, {"prior": PRIORS, "hiding": tuple(HIDING)})
        steps = pairwise(self.factors)
        if self.factors[-1:] != (1,) or any(not a >= b >= 1 or a % b for a, b in steps):
            rule = "multiples of each other that end with 1, such as (4, 2, 1)"
            raise ValueError(f"factors: expected {rule}; got {self.factors}")


@dataclass(frozen=True)
class Posterior:
    """q(z, z_n | y) at one sample; each field but the last has one entry per level.

    Attributes:
        z: The content.
        q: q(z_n^l | z_n^{<l}, z, y), given the samples of the levels before.
        p: p(z_n^l | z_n^{<l}, z), likewise.
        z_n: The sample of q.
        mean: d(z, z_n), (B, C, h, w).
    """

    z: Content
    q: tuple[Gaussian, ...]
    p: tuple[Gaussian, ...]
    z_n: Content
    mean: Float[Tensor, "b c h w"]


class LUDVAE(nn.Module):
    """The network of the paper; 5,709,827 parameters by default."""

    def __init__(self, config: Config | None = None):
        super().__init__()
        self.config = c = config or Config()
        self.content = Features(c.channels, c.width, c.factors)
        self.noise = NoiseEncoder(c.channels, c.width, c.latent, c.factors)
        expects = c.prior != "standard"
        self.decoder = LevelDecoder(c.channels, c.width, c.latent, c.factors, expects=expects)
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))  # seen in training

    def objectives(self) -> dict[str, dict[str, nn.Module]]:
        """Objective -> {name: network that it trains}; see `vbl.training.fit`."""
        return {"bound": {"content": self.content, "noise": self.noise, "decoder": self.decoder}}

    @property
    def restoring(self) -> nn.ModuleList:
        """The networks that restoration and generation use, which are all but the noise encoder."""
        return nn.ModuleList([self.content, self.decoder])

    # 1. Generative model

    def decode(self, z: Content, latent: Latent | None = None) -> Float[Tensor, "b c h w"]:
        """d(z, z_n), the mean of p(y | z, z_n).

        Args:
            z: The content.
            latent: Returns z_n^l, given the level, from 0, and the state of the decoder, a function
                of z^{<=l} and z_n^{<l}. None is z_n = 0; d(z, 0) is the mean of p(x | z).
        """
        state = z[0]
        for level, step in enumerate(self.decoder.steps):
            if level > 0:
                state = self.decoder.joins[level - 1](state, z[level])
            state = step(state, (latent or self._none)(level, state))
        return self.decoder.tail(state)

    def _none(self, level: int, state: Tensor) -> Tensor:
        return state.new_zeros(len(state), self.config.latent, *state.shape[-2:])

    def prior(self, level: int, state: Float[Tensor, "b n hf wf"]) -> Gaussian:
        """p(z_n^l | z_n^{<l}, z), Eq. (12); N(0, I) at the first level, or at all levels."""
        if level == 0 or self.config.prior == "standard":
            return Gaussian(zero := self._none(level, state), torch.ones_like(zero))
        p = gaussian(self.decoder.priors[level - 1](state))
        return p if self.config.prior == "content" else replace(p, mean=0 * p.mean)

    def from_prior(
        self, *, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> Latent:
        """Samples of z_n from p(z_n | z), for `decode`.

        Args:
            temperature: Factor of each sample z_n^l, and so of its mean, as in the authors' code: 0
                decodes the clean image, 1 the learned degradation, more a stronger one. (The
                temperature of a density would leave its mean.)

        Raises:
            ValueError: If the temperature is negative.
        """
        if not temperature >= 0:
            raise ValueError(f"temperature: expected a number >= 0, got {temperature}")

        def latent(level: int, state: Tensor) -> Tensor:
            return temperature * self.prior(level, state).draw(generator=generator)

        return latent

    # 2. Posterior

    def hide(
        self,
        image: Float[Tensor, "b c h w"],
        std: Level,
        *,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "b c h w"]:
        """h, Eq. (20): the image plus noise that hides its own."""
        nothing = torch.zeros_like(image)  # noise is drawn on 0, as the image may be outside [0, 1]
        return image + HIDING[self.config.hiding](nothing, std, generator=generator).y

    def posterior(
        self,
        y: Float[Tensor, "b c h w"],
        *,
        z: Content | None = None,
        generator: torch.Generator | None = None,
    ) -> Posterior:
        """q(z, z_n | y) of degraded images, level by level, Eq. (13).

        Args:
            y: Degraded images.
            z: Their content; by default that of h(y).
        """
        if z is None:
            z = self.content(self.hide(y, self.config.std_y, generator=generator))
        features, levels = self.noise.features(y), []

        def latent(level: int, state: Tensor) -> Tensor:
            seen = (state, features[level]) if level > 0 else (features[level],)
            q = self.noise_posterior(level, self.noise.heads[level](*seen))
            levels.append((q, self.prior(level, state), q.draw(generator=generator)))
            return levels[-1][-1]

        mean = self.decode(z, latent)
        return Posterior(z, *zip(*levels, strict=True), mean)

    def noise_posterior(self, level: int, numbers: Float[Tensor, "b m hf wf"]) -> Gaussian:
        """q(z_n^l | z_n^{<l}, z, y) from the noise encoder's outputs; `level` is l - 1, from 0."""
        return gaussian(numbers)

    # 3. ELBO

    def elbo_x(self, x: Float[Tensor, "b c h w"], z: Content) -> Elbo:
        """Eq. (10) and (18), without the constant; a function of x and z alone."""
        log_likelihood = self._density(self.decode(z)).log_prob(x)
        return Elbo({"clean image": per_image(log_likelihood)}, {})

    def _density(self, mean: Float[Tensor, "b c h w"]) -> Normal:
        return Normal(mean, mean.new_full((), self.config.std), validate_args=False)

    def elbo_y(self, y: Float[Tensor, "b c h w"], q: Posterior) -> Elbo:
        """Eq. (11), (16) and (19), without the constant; independent of x."""
        log_likelihood = self._density(q.mean).log_prob(y)
        kl = {
            f"level {n}": per_image(q_n.kl(p_n))
            for n, (q_n, p_n) in enumerate(zip(q.q, q.p, strict=True), start=1)
        }
        return Elbo({"degraded image": per_image(log_likelihood)}, kl)

    def forward(self, batch: Degraded, *, generator: torch.Generator | None = None) -> Elbo:
        """ELBO_x + ELBO_y in nats per image, with one sample of each noise and of z_n.

        batch.x and batch.y need not be pairs. Annealing changes gradients, not values.
        """
        if self.training:
            self.batches += 1
        z = self.content(self.hide(batch.x, self.config.std_x, generator=generator))
        of_x = self.elbo_x(batch.x, z)
        of_y = self.elbo_y(batch.y, self.posterior(batch.y, generator=generator))
        kl = {name: self._annealed(term) for name, term in of_y.kl.items()}
        return Elbo({**of_x.log_likelihood, **of_y.log_likelihood}, kl)

    def _annealed(self, kl: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """The same value, with a gradient scaled by the number of batches seen."""
        if self.config.annealed == 0:
            return kl
        weight = (self.batches / self.config.annealed).clamp(max=1)
        return weight * kl + (1 - weight) * kl.detach()

    # 4. Restoration, and generation

    def restore(
        self, y: Float[Tensor, "b c h w"], *, generator: torch.Generator | None = None
    ) -> Restoration:
        """N2C, from degraded to clean images: d(z, 0) at the content z = e(y).

        Args:
            y: Degraded images.
            generator: If given, z = e(h(y)) with a sample of h(y) instead of its mean y.
        """
        if generator is not None:
            y = self.hide(y, self.config.std_y, generator=generator)
        return Restoration(self.decode(self.content(y)))

    @torch.no_grad()
    def translate(
        self,
        x: Float[Tensor, "b c h w"],
        *,
        temperature: float = 1.0,
        std_x: Level | None = None,
        pair: str = "C2N",
        generator: torch.Generator | None = None,
    ) -> Degraded:
        """Generate pairs from clean images, with z = e(h(x)) and z_n ~ p(z_n | z).

        C2N is the paper's pair: x and d(z, z_n). They differ by the degradation and by the blur of
        the decoder.

        L2CN decodes both images: d(z, 0) and d(z, z_n), so they do not differ by that blur. The
        prior of z is the mixture of q(z | x) over the clean images, where the paper considers a
        PixelCNN. (Samples of the uniform p(z) are hardly ever contents of images.)

        "added" is for additive degradations of mean zero: x, and x + d(z, z_n) - d(z, 0), the
        difference without its mean in each channel. Both have all details of x.

        Args:
            x: Clean images in [0, 1].
            temperature: See `from_prior`.
            std_x: Noise level of h, as in `vbl.degradations.awgn`; by default that of the training.
                The paper draws it from a range.
            pair: One of `PAIRS`.

        Raises:
            ValueError: If the temperature is negative, `pair` is unknown, or x is outside [0, 1].
        """
        if pair not in PAIRS:
            raise ValueError(f"pair: expected one of {', '.join(PAIRS)}, got {pair!r}")
        std_x = self.config.std_x if std_x is None else std_x
        z = self.content(HIDING[self.config.hiding](x, std_x, generator=generator).y)
        y = self.decode(z, self.from_prior(temperature=temperature, generator=generator))
        if pair == "C2N":
            return Degraded(y, x)
        clean = self.decode(z)
        if pair == "L2CN":
            return Degraded(y, clean)
        noise = y - clean
        return Degraded(x + noise - noise.mean((2, 3), keepdim=True), x)
