"""Build the book: `make book`, or `.venv/bin/python book/build.py`.

Chapters are executed, once: what one shows depends on its own code, the library, the data and the
installed versions, and is kept in _build/ until one of them changes. Then Jupyter Book makes the
pages; those are made anew when the book's own machinery changes, or when the last build failed.
From the same pages come the notebooks of _build/notebooks, see book/_ext/vbl_notebooks.
"""

import argparse
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
LOG = BUILD / "build.log"
JUPYTER_BOOK = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
PAGES = "build book --config _config.yml -W -n --keep-going"
NOTEBOOKS = f"{PAGES} --builder custom --custom-builder notebooks"
SHOWN = re.compile(r"WARNING:|ERROR:|CRITICAL:")
# An error report is shown from the first of these phrases to the line before the second.
REPORTS = {"Exception occurred:": "The full traceback", "An error occurred while": "The above exc"}
COLOUR = re.compile(r"\x1b\[[\d;]*m")


def digest(places, *extra):
    """Return a hash of the files among and below the places, and of other strings."""
    paths = [path for place in places for path in [ROOT / place, *(ROOT / place).rglob("*")]]
    total = hashlib.sha256("\0".join(extra).encode())
    for path in sorted(p for p in paths if p.is_file() and "__pycache__" not in p.parts):
        total.update(f"\0{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return total.hexdigest()


def image_sets():
    """Make VBL_DATA absolute, as kernels work in book/; return it with names and sizes of files."""
    if not os.environ.get("VBL_DATA"):
        return "unset"
    folder = Path(os.environ["VBL_DATA"]).resolve()
    os.environ["VBL_DATA"] = str(folder)
    try:
        if not folder.is_dir():
            sys.exit(f"VBL_DATA names {folder}, which is not a folder")
        next(folder.iterdir(), None)  # rglob would find nothing in a folder that it may not read
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return "\n".join([str(folder), *(f"{file} {file.stat().st_size}" for file in files)])
    except OSError as reason:
        sys.exit(f"VBL_DATA names {folder}, which cannot be read: {reason}")


def remove_stale_pages(key):
    """Remove pages that are unfinished or were made under another key; return this one's file."""
    BUILD.mkdir(exist_ok=True)
    stamp = BUILD / "pages.key"
    if not stamp.exists() or stamp.read_text() != key:
        for folder in (".doctrees", "html", "jupyter_execute", "notebooks"):
            shutil.rmtree(BUILD / folder, ignore_errors=True)
    stamp.unlink(missing_ok=True)
    return stamp


def what_matters(lines, log):
    """Yield the warnings and the error reports; log every line."""
    end = None
    for line in lines:
        log.write(line)
        if end and end in line:
            end = None
        end = next((REPORTS[start] for start in REPORTS if start in line), end)
        if end or SHOWN.search(line):
            yield COLOUR.sub("", line.rstrip()).replace(f"{ROOT}{os.sep}", "")


def run_jupyter_book(arguments, log):
    """Run Jupyter Book, print what matters, and return its exit status."""
    command = [*JUPYTER_BOOK, *arguments.split()]
    # Windows reads and writes files in another encoding, unless told
    environment = {**os.environ, "VBL_STATIC": "1", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:
        try:
            for line in what_matters(process.stdout, log):
                print(" ", line, flush=True)
        except KeyboardInterrupt:
            process.terminate()
            raise
    return process.returncode


def when_read():
    """Return when Sphinx last read a page that had changed."""
    environment = BUILD / ".doctrees" / "environment.pickle"
    return environment.stat().st_mtime_ns if environment.exists() else None


def make_pages(log):
    """Make the pages, and from what was read for them the notebooks; return an exit status."""
    print("Making the pages ...", flush=True)
    before = when_read()
    status = run_jupyter_book(PAGES, log)
    if status or (when_read() == before and (BUILD / "notebooks").exists()):
        return status
    print("Making the notebooks ...", flush=True)
    return run_jupyter_book(NOTEBOOKS, log)


def serve_notebooks():
    """Let the download button of each page give the notebook of the full edition."""
    for notebook in (BUILD / "notebooks" / "full").glob("*.ipynb"):
        shutil.copyfile(notebook, BUILD / "html" / "_sources" / notebook.name)


def build(solutions=True):
    """Execute what has to be, and make the pages; return what went wrong, a line each.

    Args:
        solutions: Whether pages and notebooks have the solutions of the exercises.
    """
    from chapters import read_chapters  # here, as this takes seconds: a first line is out by now
    from execute import execute_missing

    sets = image_sets()
    inputs = digest(["vbl", "data", "requirements.lock"], sys.version, sets)
    with_equations = digest(["book/equations"], inputs)
    os.environ["VBL_SOLUTIONS"] = "yes" if solutions else "no"
    machinery = ["_config.yml", "book/_toc.yml", "book/_ext", "book/_static"]
    pages = digest(machinery, with_equations, os.environ["VBL_SOLUTIONS"])
    finished = remove_stale_pages(pages)
    chapters = read_chapters(ROOT, inputs, with_equations)
    timeout = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["execute"]["timeout"]
    with LOG.open("w", encoding="utf-8", buffering=1) as log:
        executed = execute_missing(chapters, BUILD / ".jupyter_cache", timeout, log)
        status = make_pages(log)
    serve_notebooks()
    for chapter in sorted(executed, key=lambda chapter: chapter.seconds, reverse=True):
        print(f"{chapter.seconds:6.0f} s  {chapter.path.stem}")
    problems = [f"The pages have mistakes; the whole story is in {LOG}"] if status else []
    problems += [f"{c.path.stem} failed in {c.failure}" for c in executed if c.failure]
    if not problems:
        finished.write_text(pages)
    return problems


def main():
    """Build, say how long it took, name the page to open, and last what went wrong."""
    parser = argparse.ArgumentParser(description="Build the book's pages and notebooks.")
    parser.add_argument(
        "--solutions", choices=["yes", "no"], default="yes", help="of the exercises"
    )
    solutions = parser.parse_args().solutions == "yes"
    start = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: ends what was started
    sys.stdout.reconfigure(errors="replace")  # a log on Windows knows few letters
    print("Building the book ...", flush=True)
    try:
        problems = build(solutions)
    except KeyboardInterrupt:
        sys.exit(130)
    spent, index = time.monotonic() - start, BUILD / "html" / "index.html"
    if not problems:
        print(f"Built in {spent:.0f} s. Open {index}")
    elif index.exists():
        print(f"What there is after {spent:.0f} s: {index}", flush=True)
    sys.exit("\n".join(problems) or 0)


if __name__ == "__main__":
    main()
