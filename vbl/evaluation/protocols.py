"""Protocols of the papers' tables: how test pictures are degraded and compared.

A score depends on its protocol: the random stream of the noise changes a mean over 68 pictures by
0.02 dB, clipping the noise by 0.15 dB. The streams are NumPy's, as in the authors' code, on the
CPU, so scores do not depend on the device. Noise levels in options are on the scale of 0 to 255, as
in the papers; those returned are in the units of the images.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vbl.degradations import (
    DEGRADATIONS,
    Degrade,
    Degraded,
    blind_sr,
    case_noise_map,
    jpeg,
    vdir_test_kernels,
    virnet_test_kernels,
)
from vbl.images import Sample, luma
from vbl.utils import UnknownName

Stream = np.random.Generator | np.random.RandomState
VIRNET_SEED, VIRNET_SR_SEED, VDIR_SEED = 1000, 1234, 0


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How clean pictures are degraded and restorations compared.

    Attributes:
        about: One line, with what differs from the authors' evaluation.
        convention: A key of `vbl.evaluation.CONVENTIONS`.
        needs: Required options.
        allows: Further possible options.
        degrade: Called as ``degrade(x, stream, **options)``; None for pairs.
        stream: Creates the random stream at the start of a run.
        restarts: Whether the stream is created again for every picture: all have the same noise.
        colour: "rgb" repeats a grey picture three times, "y" takes the luma (8 bits, one channel)
            of a colour picture.
        kernels: The blur kernels (n, 1, k, k) of a scale factor.
        sampling: Of super-resolution, as in `vbl.degradations.blind_sr`.
        registers: Whether the restored picture is registered to the truth before the comparison.
    """

    about: str
    convention: str
    needs: tuple[str, ...] = ()
    allows: tuple[str, ...] = ()
    degrade: Callable[..., Degraded] | None = None
    stream: Callable[[], Stream | None] = lambda: None
    restarts: bool = False
    colour: str = "rgb"
    kernels: Callable[[int], Tensor] | None = None
    sampling: str | None = None
    registers: bool = False


def _normal(x: Tensor, stream: Stream) -> Tensor:
    """Standard normal noise of one picture (1, C, H, W), drawn in the order of (H, W, C)."""
    values = stream.standard_normal((*x.shape[2:], x.shape[1]))
    return torch.from_numpy(values).permute(2, 0, 1)[None].to(x)


def _level(sigma: float) -> Tensor:
    if not 0 <= sigma <= 255:
        raise ValueError(f"sigma: expected a noise level from 0 to 255, got {sigma}")
    return torch.full((1, 1, 1, 1), sigma / 255)


def _white(x: Tensor, stream: Stream, *, sigma: float) -> Degraded:
    std = _level(sigma)
    return Degraded(x + std * _normal(x, stream), x, noise_var=std**2)


def _bumps(stream: np.random.Generator) -> Tensor:
    """Samples for the bumps of Case 3; the authors draw columns first, then rows and widths."""
    return torch.from_numpy(stream.random((3, 64)))[[1, 0, 2]]


def _stream_after_bumps() -> Stream:
    """The stream after the map of Case 3, which the authors draw at the start for every case."""
    stream = np.random.default_rng(VIRNET_SEED)
    _bumps(stream)
    return stream


def _varying(x: Tensor, stream: Stream, *, case: int) -> Degraded:
    draws = _bumps(np.random.default_rng(VIRNET_SEED))
    std = case_noise_map(case, *x.shape[-2:], draws=draws)
    return Degraded(x + std * _normal(x, stream), x, noise_var=std**2)


def _reduced(
    x: Tensor,
    stream: Stream,
    *,
    scale: int,
    kernel: int,
    sigma: float = 0.0,
    kernels: Callable[[int], Tensor],
    sampling: str,
) -> Degraded:
    """Crop to a multiple of the scale, blur, sample, add noise, clip to [0, 1]."""
    height, width = (side // scale * scale for side in x.shape[-2:])
    std = _level(sigma)
    small = blind_sr(
        x[..., :height, :width], scale, kernels(scale)[kernel : kernel + 1], 0.0, sampling=sampling
    )
    y = (small.y + std * _normal(small.y, stream)).clamp(0, 1)
    return Degraded(y, small.x, std**2, small.kernel, scale)


def _ours(x: Tensor, stream: np.random.Generator, *, degrade: Degrade) -> Degraded:
    return degrade(x, generator=torch.Generator().manual_seed(int(stream.integers(2**31))))


def _as_made(name: str) -> Protocol:
    """The protocol of one of `vbl.degradations.DEGRADATIONS` with its defaults; no options."""
    degrade = DEGRADATIONS[name]
    return Protocol(
        about=f"`vbl.degradations.{name}`: {degrade.__doc__.splitlines()[0].rstrip('.')}",
        convention="rgb-8bit",
        degrade=partial(_ours, degrade=degrade),
        stream=partial(np.random.default_rng, 0),
    )


def _compressed(x: Tensor, stream: None, *, quality: int) -> Degraded:
    return jpeg(x, float(quality))


def _super_resolution(kernels: Callable[[int], Tensor], sampling: str, **about: str) -> Protocol:
    return Protocol(
        needs=("scale", "kernel"),
        allows=("sigma",),
        degrade=partial(_reduced, kernels=kernels, sampling=sampling),
        stream=partial(np.random.default_rng, VIRNET_SR_SEED),
        restarts=True,
        kernels=kernels,
        sampling=sampling,
        **about,
    )


PROTOCOLS: dict[str, Protocol] = {
    "virnet-table-1": Protocol(
        about="Noise maps of Cases 1-3, noise not clipped. The authors draw the map of Case 3 and "
        "then all noise from one stream over sets, cases and pictures; here the stream starts "
        "anew with every run, so that each can be repeated alone",
        convention="virnet-table-1",
        needs=("case",),
        degrade=_varying,
        stream=_stream_after_bumps,
    ),
    "virnet-table-2": Protocol(
        about="White noise, not clipped; the stream starts anew with every run, not only once",
        convention="virnet-table-2",
        needs=("sigma",),
        degrade=_white,
        stream=partial(np.random.default_rng, VIRNET_SEED),
    ),
    "virnet-table-5": _super_resolution(
        virnet_test_kernels,
        "bicubic",
        about="Seven kernels, antialiased cubic sampling as in the public code, the same noise in "
        "every picture, clipped and not rounded; luma, s² pixels of border",
        convention="virnet-table-5",
    ),
    "virnet-table-5-direct": _super_resolution(
        virnet_test_kernels,
        "direct",
        about="Table 5 with the direct sampling of the paper's text in place of the code's",
        convention="virnet-table-5",
    ),
    "vdir-table-1": Protocol(
        about="White noise, not clipped; the stream starts anew with every picture",
        convention="vdir-table-1",
        needs=("sigma",),
        degrade=_white,
        stream=partial(np.random.RandomState, VDIR_SEED),
        restarts=True,
    ),
    "vdir-table-4": _super_resolution(
        vdir_test_kernels,
        "direct",
        about="Kernel 0 is isotropic, 1 anisotropic; direct sampling; luma, s pixels of border "
        "(also Table V)",
        convention="vdir-table-4",
    ),
    "vdir-table-6": Protocol(
        about="JPEG of the luma, by Pillow's encoder where the authors used MATLAB's",
        convention="vdir-table-6",
        needs=("quality",),
        degrade=_compressed,
        colour="y",
    ),
    "vdir-table-7": Protocol(
        about="JPEG of the colour picture, by Pillow's encoder where the authors used MATLAB's",
        convention="vdir-table-7",
        needs=("quality",),
        degrade=_compressed,
    ),
    **{name: _as_made(name) for name in DEGRADATIONS if not name.endswith("_sr")},
    "pairs": Protocol(about="Pairs as they are; nothing is added", convention="rgb-8bit"),
    "registered-pairs": Protocol(
        about="Pairs; what was restored is moved onto the truth first, by parts of a pixel, for a "
        "kernel and a picture can be shifted against each other; 12 pixels of border",
        convention="registered",
        registers=True,
    ),
}

# The default protocol for given options. For white noise it is VDIR's, where the noise of a picture
# does not depend on its position in the set or on missing files.
_BY_OPTIONS = ("pairs", "vdir-table-1", "virnet-table-1", "virnet-table-5", "vdir-table-6")


def choose_protocol(options: Mapping[str, Any], name: str | None = None) -> str:
    """The named protocol, or the default one for some options.

    Args:
        options: The given options, of sigma, case, scale, kernel and quality.
        name: A key of `PROTOCOLS`, or None.

    Raises:
        UnknownName: When there is no such protocol.
        ValueError: When the options do not fit it, or fit none.
    """
    if name is not None and name not in PROTOCOLS:
        raise UnknownName("protocol", name, PROTOCOLS)
    for candidate in (name,) if name else _BY_OPTIONS:
        protocol = PROTOCOLS[candidate]
        if set(protocol.needs) <= set(options) <= {*protocol.needs, *protocol.allows}:
            return candidate
    got = f"got {_listed(options)}"
    if name is None:
        raise ValueError(
            f"options: expected sigma, case, scale with kernel (and sigma), or quality; {got}"
        )
    also = f" (and {_listed(protocol.allows)})" if protocol.allows else ""
    raise ValueError(f"{name}: expected {_listed(protocol.needs)}{also}, {got}")


def option_text(name: str, value: Any) -> str:
    """An option as text, like "sigma 2.55"."""
    return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names) or "no option"


def variants(name: str, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The options of each run: one run, or with ``kernel="all"`` one for each kernel.

    Args:
        name: A key of `PROTOCOLS`.
        options: Options that fit it; a kernel may be a number in a string.

    Raises:
        ValueError: When there is no such kernel, or the scale is out of range.
    """
    if "kernel" not in options:
        return [dict(options)]
    scale, kernel = options["scale"], options["kernel"]
    if scale not in (2, 3, 4):
        raise ValueError(f"scale: expected 2, 3 or 4, got {scale}")
    numbers = range(len(PROTOCOLS[name].kernels(scale)))
    if kernel != "all" and str(kernel) not in map(str, numbers):
        raise ValueError(f"kernel: expected 'all' or 0 ... {numbers[-1]}, got {kernel!r}")
    chosen = numbers if kernel == "all" else [int(kernel)]
    return [{**options, "kernel": number} for number in chosen]


def degraded(
    samples: Iterable[Sample], name: str, options: Mapping[str, Any]
) -> Iterator[tuple[str, Degraded]]:
    """Names and degraded pictures of one run of a protocol.

    Args:
        samples: Clean pictures, or pairs for a protocol that does not degrade.
        name: A key of `PROTOCOLS`.
        options: One of `variants`.

    Raises:
        ValueError: For pairs with a protocol that degrades, or clean pictures with one that does
            not.
    """
    protocol = PROTOCOLS[name]
    stream = protocol.stream()
    for sample in samples:
        if protocol.degrade is None:
            yield sample.name, _pair(sample)
            continue
        if sample.degraded is not None:
            raise ValueError(f"{sample.name} is a pair, degraded already: give no option")
        if protocol.restarts:
            stream = protocol.stream()
        x = _in_colours(sample.image, protocol.colour)
        yield sample.name, protocol.degrade(x, stream, **options)


def _pair(sample: Sample) -> Degraded:
    if sample.degraded is None:
        raise ValueError(
            f"{sample.name} is a clean picture: give sigma, case, scale with kernel, or quality"
        )
    return Degraded(_in_colours(sample.degraded, "rgb"), _in_colours(sample.image, "rgb"))


def _in_colours(image: Tensor, colour: str) -> Tensor:
    channels = image.shape[1]
    if colour == "rgb" and channels == 1:
        return image.repeat(1, 3, 1, 1)
    if colour == "y" and channels == 3:
        return (luma(image) * 255).round() / 255
    return image
