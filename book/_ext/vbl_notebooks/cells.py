"""The cells of a notebook, from a resolved page and the executed notebook it was made from."""

from copy import deepcopy

from docutils import nodes
from nbformat.v4 import new_code_cell, new_markdown_cell
from sphinx_exercise.nodes import is_exercise_node, is_solution_node

from .editions import Piece
from .markdown import Markdown, escape
from .outputs import plain_outputs

HIDDEN = {"jupyter": {"source_hidden": True}, "cellView": "form"}  # JupyterLab's word and Colab's
ANSWER_CODE, ANSWER_TEXT = "# Your answer here.\n", "*Your answer here.*"


def is_code(node):
    """Whether a node is a code cell."""
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


def is_section(node):
    """Whether a node is a section; theorems and exercises have some without a title."""
    return isinstance(node, nodes.section) and isinstance(node[0], nodes.title)


def is_box(node):
    """Whether a node is a box that is folded on the page."""
    return isinstance(node, nodes.Admonition) and "dropdown" in node["classes"]


def holds_cells(node):
    """Whether there is something in a node that begins a cell."""
    begins = (is_code, is_section, is_exercise_node, is_solution_node, is_box)
    return any(begin(found) for found in node.findall(nodes.Element) for begin in begins)


class CellWriter:
    """Writes a page as cells, for all editions.

    Args:
        page: See `vbl_notebooks.page.Page`.
        source: The executed notebook.

    Attributes:
        pieces: The cells.
    """

    def __init__(self, page, source):
        self.page, self.source, self.markdown = page, source, Markdown(page)
        self.pieces, self.parts, self.depth, self.within = [], [], 0, ()

    def write(self, doctree):
        """Write a page."""
        self.walk(doctree)
        self.references()

    def references(self):
        """Write a list of the works that the page cites."""
        self.flush()
        if self.page.cited:
            self.head(2, "References")
            entries = map(escape, self.page.cited.values())
            self.parts.append("\n".join(f"- {entry}" for entry in entries))
            self.flush()

    def walk(self, node):
        """Write what a node contains."""
        for child in node.children:
            if is_code(child):
                self.code(child)
            elif is_section(child):
                self.section(child)
            elif is_exercise_node(child):
                self.exercise(child)
            elif is_solution_node(child):
                self.solution(child)
            elif is_box(child):
                self.box(child)
            elif holds_cells(child):
                self.walk(child)
            else:
                self.parts.append(self.markdown.text(child).strip("\n"))

    def section(self, node):
        """Write a section, with its number; its title begins a cell."""
        self.flush()
        self.depth += 1
        number, title = self.page.section(node, self.depth == 1), self.markdown.take_title(node)
        self.head(self.depth, f"{number}. {title}" if number else title)
        self.walk(node)
        self.depth -= 1

    def exercise(self, node):
        """Write an exercise."""
        self.flush()
        number, title = self.page.number("exercise", node), self.markdown.take_title(node)
        self.head(self.depth + 1, " ".join(filter(None, ("Exercise", number, title))))
        self.walk(node)
        self.flush()
        self.answer(node)

    def answer(self, node):
        """Write the cell for the answer to an exercise."""
        code = node.get("answer") == "code"
        cell = new_code_cell(ANSWER_CODE) if code else new_markdown_cell(ANSWER_TEXT)
        cell.id, cell.metadata["tags"] = f"answer-{node['label']}"[:64], ["answer"]
        self.pieces.append(Piece(cell, "answer", node["label"]))

    def solution(self, node):
        """Write a solution."""
        self.flush()
        self.markdown.take_title(node)
        self.fold("solution", node["target_label"], "Solution", node)

    def box(self, node):
        """Write a box that is folded on the page."""
        self.flush()
        label, title = f"box-{len(self.pieces)}", self.markdown.take_title(node)
        self.fold("box", label, title, node)

    def fold(self, part, label, title, node):
        """Write a part of the page; its title is a cell of its own, to be folded there."""
        outer, self.within = self.within, (part, label)
        self.head(self.depth + 2, title)
        self.flush()
        self.walk(node)
        self.flush()
        self.within = outer

    def head(self, level, title):
        """Write a title."""
        self.parts.append(f"{'#' * level} {title}")

    def code(self, node):
        """Write a code cell, and below it the captions of its figures."""
        self.flush()
        original = self.source.cells[int(node["cell_index"])]
        cell = new_code_cell(original.source, id=original.id)
        alt = node["cell_metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
        cell.outputs = plain_outputs(original.outputs, self.page.macros, alt)
        cell.execution_count = original.execution_count
        if "hide-input" in node["cell_metadata"].get("tags", []):
            cell.metadata.update(deepcopy(HIDDEN))
        self.pieces.append(Piece(cell, *self.within))
        self.parts += map(self.markdown.text, node.findall(nodes.caption))

    def flush(self):
        """End a cell of text."""
        if any(self.parts):
            text = "\n\n".join(filter(None, self.parts))
            cell = new_markdown_cell(text, id=f"text-{len(self.pieces)}")
            if self.page.attachments:
                cell.attachments, self.page.attachments = self.page.attachments, {}
            self.pieces.append(Piece(cell, *self.within))
        self.parts = []
