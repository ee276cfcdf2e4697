"""The chapters of the book as its build sees them: what each depends on, and how it went."""

import json
import re
import sys
import time

import nbformat
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat.v4 import new_output
from sphinx_external_toc.parsing import parse_toc_yaml

EQUATIONS = re.compile(r"^\s*(?:from|import) equations\b", re.MULTILINE)


class Chapter:
    """A notebook whose cells wait to be executed.

    Attributes:
        path: Of the notebook.
        inputs: A string that changes with whatever its outputs depend on besides its own code.
        number: Of the code cell that is being executed, from 1.
        seconds: How long the execution took.
        failure: What went wrong and in which cell, in one line; empty if nothing did.
    """

    def __init__(self, path, inputs):
        self.path, self.inputs = path, inputs
        self.notebook = nbformat.read(path, as_version=4)
        self.cells = [cell for cell in self.notebook.cells if cell.cell_type == "code"]
        for cell in self.cells:
            cell.outputs, cell.execution_count = [], None
        self.number, self.seconds, self.failure = 1, 0.0, ""

    def __str__(self):
        spent = time.monotonic() - self.started
        return f"{self.path.stem}: cell {self.number} of {len(self.cells)}, {spent:.0f} s"

    def start(self):
        """Start the clock."""
        self.started = time.monotonic()

    def begin(self, cell, **_):
        """Note that a cell is about to be executed."""
        self.number = next(n for n, other in enumerate(self.cells, 1) if other is cell)

    def end(self, reason=None):
        """Stop the clock, and note what went wrong: an exception, or a cell that warned."""
        self.seconds = time.monotonic() - self.started
        if reason:
            return self.fail(self.number, self.explain(reason))
        for number, cell in enumerate(self.cells, 1):
            if text := stderr_of(cell):
                return self.fail(number, f"wrote to stderr: {text}")
        return None

    def explain(self, reason):
        """Return why a cell could not be finished; see to it that its outputs say so too."""
        if isinstance(reason, CellExecutionError):
            return f"{reason.ename}: {reason.evalue}"
        name = type(reason).__name__
        died = isinstance(reason, DeadKernelError)
        value = "the kernel died (was the memory full?)" if died else str(reason)
        line = f"{name}: {value}"
        output = new_output("error", ename=name, evalue=value, traceback=[line])
        self.cells[self.number - 1].outputs.append(output)
        return line

    def fail(self, number, what):
        """Note in one line what went wrong in which cell."""
        self.failure = f"cell {number} of {len(self.cells)}: {what.strip().splitlines()[0]}"

    def outcome(self):
        """Say how it went."""
        if self.failure:
            return f"failed after {self.seconds:.0f} s in {self.failure}"
        return f"done in {self.seconds:.0f} s"


def stderr_of(cell):
    """Return what a cell wrote to stderr."""
    return "".join(output.text for output in cell.outputs if output.get("name") == "stderr")


def read_chapter(path, inputs):
    """Return a chapter; end the build if its file is not a notebook."""
    try:
        return Chapter(path, inputs)
    except ValueError as reason:
        sys.exit(f"{path} is not a notebook: {reason}")


def read_chapters(root, inputs, with_equations):
    """Return the notebooks of the book's contents, the longest first as far as that is known.

    Args:
        root: Folder of the project.
        inputs: See `Chapter`.
        with_equations: The same for those that import the checked equations.
    """
    book, costs = root / "book", root / "data" / "results" / "chapter_costs.json"
    measured = json.loads(costs.read_text("utf-8")) if costs.exists() else {}
    seconds = {name: cost["cpu"]["seconds"] for name, cost in measured.items()}
    names = sorted(parse_toc_yaml(book / "_toc.yml"), key=lambda name: -seconds.get(name, 0))
    paths = [book / f"{name}.ipynb" for name in names]
    chapters = [read_chapter(path, inputs) for path in paths if path.exists()]
    for chapter in chapters:
        if any(EQUATIONS.search(cell.source) for cell in chapter.cells):
            chapter.inputs = with_equations
    return chapters
