"""How often the host waits for a GPU in a training step, and how much it asks of it.

    python benchmarks/launches.py [RECIPE ...] [--before REVISION]

Counted on the pretended GPU of the tests, with two small crops and the networks of "quick": waits
are numbers read and copies that block, launches are operations that are no views. Counted again
with the library of an earlier revision, for comparison.

Writes data/results/benchmark-launches.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve()
ROOT = HERE.parents[1]
BEFORE = "fa4beaf"  # the last revision in which nobody had counted
RECIPES = (
    "resunet",
    "vdn-denoise",
    "virnet-denoise",
    "virnet-sr-x4",
    "vdir-denoise",
    "vdir-jpeg",
    "lud-vae-correlated",
    "vbdeblur-text",
)


def count(names: list[str]) -> dict[str, dict[str, int]]:
    """Waits and launches of a step, by recipe, with the library that is imported."""
    sys.path.append(str(ROOT / "tests"))
    import gpu_cases

    found = {}
    for name in names:
        counts = gpu_cases.costs(name)
        launches, waits = (sum(c.values()) for c in (counts.launches, counts.waits))
        found[name] = {"waits": waits, "launches": launches}
    return found


def count_with(library: Path, names: list[str]) -> dict[str, dict[str, int]]:
    """The same in a process of its own, with the library in a folder."""
    command = [sys.executable, str(HERE), "--print", *names]
    environment = os.environ | {"PYTHONPATH": str(library)}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def count_at(revision: str, names: list[str]) -> dict[str, dict[str, int]]:
    """The same with the library of a revision."""
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "vbl.tar"
        archive = ["git", "-C", str(ROOT), "archive", "-o", str(packed), revision, "vbl"]
        subprocess.run(archive, check=True)
        subprocess.run(["tar", "-xf", str(packed), "-C", folder], check=True)
        (Path(folder) / "data").symlink_to(ROOT / "data")
        return count_with(Path(folder), names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*", default=RECIPES)
    parser.add_argument("--before", default=BEFORE, help="the revision to compare with")
    parser.add_argument("--print", action="store_true", help="count only, and print")
    options = parser.parse_args()
    names = list(options.recipes)
    if options.print:
        print(json.dumps(count(names)))
        return
    from vbl.evaluation import save_result

    now, before = count_with(ROOT, names), count_at(options.before, names)
    rows = [{"recipe": name, "before": before[name], "now": now[name]} for name in names]
    save_result("benchmark-launches", {"before": options.before, "rows": rows})


if __name__ == "__main__":
    main()
