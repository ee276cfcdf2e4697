"""Restoration of images of any size by a model.

::

    y = vbl.images.read("night.jpg")
    vbl.restore("virnet-denoise", y).image              a checkpoint, by name
    vbl.restore(model, y, ensemble=True).noise_std      a model of yours, averaged eight times
    vbl.restore("ffdnet", y, noise_std=25 / 255)        one that needs the noise level

A large image is restored in tiles, so memory holds the image, the inferred maps, and the networks'
features of one tile; `restore_bands` needs only some rows of the image at a time. Parameters of
the whole image, such as its blur kernel, are inferred first.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vbl.models import Restoration, load
from vbl.networks import pad_to_multiple, placed
from vbl.restoration.tiling import Tile, networks_in, receptive_radius, relative, stride, tiles
from vbl.utils import bf16_pays, constant, find_device, keep_freed_memory, progress_bar

MIDDLE = 1024  # side in pixels of the central crop from which parameters of the image are inferred
BY_PIXEL = ("image", "noise_std", "uncertainty")  # the maps of a Restoration


@runtime_checkable
class Pixels(Protocol):
    """Images whose parts can be read, from top to bottom."""

    shape: tuple[int, int, int, int]  # B, C, H, W

    def __getitem__(self, part: tuple[slice, slice]) -> Float[Tensor, "b c h w"]:
        """The pixels of some rows and columns."""


class _InMemory:
    def __init__(self, image: Tensor):
        self.image, self.shape = image, tuple(image.shape)

    def __getitem__(self, part: tuple[slice, slice]) -> Tensor:
        return self.image[..., *part]


def restore(model: Any, image: Tensor, **options: Any) -> Restoration:
    """Restore images of any size, tile by tile.

    Args:
        model: A model with a method ``restore``, or the name or file of a checkpoint.
        image: Degraded images (B, C, H, W), float32, clean values in [0, 1]. Grey images (C = 1)
            are repeated to three channels for a colour model, and its output is averaged.
        **options: Options of `restore_bands`.

    Returns:
        The restored images, s times as large for super-resolution, and what the model infers, on
        the device of `image`, detached. Parameters of the whole image are inferred once, from its
        central 1024 x 1024 pixels; by a model without `infer`, in each tile, and averaged.

    Raises:
        ValueError: When an argument does not fit the others.
        UnknownName: When there is no checkpoint of that name.
        BadCheckpoint: When its file is damaged.
        DataUnavailable: When an author's weights are not on this machine.
    """
    _check_image(image)
    height, width = image.shape[-2:]
    results: dict[str, Tensor] = {}
    for rows, band in restore_bands(model, _InMemory(image), **options):
        part = (rows, slice(0, width))
        _paste(results, band, Tile(part, part), (slice(0, height), slice(0, width)), image.device)
    return Restoration(**results)


def restore_bands(
    model: Any,
    pixels: Pixels,
    *,
    tile: int | None = None,
    overlap: int | None = None,
    ensemble: bool = False,
    noise_std: float | Tensor | None = None,
    device: Any = None,
    bf16: bool | None = None,
    progress: bool | str | Callable[[float], None] = False,
) -> Iterator[tuple[slice, Restoration]]:
    """Restore images from top to bottom, one row of tiles after the other.

    Tiles are cropped to their kept part, not blended. With an `overlap` of the receptive radius or
    more, the result differs from that of the whole image by rounding only, less than 1e-4 in
    float32. With less it differs along the edges of tiles: by at most 0.003 for half the radius of
    36 pixels, 0.014 for a quarter and 0.14 without overlap, measured with ``resunet`` on a
    photograph with noise of 25/255, in tiles of 128 (``benchmarks/tiling.py``).

    Args:
        model: As in `restore`. It computes on the device in evaluation mode, and is afterwards
            where and as it was.
        pixels: The images.
        tile: The largest side of a tile, without its overlap; by default 768 pixels, and for
            super-resolution at most 1024 of the restored image.
        overlap: Further pixels on each side of a tile; by default the receptive radius.
        ensemble: Average over the image's eight rotations and reflections: slightly more accurate,
            eight times slower.
        noise_std: Standard deviation of the noise, for a model that needs it: a number, or
            anything that expands to (B, 1, H, W).
        device: "cpu", "cuda", "cuda:1", "mps"; by default a GPU if there is one.
        bf16: Whether networks compute in bfloat16; by default where that is faster. It differs from
            float32 by about 0.001 of 1.
        progress: Show a bar over the tiles, a string is its label; or call it with the share of
            the image that each tile is.

    Yields:
        The rows, and what `restore` says about them, on the device of `pixels`.

    Raises:
        ValueError: As `restore`; likewise the others.
    """
    target = find_device(device)
    keep_freed_memory()
    model = _find_model(model)
    level = _noise_level(model, pixels.shape, noise_std)
    channels = _channels_of(model, pixels.shape[1])
    parts = _tiles(model, pixels.shape, tile, overlap)
    label, hidden = progress if isinstance(progress, str) else None, not progress
    with (
        placed(model, target, bf16=bf16_pays(target) if bf16 is None else bf16),
        progress_bar(parts, label, unit="tile", hidden=hidden or callable(progress)) as shown,
    ):
        answer = (_ensemble if ensemble else _answer)(model, pixels, channels, target)
        for _, row in groupby(shown, lambda part: part.kept[0].start):
            results: dict[str, Tensor] = {}
            for part in row:
                y = pixels[part.seen]
                noisy = y.to(target).expand(-1, channels, -1, -1)
                told = None if level is None else level[..., *part.seen].to(target)
                with torch.no_grad():
                    restored = answer(noisy, told)
                band = (part.kept[0], slice(0, pixels.shape[-1]))
                _paste(results, _in_channels(restored, y.shape[1]), part, band, y.device)
                if callable(progress):
                    progress(1 / len(parts))
            yield band[0], Restoration(**results)


def scale_of(model: nn.Module) -> int:
    """The super-resolution factor of a model, 1 if it has none."""
    return getattr(getattr(model, "config", None), "scale", 1)


def is_told(model: nn.Module) -> bool:
    """Whether the noise level is an input of a model."""
    return any(network.needs_noise_level for network in networks_in(model))


def _check_image(image: Tensor) -> None:
    expected = "image: expected float32 (B, C, H, W), C = 1 or 3, clean values in [0, 1]"
    shape = tuple(image.shape)
    if len(shape) != 4 or shape[1] not in (1, 3) or 0 in shape or image.dtype != torch.float32:
        raise ValueError(f"{expected}; got {image.dtype} {shape}")
    low, high = (value.item() for value in image.detach().aminmax())
    if not (low > -10 and high < 10):  # noise may leave [0, 1], but not so far; NaN fails
        raise ValueError(f"{expected}; got values from {low:g} to {high:g}")


def _find_model(model: Any) -> nn.Module:
    found = model if isinstance(model, nn.Module) else load(model)
    if not hasattr(found, "restore"):
        raise ValueError(f"model: expected a method restore, {type(found).__name__} has none")
    return found


def _noise_level(model: nn.Module, shape: tuple, noise_std: Any) -> Tensor | None:
    """The noise level as an input (B, 1, H, W), or None if the model needs none."""
    name = type(model).__name__
    if is_told(model) != (noise_std is not None):
        rule = "must be told the noise level" if is_told(model) else "is not told the noise level"
        raise ValueError(f"noise_std: {name} {rule}")
    if noise_std is None:
        return None
    level = torch.as_tensor(noise_std, dtype=torch.float32)
    if not (level.min() >= 0 and level.max() < 10):
        raise ValueError("noise_std: expected standard deviations in units of the image")
    expected = (shape[0], 1, *shape[-2:])
    try:
        return level.expand(expected)
    except RuntimeError:
        raise ValueError(f"noise_std: expected {expected}, got {tuple(level.shape)}") from None


def _channels_of(model: nn.Module, given: int) -> int:
    """The channels that the model restores: a grey image is repeated for a colour model."""
    # the network with the fewest input channels has the image alone, others have further inputs
    channels = min((network.in_channels for network in networks_in(model)), default=given)
    if given not in (1, channels):
        raise ValueError(f"image: {type(model).__name__} restores {channels} channel, got {given}")
    return channels


def _in_channels(restored: Restoration, given: int) -> Restoration:
    """What was found about a grey image: a mean over the channels to which it was repeated."""
    if given != 1:
        return restored
    maps = {name: v for name, v in restored.parts.items() if name in BY_PIXEL}
    return replace(restored, **{name: v.mean(1, keepdim=True) for name, v in maps.items()})


def _tiles(model: nn.Module, shape: tuple, size: int | None, overlap: int | None) -> list[Tile]:
    height, width = shape[-2:]
    size = min(768, 1024 // scale_of(model)) if size is None else size
    by_pixel = getattr(model, "restoring", model)
    grid = {"size": size, "stride": stride(by_pixel)}
    if overlap is None:
        several = len(tiles(height, width, overlap=0, **grid)) > 1
        overlap = receptive_radius(by_pixel) + getattr(model, "reach", 0) if several else 0
    return tiles(height, width, overlap=overlap, **grid)


Answer = Callable[[Tensor, Tensor | None], Restoration]


def _answer(
    model: nn.Module,
    pixels: Pixels,
    channels: int,
    device: torch.device,
    way: tuple[int, bool] = (0, False),
) -> Answer:
    """The restoration of tiles, all rotated and reflected in one way."""
    whole = _whole(model, pixels, channels, device, way)
    scale = scale_of(model)

    def answer(y: Tensor, level: Tensor | None) -> Restoration:
        told = whole if level is None else {"noise_std": level}
        restored = model.restore(y, **told)
        expected = tuple(scale * side for side in y.shape[-2:])
        if restored.image.shape[-2:] != expected:
            sizes = f"{tuple(y.shape[-2:])} to {tuple(restored.image.shape[-2:])}"
            raise ValueError(f"model: expected one that makes {expected}, it restores {sizes}")
        return restored

    return answer


def _whole(
    model: nn.Module, pixels: Pixels, channels: int, device: torch.device, way: tuple[int, bool]
) -> dict[str, Any]:
    """What a model infers from the whole image, as an argument of its `restore`."""
    if not hasattr(model, "infer"):
        return {}
    middle = tuple(
        slice(start, start + MIDDLE)
        for start in (max(side - MIDDLE, 0) // 2 for side in pixels.shape[-2:])
    )
    y = pixels[middle].expand(-1, channels, -1, -1)
    with torch.no_grad():
        return {"inferred": model.infer(_turned(y, *way).to(device))}


def _ensemble(model: nn.Module, pixels: Pixels, channels: int, device: torch.device) -> Answer:
    """The mean over the eight rotations and reflections.

    The image is padded to a multiple of the stride first: then its reflections are aligned with the
    network's grid as well, and tiles agree with the whole image.
    """
    if getattr(getattr(model, "config", None), "sampling", None) == "direct":
        reason = "its samples lie in the corners of their blocks, and no longer after a turn"
        raise ValueError(f"ensemble: {type(model).__name__} cannot be turned: {reason}")
    multiple, scale = stride(model), scale_of(model)
    ways = [(turns, mirror) for turns in range(4) for mirror in (False, True)]
    answers = {way: _answer(model, pixels, channels, device, way) for way in ways}

    def mean(y: Tensor, level: Tensor | None) -> Restoration:
        (height, width), y = y.shape[-2:], pad_to_multiple(y, multiple)
        level = None if level is None else pad_to_multiple(level, multiple)
        sums: dict[str, Tensor] = {}
        for way, answer in answers.items():
            given = [None if v is None else _turned(v, *way) for v in (y, level)]
            for name, value in answer(*given).parts.items():
                back = _parameters_turned_back if name == "kernel_parameters" else _turned_back
                sums[name] = sums.get(name, 0) + back(value, *way) / 8
        sums["image"] = sums["image"][..., : scale * height, : scale * width]
        for name in {"noise_std", "uncertainty"} & sums.keys():
            sums[name] = sums[name][..., :height, :width]
        return Restoration(**sums)

    return mean


def _turned(x: Tensor, turns: int, mirror: bool) -> Tensor:
    return (x.flip(-1) if mirror else x).rot90(turns, (-2, -1))


def _turned_back(x: Tensor, turns: int, mirror: bool) -> Tensor:
    x = x.rot90(-turns, (-2, -1))
    return x.flip(-1) if mirror else x


def _parameters_turned_back(x: Float[Tensor, "b 3"], turns: int, mirror: bool) -> Tensor:
    """λ1², λ2² and ρ: a rotation by 90° swaps λ1, λ2 and negates ρ, a reflection negates ρ."""
    x = x[:, [1, 0, 2]] if turns % 2 else x
    return x * constant((1, 1, -1), x) if (turns + mirror) % 2 else x


def _paste(
    results: dict[str, Tensor],
    restored: Restoration,
    part: Tile,
    whole: tuple[slice, slice],
    device: torch.device,
) -> None:
    """Write the kept part into maps of the rows and columns `whole`, allocated at first use.

    Values that are not maps, such as kernels, are averaged over parts, weighted by their size.
    """
    seen, kept, sides = _sizes(part.seen), _sizes(part.kept), _sizes(whole)
    for name, value in restored.parts.items():
        scale, rest = divmod(value.shape[-1], seen[1])
        if name not in BY_PIXEL or rest != 0 or value.shape[-2] != scale * seen[0]:
            share = math.prod(kept) / math.prod(sides)
            results[name] = results.get(name, 0) + share * value.to(device)
            continue
        if name not in results:
            size = [scale * side for side in sides]
            results[name] = torch.empty(*value.shape[:2], *size, dtype=value.dtype, device=device)
        place = _times(scale, relative(part.kept, whole))
        results[name][..., *place] = value[..., *_times(scale, part.inside)].to(device)


def _sizes(where: tuple[slice, slice]) -> list[int]:
    return [piece.stop - piece.start for piece in where]


def _times(scale: int, where: tuple[slice, slice]) -> tuple[slice, ...]:
    return tuple(slice(scale * piece.start, scale * piece.stop) for piece in where)
