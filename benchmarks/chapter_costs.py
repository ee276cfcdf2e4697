"""What each chapter takes to run: wall time and peak memory of its kernel.

    python benchmarks/chapter_costs.py [STEM ...]

Runs the notebooks of book/ (all, or those named) one after the other on this machine and writes
data/results/chapter_costs.json, which the box at the top of each chapter is made from.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "data" / "results" / "chapter_costs.json"


def measure(notebook: Path) -> dict:
    """Execute one notebook in a fresh kernel, without the data sets that do not ship."""
    environment = {k: v for k, v in os.environ.items() if k != "VBL_DATA"} | {"VBL_STATIC": "1"}
    command = [sys.executable, "-m", "jupyter", "execute", str(notebook)]
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, cwd=notebook.parent)
    _, status, usage = os.wait4(process.pid, 0)  # with the children it waited for: the kernel
    if status:
        sys.exit(f"{notebook.name} failed: see above")
    seconds = time.perf_counter() - start
    return {"seconds": round(seconds, 1), "peak_mb": round(usage.ru_maxrss / 1024)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stems", nargs="*", help="notebooks to run, without .ipynb (default: all)")
    stems = parser.parse_args().stems
    notebooks = sorted((ROOT / "book").glob("*.ipynb"))
    known = {notebook.stem: notebook for notebook in notebooks}
    if unknown := set(stems) - set(known):
        sys.exit(f"no such chapter: {', '.join(unknown)}; known: {', '.join(known)}")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for stem in stems or known:
        results[stem] = {
            "cpu": measure(known[stem]),
            "gpu": None,
            "downloads_mb": 0,
            "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}",
            "command": "python benchmarks/chapter_costs.py",
            "date": date.today().isoformat(),
            "versions": {name: version(name) for name in ("torch", "numpy", "scikit-image")},
        }
        print(stem, results[stem]["cpu"])
    temporary = RESULTS.with_suffix(".tmp")
    temporary.write_text(json.dumps(results, indent=2) + "\n")
    temporary.replace(RESULTS)


if __name__ == "__main__":
    main()
