"""Three editions of a notebook, which differ in what becomes of the solutions.

full: solutions stand below the exercises, folded where a program can.
student: there is an empty cell for each answer, and nothing has been executed yet.
instructor: everything is open, and solutions carry the marks of nbgrader and the tag "solution".
"""

import re
from copy import deepcopy
from dataclasses import dataclass
from itertools import groupby

from nbformat import NotebookNode

HEADING = re.compile(r"#+(?= )")
FOLDED = "jp-MarkdownHeadingCollapsed"  # JupyterLab's name for it


@dataclass
class Piece:
    """A cell, and what it is part of.

    Attributes:
        cell: The cell.
        part: "answer" for the place of an answer, "solution", "box" for what is folded on the page,
            or nothing. The first cell of a solution or a box is its title.
        label: Of the exercise, or of the box.
    """

    cell: NotebookNode
    part: str = ""
    label: str = ""


def full(pieces):
    """Return the cells with each solution folded below its title."""
    return folded([piece for piece in pieces if piece.part != "answer"])


def student(pieces):
    """Return the cells with those for answers, without solutions and without outputs."""
    cells = folded([piece for piece in pieces if piece.part != "solution"])
    for cell in cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return cells


def instructor(pieces):
    """Return the cells with the solutions marked."""
    for part, label, (title, *others) in groups(pieces):
        if part == "solution":
            title.cell.metadata["tags"] = ["solution"]
            for number, piece in enumerate(others, start=1):
                piece.cell.metadata["tags"] = ["solution"]
                piece.cell.metadata["nbgrader"] = mark(f"{label}-{number}", int(number == 1))
    return [piece.cell for piece in pieces if piece.part != "answer"]


def groups(pieces):
    """Return what belongs together, each with its part and its label."""
    found = groupby(pieces, key=lambda piece: (piece.part, piece.label))
    return [(*key, list(group)) for key, group in found]


def folded(pieces):
    """Return the cells with solutions and boxes folded, where this folds nothing else."""
    found = groups(pieces)
    for (part, _, group), later in zip(found, [*found[1:], None], strict=True):
        if part in ("solution", "box") and (not later or outranks(later[2][0], group[0])):
            group[0].cell.metadata.update({FOLDED: True, "id": group[0].cell.id})  # Colab's
    return [piece.cell for piece in pieces]


def outranks(piece, title):
    """Whether a piece begins with a title of a higher rank than another."""
    marks = [HEADING.match(each.cell.source) for each in (piece, title)]
    return bool(marks[0]) and len(marks[0][0]) < len(marks[1][0])


def mark(name, points):
    """Return nbgrader's mark of an answer: cleared for students, graded by a person."""
    roles = {"solution": True, "grade": True, "locked": False, "task": False}
    return {"schema_version": 3, "grade_id": name, "points": points, **roles}


EDITIONS = {"full": full, "student": student, "instructor": instructor}


def edition(name, pieces):
    """Return the cells of an edition.

    Args:
        name: A key of `EDITIONS`.
        pieces: All cells of a page; they are not changed.
    """
    return EDITIONS[name](deepcopy(pieces))
