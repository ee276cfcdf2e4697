"""Sets packed as bytes in memory, and random crops."""

import io
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vbl.images.datasets import Sample, readable
from vbl.utils import complete_or_absent, progress_bar


@dataclass(frozen=True, eq=False)
class Pixels:
    """Pictures of any size, concatenated as bytes.

    Attributes:
        values: All pictures, (H, W, C) each, flattened: (N,) uint8; possibly a mapped file.
        start: Where each picture starts in `values`, (n,).
        height: Heights in pixels, (n,).
        width: Widths in pixels, (n,).
        channels: 3 or 1, for all pictures.
    """

    values: Tensor
    start: Tensor
    height: Tensor
    width: Tensor
    channels: int

    def __len__(self) -> int:
        return len(self.start)

    def to(self, device: torch.device) -> "Pixels":
        """A copy on `device`."""
        tensors = (self.values, self.start, self.height, self.width)
        return Pixels(*(tensor.to(device) for tensor in tensors), self.channels)


def pack(
    dataset: Sequence,
    minimum: int = 1,
    path: Path | None = None,
    *,
    whole: int | None = None,
    progress: bool = False,
) -> Pixels:
    """Read the (clean) pictures of a set as bytes.

    Args:
        dataset: A set of `vbl.images.datasets`, all grey or all colour.
        minimum: Smallest accepted side in pixels.
        path: Write the bytes to this file and map it, for a set larger than the memory.
        whole: As in `readable`.
        progress: Show a progress bar.

    Raises:
        UnreadableImage: When 1 % of the files or more cannot be read.
        ValueError: When there is no picture, grey and colour are mixed, or one is smaller than
            `minimum`.
    """
    shapes: list[tuple[int, ...]] = []
    memory = io.BytesIO()
    with complete_or_absent(path) if path else nullcontext(memory) as sink:
        samples, total = readable(dataset, whole), len(dataset)
        for sample in progress_bar(samples, "reading", total, unit="picture", hidden=not progress):
            _check(sample, shapes, minimum)
            image = (sample.image[0] * 255).round().byte().permute(1, 2, 0).contiguous()
            shapes.append(tuple(image.shape))
            sink.write(image.numpy().data)
    if not shapes:
        raise ValueError("expected at least one picture, got none")
    bytes_ = np.memmap(path, np.uint8, "c") if path else np.frombuffer(memory.getbuffer(), np.uint8)
    height, width, channels = (torch.tensor(side) for side in zip(*shapes, strict=True))
    sizes = height * width * channels
    start = sizes.cumsum(0) - sizes
    return Pixels(torch.from_numpy(bytes_), start, height, width, int(channels[0]))


def _check(sample: Sample, shapes: list, minimum: int) -> None:
    channels, height, width = sample.image.shape[1:]
    if min(height, width) < minimum:
        size = f"{height} x {width}, smaller than a crop of {minimum} x {minimum}"
        raise ValueError(f"{sample.name} is {size}")
    if shapes and shapes[0][2] != channels:
        raise ValueError(f"{sample.name}: cannot mix grey and colour pictures")


def middle(image: Float[Tensor, "b c h w"], side: int) -> Float[Tensor, "b c h2 w2"]:
    """At most `side` pixels in the middle of images, each way."""
    top, left = (max(0, (n - side) // 2) for n in image.shape[-2:])
    return image[..., top : top + side, left : left + side]


def random_crops(
    pixels: Pixels, size: int, n: int, *, generator: torch.Generator | None = None
) -> Float[Tensor, "n c size size"]:
    """Random square crops with random rotations by 90° and reflections.

    Uniform over the pictures, then over the positions. One gather, on the pictures' device.

    Args:
        pixels: The pictures, no side shorter than `size`.
        size: Side of a crop in pixels.
        n: Number of crops.
        generator: Source of randomness, on the device of the pictures.
    """
    device = pixels.start.device
    u = torch.rand(6, n, generator=generator, device=device, dtype=torch.float64)
    which = (u[0] * len(pixels)).long()
    height, width = pixels.height[which], pixels.width[which]
    top, left = (u[1] * (height - size + 1)).long(), (u[2] * (width - size + 1)).long()
    flips = (u[3:] < 0.5).view(3, n, 1, 1)
    i = torch.arange(size, device=device)
    a, b = i.view(1, size, 1), i.view(1, 1, size)
    a, b = torch.where(flips[0], b, a), torch.where(flips[0], a, b)  # transpose
    rows = top.view(n, 1, 1) + torch.where(flips[1], size - 1 - a, a)
    cols = left.view(n, 1, 1) + torch.where(flips[2], size - 1 - b, b)
    pixel = (rows * width.view(n, 1, 1) + cols) * pixels.channels + pixels.start[which].view(
        n, 1, 1
    )
    channels = torch.arange(pixels.channels, device=device)
    values = pixels.values[pixel.unsqueeze(-1) + channels]
    return values.permute(0, 3, 1, 2).float() / 255  # channels last in memory
