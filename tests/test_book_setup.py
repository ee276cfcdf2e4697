"""The book's contents, its settings and the buttons that leave it."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from vbl_book import hide_dead_buttons
from vbl_reference import FOLDERS, first_page, page, reference

import build

ROOT = Path(__file__).parent.parent
BOOK = ROOT / "book"
ADDRESS = "https://github.com/someone/the-book"
LINK = re.compile(r'href="(https?://[^"]+)"')


def test_every_page_and_chapter_is_in_the_contents():
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text("utf-8"))
    listed = [toc["root"]]
    for chapter in (c for part in toc["parts"] for c in part["chapters"]):
        listed += [chapter["file"], *(page["file"] for page in chapter.get("sections", ()))]
    written = [p for kind in ("*.md", "*.ipynb", "api/*.md") for p in BOOK.glob(kind)]
    assert sorted(listed) == sorted(str(p.relative_to(BOOK).with_suffix("")) for p in written)


def test_every_public_module_is_in_the_reference():
    files = [path.relative_to(ROOT) for path in (ROOT / "vbl").rglob("[!_]*.py")]
    modules = {".".join(path.with_suffix("").parts) for path in files}
    lines = "\n".join([*first_page(), *(line for folder in FOLDERS for line in reference(folder))])
    shown = re.findall(r"## `(vbl\.[\w.]+)`\n", lines)
    assert sorted(shown) == sorted(modules)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_page_of_the_reference_has_the_name_of_its_folder(folder):
    text = (BOOK / f"{page(folder)}.md").read_text("utf-8")
    assert text == f"# {FOLDERS[folder]}\n\n```{{library}} {folder}\n```\n"


def test_only_the_books_own_small_files_are_loaded_on_every_page():
    names = {path.name for path in (BOOK / "_static").rglob("*")}
    assert names == {"vbl.css", "vbl-a11y.js", "logo.svg"}


def test_the_vendored_assets_are_small_and_carry_their_licence():
    vendor = BOOK / "_ext" / "assets" / "vendor"
    assert sum(path.stat().st_size for path in vendor.rglob("*") if path.is_file()) < 3e6
    packages = [*vendor.iterdir(), BOOK / "_slides" / "reveal"]
    assert all((package / "LICENSE").is_file() for package in packages)


def small_book(folder, address, text="", branch=""):
    """Lay out the book's settings and empty chapters of the real names; return the build's end."""
    book = folder / "book"
    book.mkdir()
    for name in ("_ext", "_static", "equations"):
        shutil.copytree(BOOK / name, book / name)
    for name in ("notation.yml", "references.bib"):
        shutil.copy(BOOK / name, book)
    config = (ROOT / "_config.yml").read_text("utf-8")
    config = config.replace('url: ""', f'url: "{address}"', 1)
    config = config.replace('pages_branch: ""', f'pages_branch: "{branch}"', 1)
    (folder / "_config.yml").write_text(config, "utf-8")
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
    command = [*build.JUPYTER_BOOK, *build.PAGES.split()]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def outside_links(folder):
    """Return every address outside the book on its pages."""
    pages = (folder / "_build" / "html").glob("[!gs]*.html")
    return {link for page in pages for link in LINK.findall(page.read_text("utf-8"))}


@pytest.mark.slow
def test_with_an_address_every_launch_and_source_link_names_a_file_of_the_tree(tmp_path):
    result = small_book(tmp_path, ADDRESS, branch="gh-pages")
    assert result.returncode == 0, result.stderr
    repository = ADDRESS.removeprefix("https://github.com/")
    links = outside_links(tmp_path)
    blobs = [link for link in links if "/blob/main/" in link or "/edit/" in link]
    paths = {re.sub(rf".*{repository}/(blob|edit)/main/|\?.*", "", link) for link in blobs}
    assert {f"book/{path.name}" for path in BOOK.glob("*.ipynb")} <= paths
    assert all((ROOT / path).is_file() for path in paths)
    # Colab opens the notebooks that the build puts there, of the full edition
    colab = {link for link in links if "colab" in link}
    at = f"https://colab.research.google.com/github/{repository}/blob/gh-pages/_sources/"
    assert colab == {f"{at}{path.name}" for path in BOOK.glob("*.ipynb")}
    assert all((tmp_path / "_build/html/_sources" / Path(link).name).is_file() for link in colab)


@pytest.mark.parametrize(("branch", "colab"), [("", ""), ("gh-pages", "https://colab")])
def test_without_a_branch_of_the_pages_there_is_no_button_for_colab(branch, colab):
    buttons = {"colab_url": "https://colab", "jupyterhub_url": "https://hub"}
    options = {"repository_url": ADDRESS, "launch_buttons": buttons}
    config = SimpleNamespace(html_theme_options=options, vbl_pages_branch=branch)
    hide_dead_buttons(None, config)
    assert options["launch_buttons"] == {"colab_url": colab, "jupyterhub_url": "https://hub"}


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
def test_every_mistake_in_a_page_is_named_and_fails_the_build(tmp_path):
    mistakes = {
        "```{cost} 99-nothing\n```": "99-nothing",
        "{eq}`eq-nowhere`": "eq-nowhere",
        "{py:func}`vbl.nothing`": "vbl.nothing",
        "{cite}`nobody`": "nobody",
    }
    result = small_book(tmp_path, "", "\n\n".join(mistakes))
    assert result.returncode != 0
    warnings = [line for line in result.stderr.splitlines() if "WARNING" in line]
    assert all(any(name in line for line in warnings) for name in mistakes.values()), warnings
