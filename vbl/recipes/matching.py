"""Noise, white and Gaussian or a LUD-VAE's, and what makes it match the noise of a pile.

::

    match = matching(0.1, clean, noisy)  # or a LUD-VAE's weights
    noise_maker(0.1, match)(x, generator=generator)
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from vbl.degradations import Degrade, Degraded
from vbl.images import ImageSet, middle
from vbl.images.piles import BLOCK, brightnesses, fine_strength, flat_spectrum, some_of
from vbl.models import LUDVAE
from vbl.recipes.lud_vae import translator
from vbl.utils import randn_like, seeded

FAINTEST = 0.01  # share of the mean power that is not told from nothing
UNSEEN = 1e-6  # power that is nothing: a quarter of a level of 8 bits, squared
ROUNDS, STEP, GAINS = 4, (0.5, 2.0), (0.2, 6.0)  # of the search for a match
PICTURES = 40  # of each pile, at most: of fewer, the contents differ too much
SIDES = {"clean": 256, "noisy": 512}  # of their middles


Source = float | str  # standard deviation of white Gaussian noise, or a LUD-VAE's weights


@dataclass(frozen=True)
class Match:
    """What is done to noise, as lists of numbers.

    Attributes:
        kernel: (C, C, 15, 15), of a filter from channels (second) to channels (first).
        gain: (C, n), by channel and by brightness in n equal intervals of [0, 1].
    """

    kernel: Sequence
    gain: Sequence[Sequence[float]]


def noise_maker(source: Source, match: Match) -> Degrade:
    """The degradation that adds noise, filtered and amplified."""
    return partial(with_matched_noise, source=source, match=match)


def with_matched_noise(
    x: Tensor, *, source: Source, match: Match, generator: torch.Generator | None = None
) -> Degraded:
    """Pairs: clean images, and the same with matched noise, clipped as values in files are."""
    noise = unmatched_noise(source, x, generator=generator)
    noise = filtered(noise, torch.tensor(match.kernel, device=x.device))
    return Degraded(amplified(x, noise, torch.tensor(match.gain, device=x.device)), x)


def unmatched_noise(
    source: Source, x: Tensor, *, generator: torch.Generator | None = None
) -> Tensor:
    """Noise for images, before anything is done to it."""
    if isinstance(source, str):
        return learned_noise(translator(source, x.device), x, generator=generator)
    return source * randn_like(x, generator=generator)


@torch.no_grad()
def learned_noise(model: LUDVAE, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """Noise that a LUD-VAE has learned, of mean zero at every pixel: (d(z, a) - d(z, b))/√2.

    a and b are two draws of z_n. The difference d(z, a) - d(z, 0) would also have what the decoder
    draws otherwise in noisy pictures than in clean ones, such as a tint.

    Args:
        model: A LUD-VAE.
        x: Clean images.
    """
    z = model.content(model.hide(x, model.config.std_x, generator=generator))
    a, b = (model.decode(z, model.from_prior(generator=generator)) for _ in range(2))
    return (a - b) / math.sqrt(2)


def filtered(noise: Float[Tensor, "b c h w"], kernel: Tensor) -> Float[Tensor, "b c h w"]:
    """Noise after a filter that mixes channels, of images whose sides are longer than its reach."""
    reach = kernel.shape[-1] // 2
    return F.conv2d(F.pad(noise, (reach,) * 4, mode="reflect"), kernel)


def amplified(x: Tensor, noise: Tensor, gain: Tensor) -> Tensor:
    """x plus noise times a gain, interpolated between the middles of its intervals."""
    count = gain.shape[1]
    place = (x * count - 0.5).clamp(0, count - 1)
    low = place.long()
    first = count * torch.arange(len(gain), device=x.device).view(1, -1, 1, 1)
    values = gain.to(x).flatten()
    below, above = (values[first + i] for i in (low, (low + 1).clamp(max=count - 1)))
    return (x + (below + (place - low) * (above - below)) * noise).clamp(0, 1)


@torch.no_grad()
def matching(source: Source, clean: ImageSet, noisy: ImageSet) -> Match:
    """The filter and the gain with which noise that is made is as the noisy pile's.

    How the noise should be can be seen without pairs: the filter matches the `flat_spectrum` of the
    noisy pile, each channel's power aside; the gain its `fine_strength` at each brightness. From
    both, what the clean pile has is subtracted.

    Args:
        source: Of the noise; what a LUD-VAE has after a short training is too weak, and of too few
            hues.
        clean: The clean pictures, `prepared`.
        noisy: The noisy pictures, `prepared`.
    """
    pictures, others = (
        [middle(image, SIDES[name]).clone() for image in some_of(pile, PICTURES)]
        for name, pile in (("clean", clean), ("noisy", noisy))
    )
    strength = partial(fine_strength, levels=brightnesses(pictures, others))
    own, power = strength(pictures).nan_to_num().square(), flat_spectrum(pictures)
    target = strength(others).square() - own
    wanted = _shape(flat_spectrum(others) - power)
    noises = [
        unmatched_noise(source, x, generator=seeded("cpu", "match", i))
        for i, x in enumerate(pictures)
    ]

    def made() -> list[Tensor]:
        pairs = zip(pictures, noises, strict=True)
        return [amplified(x, filtered(noise, kernel), gain) for x, noise in pairs]

    response = torch.ones_like(wanted[..., 0]).diag_embed()  # of the identity
    kernel, gain = _kernel(response), torch.ones_like(target)
    for _ in range(ROUNDS):
        change = transport(_shape(flat_spectrum(made()) - power), wanted)
        response = _on_eigenvalues(change, lambda v: v.clamp(*STEP)) @ response
        kernel = _kernel(response)
        ratio = target / (strength(made()).square() - own)
        step = ratio.where(ratio > 0, torch.nan).sqrt().clamp(*STEP)
        usual = step.nanmedian(1, keepdim=True).values.nan_to_num(1.0)
        gain = _smooth(gain * step.where(~step.isnan(), usual)).clamp(*GAINS)
    return Match(kernel.tolist(), gain.tolist())


def transport(made: Float[Tensor, "*n c c"], wanted: Float[Tensor, "*n c c"]) -> Tensor:
    """The symmetric A with A M A = T: of all that turn the covariance M into T, the least change.

    A = M^(-1/2) (M^(1/2) T M^(1/2))^(1/2) M^(-1/2), the transport between Gaussians (Olkin and
    Pukelsheim, "The distance between two random vectors with given dispersion matrices", 1982).

    Args:
        made: M, positive definite.
        wanted: T, likewise.
    """
    root, inverse = (_on_eigenvalues(made, lambda v, p=p: v.pow(p)) for p in (0.5, -0.5))
    return inverse @ _on_eigenvalues(root @ wanted @ root, torch.sqrt) @ inverse


def _on_eigenvalues(matrix: Tensor, f: Callable[[Tensor], Tensor]) -> Tensor:
    """A function of a symmetric matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * f(values).unsqueeze(-2)) @ vectors.mT


def _shape(spectrum: Tensor) -> Tensor:
    """A spectrum whose channels have the mean power 1, and no hue has less than can be seen."""
    power = spectrum.double().diagonal(dim1=-2, dim2=-1).mean((0, 1))
    std = power.clamp_min(UNSEEN).sqrt()
    return _on_eigenvalues(spectrum / torch.outer(std, std), lambda v: v.clamp_min(FAINTEST))


def _kernel(response: Float[Tensor, "16 9 c c"]) -> Float[Tensor, "c c 15 15"]:
    """The filter of a response; a window over it makes the response smooth."""
    kernel = torch.fft.irfft2(response.permute(2, 3, 0, 1), s=(BLOCK, BLOCK))
    window = torch.hann_window(BLOCK + 1, periodic=False, device=response.device)[1:-1]
    return torch.fft.fftshift(kernel, (-2, -1))[..., 1:, 1:].float() * torch.outer(window, window)


def _smooth(gain: Tensor) -> Tensor:
    """Each gain as the geometric mean of its own twice, and of its neighbours' in brightness."""
    log = F.pad(gain.log()[None], (1, 1), mode="replicate")[0]
    return ((log[:, :-2] + 2 * log[:, 1:-1] + log[:, 2:]) / 4).exp()
