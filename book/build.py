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
COMMAND = "jupyter-book build book --config _config.yml -W -n --keep-going"
SHOWN = re.compile(r"(Execut\w+ (?:notebook|failed)|WARNING|ERROR|[Ee]xception)")
IGNORED = re.compile(r"without encryption|^\x1b?\[?\S*Traceback")


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


def run():
    """Run Jupyter Book, show what matters of its output, keep all of it, return its status."""
    environment = {**os.environ, "VBL_STATIC": "1", "PYTHONUNBUFFERED": "1"}
    command = [Path(sys.executable).with_name("jupyter-book"), *COMMAND.split()[1:]]
    with (BUILD / "build.log").open("w") as log, subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        for line in process.stdout:
            log.write(line)
            if SHOWN.search(line) and not IGNORED.search(line):
                print(" ", line.rstrip().replace(f"{ROOT}/", ""), flush=True)
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
    for report in sorted((BUILD / "html" / "reports").rglob("*.err.log")):
        print(f"\n{report.relative_to(ROOT)}\n{report.read_text('utf-8')}")
    if status:
        sys.exit(f"The book was not built (the whole story is in {BUILD / 'build.log'}).")
    finished.write_text(machinery + inputs)
    print(f"Built in {time.monotonic() - start:.1f} s. Open {BUILD / 'html' / 'index.html'}")


if __name__ == "__main__":
    main()
