"""A model with its optimisers, precision and gradient clipping."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Adam
from torch.optim.swa_utils import AveragedModel

from vbl.degradations import Degraded, unchecked
from vbl.evaluation import psnr
from vbl.models import load
from vbl.networks import Network, use_bf16
from vbl.probability import Elbo
from vbl.recipes import Preset, Recipe
from vbl.restoration import restorer_of
from vbl.utils import seeded

PATIENCE = 10  # consecutive steps that are not finite, after which training stops


class Diverged(RuntimeError):
    """Ten consecutive steps were not finite; the message names the term."""


@dataclass(frozen=True)
class Outcome:
    """Loss and terms of one step, and the gradient norms before clipping, by network."""

    loss: Tensor
    elbo: Elbo
    norms: dict[str, Tensor]


class Learner:
    """Trains a model step by step.

    Args:
        recipe: Has the class of the model.
        preset: Has its configuration, learning rate and clipping.
        plan: Seed and precision of the run.
        accelerator: Has the device and the other processes.
    """

    def __init__(self, recipe: Recipe, preset: Preset, plan: dict, accelerator: Accelerator):
        self.preset, self.seed, self.accelerator = preset, plan["seed"], accelerator
        with torch.random.fork_rng(devices=[]):  # initialisation uses the global generator
            torch.manual_seed(self.seed)
            self.model = recipe.model(preset.config)
        if preset.start:
            _start_from(load(preset.start), self.model)
        self.model.to(accelerator.device, memory_format=torch.channels_last)
        self.mean = AveragedModel(self.model) if preset.average else None
        use_bf16(self.model, plan["bf16"])
        if preset.compile and accelerator.device.type == "cuda":
            for network in self.model.modules():
                if isinstance(network, Network):
                    network.compile()
        self.optimisers = {
            objective: Adam([p for net in networks.values() for p in net.parameters()], fused=True)
            for objective, networks in self.model.objectives().items()
        }
        # In the backward pass of one objective the networks of the others have no gradient.
        accelerator.ddp_handler.find_unused_parameters = len(self.optimisers) > 1
        self.shared = accelerator.prepare(self.model)  # the model, its gradients averaged
        self.failures = 0
        self._checked = False

    def update(self, step: int, batch: Degraded) -> Outcome:
        """One step of every objective: forward, backward, clipping, optimiser.

        Returns:
            The outcome of the first objective.

        Raises:
            Diverged: When this is the tenth consecutive step that is not finite.
        """
        self.model.train()
        outcomes = []
        for objective, networks in self.model.objectives().items():
            with unchecked(self._checked):  # but in the first step
                elbo = self._forward(step, batch, objective)
            loss = elbo.loss(batch.x[0].numel())
            self.optimisers[objective].zero_grad()
            loss.backward()  # accelerate's depends on ACCELERATE_GRADIENT_ACCUMULATION_STEPS
            norms = {name: self._clip(name, network) for name, network in networks.items()}
            if self._is_finite(step, elbo, norms):
                for group in self.optimisers[objective].param_groups:
                    group["lr"] = self.preset.rate(step)
                self.optimisers[objective].step()
            outcomes.append(Outcome(loss.detach(), elbo, norms))
        self._checked = True
        if self.mean and self.preset.ends_cycle(step):
            self.mean.update_parameters(self.model)
            if step + 1 == self.preset.steps:
                self.model.load_state_dict(self.mean.module.state_dict())
        return outcomes[0]

    def _forward(self, step: int, batch: Degraded, objective: str) -> Elbo:
        rank, device = self.accelerator.process_index, self.accelerator.device
        generator = seeded(device, self.seed, step, "model", rank)
        which = {} if objective == "bound" else {"objective": objective}
        return self.shared(batch, generator=generator, **which)

    def _clip(self, name: str, network: nn.Module) -> Tensor:
        return clip_grad_norm_(network.parameters(), self.preset.clip.get(name, math.inf))

    def _is_finite(self, step: int, elbo: Elbo, norms: dict[str, Tensor]) -> bool:
        """Whether to take the step. Gradients are averaged, so all processes agree."""
        if _finite(torch.stack([*norms.values()])):  # read at once
            self.failures = 0
            return True
        self.failures += 1
        if self.failures == PATIENCE:
            terms = {**elbo.log_likelihood, **elbo.kl, **elbo.auxiliary}
            bad = [f"the term {name!r}" for name, term in terms.items() if not _finite(term)]
            bad += [f"the gradient of {n!r}" for n, norm in norms.items() if not _finite(norm)]
            raise Diverged(f"step {step}: {bad[0]} was not finite {PATIENCE} times in a row")
        return False

    @torch.inference_mode()
    def validate(self, pairs: Sequence[Degraded]) -> float:
        """Mean PSNR in dB of the model on the held-out pairs.

        All processes call it and share the pairs: if one validated alone, the others would have to
        wait, and be stopped after ten minutes of it.
        """
        restore, device = restorer_of(self.model.eval()), self.accelerator.device
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        scores = torch.zeros(len(pairs), dtype=torch.float64, device=device)
        for i in range(rank, len(pairs), world):
            pair = pairs[i].to(device)
            scores[i] = psnr(restore(pair, None).image, pair.x).mean()
        return float(self.accelerator.reduce(scores, "sum").mean())

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of a state by name: weights, their mean and the optimisers' moments."""
        named = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        if self.mean:
            named |= {f"mean.{name}": tensor for name, tensor in self.mean.state_dict().items()}
        for objective, optimiser in self.optimisers.items():
            for number, moments in optimiser.state_dict()["state"].items():
                for name, tensor in moments.items():
                    named[f"optimiser.{objective}.{number}.{name}"] = tensor
        return named

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Load what `tensors` returned; an empty dictionary changes nothing."""
        if not tensors:
            return
        self.model.load_state_dict(_below("model", tensors))
        if self.mean:
            self.mean.load_state_dict(_below("mean", tensors))
        for objective, optimiser in self.optimisers.items():
            state = {}
            for name, tensor in _below(f"optimiser.{objective}", tensors).items():
                number, moment = name.split(".")
                state.setdefault(int(number), {})[moment] = tensor
            groups = optimiser.state_dict()["param_groups"]
            optimiser.load_state_dict({"state": state, "param_groups": groups})
            for parameter, moments in optimiser.state.items():
                for name in ("exp_avg", "exp_avg_sq"):  # fused Adam needs the weights' layout
                    moments[name] = torch.empty_like(parameter).copy_(moments[name])


def _start_from(trained: nn.Module, model: nn.Module) -> None:
    """Copy what fits of a trained model: tensors of the same name and shape."""
    ours = model.state_dict()
    fits = {
        name: tensor
        for name, tensor in trained.state_dict().items()
        if name in ours and ours[name].shape == tensor.shape
    }
    model.load_state_dict(fits, strict=False)


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name[len(start) :]: t for name, t in tensors.items() if name.startswith(start)}


def _finite(values: Tensor) -> bool:
    return bool(torch.isfinite(values).all())
