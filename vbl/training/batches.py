"""Training batches that depend only on the seed and the step.

::

    pixels = pack(open_dataset("bsd397"))           all pictures, 8 bits per value, in one array
    batches = Batches(pixels, noniid, size=64, batch=16, seed=0)
    batches[1000]                                   the batch of step 1000, in any order
"""

from collections.abc import Sequence
from dataclasses import fields

import torch
from torch import Tensor
from torch.utils.data import Dataset

from vbl.degradations import Degrade, Degraded, unchecked
from vbl.images import Pixels, random_crops
from vbl.utils import seeded


class Batches(Dataset):
    """Batch number i of a run, degraded, as a pure function of (seed, i).

    A batch is drawn in `shards` independent parts, so that several processes can share it: each
    draws its own parts only, and together they draw the batch that a single process would.

    Args:
        pixels: Training pictures, on the device of the batches.
        degrade: From clean crops to `Degraded`, called as ``degrade(x, generator=...)``.
        size: Side of a crop in pixels.
        batch: Crops in a batch, over all shards.
        seed: Seed of the run.
        shards: Parts of a batch.
        mine: The indices of the parts this process draws; all by default.

    Raises:
        ValueError: If `shards` does not divide `batch`.
    """

    def __init__(
        self,
        pixels: Pixels,
        degrade: Degrade,
        *,
        size: int,
        batch: int,
        seed: int,
        shards: int = 1,
        mine: Sequence[int] | None = None,
    ):
        if batch % shards:
            raise ValueError(f"batch: expected a multiple of {shards} shards, got {batch}")
        self.pixels, self.degrade, self.size, self.seed = pixels, degrade, size, seed
        self.part = batch // shards
        self.mine = range(shards) if mine is None else mine
        self._checked = False

    def __getitem__(self, i: int) -> Degraded:
        with unchecked(self._checked):  # but in the first batch
            batch = concatenate([self._draw(i, shard) for shard in self.mine])
        self._checked = True
        return batch

    def _draw(self, i: int, shard: int) -> Degraded:
        generator = seeded(self.pixels.start.device, self.seed, i, shard)
        clean = random_crops(self.pixels, self.size, self.part, generator=generator)
        return self.degrade(clean, generator=generator)


def concatenate(parts: Sequence[Degraded]) -> Degraded:
    """Concatenate batches; they must have the same optional fields."""
    if len(parts) == 1:
        return parts[0]
    whole = {}
    for field in fields(Degraded):
        values = [getattr(part, field.name) for part in parts]
        if isinstance(values[0], Tensor):
            whole[field.name] = torch.cat(values)
        elif isinstance(values[0], dict):
            whole[field.name] = {k: torch.cat([v[k] for v in values]) for k in values[0]}
        else:
            whole[field.name] = values[0]
    return Degraded(**whole)
