"""Photographs as people have them: any noise, in colour or grey, often through JPEG."""

import torch
from jaxtyping import Float
from torch import Tensor

from vbl.degradations.camera import photographed
from vbl.degradations.degraded import Degraded, check_images
from vbl.degradations.jpeg import through_jpeg
from vbl.degradations.kernels import gaussian_kernel
from vbl.degradations.noise import noniid
from vbl.degradations.noise_maps import training_noise_map
from vbl.degradations.operators import blur
from vbl.images import grey
from vbl.utils import randn_like

WHITE, SMOOTHED = 0.5, 0.15  # shares of the kinds of noise; the rest are photographs
GREY = 0.25
COMPRESSED, STORED = 0.3, 0.25  # as JPEG, and as 8 bits without loss; the rest are not rounded
SUBSAMPLED = 0.6  # of the JPEG files, their chroma at half the resolution (4:2:0)


def everyday(x: Float[Tensor, "b c h w"], *, generator: torch.Generator | None = None) -> Degraded:
    """Noise of one kind in each image, of which some are grey, some stored as JPEG or in 8 bits.

    The kinds: white noise whose level changes over the image (`noniid`), noise after a camera's
    smoothing (`smoothed_noise`) and a simulated camera (`photographed`). The clean images are
    `recoloured` before, and have no JPEG artefacts. Qualities are 75 ... 99.

    Args:
        x: RGB images (B, 3, H, W).

    Raises:
        ValueError: If the images are not RGB.
    """
    check_images(x)
    if x.shape[1] != 3:
        raise ValueError(f"expected RGB images (B, 3, H, W), got {tuple(x.shape)}")
    x = recoloured(x, generator=generator)
    u = torch.rand(len(x), generator=generator, device=x.device)
    kind = (u > WHITE).long() + (u > WHITE + SMOOTHED).long()
    y, clean = torch.empty_like(x), torch.empty_like(x)
    for number, degrade in enumerate((noniid, smoothed_noise, photographed)):
        if (mine := kind == number).any():
            pair = degrade(x[mine], generator=generator)
            y[mine], clean[mine] = pair.y, pair.x
    is_grey = _chosen(GREY, x, generator)
    y, clean = (torch.where(is_grey, grey(v).expand_as(v), v) for v in (y, clean))
    u = torch.rand(3, len(x), generator=generator, device=x.device).tolist()
    stored = [_stored(y[i], *(row[i] for row in u), bool(is_grey[i])) for i in range(len(y))]
    return Degraded(torch.stack(stored), clean)


def recoloured(
    x: Float[Tensor, "b 3 h w"], *, generator: torch.Generator | None = None
) -> Float[Tensor, "b 3 h w"]:
    """Half of the images with their saturation times 0.7 to 2.5, half with permuted channels.

    Args:
        x: RGB images (B, 3, H, W) in [0, 1].
        generator: Source of randomness.
    """
    without, n = grey(x), len(x)
    saturation = 0.7 + 1.8 * torch.rand(n, 1, 1, 1, generator=generator, device=x.device)
    vivid = (without + saturation * (x - without)).clamp(0, 1)
    x = torch.where(_chosen(0.5, x, generator), vivid, x)
    order = torch.rand(n, 3, generator=generator, device=x.device).argsort(1)
    permuted = x.gather(1, order.view(n, 3, 1, 1).expand_as(x))
    return torch.where(_chosen(0.5, x, generator), permuted, x)


def smoothed_noise(
    x: Float[Tensor, "b c h w"], *, generator: torch.Generator | None = None
) -> Degraded:
    """Gaussian noise after smoothing: correlated over pixels and channels, its level uneven.

    White noise through a Gaussian of standard deviation U(0.3, 1.2) pixels that keeps the
    variance; a share U(0, 1)² of the variance is common to the channels. The map of levels is 0.6
    times that of `training_noise_map`.
    """
    check_images(x)
    n, _, h, w = x.shape
    u = torch.rand(3, n, generator=generator, device=x.device)
    var = (0.3 + 0.9 * u[0]).square()
    kernel = gaussian_kernel(var, var, 0 * var, 7)
    kernel = kernel / kernel.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    white = randn_like(x, generator=generator)
    common = u[1].view(-1, 1, 1, 1) ** 2
    mixed = (1 - common).sqrt() * white + common.sqrt() * white[:, :1]
    std = 0.6 * training_noise_map(n, h, w, generator=generator).to(x)
    return Degraded(x + std * blur(mixed, kernel, "symmetric"), x)


def _chosen(share: float, x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Which images (B, 1, 1, 1) belong to a random share."""
    return torch.rand(len(x), generator=generator, device=x.device).view(-1, 1, 1, 1) < share


def _stored(image: Tensor, how: float, quality: float, chroma: float, is_grey: bool) -> Tensor:
    """An image (3, H, W) as it is read from its file, for three numbers from U(0, 1)."""
    if how >= COMPRESSED + STORED:
        return image
    image = image.clamp(0, 1)
    if how >= COMPRESSED:
        return (255 * image).round() / 255
    part = image[:1] if is_grey else image
    subsampling = "4:2:0" if chroma < SUBSAMPLED else "4:4:4"
    return through_jpeg(part, int(75 + 25 * quality), subsampling).expand_as(image)
