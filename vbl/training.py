"""The one training loop: a laptop, one GPU, or many machines.

::

    run = fit("resunet", preset="quick")
    run.model.restore(y).image

What a model must offer: ``forward(batch, generator=...)`` returning its `vbl.elbo.Elbo`,
``restore(y)``, and ``players()``: each objective by name, with the networks trained on it by name.
Most models have one objective, "bound". One with an adversary has a second, for which its forward
is called with ``objective=`` its name; the loop serves both, one after the other.

A step is a pure function of the weights, the seed and its own number, so a run that was stopped
goes on exactly as if it had not been.
"""

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Adam
from torch.utils.data import DataLoader

from vbl.datasets import UnknownName
from vbl.degradations import Degraded
from vbl.devices import bf16_pays, find_device
from vbl.elbo import Elbo
from vbl.methods import restorer_of
from vbl.metrics import psnr
from vbl.networks import Network, use_bf16
from vbl.pipeline import Batches, Pixels, pack, seeded
from vbl.recipes import Preset, Recipe, find_recipe
from vbl.runs import (
    Journal,
    Run,
    agreed_plan,
    clear_folder,
    fingerprint,
    prepare_folder,
    shows_progress,
    training_and_held_out,
    validation_pairs,
)
from vbl.states import load_state

PATIENCE = 10  # steps in a row that may fail to be finite


class Diverged(RuntimeError):
    """Ten steps in a row were not finite; the message names the term."""


def fit(
    recipe: Any,
    *,
    preset: Any = "classroom",
    folder: Any = None,
    data: Any = None,
    device: Any = None,
    seed: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    minutes: float | None = None,
    memory_map: bool = False,
    workers: int = 0,
    save_every: int | None = None,
    watch: Callable[[list[dict[str, Any]]], None] | None = None,
) -> Run:
    """Train a recipe, or go on with it.

    Args:
        recipe: A `Recipe` or the name of one.
        preset: The name of one of its presets, or a `Preset`.
        folder: Where the run is kept; by default ``runs/RECIPE-PRESET``.
        data: A set, its name or a folder of pictures, to train on instead of the recipe's own.
        device: "cpu" or "cuda"; by default a GPU where there is one. Several processes (started
            by ``accelerate launch``) take one GPU each.
        seed: Of the first weights and of everything drawn.
        resume: Go on from the newest whole state in `folder`, if there is one.
        overwrite: Empty `folder` of an earlier run first.
        minutes: Stop after so many minutes, resumable; None runs to the end.
        memory_map: Keep the training pictures in a file of `folder`, not in memory.
        workers: Processes that make batches beside the loop, for degradations that run on the
            CPU (JPEG); 0 makes them in the loop, on the device.
        save_every: Steps between states; by default as many as two minutes have.
        watch: Called with the history after each validation, for instance to draw it.

    Raises:
        UnknownName: For an unknown recipe, preset or set.
        ValueError: When `folder` holds another run, or an argument does not fit.
        FileExistsError: When `folder` is not empty and neither `resume` nor `overwrite` is given.
        Diverged: After ten steps in a row that are not finite; the last state stays.
    """
    if minutes is not None and not minutes >= 0:
        raise ValueError(f"minutes: expected a number >= 0, got {minutes}")
    recipe, preset, label = _choose(recipe, preset)
    accelerator = _accelerator(device)
    folder = Path(folder or Path("runs") / f"{recipe.name}-{label}")
    training, held_out = training_and_held_out(recipe, data)

    plan = {"recipe": recipe.name, "preset": label, "data": training.name, "seed": seed}
    plan |= {"settings": preset.describe(), "shards": accelerator.num_processes}
    plan |= {"bf16": bf16_pays(accelerator.device), "pictures": fingerprint(training)}
    prepare_folder(folder, accelerator, resume=resume, overwrite=overwrite)
    tensors, facts = (resume and load_state(folder)) or ({}, {"step": 0, "plan": plan})
    plan = agreed_plan(facts["plan"], plan, folder)

    learner = Learner(recipe, preset, plan, accelerator)
    learner.load(tensors)
    mapped = folder / f"pixels-{accelerator.process_index}.bin" if memory_map else None
    whole, talks = len(training) + len(held_out), shows_progress(accelerator)
    pixels = pack(training, preset.size, mapped, whole=whole, progress=talks)
    batches = _batches(pixels, recipe, preset, plan, accelerator, workers, facts["step"])
    pairs = validation_pairs(held_out, recipe, preset, whole)
    if overwrite and not resume:
        clear_folder(folder, accelerator)

    facts |= {"plan": plan}
    with Journal(folder, facts, learner, pairs, minutes, save_every, watch) as journal:
        for step, batch in enumerate(batches, start=facts["step"]):
            outcome = learner.update(step, batch)
            journal.note(step + 1, outcome)
            if journal.stops:
                break
    return journal.finish()


@dataclass(frozen=True)
class Outcome:
    """What one step did: the loss, its terms and the gradient norms before clipping, by network."""

    loss: Tensor
    elbo: Elbo
    norms: dict[str, Tensor]


class Learner:
    """A model and everything that moves it: precision, optimisers, clipping, moving average.

    Args:
        recipe: Names the model.
        preset: Its size, rate and clipping.
        plan: The run's seed, precision and number of shards.
        accelerator: Knows the device and the other processes.
    """

    def __init__(self, recipe: Recipe, preset: Preset, plan: dict, accelerator: Accelerator):
        self.preset, self.seed, self.accelerator = preset, plan["seed"], accelerator
        with torch.random.fork_rng(devices=[]):  # networks draw their first weights globally
            torch.manual_seed(self.seed)
            self.model = recipe.model(preset.config)
        self.model.to(accelerator.device, memory_format=torch.channels_last)
        use_bf16(self.model, plan["bf16"])
        if preset.compile and accelerator.device.type == "cuda":
            for network in self.model.modules():
                if isinstance(network, Network):
                    network.compile()
        self.average = deepcopy(self.model).eval() if preset.ema else None
        self.optimisers = {
            objective: Adam([p for net in networks.values() for p in net.parameters()], fused=True)
            for objective, networks in self.model.players().items()
        }
        # A second objective leaves the networks of the first without a gradient.
        accelerator.ddp_handler.find_unused_parameters = len(self.optimisers) > 1
        self.shared = accelerator.prepare(self.model)  # the model, its gradients averaged
        self.failures = 0

    def update(self, step: int, batch: Degraded) -> Outcome:
        """One step of every objective: bound, gradient, clip, move.

        Returns:
            What was done for the first objective.

        Raises:
            Diverged: When this is the tenth step in a row that is not finite.
        """
        self.model.train()
        outcomes = []
        for objective, networks in self.model.players().items():
            elbo = self._forward(step, batch, objective)
            loss = elbo.loss(batch.x[0].numel())
            self.optimisers[objective].zero_grad()
            loss.backward()  # accelerate's would obey ACCELERATE_GRADIENT_ACCUMULATION_STEPS
            norms = {name: self._clip(name, network) for name, network in networks.items()}
            if self._is_finite(step, elbo, norms):
                for group in self.optimisers[objective].param_groups:
                    group["lr"] = self.preset.rate(step)
                self.optimisers[objective].step()
            outcomes.append(Outcome(loss.detach(), elbo, norms))
        if self.average is not None:
            self._follow()
        return outcomes[0]

    def _forward(self, step: int, batch: Degraded, objective: str) -> Elbo:
        rank, device = self.accelerator.process_index, self.accelerator.device
        generator = seeded(device, self.seed, step, "model", rank)
        which = {} if objective == "bound" else {"objective": objective}
        return self.shared(batch, generator=generator, **which)

    def _clip(self, name: str, network: nn.Module) -> Tensor:
        return clip_grad_norm_(network.parameters(), self.preset.clip.get(name, math.inf))

    def _is_finite(self, step: int, elbo: Elbo, norms: dict[str, Tensor]) -> bool:
        """Whether the step may be taken. Gradients are shared, so all processes agree."""
        if all(torch.isfinite(norm) for norm in norms.values()):
            self.failures = 0
            return True
        self.failures += 1
        if self.failures == PATIENCE:
            terms = {**elbo.log_likelihood, **elbo.kl, **elbo.auxiliary}
            bad = [f"the term {name!r}" for name, term in terms.items() if not _finite(term)]
            bad += [f"the gradient of {n!r}" for n, norm in norms.items() if not _finite(norm)]
            raise Diverged(f"step {step}: {bad[0]} was not finite {PATIENCE} times in a row")
        return False

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average a little towards the weights; buffers are copied."""
        ours, theirs = self.average, self.model
        torch._foreach_lerp_(
            list(ours.parameters()), list(theirs.parameters()), 1 - self.preset.ema
        )
        for mine, new in zip(ours.buffers(), theirs.buffers(), strict=True):
            mine.copy_(new)

    @property
    def best(self) -> nn.Module:
        """The moving average of the model where there is one, else the model itself."""
        return self.model if self.average is None else self.average

    @torch.inference_mode()
    def validate(self, pairs: Iterable[Degraded]) -> float:
        """Mean PSNR in dB of the model to use on the held-out pairs."""
        restore = restorer_of(self.best.eval())
        pairs = [pair.to(self.accelerator.device) for pair in pairs]
        scores = [psnr(restore(pair, None).image, pair.x) for pair in pairs]
        return float(torch.cat(scores).mean())

    def tensors(self) -> dict[str, Tensor]:
        """Weights, average and moments by name: everything a state must hold."""
        parts = {"model": self.model, "average": self.average}
        named = {
            f"{part}.{name}": tensor
            for part, module in parts.items()
            if module is not None
            for name, tensor in module.state_dict().items()
        }
        for objective, optimiser in self.optimisers.items():
            for number, moments in optimiser.state_dict()["state"].items():
                for name, tensor in moments.items():
                    named[f"optimiser.{objective}.{number}.{name}"] = tensor
        return named

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `tensors` saved; nothing for an empty dictionary."""
        if not tensors:
            return
        self.model.load_state_dict(_below("model", tensors))
        if self.average is not None:
            self.average.load_state_dict(_below("average", tensors))
        for objective, optimiser in self.optimisers.items():
            state = {}
            for name, tensor in _below(f"optimiser.{objective}", tensors).items():
                number, moment = name.split(".")
                state.setdefault(int(number), {})[moment] = tensor
            groups = optimiser.state_dict()["param_groups"]
            optimiser.load_state_dict({"state": state, "param_groups": groups})
            for parameter, moments in optimiser.state.items():
                for name in ("exp_avg", "exp_avg_sq"):  # fused Adam wants the weights' own layout
                    moments[name] = torch.empty_like(parameter).copy_(moments[name])


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name[len(start) :]: t for name, t in tensors.items() if name.startswith(start)}


def _finite(values: Tensor) -> bool:
    return bool(torch.isfinite(values).all())


def _choose(recipe: Any, preset: Any) -> tuple[Recipe, Preset, str]:
    recipe = recipe if isinstance(recipe, Recipe) else find_recipe(recipe)
    if isinstance(preset, Preset):
        return recipe, preset, "custom"
    if preset not in recipe.presets:
        raise UnknownName(f"preset of {recipe.name}", preset, recipe.presets)
    return recipe, recipe.presets[preset], preset


def _accelerator(device: Any) -> Accelerator:
    # Processes on CPUs find each other only when told that they are on CPUs. Networks choose their
    # precision themselves: what a user's `accelerate config` says would reach the probability.
    cpu = find_device(device).type == "cpu"
    options = [DistributedDataParallelKwargs()]
    return Accelerator(cpu=cpu, mixed_precision="no", kwargs_handlers=options)


def _batches(
    pixels: Pixels,
    recipe: Recipe,
    preset: Preset,
    plan: dict,
    accelerator: Accelerator,
    workers: int,
    done: int,
) -> Iterable[Degraded]:
    """The batches still to come, on the device."""
    shards, rank, world = plan["shards"], accelerator.process_index, accelerator.num_processes
    if shards % world:
        raise ValueError(f"a batch of this run has {shards} shards: {world} processes cannot share")
    batches = Batches(
        pixels if workers else pixels.to(accelerator.device),
        recipe.degrade,
        size=preset.size,
        batch=preset.batch,
        seed=plan["seed"],
        shards=shards,
        mine=range(rank, shards, world),
    )
    own = torch.Generator().manual_seed(0)  # the loader would draw from the global one
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=range(done, preset.steps),
        num_workers=workers,
        generator=own,
    )
    return (batch.to(accelerator.device) for batch in loader)
