"""Build the book: `make book`, or `.venv/bin/python book/build.py`.

Chapters are executed once and kept in _build/. What a chapter shows depends on the library, the
data and the installed versions, so kept executions go when one of those changes; kept pages go
when the book's own machinery changes, or when the last build did not succeed.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
ARGUMENTS = "build book --config _config.yml -W -n --keep-going"
SHOWN = re.compile(r"Executing notebook|Executed notebook|WARNING:|ERROR:|CRITICAL:")
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


def remove_stale(kind, key, *folders):
    """Remove the folders if they were made under another key; return the file for this one."""
    stamp = BUILD / f"{kind}.key"
    if not stamp.exists() or stamp.read_text() != key:
        for folder in folders:
            shutil.rmtree(BUILD / folder, ignore_errors=True)
    BUILD.mkdir(exist_ok=True)
    return stamp


def what_matters(lines, log):
    """Yield the chapters executed, the warnings and the error reports; log every line."""
    end = None
    for line in lines:
        log.write(line)
        if end and end in line:
            end = None
        end = next((REPORTS[start] for start in REPORTS if start in line), end)
        if end or SHOWN.search(line):
            yield COLOUR.sub("", line.rstrip()).replace(f"{ROOT}/", "")


def run():
    """Run Jupyter Book, print what matters, and return its exit status."""
    command = [Path(sys.executable).with_name("jupyter-book"), *ARGUMENTS.split()]
    environment = {**os.environ, "VBL_STATIC": "1", "PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
    log = (BUILD / "build.log").open("w", encoding="utf-8")
    with log, subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:
        try:
            for line in what_matters(process.stdout, log):
                print(" ", line, flush=True)
        except KeyboardInterrupt:
            process.terminate()  # it ends its kernel, but may go on to the next chapter
            with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
                process.wait(timeout=5)
            process.kill()
            sys.exit(130)
    return process.returncode


def main():
    """Build, say how long it took, and name the page to open."""
    start = time.monotonic()
    inputs = digest(["vbl", "data", "requirements.lock"], image_sets())
    pages = digest(["_config.yml", "book/_toc.yml", "book/_ext", "book/_static"], inputs)
    remove_stale("executions", inputs, ".jupyter_cache", "jupyter_execute").write_text(inputs)
    finished = remove_stale("pages", pages, ".doctrees", "html")
    finished.unlink(missing_ok=True)
    print("Building the book ...", flush=True)
    if run():
        sys.exit(f"The book was not built; the whole story is in {BUILD / 'build.log'}")
    finished.write_text(pages)
    print(f"Built in {time.monotonic() - start:.0f} s. Open {BUILD / 'html' / 'index.html'}")


if __name__ == "__main__":
    main()
