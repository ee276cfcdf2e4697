"""The library as `pip install .` leaves it: complete without the checkout, and not written to."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SESSION = """
import sys
opened = set()
sys.addaudithook(lambda event, given: event == "open" and opened.add(str(given[0])))

import torch
from vbl.cli.main import main
from vbl.evaluation import compare, load_result, save_result
from vbl.images import write

write("photo.png", torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(0)))
assert main(["info"]) == 0
assert main("restore photo.png -o out --model virnet-denoise-free --device cpu".split()) == 0
assert compare("virnet-table-2").rows
save_result("virnet-table-2", {"rows": {}})
assert load_result("virnet-table-2")["rows"] == {}
print("opened", *opened, sep="\\n")
"""


def run(*command, folder, **environment):
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the package, made without a network from an archive of its sources."""
    checkout, target = (tmp_path_factory.mktemp(name) for name in ("checkout", "target"))
    for folder in ("vbl", "data"):
        shutil.copytree(ROOT / folder, checkout / folder)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, checkout)
    pack = "from setuptools import build_meta; print(build_meta.build_sdist('.'))"
    archive = run("-c", pack, folder=checkout).split()[-1]
    offline = ("--no-deps", "--no-index", "--no-build-isolation", "--no-cache-dir")
    run("-m", "pip", "install", *offline, "--target", target, archive, folder=checkout)
    shutil.rmtree(checkout)
    return target


@pytest.mark.slow
def test_an_installed_package_restores_a_photograph_and_keeps_results_outside(installed, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in installed.rglob("data/**/*.*")}
    out = run(
        "-c", SESSION, folder=tmp_path, PYTHONPATH=str(installed), VBL_DATA="", VBL_STATIC="1"
    )
    said, opened = (text.splitlines() for text in out.split("opened\n"))
    data = installed / "vbl" / "data"
    assert f"shipped      {data}" in said
    assert any(line.startswith("checkpoint   virnet-denoise-free: ") for line in said)
    assert (tmp_path / "out" / "photo_restored.png").is_file()
    assert (tmp_path / "data" / "results" / "virnet-table-2.json").is_file()
    assert before == {path: path.stat().st_mtime_ns for path in installed.rglob("data/**/*.*")}
    weights = "checkpoints/virnet-denoise-free.safetensors"
    read = ("images.toml", "papers/virnet_table2.csv", weights)
    assert {str(data / file) for file in read} <= set(opened)
    checkout = (f"{ROOT / 'vbl'}{os.sep}", f"{ROOT / 'data'}{os.sep}")
    assert not [path for path in opened if path.startswith(checkout)]
