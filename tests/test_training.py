"""The training loop: exact resumption, failure, data parallelism, and that it learns."""

import json
import math
import signal
from dataclasses import replace

import pytest
import tiny_runs
import torch
from marks import POSIX
from torch import nn

from vbl.degradations import Degraded
from vbl.models import Restoration, load
from vbl.probability import Elbo
from vbl.recipes import Preset
from vbl.training import Diverged, Learner, fit
from vbl.training.fit import _accelerator
from vbl.training.states import load_state, save_state

START = """
import os, signal, sys
from tiny_runs import *
from vbl.training import fit
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As in the processes of `tiny_runs`: the order of a sum depends on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, one_thread):
    place = tmp_path_factory.mktemp("training")
    tiny_runs.pictures(place / "pictures")
    return place


@pytest.fixture(scope="module")
def whole(folder):
    """A run of 20 steps that nothing disturbed."""
    return fit(
        tiny_runs.TINY, preset="quick", data=folder / "pictures", folder=folder / "whole",
        device="cpu",
    )  # fmt: skip


def state(folder):
    tensors, facts = load_state(folder)
    return tensors, facts


def without_times(history):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


@POSIX
@pytest.mark.slow
def test_a_killed_run_goes_on_bit_for_bit(folder, whole):
    # The second state is written after step 10; the process kills itself in the middle of step 13.
    killed = START + (
        "from vbl import training\n"
        "update = training.Learner.update\n"
        "def deadly(self, step, batch):\n"
        "    if step == 13: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return update(self, step, batch)\n"
        "training.Learner.update = deadly\n"
        "training.run.Journal._save_is_due = lambda self: self.done % 5 == 0\n"
        "fit(TINY, preset='quick', data='pictures', folder='killed', device='cpu')\n"
    )
    result = tiny_runs.run_python(killed, folder, check=False)
    assert result.returncode == -signal.SIGKILL, result.stderr
    assert state(folder / "killed")[1]["step"] == 10
    resumed = START + (
        "fit(TINY, preset='quick', data='pictures', folder='killed', resume=True, device='cpu')\n"
    )
    tiny_runs.run_python(resumed, folder)

    (ours, facts), (theirs, expected) = state(folder / "killed"), state(folder / "whole")
    assert facts["step"] == expected["step"] == 20
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name
    assert without_times(facts["history"]) == without_times(expected["history"])
    weights = [(folder / run / "weights.safetensors") for run in ("killed", "whole")]
    assert all(path.is_file() for path in weights)


def test_the_state_holds_weights_and_both_moments(whole):
    tensors, facts = state(whole.folder)
    parts = {name.split(".")[0] for name in tensors}
    assert parts == {"model", "optimiser"}
    assert any(name.endswith("exp_avg") for name in tensors)
    assert any(name.endswith("exp_avg_sq") for name in tensors)
    assert facts["plan"]["seed"] == 0
    for name, weights in whole.model.state_dict().items():
        assert torch.equal(tensors[f"model.{name}"], weights), name


def test_a_run_in_two_parts_equals_the_run_in_one(folder, whole):
    halves = folder / "halves"
    arguments = {"preset": "quick", "data": folder / "pictures", "folder": halves}
    arguments["device"] = "cpu"  # on a GPU sums are taken in any order
    first = fit(tiny_runs.TINY, **arguments, minutes=0)
    assert not first.finished and state(halves)[1]["step"] == 1
    second = fit(tiny_runs.TINY, **arguments, resume=True)
    assert second.finished
    for name, tensor in state(halves)[0].items():
        assert torch.equal(tensor, state(whole.folder)[0][name]), name


def test_the_same_seed_gives_the_same_run_and_another_gives_another(folder, whole):
    again = fit(
        tiny_runs.TINY, preset="quick", data=folder / "pictures", folder=folder / "again",
        workers=1, device="cpu",
    )  # fmt: skip
    assert without_times(again.history) == without_times(whole.history)
    other = fit(
        tiny_runs.TINY, preset="quick", data=folder / "pictures", folder=folder / "other", seed=1,
        device="cpu",
    )  # fmt: skip
    assert other.history[0]["loss"] != whole.history[0]["loss"]


def test_the_rate_rises_falls_and_starts_again_at_half_its_peak():
    whole = Preset(config=None, steps=100, lr=1.0, warmup=0.1)
    restarted = Preset(config=None, steps=140, lr=1.0, warmup=0.1, restarts=(100,))
    assert [restarted.rate(step) for step in range(100)] == [whole.rate(s) for s in range(100)]
    assert whole.rate(10) == 1 and whole.rate(55) == pytest.approx(0.5) and whole.rate(99) < 1e-3
    again = [restarted.rate(step) for step in range(100, 140)]
    assert max(again) == again[4] == 0.5 and again[0] == pytest.approx(0.1) and again[-1] < 1e-3


@pytest.mark.parametrize("interrupted", [False, True])
def test_an_averaged_run_ends_in_the_mean_of_the_ends_of_its_cycles(
    folder, monkeypatch, interrupted
):
    preset, update, ends = tiny_runs.preset(steps=6, restarts=(2, 4)), Learner.update, []

    def watched(self, step, batch):
        outcome = update(self, step, batch)
        if preset.ends_cycle(step):
            ends.append({k: v.detach().clone() for k, v in self.model.state_dict().items()})
        return outcome

    arguments = {"data": folder / "pictures", "device": "cpu"}
    place = folder / f"cycles-{interrupted}"
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "update", watched)
        fit(tiny_runs.TINY, preset=preset, folder=place / "last", **arguments)
    preset, limit = replace(preset, average=True), {"minutes": 0} if interrupted else {}
    while not (run := fit(tiny_runs.TINY, preset=preset, folder=place / "mean", resume=True,
                          **arguments, **limit)).finished:  # fmt: skip
        pass
    for name, found in run.model.state_dict().items():
        torch.testing.assert_close(found, sum(end[name] for end in ends) / 3)


@pytest.mark.parametrize("restarts", [(0,), (30, 20), (50,)])
def test_restarts_outside_the_run_or_out_of_order_are_refused(restarts):
    with pytest.raises(ValueError, match="restarts: expected rising steps below 50, got"):
        Preset(config=None, steps=50, restarts=restarts)


def test_training_draws_nothing_from_the_global_generator(folder):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    fit(tiny_runs.TINY, preset="quick", data=folder / "pictures", folder=folder / "global")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_loss_falls_and_validation_improves(folder):
    run = fit(
        tiny_runs.TINY, preset=tiny_runs.preset(steps=150, lr=3e-3),
        data=folder / "pictures", folder=folder / "learns",
    )  # fmt: skip
    scores = [row["psnr"] for row in run.history if "psnr" in row]
    assert scores[-1] > scores[0] + 2
    assert run.history[-1]["loss"] < 0.5 * run.history[0]["loss"]


def test_the_log_on_disk_is_the_history(whole):
    lines = (whole.folder / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == whole.history
    assert [row["step"] for row in whole.history] == list(range(1, 21))
    assert "psnr" in whole.history[-1]


def test_a_folder_with_something_in_it_is_left_alone(folder, whole):
    arguments = {"preset": "quick", "data": folder / "pictures"}
    with pytest.raises(FileExistsError, match="--resume"):
        fit(tiny_runs.TINY, folder=whole.folder, **arguments)
    with pytest.raises(FileExistsError, match="holds no training run"):
        fit(tiny_runs.TINY, folder=folder / "pictures", overwrite=True, **arguments)
    assert len(list((folder / "pictures").iterdir())) == 6


def test_a_run_is_not_continued_as_another(folder, whole):
    arguments = {"data": folder / "pictures", "folder": whole.folder, "resume": True}
    with pytest.raises(ValueError, match="its seed is 0 where 1 was asked for"):
        fit(tiny_runs.TINY, preset="quick", seed=1, **arguments)


def test_an_older_run_goes_on_unless_it_used_a_setting_that_is_gone(folder):
    older = folder / "older"
    arguments = {"preset": "quick", "data": folder / "pictures", "folder": older}
    fit(tiny_runs.TINY, **arguments, minutes=0)
    tensors, facts = state(older)
    facts["plan"]["settings"]["ema"] = 0.9
    save_state(older, 1, tensors, facts)
    with pytest.raises(ValueError, match="another run: its settings is"):
        fit(tiny_runs.TINY, **arguments, resume=True)
    facts["plan"]["settings"] |= {"ema": None, "swa": False}
    del facts["plan"]["settings"]["start"]  # which an older version does not know
    save_state(older, 1, tensors, facts)
    assert fit(tiny_runs.TINY, **arguments, resume=True).finished


def test_a_run_may_start_from_a_checkpoint_whose_other_tensors_do_not_fit(folder, whole):
    trained, preset = folder / "whole" / "weights.safetensors", tiny_runs.preset
    config = replace(preset().config, options={"widths": (4, 6), "blocks": 1})
    accelerator = _accelerator("cpu")
    plan = {"seed": 3, "bf16": False}
    fresh, started = (
        Learner(tiny_runs.TINY, preset(config=config, start=start), plan, accelerator).model
        for start in (None, str(trained))
    )
    expected = load(str(trained)).state_dict()
    for name, tensor in started.state_dict().items():
        fits = expected[name].shape == tensor.shape
        assert torch.equal(tensor, (expected if fits else fresh.state_dict())[name])
    assert torch.equal(started.restorer.head.weight, expected["restorer.head.weight"])


def test_a_damaged_state_gives_way_to_the_one_before_it(folder, monkeypatch):
    monkeypatch.setattr("vbl.training.run.SECONDS_BETWEEN_STATES", 0)
    run = folder / "damaged"
    fit(tiny_runs.TINY, preset="quick", data=folder / "pictures", folder=run)
    newest, older = sorted(run.glob("state-*.safetensors"), reverse=True)
    whole_bytes = newest.read_bytes()
    flipped = bytearray(whole_bytes)
    flipped[len(flipped) // 2] ^= 1
    for damage in (bytes(flipped), whole_bytes[:1000], b""):
        newest.write_bytes(damage)
        with pytest.warns(UserWarning, match="damaged"):
            assert load_state(run)[1]["step"] == 19
    newest.with_suffix(".sha256").unlink()
    with pytest.warns(UserWarning, match="not finished"):
        assert load_state(run)[1]["step"] == 19
    assert older.exists()


def test_only_the_last_two_states_are_kept(folder, whole, monkeypatch):
    monkeypatch.setattr("vbl.training.run.SECONDS_BETWEEN_STATES", 0)
    run = folder / "many"
    fit(tiny_runs.TINY, preset="quick", data=folder / "pictures", folder=run)
    assert sorted(path.name for path in run.iterdir()) == [
        "log.jsonl",
        "state-000000019.safetensors",
        "state-000000019.sha256",
        "state-000000020.safetensors",
        "state-000000020.sha256",
        "weights.safetensors",
    ]


class Sick(nn.Module):
    """A model one of whose terms becomes infinite."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.scale = nn.Conv2d(3, 3, 1)

    def objectives(self):
        return {"bound": {"scale": self.scale}}

    def forward(self, batch: Degraded, *, generator=None) -> Elbo:
        fit_ = -self.scale(batch.y).square().sum((1, 2, 3))
        broken = (self.scale(batch.y) * math.inf).sum((1, 2, 3))
        return Elbo({"fit": fit_}, {"noise level": broken})

    def restore(self, y):
        return Restoration(y)


def test_ten_steps_that_are_not_finite_stop_with_the_name_of_the_term(folder):
    recipe = tiny_runs.dataclasses.replace(tiny_runs.TINY, model=Sick)
    with pytest.raises(Diverged, match=r"step 9: the term 'noise level' was not finite 10 times"):
        fit(recipe, preset="quick", data=folder / "pictures", folder=folder / "sick")


class Duel(nn.Module):
    """A model with a second objective, on a network of its own."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.player, self.critic = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 1, 1)

    def objectives(self):
        return {"bound": {"player": self.player}, "critic": {"critic": self.critic}}

    def forward(self, batch: Degraded, *, objective="bound", generator=None) -> Elbo:
        if objective == "critic":
            judged = self.critic(self.player(batch.y).detach())
            return Elbo({"judgement": -judged.square().sum((1, 2, 3))}, {})
        error = self.player(batch.y) - batch.x
        fooled = self.critic(self.player(batch.y)).square().sum((1, 2, 3))
        return Elbo({"fit": -error.square().sum((1, 2, 3))}, {}, {"fooled": fooled})

    def restore(self, y):
        return Restoration(self.player(y))


def test_a_second_objective_trains_its_own_network_in_the_same_loop(folder):
    recipe = tiny_runs.dataclasses.replace(tiny_runs.TINY, model=Duel)
    run = fit(recipe, preset="quick", data=folder / "pictures", folder=folder / "duel")
    tensors, _ = state(run.folder)
    assert {name.split(".")[1] for name in tensors if name.startswith("optimiser")} == {
        "bound",
        "critic",
    }
    fresh = Duel(None)
    assert not torch.equal(run.model.critic.weight, fresh.critic.weight)


GRADIENTS = (
    START
    + """
import torch
from vbl import training
from vbl.degradations import awgn
from vbl.images import open_folder, pack
from vbl.utils import seeded
from vbl.training.fit import _accelerator, _batches

accelerator = _accelerator("cpu")
plan = {"seed": 0, "bf16": False, "shards": 2}
learner = training.Learner(TINY, preset(batch=8), plan, accelerator)
pixels = pack(open_folder("pictures"))
batches = _batches(pixels, TINY, preset(batch=8), plan, accelerator, 0, 0)
learner.preset = preset(batch=8, clip={})
learner.update(0, next(iter(batches)))
if accelerator.is_main_process:
    gradients = {name: p.grad for name, p in learner.model.named_parameters()}
    torch.save(gradients, f"gradients-{accelerator.num_processes}.pt")
run = fit(TINY, preset=preset(steps=1, batch=4), data="pictures", device="cpu",
          folder=f"validated-by-{accelerator.num_processes}")
score = learner.validate([awgn(x.image, generator=seeded("cpu", x.name))
                          for x in open_folder("pictures")][:5])
if accelerator.is_main_process:
    scores = {"of the loop": run.history[-1]["psnr"], "of five": score}
    torch.save(scores, f"scores-{accelerator.num_processes}.pt")
"""
)


@pytest.fixture(scope="module")
def by_one_and_by_two(folder):
    """What `GRADIENTS` saves, in one process and in two."""
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    tiny_runs.run_python(GRADIENTS, folder)
    tiny_runs.run_python(GRADIENTS, folder, launcher=launch)
    return lambda what: [torch.load(folder / f"{what}-{n}.pt") for n in (1, 2)]


@pytest.mark.slow
def test_two_processes_validate_together_and_find_what_one_finds(by_one_and_by_two):
    one, two = by_one_and_by_two("scores")
    assert two["of five"] == pytest.approx(one["of five"], abs=1e-4)  # after one equal step
    assert one.keys() == two.keys()


@pytest.mark.slow
def test_two_processes_have_the_gradients_of_one_with_the_doubled_batch(by_one_and_by_two):
    one, two = by_one_and_by_two("gradients")
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-5, atol=1e-4, msg=name)
