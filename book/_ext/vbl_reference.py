"""``{library}`` is the reference: a section for each folder of `vbl`, then one for each file."""

from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

import vbl

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


def automodule(name, *options):
    """Return the lines that document a module."""
    indented = [f"   :{option}:" for option in options]
    return ["```{eval-rst}", f".. automodule:: {name}", *indented, "```", ""]


def module(name):
    """Return the lines of a module's section."""
    return [f"### `{name}`", "", *automodule(name, "members")]


def reference(library):
    """Return the page in Markdown, for the folder of the library."""
    lines = automodule("vbl")
    for folder, title in FOLDERS.items():
        package = f"vbl.{folder.replace('/', '.')}"
        lines += [f"## {title}", "", *automodule(package)]
        for file in sorted((library / folder).glob("[!_]*.py")):
            lines += module(f"{package}.{file.stem}")
    lines += ["## What all of them use", "", *module("vbl.utils")]
    return [*lines, "## The checked equations", "", *module("equations.equation")]


class LibraryDirective(SphinxDirective):
    """``{library}``."""

    def run(self):
        """Parse the page."""
        library = Path(vbl.__file__).parent
        parent = nodes.section()
        parent.document = self.state.document
        lines = StringList(reference(library), source=self.env.docname)
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
