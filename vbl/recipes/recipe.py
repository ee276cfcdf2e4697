"""The classes of recipes and presets."""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any

from torch import nn

from vbl.degradations import Degrade

BERKELEY = ("bsd397", "free")  # the default training sets


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Size and length of a training run.

    Attributes:
        config: Configuration of the model.
        steps: Training steps.
        batch: Crops in a batch, over all processes.
        size: Side of a (clean) crop in pixels.
        lr: Peak learning rate of Adam.
        warmup: Share of the steps with linear warm-up, before a cosine decay to 0.
        restarts: Steps at which warm-up and decay start again, with half the peak of the cycle
            before (Loshchilov and Hutter, "SGDR", 2017).
        average: Whether the result is the mean of the weights at the ends of all cycles, instead of
            the last (Izmailov et al., "Averaging weights leads to wider optima", 2018).
        clip: Largest gradient norm of each network, by name; its scale is discussed in the book.
        degradation: Arguments of the recipe's degradations that are not their defaults.
        compile: Compile the networks on a GPU.
        start: A checkpoint to start from: its tensors of the same name and shape replace the random
            initial weights. None for random ones.

    Raises:
        ValueError: If a number is out of range.
    """

    config: Any
    steps: int
    batch: int = 16
    size: int = 64
    lr: float = 2e-3
    warmup: float = 0.1
    restarts: tuple[int, ...] = ()
    average: bool = False
    clip: Mapping[str, float] = field(default_factory=dict)
    degradation: Mapping[str, Any] | None = None
    compile: bool = False
    start: str | None = None

    def __post_init__(self):
        for name in ("steps", "batch", "size", "lr"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected a positive number, got {getattr(self, name)}")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup: expected a share in [0, 1), got {self.warmup}")
        bounds = (0, *self.restarts, self.steps)
        if any(begin >= end for begin, end in pairwise(bounds)):
            raise ValueError(
                f"restarts: expected rising steps below {self.steps}, got {self.restarts}"
            )

    def ends_cycle(self, step: int) -> bool:
        """Whether a step is the last of its cycle."""
        return step + 1 in (*self.restarts, self.steps)

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        cycle = bisect_right(self.restarts, step)
        begin, end = (0, *self.restarts)[cycle], (*self.restarts, self.steps)[cycle]
        step, steps, peak = step - begin, end - begin, self.lr / 2**cycle
        rise = self.warmup * steps
        if step < rise:
            return peak * (step + 1) / (rise + 1)
        return peak * 0.5 * (1 + math.cos(math.pi * (step - rise) / (steps - rise)))


def presets(
    configs: Mapping[str, Any],
    steps: Mapping[str, int],
    *,
    ship: Mapping[str, Any] | None = None,
    gpu: Mapping[str, Any] | None = None,
    paper: Mapping[str, Any] | None = None,
    **common: Any,
) -> dict[str, Preset]:
    """The presets of a recipe.

    Args:
        configs: Configurations of the model, by preset.
        steps: Training steps, by preset.
        ship: Settings of "ship" that differ from `common`.
        gpu: Settings of "gpu" that differ from `common`; its networks are compiled.
        paper: Likewise of "paper".
        common: Settings of all presets.
    """
    compiled = {"compile": True}
    own = {"ship": ship or {}, "gpu": compiled | (gpu or {}), "paper": compiled | (paper or {})}
    return {
        name: Preset(config=config, steps=steps[name], **common | own.get(name, {}))
        for name, config in configs.items()
    }


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One experiment.

    Attributes:
        name: Its name on the command line.
        about: One line.
        model: Class of the model, called with a preset's config.
        degrade: From clean crops to training pairs.
        validate: From held-out crops to pairs for the validation PSNR.
        data: Names of training sets; the first that is on this machine is used. "free" always is.
        scores: Test sets with options of `vbl.evaluation.evaluate`; empty if no set is suitable.
        presets: By name.
    """

    name: str
    about: str
    model: Callable[[Any], nn.Module]
    degrade: Degrade
    validate: Degrade
    data: tuple[str, ...] = BERKELEY
    scores: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    presets: Mapping[str, Preset]

    def degrading_for(self, preset: Preset) -> "Recipe":
        """The recipe with the degradations of a preset."""
        options = dict(preset.degradation or {})
        validate = partial(self.validate, **options)
        return replace(self, degrade=partial(self.degrade, **options), validate=validate)
