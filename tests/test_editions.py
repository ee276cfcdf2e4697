"""Notebooks that open anywhere: what each construct of a page becomes, in which edition."""

import os
import re
import zipfile
from types import SimpleNamespace
from urllib.parse import unquote

import nbformat
import pytest
import yaml
from nbclient import NotebookClient
from nbformat.v4 import new_markdown_cell, new_notebook
from toy_books import KERNEL, ROOT, start_build, write_book
from toy_chapters import EXERCISES, TITLE, run_sphinx, write_chapters
from vbl_notebooks.editions import EDITIONS
from vbl_notebooks.outputs import plain_outputs
from vbl_notebooks.tex import expand
from vbl_solutions import hide_answers, without_solutions

import bundle

BUILT = ROOT / "_build" / "notebooks"
NOTEBOOKS = sorted(BUILT.glob("*/*.ipynb"))
NAMES = [path.relative_to(BUILT).as_posix() for path in NOTEBOOKS]
CHAPTERS = [path for path in NOTEBOOKS if path.parent.name == "full" and path.name[0].isdigit()]
REMNANTS = re.compile(r"\{[\w:+-]+\}`|^\s*:{3,}|^\s*[`~]{3,}\{|^\(\S+\)=$", re.MULTILINE)
LINK = re.compile(r"(!?)\[[^\]\[]*\]\(([^()\s]+)\)")


def read(folder, edition, name):
    """Return a notebook."""
    return nbformat.read(folder / edition / f"{name}.ipynb", as_version=4)


def text(notebook):
    """Return what the Markdown cells of a notebook say."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def files_with(pattern, *folders):
    """Return the names of the files in which there is something."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if re.search(pattern.encode(), path.read_bytes())]


def code(notebook):
    """Return the code cells of a notebook."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The editions of the toy book."""
    folder = tmp_path_factory.mktemp("book")
    write_chapters(folder)
    return run_sphinx(folder, "notebooks", **os.environ)


@pytest.fixture(scope="module")
def full(toy):
    """The first chapter, full edition."""
    return read(toy, "full", "one")


# TeX


@pytest.mark.parametrize(
    ("tex", "plain"),
    [
        (r"\half", r"\frac12"),
        (r"a_\half", r"a_{\frac12}"),
        (r"\pair{a}{\half}", r"(a, \frac12)"),
        (r"\pair a \half", r"(a, \frac12)"),
        (r"\pair{\{a\}}{b}", r"(\{a\}, b)"),
        (r"\halfway \alpha", r"\halfway \alpha"),
        (r"\twice{\half}", r"(\frac12, \frac12)"),
        (r"\log\data", r"\log p(y)"),
        (r"\log \data a\data", r"\log p(y) ap(y)"),
    ],
)
def test_macros_are_written_out_wherever_they_stand(tex, plain):
    macros = {"half": r"\frac12", "pair": ["(#1, #2)", 2], "twice": [r"\pair{#1}{#1}", 1]}
    macros |= {"data": "p(y)"}
    assert expand(tex, macros) == plain


def test_a_brace_that_is_not_closed_is_an_error():
    with pytest.raises(ValueError, match=r"a brace is not closed in '\\\\f\{a'"):
        expand(r"\f{a", {"f": ["#1", 1]})


# What each construct becomes


def test_titles_have_numbers_and_begin_cells(full):
    titles = [cell.source.splitlines()[0] for cell in full.cells if cell.source[0] == "#"]
    assert titles == [
        "# 1. Beginning",
        "## 1.1. Boxes",
        "## 1.2. Pictures and tables",
        "## 1.3. Exercises",
        "### Exercise 1.1 (Words)",
        "#### Solution",
        "### Exercise 1.2 (Code: a number)",
        "#### Solution",
        "## 1.4. Further",
        "#### Answers to the quiz",
        "## References",
    ]


def test_text_keeps_its_marks_and_escapes_what_only_looks_like_one(full):
    assert (
        r"Of $\boldsymbol{x}_{\boldsymbol{x}}$, *slanted* and **bold** `code`, a\_name, "
        r"5 \$ and 2 \< 3."
    ) in text(full)


def test_equations_have_their_numbers_and_references_name_them(full):
    assert "$$\n\\lVert \\boldsymbol{x} \\rVert^2 = 1 \\tag{1.1}\n$$" in text(full)
    assert "By Eq. (1.1)." in text(full)


def test_boxes_are_quotations_with_titles_and_formulas_on_one_line(full):
    assert (
        "> **Theorem 1.1 (Of norms)**\n>\n> If $\\boldsymbol{x}$ is given, then\n>\n"
        "> $$ \\lVert \\boldsymbol{x} \\rVert \\ge 0 . \\tag{1.2} $$"
    ) in text(full)
    assert "> Proof. By Eq. (1.1)." in text(full)
    assert "> **Note**\n>\n> Take note." in text(full)
    assert "> **What it costs**\n>\n> - **CPU:** nothing\n> - **GPU:** none" in text(full)
    assert "> **Where from**\n>\n> From here." in text(full)


def test_pictures_are_attached_as_png_with_number_and_caption(full):
    (cell,) = [cell for cell in full.cells if cell.get("attachments")]
    assert list(cell.attachments) == ["drawing.png"]
    assert list(cell.attachments["drawing.png"]) == ["image/png"]
    expected = "![A red box](attachment:drawing.png)\n\n**Fig. 1.1.** The drawing of Bayes [1763]."
    assert expected in cell.source


def test_tables_have_captions_aligned_numbers_and_no_stray_bars(full):
    assert (
        "**Table 1.1.** Of numbers\n\n| Name | dB |\n| :-- | --: |\n"
        "| $p(a\\vert b)$, `a\\|b` | 3.5 |\n| ours | – |"
    ) in text(full)


def test_lists_keep_what_is_inside_their_items(full):
    assert (
        "1. One\n\n   - inner\n\n2. Two, in two paragraphs\n\n   $$ a = \\boldsymbol{x} $$"
    ) in text(full)


def test_figures_of_code_have_their_captions_below(full):
    drawn = next(i for i, cell in enumerate(full.cells) if cell.id == "drawn")
    assert full.cells[drawn + 1].source.startswith("**Fig. 1.2.** A dot.\n\nFig. 1.2 and Fig. 1.1")
    (output,) = full.cells[drawn].outputs
    assert "image/png" in output.data
    assert output.metadata["image/png"]["alt"] == "a dot"


def test_hidden_code_is_folded_and_shown_code_is_not(full):
    hidden, drawn, _ = code(full)
    assert hidden.metadata == {"jupyter": {"source_hidden": True}, "cellView": "form"}
    assert drawn.metadata == {}


def test_outputs_are_those_of_the_build(full):
    assert code(full)[0].outputs[0].text == "printed\n"


def test_the_definitions_of_macros_are_left_out(full):
    assert "newcommand" not in text(full)


def test_works_are_cited_by_name_and_listed_at_the_end(full):
    assert full.cells[-1].source == "## References\n\n- Thomas Bayes. An Essay. Dodsley, 1763."


def test_what_an_exercise_takes_is_a_line_of_its_own(full):
    assert "*Difficulty 1*  \n A question." in text(full)


def test_links_lead_to_notebooks_of_the_edition_and_to_the_web(toy):
    assert (
        "From [Eq. (1.1)](one.ipynb), [Fig. 1.1](one.ipynb), [Theorem 1.1](one.ipynb), "
        "[the first](one.ipynb), A place and [elsewhere](https://example.org/), "
        "as [Bayes, 1763] says."
    ) in text(read(toy, "full", "two"))


def test_packages_beside_the_chapters_can_be_imported_in_every_edition(toy):
    assert all((toy / name / "beside" / "__init__.py").exists() for name in EDITIONS)
    assert sorted(path.name for path in toy.iterdir()) == sorted(EDITIONS)


def test_an_interactive_figure_is_kept_as_a_picture():
    page = (
        '<figure class="vbl-explore" id="a">\n<img src="data:," alt="cat">\n<div>slider</div>\n'
        '<figcaption>A cat.</figcaption>\n</figure>\n<script>const a = "<img b>"</script>'
    )
    (output,) = plain_outputs([nbformat.v4.new_output("display_data", {"text/html": page})], {})
    assert output.data["text/html"] == '<img src="data:," alt="cat"><p>A cat.</p>'


def test_printed_markdown_has_no_macros_and_no_links_to_pages():
    data = {"text/markdown": r"See [the data](data.md): $\half$, [there](https://example.org)"}
    (output,) = plain_outputs([nbformat.v4.new_output("display_data", data)], {"half": "1/2"})
    expected = "See the data: $1/2$, [there](https://example.org)"
    assert output.data["text/markdown"] == expected


# Editions


def test_solutions_of_the_full_edition_are_folded(full):
    folded = [c.id for c in full.cells if c.metadata.get("jp-MarkdownHeadingCollapsed")]
    sources = {cell.id: cell.source for cell in full.cells}
    assert [sources[name] for name in folded] == ["#### Solution", "#### Solution"]
    assert full.metadata["colab"]["collapsed_sections"] == folded
    assert "pangolin" in text(full)
    assert "wombat" in code(full)[-1].source


def test_what_would_fold_more_than_itself_stays_open(full):
    title = next(i for i, c in enumerate(full.cells) if c.source == "#### Answers to the quiz")
    assert full.cells[title + 2].source == "After it."
    assert not full.cells[title].metadata


def test_students_get_a_cell_for_each_answer_and_nothing_of_the_solutions(toy):
    student = read(toy, "student", "one")
    words, number = [c for c in student.cells if c.metadata.get("tags") == ["answer"]]
    assert (words.cell_type, words.source) == ("markdown", "*Your answer here.*")
    assert (number.cell_type, number.source) == ("code", "# Your answer here.\n")
    everything = (toy / "student" / "one.ipynb").read_text("utf-8")
    assert not re.search("pangolin|wombat|marmot|Solution", everything)
    assert not any(cell.outputs or cell.execution_count for cell in code(student))


def test_the_instructors_solutions_are_open_and_marked(toy):
    notebook = read(toy, "instructor", "one")
    marked = [c for c in notebook.cells if "solution" in c.metadata.get("tags", [])]
    assert [cell.cell_type for cell in marked] == ["markdown"] * 4 + ["code", "markdown"]
    grades = [cell.metadata["nbgrader"] for cell in marked if "nbgrader" in cell.metadata]
    assert [(grade["grade_id"], grade["points"]) for grade in grades] == [
        ("ex-words-1", 1),
        ("ex-code-1", 1),
        ("ex-code-2", 0),
        ("ex-code-3", 0),
    ]
    assert not any("jp-MarkdownHeadingCollapsed" in cell.metadata for cell in notebook.cells)


def test_editions_differ_in_solutions_and_answers_alone(toy):
    def sources(edition, without=""):
        cells = read(toy, edition, "one").cells
        return [c.source for c in cells if without not in c.metadata.get("tags", [])]

    assert sources("full") == sources("instructor")
    assert sources("student", without="answer") == sources("instructor", without="solution")


def test_a_book_with_an_address_installs_the_library_and_links_to_its_pages(tmp_path):
    write_chapters(tmp_path, "address")
    out = run_sphinx(tmp_path, "notebooks", **os.environ)
    for name in EDITIONS:
        first = read(out, name, "one").cells[0]
        assert '%pip install --quiet "vbl @ git+https://code.example/book@main"' in first.source
    assert "[A place](https://book.example/prose.html#a-place)" in text(read(out, "full", "two"))


def test_without_an_address_nothing_is_installed(full):
    assert "pip" not in "".join(cell.source for cell in full.cells)


def test_a_book_without_solutions_has_no_trace_of_them(tmp_path):
    write_chapters(tmp_path)
    environment = {**os.environ, "VBL_SOLUTIONS": "no"}
    notebooks = run_sphinx(tmp_path, "notebooks", **environment)
    assert sorted(path.name for path in notebooks.iterdir()) == ["full", "student"]
    assert not files_with("pangolin|wombat|marmot", notebooks)
    assert "Compute it." in text(read(notebooks, "full", "one"))
    student = read(notebooks, "student", "one")
    kinds = [c.cell_type for c in student.cells if c.metadata.get("tags") == ["answer"]]
    assert kinds == ["markdown", "code"]


@pytest.mark.parametrize(
    "solution",
    [
        "```{solution-start} ex\n:class: dropdown\n```\nA\n```\nB\n```\n\n```{solution-end}\n```\n",
        ":::{solution} ex\nA\n```\ncode\n```\n:::\n",
    ],
    ids=["gated", "in one piece"],
)
def test_the_source_of_a_page_loses_its_solutions_and_nothing_else(solution):
    page = "# Page\n\n{}```{{note}}\nB\n```\n{}C\n"
    assert without_solutions(page.format(solution, solution)) == page.format("", "")


def test_sources_of_modules_with_answers_are_hidden_only_without_solutions():
    def shown(module, solutions):
        app = SimpleNamespace(config=SimpleNamespace(vbl_solutions=solutions))
        return hide_answers(app, f"vbl.evaluation.{module}")

    assert shown("exercises.chapter_1", False) == ("", {})
    assert shown("exercises.chapter_1", True) is None
    assert shown("exercises.answers", False) is None


@pytest.mark.slow
def test_the_build_serves_full_notebooks_and_leaves_solutions_out_when_told_to(tmp_path):
    def build_book(solutions):
        with start_build(tmp_path, "--solutions", solutions) as process:
            printed = process.stdout.read()
        assert process.returncode == 0, printed
        return printed

    write_book(tmp_path, one=[])
    chapter, built = tmp_path / "book" / "one.ipynb", tmp_path / "_build"
    nbformat.write(new_notebook(cells=[TITLE, *EXERCISES], metadata=KERNEL), chapter)
    exam = "# Welcome\n\n:::{exercise}\n:label: exam\nSay it.\n:::\n"
    solved = ":::{solution} exam\nA marmot.\n:::\n"
    (tmp_path / "book" / "index.md").write_text(exam + solved)
    assert "Making the notebooks" in build_book("yes")
    assert files_with("wombat", built / "html", built / "notebooks" / "instructor")
    served, full = built / "html" / "_sources" / "one.ipynb", built / "notebooks" / "full"
    assert served.read_bytes() == (full / "one.ipynb").read_bytes()
    assert "Making the notebooks" not in build_book("yes")  # nothing has changed
    build_book("no")
    assert not files_with("pangolin|wombat|marmot", built / "html", built / "notebooks")
    assert files_with("Compute it", built / "html", full)
    assert (built / "html" / "_sources" / "index.md").read_text("utf-8") == exam
    assert served.read_bytes() == (full / "one.ipynb").read_bytes()


# The archive


def test_the_archive_links_pages_and_notebooks_and_packs_each_once(monkeypatch, tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    chapter = nbformat.writes(new_notebook(cells=[new_markdown_cell("# 1. A & B\n\nText.")]))
    for edition in EDITIONS:
        write(f"notebooks/{edition}/one.ipynb", chapter)
    write("notebooks/full/beside/__init__.py", "")
    write("html/_sources/one.ipynb", chapter)
    write("html/_sources/prose.md", "# Prose")
    write("html/one.html", '<a href="_sources/one.ipynb">Download</a>')
    monkeypatch.setattr(bundle, "BUILD", tmp_path)
    with zipfile.ZipFile(bundle.pack("The <book>")) as archive:
        packed = {name: archive.read(name).decode() for name in archive.namelist()}
    assert sorted(packed) == [
        "book/index.html",
        "book/notebooks/full/beside/__init__.py",
        "book/notebooks/full/one.ipynb",
        "book/notebooks/student/one.ipynb",
        "book/pages/_sources/prose.md",
        "book/pages/one.html",
    ]
    assert packed["book/pages/one.html"] == '<a href="../notebooks/full/one.ipynb">Download</a>'
    front = packed["book/index.html"]
    assert "<title>The &lt;book&gt;</title>" in front
    assert '<a href="notebooks/student/one.ipynb">1. A &amp; B</a>' in front
    assert not re.search("script|https?:", front)


def test_an_archive_of_a_book_that_is_not_built_is_refused_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(bundle, "BUILD", tmp_path)
    with pytest.raises(SystemExit, match=r"holds no finished book: run `make book` first$"):
        bundle.main()


# The book that is built


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=NAMES)
def built(request):
    """A notebook of the built book, and its path."""
    return nbformat.read(request.param, as_version=4), request.param


def test_a_built_notebook_is_valid(built):
    nbformat.validate(built[0])


def test_a_built_notebook_is_plain_markdown(built):
    groups = yaml.safe_load((ROOT / "book" / "notation.yml").read_text("utf-8"))["groups"]
    macros = {symbol["macro"] for group in groups for symbol in group["symbols"]}
    outputs = [output.get("data", {}).get("text/markdown", "")
               for cell in code(built[0]) for output in cell.outputs]  # fmt: skip
    for said in [text(built[0]), *outputs]:
        assert not REMNANTS.findall(said)
        assert not macros & set(re.findall(r"\\([A-Za-z]+)", said))


def test_links_and_pictures_of_a_built_notebook_are_there(built):
    notebook, path = built
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for picture, address in LINK.findall(re.sub(r"\$[^$]*\$|`[^`]*`", "", cell.source)):
                if address.startswith("attachment:"):
                    assert address.removeprefix("attachment:") in cell.attachments
                elif "://" not in address:
                    assert not picture
                    assert (path.parent / unquote(address)).is_file(), address


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_editions_of_a_built_chapter_have_the_same_code(path):
    full, student, instructor = (
        read(BUILT, name, path.stem) if (BUILT / name).exists() else None for name in EDITIONS
    )
    if instructor:
        assert [c.source for c in code(full)] == [c.source for c in code(instructor)]
    given = [c.source for c in code(student) if c.metadata.get("tags") != ["answer"]]
    everything = iter(c.source for c in code(full))
    assert all(source in everything for source in given)  # in this order


def test_the_download_buttons_give_the_full_edition():
    for path in BUILT.glob("full/*.ipynb"):
        served = BUILT.parent / "html" / "_sources" / path.name
        assert served.read_bytes() == path.read_bytes()


def run_in(folder, cells, notebook):
    """Run cells from top to bottom in a fresh kernel that works in an empty folder."""
    notebook.cells = cells
    NotebookClient(notebook, timeout=3600, resources={"metadata": {"path": str(folder)}}).execute()


# A chapter takes a minute or more, and the build has executed all of them already.
SHORT, LONG = (
    [pytest.param(path, id=path.stem, marks=mark) for path in part]
    for part, mark in ((CHAPTERS[:1], pytest.mark.slow), (CHAPTERS[1:], pytest.mark.minutes))
)


@pytest.mark.parametrize("path", SHORT + LONG)
def test_a_chapter_runs_from_top_to_bottom_in_an_empty_folder(path, tmp_path):
    full, student = read(BUILT, "full", path.stem), read(BUILT, "student", path.stem)
    gap = next(i for i, c in enumerate(student.cells) if c.metadata.get("tags") == ["answer"])
    before = [c.source for c in student.cells[:gap] if c.cell_type == "code"]
    # what students run up to their first answer, and instructors altogether, is part of this
    assert before == [c.source for c in code(full)][: len(before)]
    run_in(tmp_path, full.cells, full)
