"""Learn the degradation: weights as variances, what h hides, coloured and borrowed noise."""

import math
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from vbl.degradations import correlated, grain
from vbl.evaluation.exercises.material import cat, seeded
from vbl.evaluation.exercises.question import Choice, Design, Question
from vbl.images import photo
from vbl.models import load
from vbl.models.loss_weights import decoder_std

NAMES = ("astronaut", "china", "coffee", "flower", "rocket")
GRAIN = 20 / 255  # of brightness one half


def _left(std_x: float, std_y: float, var: float) -> float:
    """Eq. (22) of the paper per value, averaged over noise of a variance."""
    return math.log(std_x / std_y) - 0.5 + (std_y**2 + var) / (2 * std_x**2)


def _price_of_colour(s: float) -> float:
    """The gap of independent latents for the grain, in nats per value; s of 255."""
    angle = 2 * math.pi * torch.fft.fftfreq(32, dtype=torch.float64)
    x, y = torch.meshgrid(angle.cos(), angle.cos(), indexing="ij")
    gain = 1 + (20 * (2 + 2 * x) * (2 + 2 * y) / 6) ** 2 / s**2
    return (0.5 * (gain.mean().log() - gain.log().mean())).item()


@cache
def _borrowed() -> dict[str, float]:
    """Standard deviations of noise on the middle 64 pixels of five photographs, of 255."""
    x = torch.cat([photo(name)[..., 196:260, 196:260] for name in NAMES])
    lud, true, generator = load("lud-vae-correlated"), grain(x, generator=seeded(5)), seeded(7)
    with torch.inference_mode():
        others = lud.posterior(true.y.roll(1, 0), generator=generator).z_n
        z = lud.content(lud.hide(x, lud.config.std_x, generator=generator))
        plain, noisy = lud.decode(z), lud.decode(z, lambda level, state: others[level])
        prior = lud.translate(x, pair="L2CN", generator=seeded(7))
    made = {"true": true.y - x, "borrowed": noisy - plain, "not subtracted": noisy - x}
    return {name: n.std().item() for name, n in (made | {"prior": prior.y - prior.x}).items()}


@cache
def _variations() -> dict[str, float]:
    """Total variation of the grainy cat and of its two restorations."""
    y = grain(cat(), generator=seeded()).y
    with torch.inference_mode():
        decoded, denoised = (
            load(name).restore(y).image
            for name in ("lud-vae-correlated", "lud-vae-correlated-denoiser")
        )
    images = {"decoded": decoded, "denoised": denoised, "noisy": y}
    return {name: _variation(image.clamp(0, 1)) for name, image in images.items()}


def _variation(image: Tensor) -> float:
    return sum(image.diff(dim=d).abs().sum().item() for d in (-1, -2))


@cache
def _pile() -> tuple[Tensor, Tensor]:
    """Photographs with coloured noise of 20, and a clean one."""
    x = torch.cat([photo(name)[..., 100:356, 100:356] for name in NAMES])
    return correlated(x, GRAIN, generator=seeded(5)).y, cat()


def _alike(noise: Tensor, down: int, right: int) -> float:
    """Correlation of the noise with itself, shifted."""
    h, w = noise.shape[-2:]
    both = noise[..., down:, right:] * noise[..., : h - down, : w - right]
    return (both.mean() / noise.square().mean()).item()


def _judged(imitate: Callable[[Tensor, Tensor], Tensor]) -> list[float]:
    """-1, 0, 1 if strength and three correlations are too small, right, too large."""
    noisy, clean = _pile()
    noise = torch.as_tensor(imitate(noisy.clone(), clean.clone())) - clean
    off = [noise.std().item() / GRAIN - 1]
    truths = {(0, 1): 2 / 3, (0, 2): 1 / 6, (1, 1): 4 / 9}
    off += [_alike(noise, *shift) - truth for shift, truth in truths.items()]
    return [
        float(v > limit) - (v < -limit) for v, limit in zip(off, [0.1] + 3 * [0.08], strict=True)
    ]


def _quiet_blocks(noisy: Tensor, side: int, share: float) -> Tensor:
    """The quietest blocks (n, side, side), without their mean and slope."""
    blocks = F.unfold(noisy.reshape(-1, 1, *noisy.shape[-2:]), side, stride=side // 2)
    blocks = blocks.mT.reshape(-1, side, side)
    blocks = blocks - blocks.mean((1, 2), keepdim=True)
    t = torch.arange(side) - (side - 1) / 2
    for slope in (t[None, :, None], t[None, None, :]):
        weight = (blocks * slope).sum((1, 2), keepdim=True) / (side * t.square().sum())
        blocks = blocks - weight * slope
    strength = blocks.var((1, 2))
    return blocks[strength <= strength.quantile(share)]


def imitate_noise(noisy: Tensor, clean: Tensor, side: int = 24, share: float = 0.1) -> Tensor:
    """The clean picture with Gaussian noise of the covariance that quiet blocks have."""
    blocks, reach = _quiet_blocks(noisy, side, share), 3
    covariance = torch.zeros(clean.shape[-2:])
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            inner = blocks[:, reach:-reach, reach:-reach]
            shifted = blocks.roll((-dy, -dx), (1, 2))[:, reach:-reach, reach:-reach]
            covariance[dy, dx] = (inner * shifted).mean()
    response = torch.fft.fft2(covariance).real.clamp_min(0).sqrt()
    white = torch.randn(clean.shape, generator=seeded(1))
    return clean + torch.fft.ifft2(torch.fft.fft2(white) * response).real


def _white(noisy: Tensor, clean: Tensor) -> Tensor:
    std = _quiet_blocks(noisy, 24, 0.1).std()
    return clean + std * torch.randn(clean.shape, generator=seeded(1))


QUESTIONS = {
    "ex-width": Question(
        "s of 255 for λ = 10⁻³, half of the pictures being degraded",
        lambda: 255 * decoder_std(1e-3),
        {
            "without the share of degraded pictures": lambda: 255 * decoder_std(1e-3, 1.0),
            "without the 2": lambda: 255 * math.sqrt(1e-3 / 0.5),
            "if the variance is given for s": lambda: 255 * 1e-3,
        },
    ),
    "ex-night": Choice(
        "what C2N makes of a picture at noon",
        "a bright noisy picture",
        {
            "a dark noisy picture": "Brightness passes through h, so it is content, and stays.",
            "a dark picture without noise": "Brightness passes through h, and the latents still "
            "make noise.",
        },
    ),
    "ex-halves": Question(
        "by how many nats the sum of the two bounds is less",
        lambda: (3 + 5) / 2,
        {
            "if it is the sum of the divergences and not their mean": lambda: 3 + 5,
            "if half of their mean is counted": lambda: (3 + 5) / 4,
        },
    ),
    "ex-h.2": Question(
        "the nats per value at the best σ_x",
        lambda: _left(25, 15, 20**2),
        {
            "at σ_x = σ_y": lambda: _left(15, 15, 20**2),
            "at σ_x = 30": lambda: _left(30, 15, 20**2),
            "without the half": lambda: 2 * _left(25, 15, 20**2),
        },
    ),
    "ex-borrowed": Question(
        "the standard deviation of the borrowed noise over that of the true grain",
        lambda: _borrowed()["borrowed"] / _borrowed()["true"],
        {
            "if d(z, 0) is not subtracted, so that the decoder's blur is counted": lambda: (
                _borrowed()["not subtracted"] / _borrowed()["true"]
            ),
            "with latents of the prior": lambda: _borrowed()["prior"] / _borrowed()["true"],
        },
        tolerance=0.02,
    ),
    "ex-blur": Question(
        "the total variation of the denoiser's answer over that of d(z, 0)",
        lambda: _variations()["denoised"] / _variations()["decoded"],
        {
            "with the two exchanged": lambda: _variations()["decoded"] / _variations()["denoised"],
            "if the noisy picture is taken for the denoiser's": lambda: (
                _variations()["noisy"] / _variations()["decoded"]
            ),
        },
        tolerance=0.03,
    ),
    "ex-flat.3": Question(
        "the gap per value in nats, for s = 5/255",
        lambda: _price_of_colour(5),
        {
            "for a pixel of three values": lambda: 3 * _price_of_colour(5),
            "without the half": lambda: 2 * _price_of_colour(5),
            "at s = 2.55/255": lambda: _price_of_colour(2.55),
        },
        tolerance=0.02,
    ),
    "ex-imitate": Design(
        "a function of noisy pictures (b, 3, h, w) and a clean one (1, 3, h, w), which returns the "
        "clean one with noise like theirs",
        _judged,
        lambda off: off == 0,
        imitate_noise,
        {
            "with white noise of the right strength": _white,
            "with small blocks, whose mean and slope take the coarse part of the noise "
            "along": lambda noisy, clean: imitate_noise(noisy, clean, 10),
        },
    ),
}
