"""A book without solutions, for ``VBL_SOLUTIONS=no`` in the environment.

They are taken out while the pages are read, so that nothing of them reaches a page, its pictures,
the search or a notebook. All chapters are executed as before.
"""

import os

from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx_exercise.nodes import is_exercise_node, is_solution_node
from sphinx_exercise.transforms import MergeGatedSolutions


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


def setup(app):
    """Register the transform."""
    app.add_config_value("vbl_solutions", os.environ.get("VBL_SOLUTIONS") != "no", "env", bool)
    app.add_transform(RemoveSolutions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
