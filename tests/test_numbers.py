"""The roles ``num`` and ``out``: what an expression means, and that every number is there."""

import json
import re
import subprocess
import sys

import nbformat
import pytest
import vbl_numbers
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from test_plain_numbers import PAGES, texts
from toy_books import KERNEL, ROOT
from vbl_notebooks.outputs import plain_outputs
from vbl_numbers import NoSuchNumber, evaluate

from vbl.figures import quote

STUDY = {
    "rows": [
        {"variation": "p 1e-4, long", "seed": 0, "scores": {"case 1": 30.0, "0.5": 1.5}},
        {"variation": "p 1e-4, long", "seed": 1, "scores": {"case 1": 32.0, "0.5": 2.5}},
        {"variation": "short", "seed": 0, "scores": {"case 1": 28.0, "0.5": 0.1}},
        {"variation": "short", "seed": 1, "scores": {"case 1": 28.5, "0.5": 0.1}},
    ],
    "steps": 22000,
    "share": 0.27,
    "kernels": {"kernel 1, mse": 1e-5, "kernel 2, mse": 3e-5, "psnr": 20.0},
}
PAPER = (
    "table,method,dataset,case,metric,value\n"
    "t,BM3D,Set5,sigma=15,PSNR,27.50\n"
    "t,BM3D,Set5,sigma=25,PSNR,25.50\n"
    "t,CNN + L,Set5,sigma=25,PSNR,26.00\n"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with a result and a paper's table."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("results", "papers"):
        (folder / name).mkdir()
    (folder / "results" / "study.json").write_text(json.dumps(STUDY))
    (folder / "papers" / "a_table1.csv").write_text(PAPER)
    return folder


@pytest.mark.parametrize(
    ("text", "printed"),
    {
        "study:steps:,d": "22,000",
        "study:share:.0%": "27\N{NO-BREAK SPACE}%",
        "study:short.case 1:.2f": "28.25",
        "study:p 1e-4, long.0.5:.1f": "2.0",
        "study:rows.p 1e-4, long.seed=1.scores.case 1:.0f": "32",
        "study:p 1e-4, long.case 1 - short.case 1:+.2f": "+2.75",
        "study:short.case 1 - p 1e-4, long.case 1:.2f": "\N{MINUS SIGN}2.75",
        "sd(study:p 1e-4, long.case 1):.3f": "1.414",
        "max(study:p 1e-4, long.case 1 - short.case 1):.1f": "3.5",
        "max(study:rows.case 1) - min(rows.case 1):.1f": "4.0",
        "count(study:rows.0.5):d": "4",
        "study:steps / 1000:.0f": "22",
        "study:kernels.kernel [12], mse:.1e": "2.0e-05",
        "a_table1:BM3D.sigma=15.PSNR:.2f": "27.50",
        "a_table1:CNN*.PSNR - BM3D.sigma=25.PSNR:.1f": "0.5",
        "a_table1:BM3D.sigma=15 - study:short.case 1:.2f": "\N{MINUS SIGN}0.75",
    }.items(),
)
def test_the_grammar(text, printed, data, monkeypatch):
    monkeypatch.setattr(vbl_numbers, "DATA", data)
    assert evaluate(text)[0] == printed


@pytest.mark.parametrize(
    ("text", "complaint"),
    {
        "nothing:here:.2f": "no file 'nothing'",
        "study:medium.case 1:.2f": "study.json, 'medium.case 1': nothing is called 'medium.case 1'",
        "study:short.case 2:.2f": "nothing is called 'case 2'",
        "study:short.seed=0:.2f": "does not end at numbers",
        "study:short.case 1": "does not end with a colon and a format",
        "short.case 1:.2f": "name of a file",
    }.items(),
)
def test_what_is_not_there_is_said(text, complaint, data, monkeypatch):
    monkeypatch.setattr(vbl_numbers, "DATA", data)
    with pytest.raises(NoSuchNumber, match=re.escape(complaint)):
        evaluate(text)


@pytest.mark.parametrize("path", [path for path in PAGES if path.name != "README.md"], ids=str)
def test_every_number_of_the_book_exists(path):
    said = "\n".join(texts(path).values())
    for text in re.findall(r"\{num\}`([^`]*)`", said):
        evaluate(text)
    code = path.read_text("utf-8").partition("quote(")[2]
    for name in re.findall(r"\{out\}`([^`:]*):", said):
        stem = name.rstrip("0123456789")  # a cell may make several names in a loop
        assert f"{name}=" in code or f"{stem}{{" in code, f"{name} is not quoted"


CONFIG = """
import sys

sys.path.insert(0, "EXTENSIONS")
extensions = ["myst_nb", "vbl_numbers"]
exclude_patterns = ["_build"]
nb_execution_mode = "off"
"""


def quoted(monkeypatch, **numbers):
    """Return the outputs that a notebook keeps of quoting numbers."""
    outputs = []

    def display(data, *, metadata, raw):
        assert raw
        outputs.append(nbformat.v4.new_output("display_data", data, metadata=metadata))

    monkeypatch.setattr(sys.modules["vbl.figures.quote"], "display", display)
    quote(**numbers)
    return outputs


def build(folder, outputs, text):
    """Build a page with a cell that has some outputs, and some text; return the process."""
    config = CONFIG.replace("EXTENSIONS", (ROOT / "book" / "_ext").as_posix())
    (folder / "conf.py").write_text(config)
    cells = [
        new_markdown_cell("# A page"),
        new_code_cell("quote(...)", outputs=outputs),
        new_markdown_cell(text),
    ]
    nbformat.write(new_notebook(cells=cells, metadata=KERNEL), folder / "index.ipynb")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", str(folder)]
    return subprocess.run([*command, str(folder / "_build")], capture_output=True, text=True)


def test_a_page_prints_what_its_cells_quote_and_what_was_measured(tmp_path, monkeypatch):
    text = "{out}`gain:.2f`, {num}`index:resunet.steps:,d`, {num}`index:resunet.steps:.1e`"
    done = build(tmp_path, quoted(monkeypatch, gain=0.249), text)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "_build" / "index.html").read_text("utf-8")
    assert '<span class="vbl-number">0.25</span>' in page
    assert '<span class="vbl-number">22,000</span>' in page
    assert r"2.2 \cdot 10^{4}" in page
    assert "papermill" not in page


def test_what_does_not_exist_fails_the_build(tmp_path):
    done = build(tmp_path, [], "{out}`loss:.2f`, {num}`index:nobody.steps:d`")
    assert done.returncode != 0
    assert "{out} 'loss:.2f'" in done.stderr
    assert "{num} 'index:nobody.steps:d'" in done.stderr
    assert "nothing is called 'nobody.steps'" in done.stderr


def test_plain_notebooks_do_not_keep_what_the_text_quotes(monkeypatch):
    shown = nbformat.v4.new_output("stream", text="shown\n")
    assert plain_outputs([*quoted(monkeypatch, gain=0.2), shown], {}) == [shown]
