"""Small books that are built as the real one is, and their chapters."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).parent.parent
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def write_chapter(path, *sources):
    """Write a notebook with a title and some cells; return its path."""
    cells = [new_markdown_cell(f"# {path.stem}"), *map(new_code_cell, sources)]
    nbformat.write(new_notebook(cells=cells, metadata=KERNEL), path)
    return path


def write_book(folder, **chapters):
    """Lay out a book that has our build scripts and settings of execution, and notebooks."""
    book = folder / "book"
    book.mkdir(exist_ok=True)
    for script in (ROOT / "book").glob("*.py"):
        shutil.copy(script, book)
    ours = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    strict = {
        "nb_execution_raise_on_error": ours["sphinx"]["config"]["nb_execution_raise_on_error"]
    }
    notebooks = {"vbl_notebooks": str(ROOT / "book" / "_ext")}
    sphinx = {"extra_extensions": ["sphinx_exercise"], "local_extensions": notebooks}
    config = {"title": "Toy", "execute": ours["execute"], "sphinx": {**sphinx, "config": strict}}
    (folder / "_config.yml").write_text(yaml.safe_dump({"only_build_toc_files": True, **config}))
    files = [{"file": name} for name in chapters]
    toc = {"format": "jb-book", "root": "index", "chapters": files}
    (book / "_toc.yml").write_text(yaml.safe_dump(toc))
    (book / "index.md").write_text("# Welcome\n")
    for name, sources in chapters.items():
        write_chapter(book / f"{name}.ipynb", *sources)


def start_build(folder, *arguments, **options):
    """Start the build of a book, its output in one pipe."""
    command = [sys.executable, folder / "book" / "build.py", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "VBL_DATA"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
    environment["PYTHONIOENCODING"] = "utf-8"
    return subprocess.Popen(command, env=environment, **pipes, **options)
