"""Write an nbgrader course: `make class`, or `.venv/bin/python book/classroom.py`.

_build/class/ holds the course: source/ with one assignment a chapter, made from the instructor's
notebooks, and release/ with the same for students. An assignment has the chapter's exercises, the
cells of the chapter that their solutions build on, and for each question a cell for the answer and
its tests, which are those of `vbl.evaluation.exercises`: what students see says what an answer
looks like, what is hidden gives the points. Words are graded by a person; projects, which have
rubrics of their own, are left out.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from symtable import symtable

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from tqdm.auto import tqdm

from vbl.evaluation.exercises import QUESTIONS

BUILD = Path(__file__).resolve().parent.parent / "_build"
EXERCISE = re.compile(
    r"#+ (?P<name>Exercise \S+) .*\n+"
    r"\*Difficulty (?P<points>\d) of 3 · .* · (?P<kind>\w+)\*"
)
HEADING = re.compile(r"#+ ")
ASKED = re.compile(r'check\("([\w.-]+)"')
ASSIGNMENTS = (ast.Assign, ast.AugAssign, ast.AnnAssign)
INTRODUCTION = """\
# {title}: exercises

Answer in the cells that say so. Below each answer, a cell says whether it is one, whether it is
right, or which known mistake it looks like. Figures, equations and sections are those of the book.
"""
ANSWER = """\
# {asks}
{variable} = None
### BEGIN SOLUTION
from vbl.evaluation.exercises import QUESTIONS

{variable} = QUESTIONS["{name}"].solution()
### END SOLUTION
"""
TEST = """\
from vbl.evaluation.exercises import check

verdict = check("{name}", {variable})
print(verdict)
assert not str(verdict).startswith("Not an answer"), verdict
### BEGIN HIDDEN TESTS
assert verdict, verdict
### END HIDDEN TESTS
"""
SETTINGS = """\
c = get_config()
c.CourseDirectory.course_id = "vbl"
c.ClearSolutions.code_stub = {"python": "# Your answer here."}
c.ClearSolutions.text_stub = "*Your answer here.*"
c.Execute.timeout = 600  # seconds a cell may take
c.Execute.kernel_name = "python3"
"""


def names(code):
    """Return the names that code binds, and those that it takes from the code before it."""
    bound, used = set(), set()
    for statement in ast.parse(code).body:
        table = symtable(ast.unparse(statement), "cell", "exec")
        binds = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
        # what an assignment uses is older than what it binds; a loop binds first
        own = set() if isinstance(statement, ASSIGNMENTS) else binds
        used |= globals_of(table) - bound - own
        bound |= binds
    return bound, used


def globals_of(table):
    """Return the names that a symbol table takes from the module, or that it refers to as one."""
    at_top = table.get_type() == "module"
    found = {
        s.get_name() for s in table.get_symbols() if s.is_referenced() and (at_top or s.is_global())
    }
    return found.union(*map(globals_of, table.get_children()))


def needed(before, solutions):
    """Return those of the code cells before that solutions build on, directly or not."""
    kept, wanted = [], set()
    for cell in reversed([*before, *solutions]):
        bound, used = names(cell.source)
        if cell in solutions or bound & wanted:
            kept.append(cell)
            wanted = (wanted - bound) | used
    return [cell for cell in reversed(kept) if cell not in solutions]


def mark(cell, name, points=None, answer=False):
    """Return a cell with nbgrader's mark: to be answered, graded with so many points, or neither.

    What is not to be answered is restored before it is graded.
    """
    cell.id = re.sub(r"\W", "-", name)[-64:]
    roles = {"solution": answer, "grade": points is not None, "locked": not answer, "task": False}
    cell.metadata = {"nbgrader": {"schema_version": 3, "grade_id": cell.id, **roles}}
    if points is not None:
        cell.metadata["nbgrader"]["points"] = points
    return cell


def groups(cells):
    """Return a list for each exercise of a chapter: its cells and those of its solution."""
    found, within = [], False
    for cell in cells:
        solved = "solution" in cell.metadata.get("tags", [])
        if cell.cell_type == "markdown" and HEADING.match(cell.source) and not solved:
            within = bool(EXERCISE.match(cell.source))
            if within:
                found.append(([], []))
        if within:
            found[-1][solved].append(cell)
    return found


def in_words(cells):
    """Return the cells of a solution as one text, for the one who grades."""
    code, texts = "```python\n{}\n```", cells[1:]  # the first is the title
    return "\n\n".join(code.format(c.source) if c.cell_type == "code" else c.source for c in texts)


def exercise(cells, solution):
    """Return the cells of an exercise; none for a project."""
    text = "\n".join(cell.source for cell in cells)
    about = EXERCISE.match(text)
    if about["kind"] == "project":
        return []
    label = about["name"].lower().replace(" ", "-")
    made = [mark(cell, f"{label}-{i}") for i, cell in enumerate(cells)]
    for name in ASKED.findall(text):
        given = {"name": name, "variable": re.sub(r"\W", "_", name), "asks": QUESTIONS[name].asks}
        made.append(mark(new_code_cell(ANSWER.format(**given)), f"{name}-answer", answer=True))
        test = new_code_cell(TEST.format(**given))
        made.append(mark(test, f"{name}-test", points=int(about["points"])))
    words = new_markdown_cell(in_words(solution))
    return [*made, mark(words, f"{label}-words", points=1, answer=True)]


def assignment(chapter):
    """Return the assignment of a chapter as a notebook.

    Args:
        chapter: Its notebook for instructors.
    """
    exercises = groups(chapter.cells)
    first = chapter.cells.index(exercises[0][0][0])
    code = [cell for cell in chapter.cells[:first] if cell.cell_type == "code"]
    before = [cell for cell in code if cell.id != "install"]  # that is for Colab
    solved = [cell for _, cells in exercises for cell in cells if cell.cell_type == "code"]
    title = next(c.source for c in chapter.cells if c.source.startswith("# ")).splitlines()[0]
    front = new_markdown_cell(INTRODUCTION.format(title=title.lstrip("# ")))
    setup = [new_code_cell(cell.source) for cell in needed(before, solved)]
    made = [mark(cell, f"setup-{i}") for i, cell in enumerate([front, *setup])]
    made += [cell for pair in exercises for cell in exercise(*pair)]
    for cell in made:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return new_notebook(cells=made, metadata={"kernelspec": chapter.metadata["kernelspec"]})


def write_source(course, path):
    """Write the assignment of a chapter.

    Args:
        course: Folder of the course.
        path: Of the chapter's notebook for instructors.
    """
    notebook = assignment(nbformat.read(path, as_version=4))
    nbformat.validate(notebook)
    folder = course / "source" / path.stem
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / path.name)


def nbgrader(course, *arguments):
    """Run a command of nbgrader in a course; return its exit status."""
    programs = Path(sys.executable).parent  # nbgrader starts another one by its name
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "nbgrader", *arguments, "--log-level=WARN"]
    return subprocess.run(command, cwd=course, env=environment).returncode


def write_course(course, chapters):
    """Write a course anew; what was graded in it before is gone.

    Args:
        course: Its folder.
        chapters: Paths of the notebooks for instructors.
    """
    shutil.rmtree(course, ignore_errors=True)
    for path in chapters:
        write_source(course, path)
    (course / "nbgrader_config.py").write_text(SETTINGS, "utf-8")
    for path in tqdm(chapters, desc="Assignments", disable=None):
        if nbgrader(course, "generate_assignment", path.stem):
            sys.exit(f"nbgrader could not make of {path.name} what students get")


def main():
    """Write the course of the book that is built, beside it."""
    chapters = sorted((BUILD / "notebooks" / "instructor").glob("[0-9]*.ipynb"))
    if not chapters:
        sys.exit(f"{BUILD} holds no notebooks for instructors: run `make book`, with solutions")
    write_course(BUILD / "class", chapters)
    print(f"{len(chapters)} assignments are in {BUILD / 'class'}: run nbgrader there")


if __name__ == "__main__":
    main()
