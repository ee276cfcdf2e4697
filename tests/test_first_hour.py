"""`make gpu`: what it would run on a GPU, in calls that resume; and that it needs one."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def first_hour():
    path = ROOT / "benchmarks" / "first_hour.py"
    spec = importlib.util.spec_from_file_location("first_hour", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


class Machine:
    """Runs nothing, and lets time pass; a training is done after so many calls."""

    def __init__(self, seconds=100.0, calls=2):
        self.now, self.seconds, self.calls, self.ran = 0.0, seconds, calls, []

    def clock(self):
        return self.now

    def run(self, command, given):
        self.now += min(given, self.seconds)
        self.ran.append(command)
        name = next((word for word in command if word.endswith("-gpu")), None)
        if name and sum(name in earlier for earlier in self.ran) >= self.calls:
            Path(name).mkdir()
            (Path(name) / "weights.safetensors").touch()
        return self.seconds <= given


def test_calls_go_on_until_all_is_done_and_keep_to_their_time(first_hour, tmp_path):
    machine, names = Machine(), [s.name for s in first_hour.steps(tmp_path)]
    (tmp_path / "queue-done").touch()
    left, calls = names, 0
    while left and calls < 200:
        began = machine.now
        left = first_hour.go_on(tmp_path, 540, machine.run, machine.clock)
        assert machine.now - began <= 540
        assert left == names[len(names) - len(left) :]
        calls += 1
    assert not left and calls > len(names) * 100 / 540
    assert {path.name for path in (tmp_path / "done").iterdir()} == set(names)
    trainings = [command for command in machine.ran if "train" in command]
    assert len(trainings) == 2 * len(first_hour.CHAPTERS)  # each was stopped once


def test_a_training_is_told_to_end_before_its_call(first_hour, tmp_path):
    step = next(s for s in first_hour.steps(tmp_path) if s.name == "virnet-denoise-gpu")
    command = step.command(540.0)
    assert command[1:4] == ["-m", "vbl", "train"] and "--resume" in command
    assert command[command.index("--minutes") + 1] == "8.00"


def test_a_failure_stops_and_is_tried_again(first_hour, tmp_path):
    def fails(command, seconds):
        raise subprocess.CalledProcessError(3, command)

    for _ in range(2):
        with pytest.raises(subprocess.CalledProcessError, match="pytest"):
            first_hour.go_on(tmp_path, 540, fails)
    assert not list((tmp_path / "done").iterdir())


def test_what_it_names_exists(first_hour, tmp_path):
    from vbl.recipes import RECIPES

    for name in first_hour.CHAPTERS:
        assert RECIPES[name].presets["gpu"].compile
    for step in first_hour.steps(tmp_path):
        for word in step.words:
            assert not word.endswith(".py") or (ROOT / word).is_file(), word


def test_a_command_is_ended_with_its_time_and_a_failure_is_raised(first_hour):
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    assert first_hour.run(sleep, 0.2) is False
    assert first_hour.run([sys.executable, "-c", ""], 60) is True
    with pytest.raises(subprocess.CalledProcessError):
        first_hour.run([sys.executable, "-c", "raise SystemExit(2)"], 60)


def test_without_a_gpu_it_says_so_in_one_line_and_fails(first_hour, monkeypatch, capsys):
    monkeypatch.setattr(first_hour.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["first_hour.py"])
    assert first_hour.main() == 1
    said = capsys.readouterr().err
    assert said.startswith("no GPU") and said.count("\n") == 1
