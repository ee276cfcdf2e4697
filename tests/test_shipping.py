"""The queue: trained in order, resumed, measured, shipped with its page."""

import dataclasses
import json

import pytest
import tiny_runs
import torch

from vbl import recipes
from vbl.cli.printing import first_test
from vbl.evaluation import PROTOCOLS
from vbl.evaluation.protocols import choose_protocol
from vbl.images import CATALOG, open_folder
from vbl.models import checkpoints
from vbl.recipes.queue import Job
from vbl.training import shipping
from vbl.training.shipping import readme, ship, train_queue, waiting


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    """A queue of two tiny checkpoints, trained and measured on six small pictures."""
    pictures = tiny_runs.pictures(tmp_path / "pictures")
    monkeypatch.setattr("vbl.images.datasets.open_set", lambda name: open_folder(pictures))
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path / "checkpoints")
    scores = ((str(pictures), {"sigma": 25}), ("cbsd68", {"sigma": 25}))
    first = dataclasses.replace(tiny_runs.TINY, scores=scores)
    second = dataclasses.replace(tiny_runs.TINY, about="Another")
    queue = {"first": Job(first, "quick"), "second": Job(second, "quick")}
    monkeypatch.setattr(shipping, "QUEUE", queue)
    monkeypatch.setattr(shipping, "_terms", lambda name: "none")
    monkeypatch.delenv("VBL_DATA", raising=False)
    return tmp_path


def test_the_queue_is_worked_through_and_each_result_loads(workshop):
    assert waiting() == ("first", "second")
    assert train_queue(minutes=5, folder=workshop / "runs") == ["first", "second"]
    assert waiting() == ()
    index = checkpoints.index()
    assert [entry["steps"] for entry in index.values()] == [tiny_runs.STEPS] * 2
    score = index["first"]["scores"]
    assert [s["dataset"] for s in score] == [str(workshop / "pictures")]  # cbsd68 is not here
    model = checkpoints.load("first")
    assert torch.isfinite(model.restore(torch.rand(1, 3, 16, 16)).image).all()
    log = (workshop / "checkpoints" / "first.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["step"] == tiny_runs.STEPS


def test_a_short_time_leaves_a_run_that_the_next_call_finishes(workshop):
    assert train_queue(minutes=1e-4, folder=workshop / "runs") == []
    assert waiting() == ("first", "second")
    assert list((workshop / "runs" / "first").glob("state-*.safetensors"))
    assert train_queue(minutes=5, folder=workshop / "runs") == ["first", "second"]


def test_a_machine_without_a_gpu_passes_over_what_needs_one(workshop, monkeypatch):
    monkeypatch.setitem(shipping.QUEUE, "first", Job(tiny_runs.TINY, "paper"))
    assert train_queue(minutes=5, folder=workshop / "runs", device="cpu") == ["second"]
    assert waiting() == ("first",)


def test_what_has_the_size_of_a_paper_ships_in_half_the_bits(workshop, monkeypatch):
    train_queue(minutes=5, folder=workshop / "runs")
    monkeypatch.setitem(shipping.QUEUE, "large", Job(tiny_runs.TINY, "paper"))
    ship(workshop / "runs" / "second", "large")
    index = checkpoints.index()
    assert index["large"]["bytes"] < index["second"]["bytes"]
    small, large = (checkpoints.load(name).state_dict() for name in ("second", "large"))
    assert all(torch.equal(large[name], small[name].half().float()) for name in small)


def test_what_is_not_finished_is_not_shipped(workshop):
    train_queue(minutes=1e-4, folder=workshop / "runs")
    with pytest.raises(FileNotFoundError):
        ship(workshop / "runs" / "first", "first")
    assert not (workshop / "checkpoints" / "first.safetensors").exists()


def test_what_is_too_large_is_not_shipped(workshop, monkeypatch):
    monkeypatch.setattr(shipping, "LIMIT_MB", 1e-4)
    with pytest.raises(ValueError, match="first: 2,411 parameters make more than"):
        train_queue(minutes=5, folder=workshop / "runs")
    assert list((workshop / "checkpoints").iterdir()) == []


def test_the_page_lists_what_ships_and_then_what_waits(workshop):
    train_queue(minutes=5, folder=workshop / "runs")
    page = (workshop / "checkpoints" / "README.md").read_text()
    assert page == readme()
    shipped, queue = page.split("## The queue")
    assert "| `first` | A test |" in shipped and "| `second` | Another |" in shipped
    assert "| `first` |" not in queue


def test_time_must_be_positive(workshop):
    with pytest.raises(ValueError, match="minutes"):
        train_queue(minutes=0)


def test_an_installed_package_does_not_ship_into_itself(workshop, monkeypatch):
    monkeypatch.setattr(shipping, "INSTALLED", True)
    with pytest.raises(ValueError, match="ships into data/checkpoints of a checkout, and this vbl"):
        train_queue(minutes=5, folder=workshop / "runs")
    assert not (workshop / "runs").exists()


# What is in the repository


def test_the_committed_page_is_the_one_that_would_be_written():
    remedy = "run: python -m vbl.training.shipping"
    assert (checkpoints.FOLDER / "README.md").read_text() == readme(), remedy


def test_every_committed_checkpoint_loads_by_name_and_fits_its_index():
    for name, entry in checkpoints.index().items():
        model = checkpoints.load(name)
        assert sum(p.numel() for p in model.parameters()) == entry["parameters"], name
        assert entry["bytes"] <= 48 * 2**20
        log = (checkpoints.FOLDER / f"{name}.jsonl").read_text().splitlines()
        assert json.loads(log[-1])["step"] == entry["steps"], name


@pytest.mark.parametrize("recipe", recipes.RECIPES)
@pytest.mark.parametrize("data", ["", "somewhere"])
def test_the_test_that_a_training_ends_with_can_be_run(recipe, data, monkeypatch):
    monkeypatch.setenv("VBL_DATA", data)
    pictures, *words = first_test(recipe)
    given = dict(zip(words[::2], words[1::2], strict=True))
    protocol = given.pop("--protocol", None)
    options = {name.removeprefix("--"): value for name, value in given.items()}
    assert pictures in CATALOG
    assert choose_protocol(options, protocol) in PROTOCOLS


def test_every_job_of_the_queue_is_named_after_its_recipe_and_has_its_preset():
    for name, job in shipping.QUEUE.items():
        assert name == job.recipe.name + ("-paper" if job.large else "")
        assert job.preset in job.recipe.presets
