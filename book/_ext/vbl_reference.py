"""``{library} FOLDER`` is the reference of a folder of `vbl`, with a section for each file.

Without a folder it is the first page of the reference: `vbl` itself, and the list of the others.
"""

from importlib import import_module
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

import vbl

LIBRARY = Path(vbl.__file__).parent

# From what imports nothing of the library up to what a user types.
FOLDERS = {
    "probability": "Probability",
    "images": "Pictures",
    "degradations": "Degradations",
    "networks": "Networks",
    "models": "Models",
    "restoration": "Restoration",
    "recipes": "Recipes",
    "training": "Training",
    "evaluation": "Evaluation",
    "evaluation/exercises": "Exercises that answer",
    "figures": "Figures",
    "cli": "The command line",
    "cli/commands": "The commands",
}


def page(folder):
    """Return the name of a folder's page."""
    return f"api/{folder.replace('/', '-')}"


def automodule(name, *options):
    """Return the lines that document a module."""
    indented = [f"   :{option}:" for option in options]
    return ["```{eval-rst}", f".. automodule:: {name}", *indented, "```", ""]


def module(name):
    """Return the lines of a module's section."""
    return [f"## `{name}`", "", *automodule(name, "members")]


def first_page():
    """Return the lines of the first page: what `vbl` offers, the folders, and what is in none."""
    rows = [
        f"| [{title}]({page(folder)}.md) | {about(folder)} |" for folder, title in FOLDERS.items()
    ]
    lines = [*automodule("vbl"), "## Folders", "", "| | |", "|---|---|", *rows, ""]
    return [*lines, *module("vbl.utils"), *module("equations.equation")]


def package(folder):
    """Return the name of a folder as a package."""
    return f"vbl.{folder.replace('/', '.')}"


def about(folder):
    """Return the first sentence of a package's docstring."""
    text = " ".join((import_module(package(folder)).__doc__ or "").split("\n\n")[0].split())
    return text.partition(". ")[0].removesuffix(".") + "."


def reference(folder):
    """Return the lines of a folder's page, below its title."""
    lines = automodule(package(folder))
    for file in sorted((LIBRARY / folder).glob("[!_]*.py")):
        lines += module(f"{package(folder)}.{file.stem}")
    return lines


class LibraryDirective(SphinxDirective):
    """``{library} FOLDER``."""

    optional_arguments = 1

    def run(self):
        """Parse the page."""
        written = reference(self.arguments[0]) if self.arguments else first_page()
        parent = nodes.section()
        parent.document = self.state.document
        lines = StringList(written, source=self.env.docname)
        self.state.nested_parse(lines, 0, parent, match_titles=True)
        return parent.children


def without_arguments(app, what, name, found, options, signature, returns):
    """Document a command by its attributes: its signature is what the parser of arguments needs."""
    if what == "class" and name.startswith("vbl.cli.commands."):
        return "", None
    return None


def setup(app):
    """Register the directive."""
    app.add_directive("library", LibraryDirective)
    app.connect("autodoc-process-signature", without_arguments)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
