"""Builder ``notebooks``: the chapters as notebooks of plain Markdown that open anywhere.

What a page gets from Sphinx (numbers, cross-references, citations, tables, macros) is written out,
as none of the programs that open notebooks knows it. Outputs are those of the executed chapters.
Three editions are written, see `vbl_notebooks.editions`.
"""

import shutil
from pathlib import Path

from .builder import NotebookBuilder

# Which of the forms that an output has is looked at; the notebooks keep all of them.
PRIORITIES = {"image/png": 10, "text/markdown": 20, "text/html": 30, "text/plain": 40}


def set_priorities(app, config):
    """Let myst-nb know which form of an output to choose for this builder."""
    ours = [(NotebookBuilder.name, *priority) for priority in PRIORITIES.items()]
    config.nb_mime_priority_overrides = [*config.nb_mime_priority_overrides, *ours]


def remove_styles(app, exception):
    """Remove what other extensions add to any output, style sheets of pages."""
    if app.builder.name == NotebookBuilder.name:
        shutil.rmtree(Path(app.outdir, "_static"), ignore_errors=True)


def setup(app):
    """Register the builder."""
    app.setup_extension("vbl_solutions")
    app.add_builder(NotebookBuilder)
    app.connect("config-inited", set_priorities)
    app.connect("build-finished", remove_styles, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
