"""From a clean image x to a degraded one y, with the truth that made it.

Each function takes images (B, C, H, W) in [0, 1], draws only from `generator` (which must live on
the images' device) and returns a `Degraded`. Noise is never clipped, unless the device that makes
it clips (`jpeg`, `camera`). Levels are standard deviations in the images' units: 25/255, not 25.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from vbl import camera as _camera
from vbl.images import through_jpeg
from vbl.kernels import (
    defocus_kernel,
    gaussian_kernel,
    motion_kernel,
    random_gaussian_parameters,
)
from vbl.noise_maps import case_noise_map, training_noise_map
from vbl.operators import SAMPLINGS, blur, check_scale

# A level is one number, one per image, or a range (low, high) to draw one per image from.
Level = float | tuple[float, float] | Float[Tensor, " levels"]

SHAKE = 9  # side of a shaking hand's kernels: what a CPU learns to undo within an hour


@dataclass(frozen=True)
class Degraded:
    """A degraded image and everything that is known about how it came to be.

    Attributes:
        y: Observed images (B, C, h, w).
        x: Clean images (B, C, H, W) behind them.
        noise_var: Variance of the noise at each value of y, broadcastable to it; None where the
            degradation is not additive noise (`jpeg`) or its variance has no formula (`camera`).
        kernel: Blur kernels (B, 1, k, k), or None.
        scale: Factor s between the sizes of x and y.
        truth: Further parameters by name, each with one row per image.
    """

    y: Float[Tensor, "b c h w"]
    x: Float[Tensor, "b c sh sw"]
    noise_var: Tensor | None = None
    kernel: Tensor | None = None
    scale: int = 1
    truth: dict[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> "Degraded":
        """The same on another device."""
        values = vars(self) | {"truth": {k: v.to(device) for k, v in self.truth.items()}}
        return Degraded(
            **{k: v.to(device) if isinstance(v, Tensor) else v for k, v in values.items()}
        )


def _check(x: Tensor) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(f"expected a torch tensor of images, got {type(x).__name__}")
    full_precision = x.dtype in (torch.float32, torch.float64)
    if x.ndim != 4 or x.shape[1] not in (1, 3) or not full_precision or x.numel() == 0:
        raise ValueError(
            "expected float32 or float64 images (B, 1 or 3, H, W) in [0, 1], "
            f"got {tuple(x.shape)} of {x.dtype}"
        )
    low, high = x.aminmax()
    if not (low >= 0 and high <= 1):  # also refuses NaN
        raise ValueError(f"expected images in [0, 1], got values from {low:.4g} to {high:.4g}")


def _level(level: Level, x: Tensor, generator: torch.Generator | None) -> Tensor:
    """One value per image, (B,), of the images' type."""
    b = len(x)
    if isinstance(level, tuple):
        low, high = level
        if not 0 <= low <= high:
            raise ValueError(f"expected a range (low, high) with 0 <= low <= high, got {level}")
        u = torch.rand(b, generator=generator, device=x.device, dtype=x.dtype)
        return low + (high - low) * u
    values = torch.as_tensor(level, dtype=x.dtype, device=x.device)
    if values.shape not in ((), (b,)):
        shape = tuple(values.shape)
        raise ValueError(f"expected one level, or one for each of {b} images, got shape {shape}")
    if not (values >= 0).all():  # also refuses NaN
        raise ValueError(f"expected levels >= 0, got {values.tolist()}")
    return values.expand(b)


def _randn(shape: torch.Size, like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(shape, generator=generator, device=like.device, dtype=like.dtype)


def _add_white_noise(
    clean: Tensor, std: Level, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Noisy images and the variance (B, 1, 1, 1) of their noise."""
    level = _level(std, clean, generator).view(-1, 1, 1, 1)
    return clean + level * _randn(clean.shape, clean, generator), level**2


def awgn(
    x: Float[Tensor, "b c h w"],
    std: Level = 25 / 255,
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """Additive white Gaussian noise: y = x + std · n, the same level at every pixel.

    See :eq:`eq-degradation` with H the identity.

    Args:
        x: Images (B, C, H, W).
        std: Noise level, one for all images, one for each, or a range to draw from.
        generator: Source of randomness.

    Raises:
        ValueError: If a level is negative or their number does not fit.
    """
    _check(x)
    y, var = _add_white_noise(x, std, generator)
    return Degraded(y, x, noise_var=var)


def noniid(
    x: Float[Tensor, "b c h w"],
    std_map: Float[Tensor, "n 1 h w"] | None = None,
    *,
    case: int | None = None,
    generator: torch.Generator | None = None,
) -> Degraded:
    """Gaussian noise whose level changes over the image: y = x + σ(pixel) · n.

    Args:
        x: Images (B, C, H, W).
        std_map: Standard deviations (B or 1, 1, H, W); None draws a map.
        case: 1, 2 or 3 for a test map (`noise_maps.case_noise_map`); None for a random training
            map (`noise_maps.training_noise_map`).
        generator: Source of randomness.

    Raises:
        ValueError: If both `std_map` and `case` are given, or the map is negative.
    """
    _check(x)
    b, _, h, w = x.shape
    if std_map is not None and case is not None:
        raise ValueError("give std_map or case, not both")
    if case is not None:
        std_map = case_noise_map(case, h, w, generator=generator)
    elif std_map is None:
        std_map = training_noise_map(b, h, w, generator=generator)
    if not (std_map >= 0).all():  # also refuses NaN
        raise ValueError(f"std_map: expected values >= 0, got a minimum of {std_map.min():.4g}")
    std = std_map.to(x).expand(b, 1, h, w)
    return Degraded(x + std * _randn(x.shape, x, generator), x, noise_var=std**2)


def poisson_gaussian(
    x: Float[Tensor, "b c h w"],
    photons: Level = 100.0,
    read_std: Level = 2 / 255,
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """Photon counting and read noise: y = Poisson(photons · x)/photons + read_std · n.

    Its variance x/photons + read_std² grows with the signal :cite:p:`foi2008practical`.

    Args:
        x: Images (B, C, H, W), taken as linear light.
        photons: Expected count at x = 1.
        read_std: Standard deviation of the read noise.
        generator: Source of randomness.

    Raises:
        ValueError: If `photons` is zero for some image.
    """
    _check(x)
    peak = _level(photons, x, generator).view(-1, 1, 1, 1)
    if (peak == 0).any():
        raise ValueError("photons: expected positive counts, got 0")
    read = _level(read_std, x, generator).view(-1, 1, 1, 1)
    counts = torch.poisson(peak * x, generator=generator)
    truth = {"photons": peak.flatten(), "read_std": read.flatten()}
    y = counts / peak + read * _randn(x.shape, x, generator)
    return Degraded(y, x, noise_var=x / peak + read**2, truth=truth)


def correlated(
    x: Float[Tensor, "b c h w"],
    std: Level = 25 / 255,
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """Gaussian noise with neighbours alike: white noise through a 3 x 3 binomial filter.

    The filter is scaled so that every pixel keeps the variance std². The correlation with the
    next pixel is 2/3, with the one after it 1/6, and 0 further away.

    Args:
        x: Images (B, C, H, W).
        std: Noise level, as in `awgn`.
        generator: Source of randomness.

    Raises:
        ValueError: As `awgn`.
    """
    _check(x)
    level = _level(std, x, generator).view(-1, 1, 1, 1)
    binomial = x.new_tensor([1.0, 2.0, 1.0])
    binomial = torch.outer(binomial, binomial)
    binomial = (binomial / binomial.norm())[None, None]
    # White noise reaches one pixel past every edge, so that the border is like the rest.
    b, c, h, w = x.shape
    white = _randn(torch.Size((b, c, h + 2, w + 2)), x, generator)
    noise = blur(white, binomial)[..., 1:-1, 1:-1]
    return Degraded(x + level * noise, x, noise_var=level**2)


def grain(
    x: Float[Tensor, "b c h w"],
    std: float = 20 / 255,
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """Noise with neighbours alike, the more of it the brighter: of level std (½ + x).

    Its correlation is that of `correlated`. What LUD-VAE learns without pairs in chapter 7.

    Args:
        x: Images (B, C, H, W).
        std: Level at x = ½.
        generator: Source of randomness.

    Raises:
        ValueError: As `awgn`.
    """
    noise = correlated(torch.zeros_like(x), 1.0, generator=generator).y
    level = std * (0.5 + x)
    return Degraded(x + level * noise, x, noise_var=level**2)


def blurred(
    x: Float[Tensor, "b c h w"],
    kernel: Float[Tensor, "n 1 k k"] | None = None,
    std: Level = 2 / 255,
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """Blur and white noise: y = k * x + std · n, x continued symmetrically past its edges.

    Args:
        x: Images (B, C, H, W).
        kernel: Kernels (B or 1, 1, k, k), for instance Gaussian ones; None draws 21 x 21 motion
            kernels.
        std: Noise level.
        generator: Source of randomness.

    Raises:
        ValueError: If kernels or levels do not fit the images.
    """
    _check(x)
    if kernel is None:
        kernel = motion_kernel(21, n=len(x), generator=generator).to(x)
    y, var = _add_white_noise(blur(x, kernel, "symmetric"), std, generator)
    return Degraded(y, x, noise_var=var, kernel=kernel.expand(len(x), -1, -1, -1))


def shaken(
    x: Float[Tensor, "b c h w"],
    size: int = SHAKE,
    std: Level = (0.0, 7 / 255),
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """As a shaking hand takes it, one picture in four a badly focused lens instead; with noise.

    Args:
        x: Images (B, C, H, W).
        size: Side of the kernels. Discs have radii from half a pixel to a third of it.
        std: Noise level, as in `vbl.degradations.blurred`.
        generator: Source of randomness.
    """
    motion = motion_kernel(size, n=len(x), generator=generator).to(x)
    u = torch.rand(2, len(x), generator=generator, device=x.device, dtype=x.dtype)
    disc = defocus_kernel(0.5 + (size / 3 - 0.5) * u[0], size)
    kernel = torch.where(u[1].view(-1, 1, 1, 1) < 0.25, disc, motion)
    return blurred(x, kernel, std, generator=generator)


def printed(
    x: Float[Tensor, "b c h w"],
    size: int = SHAKE,
    std: Level = (0.0, 7 / 255),
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """The same of grey pages, in ink and on paper of any colour.

    Args:
        x: Pages (B, 1, H, W), 0 for ink and 1 for paper; or (B, 3, H, W), all channels alike.
        size: As in `shaken`.
        std: As there.
        generator: Source of randomness.
    """
    u = torch.rand(4, len(x), 3, 1, 1, generator=generator, device=x.device, dtype=x.dtype)
    lightness = u[:2, :, :1]  # the same in all channels
    paper = (0.6 + 0.4 * lightness[0] + 0.2 * (u[2] - 0.5)).clamp(0, 1)
    ink = (0.4 * lightness[1] + 0.4 * (u[3] - 0.5)).clamp(0, 1)
    return shaken(ink + (paper - ink) * x, size, std, generator=generator)


def blind_sr(
    x: Float[Tensor, "b c h w"],
    scale: int = 2,
    kernel: Float[Tensor, "n 1 k k"] | None = None,
    std: Level = (0.0, 15 / 255),
    *,
    sampling: str = "direct",
    generator: torch.Generator | None = None,
) -> Degraded:
    """Blur, downsample, add noise: y = (k * x)↓s + std · n, VIRNet's Eq. (6).

    The image is continued symmetrically past its edges, as in VIRNet's public code.

    Args:
        x: Images (B, C, H, W), H and W multiples of s.
        scale: s.
        kernel: Kernels (B or 1, 1, k, k); None draws VIRNet's random Gaussian ones (Eq. 27).
        std: Noise level, or the range to draw it from.
        sampling: "direct" keeps the upper-left pixels as the paper says; "bicubic" is the
            antialiased cubic downsampling of its public code.
        generator: Source of randomness.

    Raises:
        ValueError: If s does not divide the size, or `sampling` is neither.
    """
    _check(x)
    if sampling not in SAMPLINGS:
        raise ValueError(f"sampling: expected 'direct' or 'bicubic', got {sampling!r}")
    check_scale(x, scale)
    truth = {}
    if kernel is None:
        parameters = random_gaussian_parameters(len(x), scale, generator=generator)
        truth = dict(zip(("lambda1_sq", "lambda2_sq", "rho"), parameters, strict=True))
        kernel = gaussian_kernel(*parameters, size=21).to(x)
    small = SAMPLINGS[sampling](blur(x, kernel, "symmetric"), scale)
    y, var = _add_white_noise(small, std, generator)
    return Degraded(y, x, var, kernel.expand(len(x), -1, -1, -1), scale, truth)


def jpeg(
    x: Float[Tensor, "b c h w"],
    quality: Level = (10.0, 95.0),
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """JPEG compression and back, by Pillow's encoder on the CPU.

    Args:
        x: Images (B, C, H, W); rounded to 8 bits first.
        quality: Quality factor 1 ... 95, rounded to an integer.
        generator: Source of randomness.

    Raises:
        ValueError: If a quality lies outside 1 ... 95.
    """
    _check(x)
    q = _level(quality, x, generator).round()
    if q.min() < 1 or q.max() > 95:
        raise ValueError(f"quality: expected 1 ... 95, got {q.min():.0f} to {q.max():.0f}")
    y = torch.stack([through_jpeg(image, int(v)) for image, v in zip(x, q, strict=True)])
    return Degraded(y, x, truth={"quality": q})


def camera(
    x: Float[Tensor, "b c h w"],
    electrons: Level = (200.0, 2000.0),
    read_std: Level = (1.0, 6.0),
    *,
    generator: torch.Generator | None = None,
) -> Degraded:
    """A photograph as a small camera would take it: photon and read noise, then its processing.

    The clean image returned went through the same camera without noise, so that y - x is the
    noise and nothing else.

    Args:
        x: RGB images (B, 3, H, W), the scene.
        electrons: Electrons at saturation; 2000 is a good night shot, 200 a bad one.
        read_std: Read noise in electrons.
        generator: Source of randomness.

    Raises:
        ValueError: If the images are not RGB, or `electrons` is zero.
    """
    _check(x)
    if x.shape[1] != 3:
        raise ValueError(f"expected RGB images (B, 3, H, W), got {tuple(x.shape)}")
    full, read = _level(electrons, x, generator), _level(read_std, x, generator)
    if (full == 0).any():
        raise ValueError("electrons: expected positive numbers, got 0")
    raw = _camera.expose(x)
    noisy, raw_var = _camera.sense(raw, full, read, generator=generator)
    truth = {"electrons": full, "read_std": read, "raw_noise_var": raw_var}
    return Degraded(_camera.develop(noisy), _camera.develop(raw), truth=truth)


DEGRADATIONS: dict[str, Callable[..., Degraded]] = {
    "awgn": awgn,
    "noniid": noniid,
    "poisson_gaussian": poisson_gaussian,
    "correlated": correlated,
    "blur": blurred,
    "blind_sr": blind_sr,
    "jpeg": jpeg,
    "camera": camera,
}
