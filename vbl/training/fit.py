"""The training loop, for CPUs, one GPU, or several machines.

::

    run = fit("resunet", preset="quick")
    run.model.restore(y).image

`vbl.models.model` says what a model must have. With two objectives the loop alternates between
them.

A step is a pure function of weights, seed and step number, so a resumed run gives the same result
as an uninterrupted one.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, PartialState
from accelerate.state import AcceleratorState
from torch.utils.data import DataLoader

from vbl.degradations import Degraded
from vbl.images import Pixels, pack
from vbl.recipes import Preset, Recipe, find_recipe
from vbl.training.batches import Batches
from vbl.training.data import fingerprint, training_and_held_out, validation_pairs
from vbl.training.learner import Learner
from vbl.training.run import Journal, Run, agreed_plan, clear_folder, prepare_folder
from vbl.training.states import load_state
from vbl.utils import bf16_pays, find_device, keep_freed_memory, look_up


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
    watch: Callable[[list[dict[str, Any]]], None] | None = None,
) -> Run:
    """Train a recipe, or resume its training.

    Args:
        recipe: A `Recipe` or its name.
        preset: A `Preset`, or the name of one of the recipe's.
        folder: The folder of the run; by default ``runs/RECIPE-PRESET``.
        data: A set, its name or a folder of pictures, to train on instead of the recipe's own.
        device: "cpu" or "cuda"; by default a GPU if there is one. Several processes (started
            by ``accelerate launch``) use one GPU each.
        seed: Seed of the initial weights and of all samples.
        resume: Resume from the newest intact state in `folder`, if there is one; a state is saved
            every two minutes.
        overwrite: Delete an earlier run in `folder` first.
        minutes: Stop after so many minutes, resumable; None trains to the end.
        memory_map: Keep the training pictures in a file of `folder`, not in memory.
        workers: Data-loading processes, for degradations that run on the CPU (JPEG); 0 computes
            batches in the loop, on the device.
        watch: Called with the history after each validation, for instance to plot it.

    Returns:
        The run, its model on the CPU.

    Raises:
        UnknownName: For an unknown recipe, preset or set.
        ValueError: When `folder` holds another run, or an argument does not fit.
        FileExistsError: When `folder` is not empty and neither `resume` nor `overwrite` is given.
        Diverged: After ten consecutive steps that are not finite; the last state is kept.
    """
    if minutes is not None and not minutes >= 0:
        raise ValueError(f"minutes: expected a number >= 0, got {minutes}")
    keep_freed_memory()
    recipe, preset, label = _choose(recipe, preset)
    accelerator = _accelerator(device)
    folder = Path(folder or Path("runs") / f"{recipe.name}-{label}")
    training, held_out = training_and_held_out(recipe, data)

    plan = {"recipe": recipe.name, "preset": label, "data": training.name, "seed": seed}
    plan |= {"settings": asdict(preset), "shards": accelerator.num_processes}
    plan |= {"bf16": bf16_pays(accelerator.device), "pictures": fingerprint(training)}
    prepare_folder(folder, accelerator, resume=resume, overwrite=overwrite)
    tensors, facts = (resume and load_state(folder)) or ({}, {"step": 0, "plan": plan})
    plan = agreed_plan(facts["plan"], plan, folder)

    learner = Learner(recipe, preset, plan, accelerator)
    learner.load(tensors)
    mapped = folder / f"pixels-{accelerator.process_index}.bin" if memory_map else None
    whole, talks = len(training) + len(held_out), accelerator.is_main_process
    pixels = pack(training, preset.size, mapped, whole=whole, progress=talks)
    batches = _batches(pixels, recipe, preset, plan, accelerator, workers, facts["step"])
    pairs = validation_pairs(held_out, recipe, preset, whole)
    if overwrite and not resume:
        clear_folder(folder, accelerator)

    facts |= {"plan": plan}
    with Journal(folder, facts, learner, pairs, minutes, watch) as journal:
        for step, batch in enumerate(batches, start=facts["step"]):
            outcome = learner.update(step, batch)
            journal.note(step + 1, outcome)
            if journal.stops:
                break
    return journal.finish()


def _choose(recipe: Any, preset: Any) -> tuple[Recipe, Preset, str]:
    recipe = recipe if isinstance(recipe, Recipe) else find_recipe(recipe)
    label = "custom" if isinstance(preset, Preset) else preset
    if label == "custom":
        return recipe.degrading_for(preset), preset, label
    preset = look_up(f"preset of {recipe.name}", preset, recipe.presets)
    return recipe.degrading_for(preset), preset, label


def _accelerator(device: Any) -> Accelerator:
    # Processes on CPUs need cpu=True to connect. Networks set their own precision: that of the
    # user's `accelerate config` would also apply to the densities.
    wanted = find_device(device)
    cpu = wanted.type == "cpu"
    state = PartialState._shared_state  # of the first Accelerator, which settles the device
    if state and PartialState().num_processes == 1 and state["device"].type != wanted.type:
        AcceleratorState._reset_state(reset_partial_state=True)
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
    """The remaining batches, on the device."""
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
    own = torch.Generator().manual_seed(0)  # else the loader would use the global generator
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=range(done, preset.steps),
        num_workers=workers,
        pin_memory=workers > 0 and accelerator.device.type == "cuda",
        generator=own,
    )
    return (batch.to(accelerator.device) for batch in loader)
