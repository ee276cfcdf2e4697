"""The book's machinery: contents, settings, build script and the buttons that leave the book."""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from vbl_reference import reference

ROOT = Path(__file__).parent.parent
BOOK = ROOT / "book"
ADDRESS = "https://github.com/someone/the-book"
LINK = re.compile(r'href="(https?://[^"]+)"')


@pytest.fixture
def build(monkeypatch, tmp_path):
    """The build script, at work in an empty folder."""
    spec = importlib.util.spec_from_file_location("build", BOOK / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "BUILD", tmp_path / "_build")
    monkeypatch.delenv("VBL_DATA", raising=False)
    return module


def test_every_page_and_chapter_is_in_the_contents():
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text("utf-8"))
    listed = {toc["root"], *(c["file"] for part in toc["parts"] for c in part["chapters"])}
    assert listed == {page.stem for kind in ("*.md", "*.ipynb") for page in BOOK.glob(kind)}


def test_every_public_module_is_in_the_reference():
    files = [path.relative_to(ROOT) for path in (ROOT / "vbl").rglob("[!_]*.py")]
    modules = {".".join(path.with_suffix("").parts) for path in files}
    lines = "\n".join(reference(ROOT / "vbl"))
    shown = re.findall(r"automodule:: (vbl\.\w+\.\w+|vbl\.utils)\n   :members:", lines)
    assert sorted(shown) == sorted(modules)


def test_only_the_books_own_small_files_are_loaded_on_every_page():
    names = {path.name for path in (BOOK / "_static").rglob("*")}
    assert names == {"vbl.css", "vbl-a11y.js", "logo.svg"}


def test_the_vendored_assets_are_small_and_carry_their_licence():
    vendor = BOOK / "_ext" / "assets" / "vendor"
    assert sum(path.stat().st_size for path in vendor.rglob("*") if path.is_file()) < 3e6
    assert all((package / "LICENSE").is_file() for package in vendor.iterdir())


def test_changed_inputs_change_the_key_and_other_files_do_not(build, monkeypatch, tmp_path):
    def key():
        return build.digest(["vbl", "requirements.lock"], build.image_sets())

    (tmp_path / "vbl" / "__pycache__").mkdir(parents=True)
    sets, others = tmp_path / "sets", tmp_path / "others"
    sets.mkdir()
    others.mkdir()
    module, lock = tmp_path / "vbl" / "new.py", tmp_path / "requirements.lock"
    keys = [key()]
    for change in (
        lambda: module.write_text("x = 1"),
        lambda: module.write_text("x = 2"),
        lambda: module.rename(module.with_name("other.py")),
        lambda: lock.write_text("torch==1"),
        lambda: monkeypatch.setenv("VBL_DATA", str(sets)),
        lambda: (sets / "picture.png").write_text("a picture"),
        lambda: (sets / "MANIFEST.csv").write_text("one line"),
        lambda: (sets / "picture.png").write_text("another picture"),
        lambda: monkeypatch.setenv("VBL_DATA", str(others)),
    ):
        change()
        keys.append(key())
    assert len(set(keys)) == len(keys)
    (tmp_path / "vbl" / "__pycache__" / "new.pyc").write_text("")
    (tmp_path / "README.md").write_text("")
    assert key() == keys[-1]


def fake_jupyter_book(folder, text):
    """Put a script in the place of Jupyter Book, beside a Python; return that one's path."""
    (folder / "bin").mkdir()
    script, python = folder / "bin" / "jupyter-book", folder / "bin" / "python"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    python.symlink_to(sys.executable)
    return python


def test_kernels_find_a_data_folder_named_from_where_the_build_was_started(
    build, monkeypatch, tmp_path, capsys
):
    python = fake_jupyter_book(tmp_path, 'echo "WARNING: $VBL_DATA"')
    (tmp_path / "here" / "sets").mkdir(parents=True)
    (tmp_path / "_build").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("VBL_DATA", "sets")
    monkeypatch.setattr(build.sys, "executable", str(python))
    monkeypatch.setattr(build, "ROOT", tmp_path / "bin")
    assert build.image_sets() == str(tmp_path / "here" / "sets")
    assert build.run() == 0
    assert capsys.readouterr().out == f"  WARNING: {tmp_path}/here/sets\n"


def test_a_data_folder_that_cannot_be_used_is_named_in_one_line(build, monkeypatch, tmp_path):
    def forbidden(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setenv("VBL_DATA", str(tmp_path / "absent"))
    with pytest.raises(SystemExit, match=r"^VBL_DATA names .*/absent, which is not a folder$"):
        build.image_sets()
    monkeypatch.setenv("VBL_DATA", str(tmp_path))
    monkeypatch.setattr(build.Path, "iterdir", forbidden)
    with pytest.raises(SystemExit, match=r"^VBL_DATA names .*cannot be read: .*denied$"):
        build.image_sets()


def test_an_interrupted_build_ends_its_child_and_says_nothing(tmp_path):
    python = fake_jupyter_book(tmp_path, 'echo "WARNING: $$"\nexec sleep 60')
    (tmp_path / "book").mkdir()
    shutil.copy(BOOK / "build.py", tmp_path / "book")
    environment = {name: value for name, value in os.environ.items() if name != "VBL_DATA"}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    # jobs that a shell started in the background ignore Ctrl-C, and so would their children
    options["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    command = [python, tmp_path / "book" / "build.py"]
    with subprocess.Popen(command, env=environment, **options) as process:
        assert process.stdout.readline() == "Building the book ...\n"
        child = int(process.stdout.readline().split()[-1])
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == ""
    assert process.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_what_was_kept_goes_when_its_key_changes_and_only_then(build, tmp_path):
    kept = tmp_path / "_build" / "html"
    build.remove_stale("pages", "one", "html").write_text("one")
    kept.mkdir()
    build.remove_stale("pages", "one", "html")
    assert kept.exists()
    build.remove_stale("pages", "two", "html")
    assert not kept.exists()


def test_the_build_shows_errors_and_keeps_quiet_about_the_rest(build, tmp_path):
    printed = [
        "reading sources... [100%] index\n",
        f"\x1b[91m{tmp_path}/book/a.md:3: WARNING: no such equation\x1b[39m\n",
        "Exception occurred:\n",
        "CellExecutionError\n",
        "The full traceback has been saved\n",
    ]
    with (tmp_path / "log").open("w") as log:
        shown = list(build.what_matters(printed, log))
    assert shown == [
        "book/a.md:3: WARNING: no such equation",
        "Exception occurred:",
        "CellExecutionError",
    ]
    assert (tmp_path / "log").read_text() == "".join(printed)


def small_book(folder, address, text=""):
    """Lay out the book's settings and empty chapters of the real names; return the build's end."""
    book = folder / "book"
    book.mkdir()
    for name in ("_ext", "_static"):
        shutil.copytree(BOOK / name, book / name)
    for name in ("notation.yml", "references.bib"):
        shutil.copy(BOOK / name, book)
    config = (ROOT / "_config.yml").read_text("utf-8")
    (folder / "_config.yml").write_text(config.replace('url: ""', f'url: "{address}"', 1), "utf-8")
    chapters = sorted(path.name for path in BOOK.glob("*.ipynb"))
    for name in chapters:
        cells = [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Chapter"}]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = {"cells": cells, "metadata": {"kernelspec": kernel}}
        (book / name).write_text(json.dumps({**notebook, "nbformat": 4, "nbformat_minor": 5}))
    (book / "index.md").write_text(f"# Welcome\n\n{{{{ repository }}}}\n\n{text}\n", "utf-8")
    files = [{"file": Path(name).stem} for name in chapters]
    toc = {"format": "jb-book", "root": "index", "chapters": files}
    (book / "_toc.yml").write_text(yaml.safe_dump(toc))
    command = [Path(sys.executable).with_name("jupyter-book"), "build", "book"]
    command += ["--config", "_config.yml", "-W", "-n", "--keep-going"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def outside_links(folder):
    """Return every address outside the book on its pages."""
    pages = (folder / "_build" / "html").glob("[!gs]*.html")
    return {link for page in pages for link in LINK.findall(page.read_text("utf-8"))}


@pytest.mark.slow
def test_with_an_address_every_launch_and_source_link_names_a_file_of_the_tree(tmp_path):
    result = small_book(tmp_path, ADDRESS)
    assert result.returncode == 0, result.stderr
    repository = ADDRESS.removeprefix("https://github.com/")
    blobs = [link for link in outside_links(tmp_path) if "/blob/" in link or "/edit/" in link]
    paths = {re.sub(rf".*{repository}/(blob|edit)/main/|\?.*", "", link) for link in blobs}
    assert {f"book/{path.name}" for path in BOOK.glob("*.ipynb")} <= paths
    assert all((ROOT / path).is_file() for path in paths)
    colab = [link for link in blobs if "colab" in link]
    assert len(colab) == len(list(BOOK.glob("*.ipynb")))


@pytest.mark.slow
def test_without_an_address_no_button_leaves_the_book(tmp_path):
    result = small_book(tmp_path, "")
    assert result.returncode == 0, result.stderr
    links = outside_links(tmp_path)
    assert not [link for link in links if "github" in link or "colab" in link]
    page = (tmp_path / "_build" / "html" / "index.html").read_text("utf-8")
    assert "toggleFullScreen" in page
    assert "launch" not in page


@pytest.mark.slow
@pytest.mark.parametrize(
    "mistake",
    ["```{cost} 99-nothing\n```", "{eq}`eq-nowhere`", "{py:func}`vbl.nothing`", "{cite}`nobody`"],
)
def test_a_mistake_in_a_page_fails_the_build(tmp_path, mistake):
    assert small_book(tmp_path, "", mistake).returncode != 0
