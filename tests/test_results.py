"""Results are written whole, with how they came to be."""

import json
import platform
import re
import sys

import pytest
import torch

from vbl.evaluation import load_result, paired_changes, results, save_result, study_scores
from vbl.evaluation.results import machine, provenance
from vbl.utils import DATA


def test_a_result_comes_back_with_its_provenance(tmp_path):
    path = save_result("scores", {"psnr": 31.2}, command="vbl x", scale="ship", folder=tmp_path)
    assert path == tmp_path / "scores.json"
    found = load_result("scores", folder=tmp_path)
    assert (found["psnr"], found["command"], found["scale"]) == (31.2, "vbl x", "ship")
    assert set(found["versions"]) == {"torch", "numpy", "scikit-image", "vbl"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["date"])
    assert found["machine"] == machine()


def test_the_machine_is_a_class_and_not_a_name(monkeypatch):
    assert re.fullmatch(r"\d+ CPU cores, \w+", machine())
    assert platform.node() not in machine()
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    assert machine("cuda") == "NVIDIA H200"


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ("/usr/bin/vbl", "vbl reproduce 'a table'"),
        ("/some/where/vbl/__main__.py", "vbl reproduce 'a table'"),
        (str(DATA.parent / "benchmarks" / "training.py"), "python benchmarks/training.py"),
        ("/some/where/else.py", "python else.py"),
    ],
)
def test_the_command_is_what_a_reader_would_type(monkeypatch, program, line):
    arguments = ["reproduce", "a table"] if "'" in line else []
    monkeypatch.setattr(sys, "argv", [program, *arguments])
    assert provenance()["command"] == line


def test_a_result_that_is_not_json_leaves_the_old_one(tmp_path):
    save_result("scores", {"psnr": 31.2}, folder=tmp_path)
    for payload in ({"psnr": float("nan")}, {"psnr": float("inf")}):
        with pytest.raises(ValueError, match="not JSON compliant"):
            save_result("scores", payload, folder=tmp_path)
    assert load_result("scores", folder=tmp_path)["psnr"] == 31.2
    assert [file.name for file in tmp_path.iterdir()] == ["scores.json"]


def test_provenance_cannot_be_made_up(tmp_path):
    with pytest.raises(ValueError, match="payload: date is added here, and was given"):
        save_result("scores", {"date": "yesterday"}, folder=tmp_path)


def test_a_missing_result_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no result 'scores'"):
        load_result("scores", folder=tmp_path)


def test_in_a_checkout_results_join_those_that_ship():
    assert results.own_folder() == results.FOLDER == DATA / "results"


def test_an_installed_package_keeps_results_in_the_current_folder(tmp_path, monkeypatch):
    shipped = tmp_path / "site-packages"
    save_result("scores", {"psnr": 31.2}, folder=shipped)
    monkeypatch.setattr(results, "INSTALLED", True)
    monkeypatch.setattr(results, "FOLDER", shipped)
    monkeypatch.chdir(tmp_path)
    assert load_result("scores")["psnr"] == 31.2
    assert save_result("scores", {"psnr": 30.0}) == tmp_path / "data" / "results" / "scores.json"
    assert load_result("scores")["psnr"] == 30.0
    assert load_result("scores", folder=shipped)["psnr"] == 31.2
    with pytest.raises(FileNotFoundError, match="no result 'others'"):
        load_result("others")


def test_every_result_that_ships_says_how_it_came_to_be():
    for path in results.FOLDER.glob("*.json"):
        result = json.loads(path.read_text("utf-8"))
        entries = [result] if "command" in result else result.values()
        assert all({"command", "versions", "date", "machine"} <= set(entry) for entry in entries)


def test_a_study_is_compared_seed_by_seed():
    scores = study_scores("study-denoising")
    assert set(scores["bound"]) == {0, 1, 2}
    some = {"a": {0: {"psnr": 30.0}, 2: {"psnr": 31.0}}, "b": {2: {"psnr": 30.5}, 1: {}}}
    assert paired_changes(some, "a", "b", "psnr") == [0.5]
