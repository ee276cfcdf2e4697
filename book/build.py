"""Build the book: `make book`, or `.venv/bin/python book/build.py`.

Chapters are executed once and kept in _build/. What a chapter shows depends on the library, the
data and the installed versions, so the kept executions go when one of those changes; the pages
go when the book's own machinery changes, or when the last build did not finish.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
ARGUMENTS = "build book --config _config.yml -W -n --keep-going"
COLOUR = re.compile(r"\x1b\[[\d;]*m")
SHOWN = re.compile(r"Executing notebook|Executed notebook|WARNING:|ERROR:|CRITICAL:")
# An error report is shown from the first of these phrases to the line before the second.
REPORTS = {"Exception occurred:": "The full traceback", "An error occurred while": "The above exc"}


def digest(files, *extra):
    """Return a hash of the names and contents of files, and of other strings."""
    total = hashlib.sha256("\0".join(extra).encode())
    for path in sorted(files):
        total.update(f"\0{path}\0".encode() + path.read_bytes())
    return total.hexdigest()


def files_below(*places):
    """Return the files among and below the places, without what Python leaves there."""
    paths = [p for place in places for p in [ROOT / place, *(ROOT / place).rglob("*")]]
    return [p for p in paths if p.is_file() and "__pycache__" not in p.parts]


def image_sets():
    """Return a description of what VBL_DATA points to: its manifest, or names and sizes."""
    folder = os.environ.get("VBL_DATA")
    if not folder:
        return "unset"
    manifest = Path(folder, "MANIFEST.csv")
    if manifest.is_file():
        return manifest.read_text("utf-8")
    found = sorted(p for p in Path(folder).rglob("*") if p.is_file())
    return folder + "".join(f"\n{p.relative_to(folder)} {p.stat().st_size}" for p in found)


def remove_stale(kind, key, stale):
    """Remove what was made under another key; return the file that will hold this one."""
    stamp = BUILD / f".{kind}-key"
    if not stamp.exists() or stamp.read_text() != key:
        for path in stale:
            shutil.rmtree(BUILD / path, ignore_errors=True)
    BUILD.mkdir(exist_ok=True)
    return stamp


def what_matters(lines):
    """Yield, of what Jupyter Book prints, the chapters executed, the warnings and the errors."""
    end = None
    for line in lines:
        start = next((phrase for phrase in REPORTS if phrase in line), None)
        if end and end in line:
            end = None
        elif start:
            end = REPORTS[start]
        if end or SHOWN.search(line):
            yield COLOUR.sub("", line.rstrip()).replace(f"{ROOT}/", "")


def copied(lines, copy):
    """Yield lines while writing them to a second place."""
    for line in lines:
        copy.write(line)
        yield line


def run():
    """Run Jupyter Book and return its status; all it prints is kept in _build/build.log."""
    command = [Path(sys.executable).with_name("jupyter-book"), *ARGUMENTS.split()]
    environment = {**os.environ, "VBL_STATIC": "1", "PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
    log = BUILD / "build.log"
    with (
        log.open("w", encoding="utf-8") as copy,
        subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process,
    ):
        for line in what_matters(copied(process.stdout, copy)):
            print(" ", line, flush=True)
    return process.returncode


def main():
    """Build, say how long it took, and name the page to open."""
    start = time.monotonic()
    inputs = digest(files_below("vbl", "data", "requirements.lock"), image_sets())
    machinery = digest(files_below("_config.yml", "book/_toc.yml", "book/_ext", "book/_static"))
    caches = [".jupyter_cache", "jupyter_execute", ".doctrees", "html"]
    remove_stale("inputs", inputs, caches).write_text(inputs)
    finished = remove_stale("pages", machinery + inputs, [".doctrees", "html"])
    finished.unlink(missing_ok=True)

    print("Building the book ...", flush=True)
    status = run()
    if status:
        sys.exit(f"The book was not built (the whole story is in {BUILD / 'build.log'}).")
    finished.write_text(machinery + inputs)
    print(f"Built in {time.monotonic() - start:.1f} s. Open {BUILD / 'html' / 'index.html'}")


if __name__ == "__main__":
    main()
