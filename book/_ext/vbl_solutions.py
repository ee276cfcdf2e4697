"""A book without solutions, for ``VBL_SOLUTIONS=no`` in the environment.

They are taken out while the pages are read, so that nothing of them reaches a page, its pictures,
the search or a notebook; and out of what is served besides, the sources of pages and of the
library's answers. All chapters are executed as before.
"""

import os
import re
from pathlib import Path

from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx_exercise.nodes import is_exercise_node, is_solution_node
from sphinx_exercise.transforms import MergeGatedSolutions

WRITTEN = re.compile(
    r"^([`:]{3,})\{solution(?P<gated>-start)?\}.*?^(?(gated)\1\{solution-end\}\s*)\1[ \t]*\n",
    re.DOTALL | re.MULTILINE,
)
ANSWERS = "vbl.evaluation.exercises.chapter_"  # how the library's modules with answers begin


def has_code(node):
    """Whether there is a code cell in a node."""
    return any(box.get("nb_element") == "cell_code" for box in node.findall(nodes.container))


class RemoveSolutions(SphinxTransform):
    """Notes for each exercise what its solution is, "code" or "text"; removes it if it has to.

    It comes after sphinx-exercise has collected what is between the start and end of a solution.
    """

    default_priority = MergeGatedSolutions.default_priority + 1

    def apply(self):
        """Do so for a page."""
        exercises = {node["label"]: node for node in self.document.findall(is_exercise_node)}
        for node in list(self.document.findall(is_solution_node)):
            if node["target_label"] in exercises:
                exercises[node["target_label"]]["answer"] = "code" if has_code(node) else "text"
            if not self.config.vbl_solutions:
                node.parent.remove(node)
                self.env.sphinx_exercise_registry.pop(node["label"], None)


def without_solutions(text):
    """Return the source of a page without solutions."""
    return WRITTEN.sub("", text)


def clean_sources(app, exception):
    """Remove solutions from the sources that are served; notebooks are served by the build."""
    if app.config.vbl_solutions or app.builder.format != "html":
        return
    for path in Path(app.outdir, "_sources").rglob("*.md"):
        path.write_text(without_solutions(path.read_text("utf-8")), "utf-8")
    for path in Path(app.outdir, "_sources").rglob("*.ipynb"):
        path.unlink()


def hide_answers(app, module):
    """Show no source of the modules that know the answers."""
    return ("", {}) if module.startswith(ANSWERS) and not app.config.vbl_solutions else None


def connect_viewcode(app):
    """Have a say in which sources are shown, where any are."""
    if "viewcode-find-source" in app.events.events:
        app.connect("viewcode-find-source", hide_answers)


def setup(app):
    """Register the transform and what cleans up after the pages."""
    app.add_config_value("vbl_solutions", os.environ.get("VBL_SOLUTIONS") != "no", "env", bool)
    app.add_transform(RemoveSolutions)
    app.connect("builder-inited", connect_viewcode)
    app.connect("build-finished", clean_sources)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
