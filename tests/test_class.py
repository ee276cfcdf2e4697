"""The course for nbgrader: what an assignment holds, and what submissions are given for it."""

import shutil

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from toy_books import KERNEL, ROOT

import classroom

INSTRUCTORS = ROOT / "_build" / "notebooks" / "instructor"
CHAPTERS = sorted(INSTRUCTORS.glob("[0-9]*.ipynb"))
QUICK = ("03-vdn",)
MISTAKEN = """
from vbl.evaluation.exercises import QUESTIONS, Choice, Question


def mistaken(question):
    if isinstance(question, Choice):
        return next(iter(question.wrong))
    mistake = next(iter(question.mistakes.values()))
    return mistake() if isinstance(question, Question) and question.tries is None else mistake


{variable} = {how}
"""


# What an assignment takes from the chapter


@pytest.mark.parametrize(
    ("code", "bound", "used"),
    [
        ("import a.b as c, d", {"c", "d"}, set()),
        ("x = f(x)", {"x"}, {"f", "x"}),
        ("x = 1\nx += y", {"x"}, {"y"}),
        ("for i in n:\n    total = i", {"i", "total"}, {"n"}),
        ("def f(x):\n    global g\n    return f, x, y", {"f"}, {"g", "y"}),
        ("squares = [i * k for i in n]", {"squares"}, {"k", "n"}),
        ("with a as b:\n    b.read()", {"b"}, {"a"}),
    ],
)
def test_names_that_code_binds_and_takes(code, bound, used):
    found, taken = classroom.names(code)
    assert (found, taken - {"g"}) == (bound, used - {"g"})


def test_only_cells_that_solutions_build_on_are_needed():
    sources = ["import a", "b = a.b", "c = 3", "b.plot(c)", "d = b + 1"]
    *before, solution = map(new_code_cell, [*sources, "e = d"])
    needed = classroom.needed(before, [solution])
    assert [cell.source for cell in needed] == ["import a", "b = a.b", "d = b + 1"]


def test_an_assignment_asks_tests_and_leaves_projects_out():
    solved = {"metadata": {"tags": ["solution"]}}
    asks = 'Why?\n\nCheck yourself: `check("ex-psnr.1", ...)` with the PSNR in dB.'
    cells = [
        new_markdown_cell("# 1. One"),
        new_code_cell("%pip install vbl", id="install"),
        new_code_cell("import math"),
        new_code_cell("unused = 1"),
        new_markdown_cell(
            f"### Exercise 1.1 (A)\n\n*Difficulty 2 of 3 · 5 minutes · code*\n\n{asks}"
        ),
        new_markdown_cell("#### Solution", **solved),
        new_code_cell("print(math.pi)", **solved),
        new_markdown_cell("So.", **solved),
        new_markdown_cell("### Exercise 1.2 (B)\n\n*Difficulty 3 of 3 · a day · project*"),
        new_markdown_cell("## 1.2. Further reading"),
    ]
    chapter = new_notebook(cells=cells, metadata={"kernelspec": KERNEL["kernelspec"]})
    made = classroom.assignment(chapter).cells
    marks = [cell.metadata.nbgrader for cell in made]
    assert [(m.grade_id, m.solution, m.get("points")) for m in marks] == [
        ("setup-0", False, None),
        ("setup-1", False, None),
        ("exercise-1-1-0", False, None),
        ("ex-psnr-1-answer", True, None),
        ("ex-psnr-1-test", False, 2),
        ("exercise-1-1-words", True, 1),
    ]
    assert made[1].source == "import math"
    assert made[3].source.startswith("# the PSNR in dB\nex_psnr_1 = None\n### BEGIN SOLUTION")
    assert made[5].source == "```python\nprint(math.pi)\n```\n\nSo."


def test_without_notebooks_for_instructors_there_is_no_course(monkeypatch, tmp_path):
    monkeypatch.setattr(classroom, "BUILD", tmp_path)
    with pytest.raises(SystemExit, match=r"run `make book`, with solutions$"):
        classroom.main()


# Assignments of the book that is built


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_an_assignment_has_tests_for_each_question_and_words_for_each_exercise(path):
    cells = classroom.assignment(nbformat.read(path, as_version=4)).cells
    marks = [cell.metadata.nbgrader for cell in cells]
    assert len({mark.grade_id for mark in marks}) == len(marks)
    asked = {name for cell in cells for name in classroom.ASKED.findall(cell.source) if "-" in name}
    tests = [mark for mark in marks if mark.grade and not mark.solution]
    assert len(tests) == len(asked) >= 4
    assert all(1 <= mark.points <= 3 for mark in tests)
    assert not any("project*" in cell.source for cell in cells)


def submit(course, name, student, change):
    """Hand in an assignment: what students get, with each answer changed as a function says."""
    notebook = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
    answers = [cell for cell in notebook.cells if cell.id.endswith("-answer")]
    for number, cell in enumerate(answers):
        variable = cell.source.splitlines()[1].removesuffix(" = None")
        question = classroom.ASKED.search(cell_after(notebook, cell).source)[1]
        cell.source = change(number, variable, question) or cell.source
    folder = course / "submitted" / student / name
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")


def cell_after(notebook, cell):
    return notebook.cells[notebook.cells.index(cell) + 1]


def mistakes(number, variable, question):
    """Answer the first question, and all others with a known mistake."""
    question = f'QUESTIONS["{question}"]'
    how = f"mistaken({question})" if number else f"{question}.solution()"
    return MISTAKEN.format(variable=variable, how=how)


def graded(course, name):
    """Return the points that each student got without a person, and the most one can get."""
    from nbgrader.api import Gradebook

    points = {}
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        for submission in book.assignment_submissions(name):
            grades = [g for n in submission.notebooks for g in n.grades]
            tests = [grade for grade in grades if grade.name.endswith("-test")]
            points[submission.student.id] = [grade.auto_score for grade in tests]
            best = [grade.max_score for grade in tests]
    return points, best


def check_grades(course, name):
    """Grade three submissions of an assignment, and look at what they are given."""
    submit(course, name, "wrong", mistakes)
    submit(course, name, "empty", lambda *_: None)
    right = course / "submitted" / "right" / name
    shutil.copytree(course / "source" / name, right)
    assert classroom.nbgrader(course, "autograde", name, "--create") == 0
    points, best = graded(course, name)
    assert points["right"] == best
    assert points["wrong"] == [best[0]] + [0] * len(best[1:])
    assert points["empty"] == [0] * len(best)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The course of two chapters."""
    folder = tmp_path_factory.mktemp("course") / "class"
    classroom.write_course(folder, [path for path in CHAPTERS if path.stem in QUICK])
    return folder


built = pytest.mark.skipif(not CHAPTERS, reason="needs the book, built with solutions")


@built
@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_submissions_get_full_partial_and_no_points(course, name):
    released = (course / "release" / name / f"{name}.ipynb").read_text("utf-8")
    assert "solution()" not in released and "HIDDEN" not in released
    check_grades(course, name)


@built
@pytest.mark.minutes
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_submissions_of_every_assignment(path, tmp_path):
    classroom.write_course(tmp_path / "class", [path])
    check_grades(tmp_path / "class", path.stem)
