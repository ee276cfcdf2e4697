"""One lock, one set of extras, one version: the files that install the book agree."""

import re
import sys
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import vbl

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, SETUPTOOLS = SETTINGS["project"], SETTINGS["tool"]["setuptools"]
LOCK = {
    name.lower().replace("_", "-"): pin
    for name, pin in re.findall(r"(?m)^([\w.-]+)==(\S+)$", (ROOT / "requirements.lock").read_text())
}


def requirements():
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(line) for group in (PROJECT["dependencies"], *extras) for line in group]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda r: r.name)
def test_every_requirement_is_locked_at_a_version_it_allows(requirement):
    pin = LOCK[requirement.name.lower().replace("_", "-")]
    assert requirement.specifier.contains(pin)


def needed_by(name, extras=frozenset({""})):
    """The requirements of an installed package that apply on this machine."""
    for line in requires(name) or []:
        requirement = Requirement(line)
        marker = requirement.marker
        if not marker or any(marker.evaluate({"extra": extra}) for extra in extras):
            yield requirement.name.lower().replace("_", "-"), frozenset(requirement.extras | {""})


@pytest.mark.skipif(sys.platform != "linux", reason="the lock was made on Linux")
def test_everything_that_gets_installed_is_locked():
    """Except what differs between machines: the CUDA parts that PyTorch pins by itself."""
    found, waiting = {}, [("vbl", frozenset({"", "book", "test"}))]
    while waiting:
        name, extras = waiting.pop()
        if found.get(name, frozenset()) >= extras or re.match("nvidia|cuda|triton", name):
            continue
        found[name] = extras | found.get(name, frozenset())
        waiting += needed_by(name, found[name])
    assert len(found) > 100
    unlocked = set(found) - {"vbl", "pip", "setuptools", "wheel"} - set(LOCK)
    assert not unlocked
    assert all(Version(version(name)).public == LOCK[name] for name in found if name in LOCK)


def test_conda_installs_what_make_installs():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *packages, pip = environment["dependencies"]
    (python,) = [p.removeprefix("python=") for p in packages if p.startswith("python=")]
    assert Requirement("python" + PROJECT["requires-python"]).specifier.contains(python)
    by_make = re.search(r"-c (\S+) -e \"(\S+)\"", (ROOT / "Makefile").read_text())
    assert pip["pip"] == [f"--constraint {by_make[1]}", f"--editable {by_make[2]}"]


def test_the_installed_torch_is_the_locked_one():
    assert Version(version("torch")).base_version == LOCK["torch"] == "2.13.0"


def test_the_citation_names_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == vbl.__version__


def test_every_make_target_of_the_readme_exists():
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
    mentioned = set(re.findall(r"(?m)(?:^|`)make ([a-z]+)", (ROOT / "README.md").read_text()))
    assert {"book", "test", "help"} <= mentioned <= targets


def test_every_folder_of_the_library_is_packaged():
    folders = [file.parent.relative_to(ROOT) for file in (ROOT / "vbl").rglob("__init__.py")]
    found = {".".join(folder.parts) for folder in folders}
    assert sorted(found | {"vbl.data"}) == SETUPTOOLS["packages"]


def test_what_ships_is_packaged_but_for_the_pages_about_it():
    data = ROOT / SETUPTOOLS["package-dir"]["vbl.data"]
    matches = [set(data.glob(pattern)) for pattern in SETUPTOOLS["package-data"]["vbl.data"]]
    assert all(matches)
    files = {path for path in data.rglob("[!.]*") if path.is_file()}
    assert files - set().union(*matches) == set(data.rglob("README.md"))


def test_the_overview_picture_is_the_one_its_script_draws():
    import runpy

    import matplotlib.pyplot as plt
    import numpy as np
    from PIL import Image

    script = runpy.run_path(str(ROOT / "book" / "images" / "overview.py"))
    with plt.rc_context(), Image.open(script["FILE"]) as picture:
        figure = script["draw"]()
        figure.canvas.draw()
        drawn = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
        plt.close(figure)
        stored = np.asarray(picture.convert("RGB")).astype(int)
    assert drawn.shape == stored.shape
    assert abs(drawn - stored).mean() < 1  # fonts may be rasterised a little differently
