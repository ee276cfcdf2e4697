"""All roads side by side: the same pictures, the same seven damages, every system on each of them.

::

    pair = damaged("grain", x)                  seven damages, by name
    method = find_method("virnet-denoise", device)
    restored = travelled(method, pair)          at the size of the clean picture, whatever it takes
    left = left_over(pair.y, restored)          what no truth is needed for: two signs of trouble
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from vbl.degradations import (
    Degraded,
    awgn,
    blind_sr,
    blurred,
    camera,
    grain,
    jpeg,
    motion_kernel,
    noniid,
    virnet_test_kernels,
)
from vbl.degradations.operators import SAMPLINGS, bicubic_upsample, blur
from vbl.evaluation.metrics import correlation, psnr, registered, ssim
from vbl.models import Restoration
from vbl.restoration import Method
from vbl.utils import look_up, seeded

Damage = Callable[[Tensor, torch.Generator], Degraded]
LOW_NOISE = 2.55 / 255
SHAKE = 9  # side of its kernel in pixels, the largest that VBDeblurNet infers


def _reduced(x: Tensor, generator: torch.Generator) -> Degraded:
    """One of VIRNet's seven kernels at random, every fourth pixel, a little noise."""
    kernels = virnet_test_kernels(4)
    which = torch.randint(len(kernels), (len(x),), generator=generator, device=generator.device)
    return blind_sr(x, 4, kernels[which], LOW_NOISE, sampling="bicubic", generator=generator)


def _shaken(x: Tensor, generator: torch.Generator) -> Degraded:
    kernel = motion_kernel(SHAKE, n=len(x), generator=generator)
    return blurred(x, kernel, LOW_NOISE, generator=generator)


DAMAGES: dict[str, Damage] = {
    "white": lambda x, generator: awgn(x, 25 / 255, generator=generator),
    "varying": lambda x, generator: noniid(x, case=2, generator=generator),
    "grain": lambda x, generator: grain(x, 20 / 255, generator=generator),
    "camera": lambda x, generator: camera(x, 500.0, 3.0, generator=generator),
    "JPEG": lambda x, generator: jpeg(x, 10.0),
    "reduced": _reduced,
    "shaken": _shaken,
}


def damaged(name: str, x: Float[Tensor, "b 3 h w"], number: int = 0) -> Degraded:
    """Pictures with one of `DAMAGES`.

    White noise of 25 (of 255); noise that varies over the picture, chapter 4's Case 2; chapter 7's
    grain of 20; the simulated camera at 500 electrons; JPEG of quality 10; a Gaussian blur and
    reduction by 4; camera shake of 9 x 9 pixels. The last two with noise of 2.55.

    Args:
        name: A key of `DAMAGES`.
        x: Clean pictures in [0, 1]; for "reduced" with sides that are multiples of 4.
        number: Seed, for instance the picture's place in its set.

    Raises:
        UnknownName: When there is no such damage.
    """
    return look_up("damage", name, DAMAGES)(x, seeded("cpu", "side by side", name, number))


class NoRoad(ValueError):
    """A system cannot do anything with a picture; the message says why."""


@dataclass(frozen=True)
class Travelled:
    """What a system made of a picture.

    Attributes:
        restored: Its restoration, of the size of the clean picture.
        explained: The picture that the system believes it has been given, without noise: its
            restoration, blurred and reduced as it has inferred. Of the size of the degraded one.
        detour: What had to be done besides, in words, or "".
    """

    restored: Restoration
    explained: Tensor
    detour: str = ""


def travelled(method: Method, pair: Degraded) -> Travelled:
    """Let a system restore what it may not have been made for.

    A system that does not enlarge gets a reduced picture as it is, and its answer is enlarged by
    bicubic interpolation; one that enlarges by 2 goes twice. A system that must be told the noise
    level is told the root mean square of y - x where noise has no variance of its own.

    Raises:
        NoRoad: When a system that enlarges gets a picture that was not reduced, or a grey one
            gets a picture in colour.
    """
    scale = method.scale or 1
    if method.about.get("config", {}).get("channels") == 1:
        raise NoRoad("restores grey pictures only")
    if scale > 1 and pair.scale == 1:
        raise NoRoad(f"enlarges by {scale}; this picture has its size")
    told = _with_level(pair)
    if pair.scale == 1 or scale == pair.scale:
        return _arrived(method, told, method.restore(told, "bicubic"))
    if method.scale is None and method.name.startswith(("bicubic", "least-squares")):
        return _arrived(method, told, method.restore(told, "bicubic"))
    if scale == 2:
        once = method.restore(replace(told, scale=2), "bicubic")
        twice = method.restore(Degraded(once.image, pair.x, scale=2), "bicubic")
        whole = replace(once, image=twice.image)
        return Travelled(whole, _blurred_again(once, 2), "twice")
    small = method.restore(replace(told, scale=1, kernel=_point(pair)), None)
    large = replace(small, image=bicubic_upsample(small.image, pair.scale, "centred"))
    return Travelled(large, _blurred_again(small, 1), "then bicubic")


def _arrived(method: Method, pair: Degraded, restored: Restoration) -> Travelled:
    kernel = pair.kernel if "kernel" in method.told else restored.kernel
    known = replace(restored, kernel=kernel)
    return Travelled(restored, _blurred_again(known, pair.scale))


def _blurred_again(restored: Restoration, scale: int) -> Tensor:
    image = restored.image
    if restored.kernel is not None:
        image = blur(image, restored.kernel.to(image), "symmetric")
    return SAMPLINGS["bicubic"](image, scale) if scale > 1 else image


def _point(pair: Degraded) -> Tensor:
    """The kernel of no blur, one for each picture."""
    kernel = torch.zeros(len(pair.y), 1, SHAKE, SHAKE, dtype=pair.y.dtype, device=pair.y.device)
    kernel[..., SHAKE // 2, SHAKE // 2] = 1
    return kernel


def _with_level(pair: Degraded) -> Degraded:
    kernel = _point(pair) if pair.kernel is None else pair.kernel
    var = pair.noise_var
    if var is None:
        var = (pair.y - pair.x).square().mean((1, 2, 3), keepdim=True)
    return replace(pair, noise_var=var.mean(1, keepdim=True), kernel=kernel)


def scored(pair: Degraded, image: Tensor) -> dict[str, float]:
    """PSNR in dB and SSIM of one picture; after a blur it is registered to the truth first."""
    convention = "rgb-8bit"
    if pair.kernel is not None:
        image, convention = registered(image, pair.x), "registered"
    measures = {"psnr": psnr, "ssim": ssim}
    return {name: f(image, pair.x, convention).item() for name, f in measures.items()}


BLOCK = 16  # pixels, side of the blocks in which noise is measured


def block_rms(image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 m n"]:
    """Root mean square in blocks, over the channels."""
    return F.avg_pool2d(image.square().mean(1, keepdim=True), BLOCK).sqrt()


def left_over(y: Tensor, made: Travelled) -> dict[str, float]:
    """Two signs of trouble for which nobody needs the truth, of one picture.

    What remains of the picture when its explanation is subtracted should be the noise that the
    system has inferred, and nothing that has a shape.

    Returns:
        "left", its root mean square, of 255; "ratio", the same over the inferred standard
        deviation, pixel by pixel, near 1 if all is well (absent without an inferred level);
        "alike", its correlation with the next pixel, near 0 if noise is white.
    """
    rest = y - made.explained
    signs = {"left": 255 * rest.square().mean().sqrt().item(), "alike": _alike(rest)}
    std = made.restored.noise_std
    if std is not None:
        signs["ratio"] = (rest / std.clamp_min(1e-4)).square().mean().sqrt().item()
    return signs


def _alike(rest: Tensor) -> float:
    """Correlation of neighbours along rows and columns."""
    rest = rest - rest.mean((-2, -1), keepdim=True)
    across = (rest[..., 1:] * rest[..., :-1]).mean(), (rest[..., 1:, :] * rest[..., :-1, :]).mean()
    return (sum(across) / 2 / rest.square().mean().clamp_min(1e-12)).item()


def inferred(pair: Degraded, made: Travelled) -> dict[str, float]:
    """What a system says of one picture's degradation, beside what is true.

    Returns:
        Of what there is: "level" and "true_level", of 255; "map", the correlation of the inferred
        noise with the true one, from block to block, where it changes; "kernel", the cosine of the
        inferred kernel and the true one (a point, if there was no blur); "quality" of JPEG; and
        "warns", the correlation of the inferred noise with the error of the restoration.
    """
    restored, noise = made.restored, _true_noise(pair)
    found = {} if noise is None else {"true_level": 255 * noise.square().mean().sqrt().item()}
    if restored.noise_std is not None:
        std = restored.noise_std.expand(-1, -1, *pair.y.shape[-2:])
        found["level"] = 255 * std.square().mean().sqrt().item()
        if std.std() > 1e-6:
            found |= _maps(pair, restored, block_rms(std), noise)
    if restored.kernel is not None:
        true = _point(pair) if pair.kernel is None else pair.kernel
        found["kernel"] = _cosine(restored.kernel, true)
    if restored.quality is not None:
        found["quality"] = restored.quality.mean().item()
    return found


def _true_noise(pair: Degraded) -> Tensor | None:
    """Standard deviations, or y - x where there are none."""
    if pair.noise_var is not None:
        return pair.noise_var.sqrt()
    return None if pair.scale > 1 else pair.y - pair.x


def _maps(
    pair: Degraded, restored: Restoration, said: Tensor, noise: Tensor | None
) -> Mapping[str, float]:
    found = {}
    if pair.scale == 1:
        found["warns"] = correlation(said, block_rms(restored.image - pair.x))
    if noise is not None and noise.numel() > 1 and noise.shape[-1] > 1:
        found["map"] = correlation(said, block_rms(noise))
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _cosine(a: Tensor, b: Tensor) -> float:
    """Of two kernels, the smaller one with zeros around it."""
    side = max(a.shape[-1], b.shape[-1])
    grown = [F.pad(k.double(), 4 * [(side - k.shape[-1]) // 2]).flatten() for k in (a, b)]
    return F.cosine_similarity(*grown, dim=0).item()
